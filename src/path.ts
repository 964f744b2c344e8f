/** A path as a manifest writes it: from the manifest's folder, or from the user's home. */
import { homedir } from 'node:os';
import { resolve } from 'node:path';

export function pathIn(folder: string, path: string): string {
  return resolve(folder, expandHome(path));
}

export function expandHome(path: string): string {
  return path === '~' || path.startsWith('~/') ? `${homedir()}${path.slice(1)}` : path;
}
