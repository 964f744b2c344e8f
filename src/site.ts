/** Where a launch builds: whatever is made here is owned from the moment that it exists, and a failure carries the name of what it was to become. */
import { debuglog } from 'node:util';
import type { ContainerSpec, ImageSpec, NetworkSpec, VolumeSpec } from '../contracts/plan.ts';
import type { Backend, Bound, Container, Image, Network, Progress, SessionId, Volume } from './backend.ts';
import { BottleError, LaunchError } from './errors.ts';
import { Together } from './together.ts';

const debug = debuglog('bottle-launch');

export interface Site {
  readonly backend: Backend;
  readonly session: SessionId;
  /** True if the caller has a terminal. */
  readonly terminal: boolean;
  /** Slow steps. */
  readonly progress: Progress;
  /** Aborted by the first failure. */
  readonly failed: AbortController;
  readonly signal: AbortSignal;
  /** Networks and volumes: disposed after the containers that use them. */
  readonly grounds: Together;
  readonly containers: Together;
}

/** All that is made on it is disposed of with `owned`. */
export function openSite(
  backend: Backend,
  { session, terminal, progress }: Pick<Site, 'session' | 'terminal' | 'progress'>,
  cancel: AbortSignal,
  owned: AsyncDisposableStack,
): Site {
  const failed = new AbortController();
  return {
    backend,
    session,
    terminal,
    progress,
    failed,
    signal: AbortSignal.any([cancel, failed.signal]),
    grounds: owned.use(new Together()),
    containers: owned.use(new Together()),
  };
}

export async function makeImage({ backend, progress, signal }: Site, spec: ImageSpec, what: string): Promise<Image> {
  return stage(what, undefined, () => backend.ensureImage(spec, progress, signal));
}

export async function makeNetwork({ backend, session, signal, grounds }: Site, spec: NetworkSpec): Promise<Network> {
  return grounds.use(await stage(spec.name, undefined, () => backend.createNetwork(spec, session, signal)));
}

export async function makeVolume({ backend, session, signal, grounds }: Site, spec: VolumeSpec): Promise<Volume> {
  return grounds.use(await stage(spec.name, undefined, () => backend.createVolume(spec, session, signal)));
}

export async function makeContainer(
  { backend, session, terminal, signal, containers }: Site,
  spec: Bound<ContainerSpec>,
): Promise<Container> {
  const settled: Bound<ContainerSpec> = { ...spec, terminal: terminal ? spec.terminal : 'none' };
  return containers.use(await stage(spec.name, undefined, () => backend.createContainer(settled, session, signal)));
}

/** Runs a container to its end. `prepare` has it before it starts. @throws LaunchError unless its status is 0 */
export async function runOnce(
  site: Site,
  spec: Bound<ContainerSpec>,
  prepare?: (container: Container) => Promise<void>,
): Promise<void> {
  const container = await makeContainer(site, spec);
  await stage(spec.name, container, async () => {
    await prepare?.(container);
    const ended = container.wait();
    ended.catch(() => {}); // it is waited for below; if the start itself fails, that is what is said
    await container.start(site.signal);
    const status = await ended;
    if (status !== 0) throw new LaunchError(spec.name, `ended with status ${status}`);
  });
}

/** Names the stage of whatever fails in it, with the last lines of the container's log. */
export async function stage<T>(name: string, container: Container | undefined, work: () => Promise<T>): Promise<T> {
  const began = performance.now();
  try {
    const result = await work();
    debug('%s: %d ms, from %d', name, Math.round(performance.now() - began), Math.round(began));
    return result;
  } catch (error) {
    if (error instanceof BottleError && !container) throw error;
    const log = container
      ? await container.logs(10).catch((problem: unknown) => [`(its log cannot be read: ${String(problem)})`])
      : [];
    throw new LaunchError(name, error instanceof Error ? error.message : String(error), log, { cause: error });
  }
}

/** Waits for all, also when one has failed: nothing may come into being after the teardown has begun. The first failure stops the others. */
export async function all<T extends readonly unknown[]>(
  site: Site,
  work: { [K in keyof T]: Promise<T[K]> },
): Promise<T>;
export async function all<T extends Record<string, unknown>>(
  site: Site,
  work: { [K in keyof T]: Promise<T[K]> },
): Promise<T>;
export async function all(
  { failed }: Site,
  work: Record<string, Promise<unknown>> | readonly Promise<unknown>[],
): Promise<unknown> {
  let first: { error: unknown } | undefined;
  const watched = Object.values(work).map((promise) =>
    promise.catch((error: unknown) => {
      first ??= { error };
      failed.abort(error);
    }),
  );
  const results = await Promise.all(watched);
  if (first) throw first.error;
  return Array.isArray(work)
    ? results
    : Object.fromEntries(Object.keys(work).map((key, index) => [key, results[index]]));
}
