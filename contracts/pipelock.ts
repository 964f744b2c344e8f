/** Which pipelock runs: its published image, pinned by version, and the versions that a configuration can be made for. */

/** The image that runs unless the manifest names another. */
export const PIPELOCK_IMAGE = 'ghcr.io/luckypipewrench/pipelock:2.3.0';

/** Release lines with a configuration of their own, oldest first: an unknown key stops pipelock, so a newer line's keys break an older one. */
export const PIPELOCK_VERSIONS = ['2.3', '2.4', '2.5', '3.4', '3.5', '3.6', '3.7'] as const;
export type PipelockVersion = (typeof PIPELOCK_VERSIONS)[number];

/** The line that a reference's tag names (`…:2.3.0`, `…:v3.7.1`), or undefined. */
export function versionOfImage(reference: string): PipelockVersion | undefined {
  const found = /:v?(\d+\.\d+)(?:\.\d+)?(?:-[\w.-]+)?(?:@sha256:[0-9a-f]{64})?$/.exec(reference);
  return PIPELOCK_VERSIONS.find((version) => version === found?.[1]);
}

/** Bytes of one call that pipelock reads; the sidecar's own limit of a body is the same, so that it is never pipelock that refuses it. */
export const PIPELOCK_BODY_BYTES = 8 * 1024 * 1024;
