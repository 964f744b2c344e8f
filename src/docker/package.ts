/** This package's own files, in a clone as well as installed from a registry. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type { FileEntry } from '../backend.ts';
import { BackendError } from '../errors.ts';

/** This module is at src/docker in a clone, at dist/src/docker where it is compiled. */
const above = resolve(import.meta.dirname, '../..');
export const packageRoot = basename(above) === 'dist' ? dirname(above) : above;

/** Files for a build, and what they amount to. */
export interface Context {
  readonly files: readonly FileEntry[];
  /** SHA-256 over names and contents; of other packages over name and version. */
  readonly digest: string;
}

/** Pure JavaScript, so that they are copied as they are installed here: no registry is asked for them. */
const SIDECAR_PACKAGES = ['zod', 'undici', 'node-forge'];

/** @throws BackendError if this is a clone that has not been compiled */
export function buildContext(name: 'agent' | 'sidecar', dockerfile: string): Context {
  const own = [file('Dockerfile', readFileSync(join(packageRoot, dockerfile)))];
  if (name === 'agent') return { files: own, digest: digest(own, []) };
  if (!existsSync(join(packageRoot, 'dist/addon/main.js'))) {
    throw new BackendError(
      `sidecar's image cannot be built: ${join(packageRoot, 'dist')} (not compiled yet). Run: npm run build`,
    );
  }
  own.push(
    ...folder(join(packageRoot, 'dist/addon'), 'app/addon', isCode),
    ...folder(join(packageRoot, 'dist/contracts'), 'app/contracts', isCode),
    file('app/addon/gate/gate.sh', readFileSync(join(packageRoot, 'addon/gate/gate.sh')), 0o755),
    file('app/package.json', '{ "type": "module", "private": true }\n'),
  );
  const packages = SIDECAR_PACKAGES.map((wanted) => ({ wanted, root: findPackage(wanted) }));
  return {
    // Read only when something is built: a start that finds its image needs the digest alone.
    get files() {
      return [
        ...own,
        ...packages.flatMap(({ wanted, root }) => folder(root, `app/node_modules/${wanted}`, isPackageCode)),
      ];
    },
    digest: digest(
      own,
      packages.map(({ wanted, root }) => `${wanted}@${versionOf(root)}`),
    ),
  };
}

/** Where Node would find the package from here: hoisted beside this one, or inside it. */
export function findPackage(name: string): string {
  for (let here = packageRoot; ; here = dirname(here)) {
    const root = join(here, 'node_modules', name);
    if (existsSync(join(root, 'package.json'))) return root;
    if (here === dirname(here))
      throw new BackendError(`package is missing: ${name} (not found from ${packageRoot}). Run: npm install`);
  }
}

function versionOf(root: string): string {
  const { version }: { version: string } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return version;
}

function digest(files: readonly FileEntry[], more: readonly string[]): string {
  const hash = createHash('sha256');
  for (const { path, content = '' } of files) hash.update(`${path}\0${content.length}\0`).update(content);
  return hash.update(more.join('\0')).digest('hex');
}

function file(path: string, content: Buffer | string, mode = 0o644): FileEntry {
  return { path, content, mode };
}

function folder(root: string, target: string, wanted: (path: string) => boolean): FileEntry[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .filter(wanted)
    .toSorted()
    .map((path) => file(`${target}/${path}`, readFileSync(join(root, path))));
}

function isCode(path: string): boolean {
  return path.endsWith('.js') || path.endsWith('.json');
}

function isPackageCode(path: string): boolean {
  return (
    (/\.(m?js|json|wasm)$/.test(path) || basename(path) === 'LICENSE') &&
    !/^(src|docs|types|dist|flash|scripts)\//.test(path)
  );
}
