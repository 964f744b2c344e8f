/** `bottle lock`, and what `start --locked` does before a launch. */
import type { LaunchPlan } from '../../contracts/plan.ts';
import type { Backend } from '../backend.ts';
import { LaunchError, UsageError } from '../errors.ts';
import { differences, type Images, lockFile, lockOf, readLock, writeLock } from '../lock.ts';
import type { LoadedManifest } from '../manifest.ts';
import { planLaunch } from '../plan.ts';
import type { Deps } from './deps.ts';
import { load } from './load.ts';

/** Writes which image each reference of the manifest stands for now. */
export async function lock(file: string | undefined, deps: Deps): Promise<number> {
  const loaded = load(file, deps);
  const path = lockFile(fileOf(loaded));
  const plan = planLaunch(loaded, { slug: 'lock' });
  const found = lockOf(plan, await images(plan, await deps.backend(), deps, new AbortController().signal));
  deps.io.settle();
  writeLock(path, found);
  deps.io.say(`wrote ${path}`);
  for (const [role, { by, reference }] of Object.entries(found.images))
    if (by === 'id')
      deps.io.say(
        `${role}: ${reference} has no digest, because no registry gave it: locked by its id, which holds on this engine only`,
      );
  return 0;
}

/** The plan with every image named by what was checked: what is locked is what runs. @throws LaunchError if one differs */
export async function lockedPlan(
  loaded: LoadedManifest,
  plan: LaunchPlan,
  backend: Backend,
  deps: Deps,
  cancel: AbortSignal,
): Promise<LaunchPlan> {
  const manifest = fileOf(loaded);
  const locked = readLock(lockFile(manifest));
  const found = await images(plan, backend, deps, cancel);
  const differing = differences(locked, lockOf(plan, found));
  if (differing.length > 0)
    throw new LaunchError('lock', `${differing.join('; ')}. If that is meant: bottle lock ${manifest}`);
  const pinned = (role: string) => ({ kind: 'named' as const, reference: found[role]?.id ?? '' });
  return {
    ...plan,
    images: {
      sidecar: pinned('sidecar'),
      agent: pinned('agent'),
      ...(plan.images.scanner ? { scanner: pinned('scanner') } : {}),
    },
  };
}

async function images(plan: LaunchPlan, backend: Backend, deps: Deps, signal: AbortSignal): Promise<Images> {
  const entries = Object.entries(plan.images).map(async ([role, spec]) => {
    return spec ? [[role, await backend.ensureImage(spec, (line) => deps.io.progress(line), signal)] as const] : [];
  });
  return Object.fromEntries((await Promise.all(entries)).flat());
}

/** The manifest that is locked. */
function fileOf({ source }: LoadedManifest): string {
  if (source.kind === 'built-in')
    throw new UsageError('there is no bottle.yaml here: "bottle init" writes one, then lock it');
  return source.path;
}
