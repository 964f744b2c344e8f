/** What outlives a session: its journal and last log lines, in the user's state folder. */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The containers of a session that have a log worth keeping. */
export const LOGGED_ROLES = ['bump', 'scanner', 'gate'] as const;
export type LoggedRole = (typeof LOGGED_ROLES)[number];

/** What is kept of a session. */
export interface SessionRecord {
  /** Lines of JSON, see `journalLineSchema`. */
  readonly journal: string;
  readonly logs: Readonly<Record<LoggedRole, readonly string[]>>;
}

const KEEP_MS = 30 * 24 * 3_600_000;
const KEEP_BYTES = 1024 ** 3;

export interface History {
  /** Replaces what was kept of the same session before, but not by nothing: its containers may be gone since. */
  save(session: { slug: string; started: string }, record: SessionRecord): void;
  /** The latest session of that name that has ended, or undefined. */
  find(slug: string): SessionRecord | undefined;
  /** Removes what is over 30 days old, and the oldest beyond 1 GiB. */
  prune(now: Date): void;
}

/** The folder for a user's records, as the XDG base directory specification places it. */
export function stateFolder(env: Readonly<Record<string, string | undefined>>, home: string): string {
  const base = env['XDG_STATE_HOME'];
  return join(base?.startsWith('/') ? base : join(home, '.local/state'), 'bottle');
}

export function historyIn(state: string): History {
  const folder = join(state, 'sessions');
  return {
    save({ slug, started }, record) {
      const target = join(folder, entryName(slug, started));
      const { journal, logs } = merge(read(target), record);
      const fresh = `${target}.new`;
      rmSync(fresh, { recursive: true, force: true });
      mkdirSync(fresh, { recursive: true, mode: 0o700 });
      writeFileSync(join(fresh, 'journal.ndjson'), journal, { mode: 0o600 });
      for (const role of LOGGED_ROLES)
        writeFileSync(join(fresh, `${role}.log`), logs[role].map((line) => `${line}\n`).join(''), { mode: 0o600 });
      rmSync(target, { recursive: true, force: true });
      renameSync(fresh, target);
    },
    find(slug) {
      const latest = entries(folder).findLast((entry) => entry.slug === slug);
      if (!latest) return undefined;
      return read(join(folder, latest.name));
    },
    prune(now) {
      let bytes = 0;
      for (const { name, started } of entries(folder).reverse()) {
        const path = join(folder, name);
        bytes += readdirSync(path).reduce((sum, file) => sum + statSync(join(path, file)).size, 0);
        if (now.getTime() - started.getTime() > KEEP_MS || bytes > KEEP_BYTES)
          rmSync(path, { recursive: true, force: true });
      }
    },
  };
}

function read(entry: string): SessionRecord | undefined {
  if (!existsSync(entry)) return undefined;
  const text = (file: string) => readFileSync(join(entry, file), 'utf8');
  const lines = (role: LoggedRole) => text(`${role}.log`).split('\n').slice(0, -1);
  return {
    journal: text('journal.ndjson'),
    logs: { bump: lines('bump'), scanner: lines('scanner'), gate: lines('gate') },
  };
}

function merge(former: SessionRecord | undefined, record: SessionRecord): SessionRecord {
  if (!former) return record;
  const lines = (role: LoggedRole) => (record.logs[role].length > 0 ? record.logs[role] : former.logs[role]);
  return {
    journal: record.journal === '' ? former.journal : record.journal,
    logs: { bump: lines('bump'), scanner: lines('scanner'), gate: lines('gate') },
  };
}

/** `20260102T030405678Z-slug`: sorts by time. */
function entryName(slug: string, started: string): string {
  return `${started.replaceAll(/[-:.]/g, '')}-${slug}`;
}

/** Oldest first; whatever else lies there is left alone. */
function entries(folder: string): { name: string; slug: string; started: Date }[] {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
  return names.sort().flatMap((name) => {
    const found = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(\d{3})Z-([a-z0-9][a-z0-9-]{0,39})$/.exec(name);
    if (!found) return [];
    const [, year, month, day, hour, minute, second, ms, slug = ''] = found;
    return [{ name, slug, started: new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}.${ms}Z`) }];
  });
}
