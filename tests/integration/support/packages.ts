/** Clients that the agent's image does not have, taken from this machine or fetched to it, and mounted. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { World } from './world.ts';

/** An entry of a manifest's `agent.mounts`. */
export interface Mount {
  readonly source: string;
  readonly target: string;
  readonly read_only: true;
}

/** Milliseconds for a registry to hand a package out. */
const FETCH_MS = 60_000;

/** This machine's pip, as a mount for a Python whose PYTHONPATH is `target`; or why there is none. */
export function pipAt(target: string): Mount | string {
  const found = spawnSync('python3', ['-c', 'import pip; print(pip.__file__)'], { encoding: 'utf8' });
  if (found.status !== 0) return 'this machine’s python3 has no pip';
  return { source: dirname(found.stdout.trim()), target: `${target}/pip`, read_only: true };
}

/** A package of the npm registry that depends on no other, as a mount; or why it cannot be had. */
export function packageAt(world: World, name: string, version: string, target: string): Mount | string {
  const folder = mkdtempSync(join(world.folder, 'package-'));
  const packed = spawnSync('npm', ['pack', '--silent', `${name}@${version}`], {
    cwd: folder,
    encoding: 'utf8',
    timeout: FETCH_MS,
  });
  if (packed.status !== 0) return `${name}@${version} cannot be fetched: ${packed.error?.message ?? packed.stderr}`;
  execFileSync('tar', ['-xzf', packed.stdout.trim(), '--no-same-owner'], { cwd: folder });
  return { source: join(folder, 'package'), target: `${target}/node_modules/${name}`, read_only: true };
}
