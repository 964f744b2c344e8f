/** What every command that uses the engine does first: sessions whose owner is gone are recorded and removed. */
import type { Backend, SessionState } from '../backend.ts';
import { collect } from '../collect.ts';
import type { Deps } from './deps.ts';

/** @returns the sessions that are left */
export async function reap(backend: Backend, deps: Pick<Deps, 'history' | 'now'>): Promise<SessionState[]> {
  const sessions = await backend.sessions();
  const dead = sessions.filter(({ state }) => state === 'dead');
  await Promise.all(dead.map(({ session }) => bury(session, backend, deps)));
  return sessions.filter(({ state }) => state !== 'dead');
}

/** Keeps a session's records, then removes all that is left of it. */
export async function bury(
  session: SessionState['session'],
  backend: Backend,
  deps: Pick<Deps, 'history' | 'now'>,
): Promise<void> {
  deps.history.save(session, await collect((role) => backend.find(session.slug, role)));
  await backend.sweep(session);
}
