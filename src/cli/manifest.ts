/** The commands about manifests: `init`, `schema`, `trust`. None of them needs an engine. */
import { copyFileSync, constants } from 'node:fs';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { manifestSchema } from '../../contracts/manifest.ts';
import { UsageError } from '../errors.ts';
import type { Deps } from './deps.ts';
import { load } from './load.ts';

/** Writes a commented `bottle.yaml`; never over an existing one. */
export function init(deps: Deps): number {
  const target = resolve(deps.cwd, 'bottle.yaml');
  try {
    copyFileSync(join(deps.packageFolder, 'bottle.example.yaml'), target, constants.COPYFILE_EXCL);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST')
      throw new UsageError(`${target} exists: it was left as it is`);
    throw error;
  }
  deps.io.say(`wrote ${target}: read it, change it, then "bottle trust" and "bottle start"`);
  return 0;
}

/** The manifest's JSON Schema, made from the one schema that reads it. */
export function schema(deps: Deps): number {
  deps.io.print(`${JSON.stringify(z.toJSONSchema(manifestSchema, { io: 'input' }), null, 2)}\n`);
  return 0;
}

/** Confirms a manifest's present content ahead of its start. */
export function trust(file: string | undefined, deps: Deps): number {
  const loaded = load(file, deps);
  if (loaded.source.kind === 'built-in')
    throw new UsageError('there is no bottle.yaml here, and the built-in default needs no confirmation');
  deps.trust.confirm(loaded);
  deps.io.say(`confirmed ${loaded.source.path} as it is now`);
  return 0;
}
