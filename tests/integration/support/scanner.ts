/** Which scanners the scenarios run with: the embedded one always, pipelock where an image of it is there. */
import type Dockerode from 'dockerode';
import { PIPELOCK_IMAGE, PIPELOCK_VERSIONS, versionOfImage } from '../../../contracts/pipelock.ts';

/** A manifest's `scanner`. */
export interface ScannerWish {
  readonly kind: 'pipelock';
  readonly image: string;
  readonly version: string;
}

/** Milliseconds for a registry to hand the published image out. */
const PULL_MS = 20_000;

/**
 * pipelock as a manifest's wish, or why it cannot be had. BOTTLE_PIPELOCK_IMAGE names an image that the engine has; BOTTLE_PIPELOCK_VERSION
 * its release line, where its tag does not say it and it is not the oldest. With BOTTLE_REQUIRE_PIPELOCK=1 its absence is a failure.
 */
export async function pipelock(docker: Dockerode | string): Promise<ScannerWish | string> {
  if (typeof docker === 'string') return docker;
  const image = process.env['BOTTLE_PIPELOCK_IMAGE'] ?? PIPELOCK_IMAGE;
  const version = process.env['BOTTLE_PIPELOCK_VERSION'] ?? versionOfImage(image) ?? PIPELOCK_VERSIONS[0];
  const wish: ScannerWish = { kind: 'pipelock', image, version };
  if (await has(docker, image)) return wish;
  const failure = await pull(docker, image);
  return failure === undefined
    ? wish
    : `no image of pipelock: ${image} (${failure}). BOTTLE_PIPELOCK_IMAGE names another`;
}

async function has(docker: Dockerode, image: string): Promise<boolean> {
  return docker
    .getImage(image)
    .inspect()
    .then(
      () => true,
      () => false,
    );
}

async function pull(docker: Dockerode, image: string): Promise<string | undefined> {
  try {
    const stream = await docker.pull(image, { abortSignal: AbortSignal.timeout(PULL_MS) });
    await new Promise<void>((resolve, reject) =>
      docker.modem.followProgress(stream, (error: Error | null) => (error ? reject(error) : resolve())),
    );
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message.split('\n')[0] : String(error);
  }
}
