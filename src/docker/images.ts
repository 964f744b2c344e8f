/** Images: found, pulled, or built on first use and tagged by content. */
import { createHash } from 'node:crypto';
import type Dockerode from 'dockerode';
import type { ImageSpec } from '../../contracts/plan.ts';
import type { Image, Progress } from '../backend.ts';
import { BackendError } from '../errors.ts';
import { bases, ensureBase } from './base.ts';
import { build } from './build.ts';
import type { Environment } from './connect.ts';
import { failure, statusOf } from './failure.ts';
import { buildContext } from './package.ts';
import { pull } from './pull.ts';

export interface Work {
  readonly progress: Progress;
  readonly signal: AbortSignal;
  readonly env: Environment;
}

/** @throws BackendError if there is no such image and none can be made */
export async function ensureImage(docker: Dockerode, spec: ImageSpec, work: Work): Promise<Image> {
  work.signal.throwIfAborted();
  try {
    return await (spec.kind === 'named' ? ensureNamed(docker, spec.reference, work) : ensureBuilt(docker, spec, work));
  } catch (error) {
    work.signal.throwIfAborted();
    const what = spec.kind === 'named' ? spec.reference : spec.name;
    throw failure(`image cannot be had: ${what}`, error, 'Try: docker images');
  }
}

async function ensureNamed(docker: Dockerode, reference: string, work: Work): Promise<Image> {
  const local = await inspect(docker, reference);
  if (local !== undefined) return local;
  await pull(docker, reference, work);
  return await mustInspect(docker, reference);
}

async function ensureBuilt(docker: Dockerode, spec: ImageSpec & { kind: 'built' }, work: Work): Promise<Image> {
  const context = buildContext(spec.name, spec.dockerfile);
  const tagOn = (base: string): string =>
    `bottle-${spec.name}:${createHash('sha256').update(`${context.digest}\0${base}`).digest('hex').slice(0, 12)}`;
  for (const base of bases(work.env)) {
    const made = await inspect(docker, tagOn(base));
    if (made !== undefined) return made;
  }
  const base = await ensureBase(docker, work);
  const tag = tagOn(base);
  work.progress(`building ${tag} on ${base}`);
  await build(docker, { tag, name: spec.name, base, files: context.files }, work);
  return await mustInspect(docker, tag);
}

async function mustInspect(docker: Dockerode, reference: string): Promise<Image> {
  const image = await inspect(docker, reference);
  if (image === undefined) throw new BackendError(`image is gone again: ${reference}. Try: docker images`);
  return image;
}

async function inspect(docker: Dockerode, reference: string): Promise<Image | undefined> {
  try {
    const { Id, Config, RepoDigests } = await docker.getImage(reference).inspect();
    const variables = (Config.Env ?? []).map((line) => {
      const cut = line.indexOf('=');
      return [line.slice(0, cut), line.slice(cut + 1)] as const;
    });
    const digest = digestOf(reference, RepoDigests ?? []);
    return { id: Id, digest, user: Config.User ?? '', env: Object.fromEntries(variables) };
  } catch (error) {
    if (statusOf(error) === 404) return undefined;
    throw failure(`image cannot be looked up: ${reference}`, error, `Try: docker image inspect ${reference}`);
  }
}

/** The digest of the repository that the reference names, or of any other: they are the same content. */
function digestOf(reference: string, digests: readonly string[]): string | undefined {
  const repository = reference.replace(/@.*$/, '').replace(/:[^/:]*$/, '');
  const own = digests.find((one) => one.startsWith(`${repository}@`)) ?? digests[0];
  return own?.slice(own.indexOf('@') + 1);
}
