/** Reads and writes `bottle.lock`, and says what differs from it. */
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Lock, lockSchema } from '../contracts/lock.ts';
import type { LaunchPlan } from '../contracts/plan.ts';
import type { Image } from './backend.ts';
import { UsageError } from './errors.ts';

const FILE = 'bottle.lock';

/** The images of a plan by what they are for. */
export type Images = Readonly<Record<string, Image>>;

/** Beside the manifest. */
export function lockFile(manifest: string): string {
  return join(dirname(manifest), FILE);
}

export function lockOf(plan: LaunchPlan, images: Images): Lock {
  const entries = Object.entries(plan.images).flatMap(([role, spec]) => {
    const image = images[role];
    if (!spec || !image) return [];
    const reference = spec.kind === 'named' ? spec.reference : spec.dockerfile;
    const { digest, id } = image;
    return [
      [
        role,
        digest === undefined
          ? { reference, by: 'id' as const, value: id }
          : { reference, by: 'digest' as const, value: digest },
      ],
    ];
  });
  return lockSchema.parse({ version: 1, images: Object.fromEntries(entries) });
}

export function writeLock(file: string, lock: Lock): void {
  writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
}

/** @throws UsageError if there is none, or it cannot be read */
export function readLock(file: string): Lock {
  try {
    return lockSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch (error) {
    const missing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    const why = missing ? 'is not there' : 'is not a lock file of bottle';
    throw new UsageError(`${file} ${why}: "bottle lock" writes it`, { cause: error });
  }
}

/** One sentence fragment for each image that is not the locked one. */
export function differences(locked: Lock, now: Lock): string[] {
  const roles = [...new Set([...Object.keys(locked.images), ...Object.keys(now.images)])].toSorted();
  return roles.flatMap((role) => {
    const [was, is] = [locked.images[role], now.images[role]];
    if (!is) return [`the ${role} image ${was?.reference ?? ''} is locked, and not used`];
    if (!was) return [`the ${role} image ${is.reference} is not locked`];
    if (was.reference !== is.reference) return [`the ${role} image is ${is.reference}, locked is ${was.reference}`];
    if (was.by === is.by && was.value === is.value) return [];
    return [
      `the ${role} image ${is.reference} is ${is.by} ${short(is.value)}, locked is ${was.by} ${short(was.value)}`,
    ];
  });
}

function short(value: string): string {
  return value.slice(0, 'sha256:'.length + 12);
}
