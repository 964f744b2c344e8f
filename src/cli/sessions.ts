/** The commands about sessions: `ls`, `logs`, `records`, `stop`, `clean`. */
import { setTimeout as delay } from 'node:timers/promises';
import type { JournalLine, Outcome } from '../../contracts/exchange.ts';
import type { Backend, SessionState } from '../backend.ts';
import { collect } from '../collect.ts';
import { visible } from '../describe.ts';
import { UsageError } from '../errors.ts';
import { LOGGED_ROLES, type LoggedRole, type SessionRecord } from '../history.ts';
import { readJournal } from '../journal.ts';
import type { Deps } from './deps.ts';
import { bury, reap } from './reap.ts';

export async function ls(options: { format: 'text' | 'json' }, deps: Deps): Promise<number> {
  const sessions = await reap(await deps.backend(), deps);
  if (options.format === 'json') {
    const rows = sessions.map(({ session, state, containers }) => ({
      slug: session.slug,
      state,
      started: session.started,
      pid: session.owner.pid,
      containers,
    }));
    deps.io.print(`${JSON.stringify(rows, null, 2)}\n`);
    return 0;
  }
  for (const { session, state, containers } of sessions) {
    const running = containers.filter((container) => container.running).map(({ role }) => role);
    deps.io.print(`${session.slug}\t${state}\t${session.started}\t${running.join(',') || '-'}\n`);
  }
  return 0;
}

export async function logs(slug: string, role: LoggedRole | undefined, deps: Deps): Promise<number> {
  const record = await recordOf(slug, deps);
  for (const name of role ? [role] : LOGGED_ROLES) {
    for (const line of record.logs[name]) deps.io.print(role ? `${line}\n` : `${name} | ${line}\n`);
  }
  return 0;
}

export async function records(slug: string, options: { format: 'text' | 'json' }, deps: Deps): Promise<number> {
  const lines = readJournal((await recordOf(slug, deps)).journal);
  if (options.format === 'json') deps.io.print(`${JSON.stringify(lines, null, 2)}\n`);
  else for (const line of lines) deps.io.print(`${visible(describeLine(line))}\n`);
  return 0;
}

/** Ends the agent (10 s, then by force) and removes all that is left of the session. */
export async function stop(slug: string, deps: Deps): Promise<number> {
  const backend = await deps.backend();
  const found = (await reap(backend, deps)).find(({ session }) => session.slug === slug);
  if (!found) throw noSuchSession(slug);
  if (found.state === 'foreign')
    throw new UsageError(`${slug} belongs to another machine or pid namespace: stop it there`);
  await stopAgent(backend, slug);
  await settled(backend, found, deps);
  return 0;
}

export async function clean(options: { homes?: boolean }, deps: Deps): Promise<number> {
  const backend = await deps.backend();
  const left = await reap(backend, deps);
  deps.history.prune(deps.now());
  for (const { session } of left) deps.io.say(`left alone: ${session.slug}, which runs (bottle stop ${session.slug})`);
  if (!options.homes) return 0;
  for (const home of await backend.homes()) {
    await backend.removeHome(home);
    deps.io.say(`removed ${home}`);
  }
  return 0;
}

const GRACE_MS = 10_000;
const TEARDOWN_MS = 5_000;
const POLL_MS = 200;

async function stopAgent(backend: Backend, slug: string): Promise<void> {
  const agent = await backend.find(slug, 'agent');
  if (!agent || !(await agent.running())) return;
  const ended = agent.wait();
  await agent.kill('SIGTERM');
  const inTime = await Promise.race([ended.then(() => true), delay(GRACE_MS, false, { ref: false })]);
  if (!inTime) await agent.kill('SIGKILL');
}

/** Its launcher tears down by itself when the agent has ended; what is left after a while is recorded and removed here. */
async function settled(backend: Backend, { session }: SessionState, deps: Deps): Promise<void> {
  for (let waited = 0; waited < TEARDOWN_MS; waited += POLL_MS) {
    if (!(await backend.sessions()).some((left) => left.session.slug === session.slug)) return;
    await delay(POLL_MS);
  }
  await bury(session, backend, deps);
}

async function recordOf(slug: string, deps: Deps): Promise<SessionRecord> {
  const backend = await deps.backend();
  const running = (await reap(backend, deps)).some(({ session }) => session.slug === slug);
  if (running) return collect((role) => backend.find(slug, role));
  const kept = deps.history.find(slug);
  if (!kept) throw noSuchSession(slug);
  return kept;
}

function noSuchSession(slug: string): UsageError {
  return new UsageError(`no session is called ${slug}: "bottle ls" lists those that run`);
}

function describeLine(line: JournalLine): string {
  const place = `${line.host}:${line.port}`;
  switch (line.event) {
    case 'admitted':
      return `${line.at}  ${line.id}  sent      ${line.method} ${line.scheme}://${place}${line.path} (${line.body_bytes} bytes of body)`;
    case 'closed':
      return `${line.at}  ${line.id}  ${line.outcome.kind.padEnd(9)} ${line.method} ${line.scheme}://${place}: ${describeOutcome(line.outcome)}, ${line.sent_bytes} bytes out, ${line.received_bytes} in, ${Math.round(line.duration_ms)} ms`;
    case 'repeated':
      return `${line.at}  ${line.outcome.kind} ${line.count} times more: ${place}: ${describeOutcome(line.outcome)}`;
  }
}

function describeOutcome(outcome: Outcome): string {
  switch (outcome.kind) {
    case 'forwarded':
      return `status ${outcome.status}`;
    case 'passed':
      return 'relayed unopened, not scanned';
    case 'denied':
      return outcome.rule;
    case 'blocked':
      return outcome.finding;
    case 'refused':
      return outcome.reason;
    case 'failed':
      return `${outcome.stage}: ${outcome.cause}`;
  }
}
