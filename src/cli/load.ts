/** Which manifest a command means: the named one, `./bottle.yaml`, or the built-in default. */
import { realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import { builtInManifest } from '../builtin.ts';
import { UsageError } from '../errors.ts';
import { type LoadedManifest, loadManifest, manifestExists, readManifest } from '../manifest.ts';
import type { Deps } from './deps.ts';

const DEFAULT_FILE = 'bottle.yaml';

/** @throws ManifestError, UsageError */
export function load(file: string | undefined, deps: Deps): LoadedManifest {
  const context = { env: deps.env, stateFolder: deps.state };
  const path = resolve(deps.cwd, file ?? DEFAULT_FILE);
  if (file !== undefined || manifestExists(path)) return readManifest(path, context);
  const folder = realpathSync(deps.cwd);
  if (folder === '/' || folder === realpathSync(deps.home)) {
    throw new UsageError(
      `${folder} is no folder to give to an agent: the built-in default mounts the current folder. Change into a project's folder, or write a bottle.yaml ("bottle init")`,
    );
  }
  const value = builtInManifest(deps.env);
  return loadManifest({ kind: 'built-in' }, folder, JSON.stringify(value), value, context);
}
