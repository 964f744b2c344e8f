/** The image that ours are built on: a public one, or our own where no registry answers. The only user of host programs. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type Dockerode from 'dockerode';
import { BackendError } from '../errors.ts';
import type { Environment } from './connect.ts';
import { ifThere, reason } from './failure.ts';
import type { Work } from './images.ts';
import { LABEL } from './labels.ts';
import { packageRoot } from './package.ts';
import { pull } from './pull.ts';

/** Debian with Node 24 and npm. */
const PUBLIC_BASE = 'node:24-bookworm-slim';
const SCRIPT = join(packageRoot, 'scripts/make-base.sh');

/** References that an image of ours may be built on, the preferred first. */
export function bases(env: Environment): string[] {
  const wanted = env['BOTTLE_BASE_IMAGE'];
  return wanted ? [wanted] : [PUBLIC_BASE, ownBase()];
}

/** Both images are built side by side and want the same base: it is made once. */
const underway = new WeakMap<Dockerode, Promise<string>>();

/** A reference of `bases` that the engine has. @throws BackendError if none can be had */
export async function ensureBase(docker: Dockerode, work: Work): Promise<string> {
  const running = underway.get(docker);
  if (running !== undefined) return await running;
  const made = findOrMake(docker, work).finally(() => underway.delete(docker));
  underway.set(docker, made);
  return await made;
}

async function findOrMake(docker: Dockerode, work: Work): Promise<string> {
  const [preferred = PUBLIC_BASE, own] = bases(work.env);
  for (const reference of [preferred, own])
    if (reference !== undefined && (await has(docker, reference))) return reference;
  try {
    await pull(docker, preferred, work);
    return preferred;
  } catch (error) {
    if (own === undefined || !(error instanceof BackendError)) throw error;
    work.progress(error.message);
  }
  await make(docker, own, work);
  return own;
}

/** Tagged by the script that makes it and by the Node that goes in. */
function ownBase(): string {
  const content = createHash('sha256').update(readFileSync(SCRIPT)).update(process.version).digest('hex');
  return `bottle-base:${content.slice(0, 12)}`;
}

async function make(docker: Dockerode, reference: string, { progress, signal }: Work): Promise<void> {
  progress(`making ${reference} from Debian's packages`);
  const { execa } = await import('execa'); // 40 ms that only this needs
  const stop = new AbortController();
  const script = execa('sh', [SCRIPT], {
    env: { NODE_BINARY: nodeBinary() },
    encoding: 'buffer',
    buffer: false,
    stdin: 'ignore',
    forceKillAfterDelay: 30_000, // it has a half-made root to take away
    cancelSignal: AbortSignal.any([signal, stop.signal]),
  });
  let last = '';
  createInterface({ input: script.stderr }).on('line', (line) => {
    last = line;
    progress(line);
  });
  try {
    const [, image] = await Promise.all([script, imported(docker, script.stdout, signal)]);
    // Tagged only now: an archive that was cut short may be an image too.
    const [repo = '', tag = ''] = reference.split(':');
    await docker.getImage(image).tag({ repo, tag });
  } catch (error) {
    stop.abort();
    await script.catch(() => undefined); // it takes away what it has made so far
    signal.throwIfAborted();
    throw new BackendError(
      `base image cannot be made: ${reference} (${last || reason(error)}). ` +
        `Install mmdebstrap, or set BOTTLE_BASE_IMAGE to an image with Debian, Node 24 and npm that the engine has`,
      { cause: error },
    );
  }
}

async function imported(docker: Dockerode, archive: NodeJS.ReadableStream, abortSignal: AbortSignal): Promise<string> {
  const changes = [
    `LABEL ${LABEL.image}=base`,
    'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    'CMD ["bash"]',
  ];
  const answer = await docker.importImage(archive, { changes, abortSignal });
  let text = '';
  for await (const chunk of answer) text += String(chunk);
  const id = /sha256:[0-9a-f]{64}/.exec(text)?.[0];
  if (id === undefined) throw new Error(`the engine took no image: ${text.trim()}`);
  return id;
}

/** Of a clone the pinned one; else the one that runs this. */
function nodeBinary(): string {
  const pinned = join(packageRoot, 'node_modules/node/bin/node');
  return existsSync(pinned) ? pinned : process.execPath;
}

async function has(docker: Dockerode, reference: string): Promise<boolean> {
  return (await ifThere(docker.getImage(reference).inspect())) !== undefined;
}
