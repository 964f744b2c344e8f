/** Every label that is written to the engine, in one list. */
import type { Owner, SessionId } from '../backend.ts';

export const LABEL = {
  /** The session's slug. The sweep removes whatever carries it. */
  session: 'bottle.session',
  /** gate, bump, scanner, agent, route; of a network agent or egress; of a volume journal, scan or home. */
  role: 'bottle.role',
  /** Owner as JSON. */
  owner: 'bottle.owner',
  /** ISO time of the launch. */
  started: 'bottle.started',
  /** A kept home. It has no session, so that no sweep removes it. */
  home: 'bottle.home',
  /** An image of ours: agent, sidecar or base. */
  image: 'bottle.image',
} as const;

export function sessionLabels(session: SessionId, role: string): Record<string, string> {
  return {
    [LABEL.session]: session.slug,
    [LABEL.role]: role,
    [LABEL.owner]: JSON.stringify(session.owner),
    [LABEL.started]: session.started,
  };
}

/** The session that labels name. Of an owner that cannot be read, nothing is known: it counts as another machine's. */
export function sessionOf(labels: Readonly<Record<string, string>>): SessionId | undefined {
  const slug = labels[LABEL.session];
  if (slug === undefined) return undefined;
  return { slug, owner: ownerOf(labels[LABEL.owner]), started: labels[LABEL.started] ?? '' };
}

const UNKNOWN: Owner = { machine_id: '', boot_id: '', pid_namespace: '', pid: 0, start_time: '' };

function ownerOf(text: string | undefined): Owner {
  let value: unknown;
  try {
    value = JSON.parse(text ?? '');
  } catch {
    return UNKNOWN;
  }
  return isOwner(value) ? value : UNKNOWN;
}

function isOwner(value: unknown): value is Owner {
  if (typeof value !== 'object' || value === null) return false;
  const fields = new Map<string, unknown>(Object.entries(value));
  return (
    ['machine_id', 'boot_id', 'pid_namespace', 'start_time'].every((name) => typeof fields.get(name) === 'string') &&
    Number.isSafeInteger(fields.get('pid'))
  );
}
