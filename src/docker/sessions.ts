/** What the engine's labels say about sessions. */
import type Dockerode from 'dockerode';
import type { Owner, SessionId, SessionState } from '../backend.ts';
import { LABEL, sessionOf } from './labels.ts';
import { ownerState } from './owner.ts';

type Part = SessionState['containers'][number];

/** Every session that has a container, network or volume left, oldest first. */
export async function readSessions(docker: Dockerode, me: Owner): Promise<SessionState[]> {
  const filters = { label: [LABEL.session] };
  const [containers, networks, volumes] = await Promise.all([
    docker.listContainers({ all: true, filters }),
    docker.listNetworks({ filters }),
    docker.listVolumes({ filters }),
  ]);
  const found = new Map<string, { session: SessionId; parts: Part[] }>();
  const note = (labels: Record<string, string> | undefined, part?: Part): void => {
    const session = sessionOf(labels ?? {});
    if (session === undefined) return;
    const key = JSON.stringify(session);
    const entry = found.get(key) ?? { session, parts: [] };
    if (part !== undefined) entry.parts.push(part);
    found.set(key, entry);
  };
  for (const { Labels, Names, State } of containers) {
    const name = (Names[0] ?? '').replace(/^\//, '');
    note(Labels, { name, role: Labels[LABEL.role] ?? '', running: State === 'running' });
  }
  for (const { Labels } of networks) note(Labels);
  for (const { Labels } of volumes.Volumes ?? []) note(Labels);
  return [...found.values()]
    .map(({ session, parts }) => ({ session, state: stateOf(session, parts, me), containers: parts }))
    .toSorted((a, b) => a.session.started.localeCompare(b.session.started));
}

/** A session whose sidecar runs is alive, whatever became of its owner: the sidecar ends when its owner is gone. */
function stateOf(session: SessionId, parts: readonly Part[], me: Owner): SessionState['state'] {
  if (parts.some(({ role, running }) => role === 'bump' && running)) return 'running';
  const owner = ownerState(session.owner, me);
  return owner === 'alive' ? 'starting' : owner;
}
