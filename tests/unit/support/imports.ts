/** What a file of ours imports: every form that makes another file or package part of it. */
import { globSync, readFileSync } from 'node:fs';
import { matchesGlob, posix, resolve } from 'node:path';

export const ROOT = resolve(import.meta.dirname, '../../..');

export interface Import {
  /** `node:fs`, a package's name, or a path from the root of the project. */
  readonly target: string;
  /** True if nothing of it is there when the program runs. */
  readonly typeOnly: boolean;
}

/** Every TypeScript file of these folders, as paths from the root. */
export function filesIn(...folders: string[]): string[] {
  return folders.flatMap((folder) => globSync(`${folder}/**/*.ts`, { cwd: ROOT })).toSorted();
}

export function importsOf(file: string): Import[] {
  return parseImports(readFileSync(resolve(ROOT, file), 'utf8')).map(({ target, typeOnly }) => ({
    target: target.startsWith('.') ? posix.join(posix.dirname(file), target) : target,
    typeOnly,
  }));
}

const STATEMENT = /^[ \t]*(import|export)[ \t]+(type\b(?!\s*(?:,|from\b)))?[^;'"`]*?\bfrom\s*['"]([^'"]+)['"]/gm;
const SIDE_EFFECT = /^[ \t]*import[ \t]*['"]([^'"]+)['"]/gm;
const CALL = /\b(?:import|require)\s*\(\s*(?:(['"])([^'"]+)\1\s*[,)])?/g;
/** What loads code in a way that cannot be read here. */
const HIDDEN = /\b(createRequire|getBuiltinModule|eval\s*\(|new\s+Function\s*\(|import\.meta\.resolve)\b/g;

/** @returns target `?` for an import whose target cannot be read */
export function parseImports(text: string): Import[] {
  const code = text.replace(/^\s*(?:\*|\/\/|\/\*).*$/gm, ''); // lines that are comments, as the formatter leaves them
  return [
    ...[...code.matchAll(STATEMENT)].map(([, , type, target = '?']) => ({ target, typeOnly: type !== undefined })),
    ...[...code.matchAll(SIDE_EFFECT)].map(([, target = '?']) => ({ target, typeOnly: false })),
    ...[...code.matchAll(CALL)].map(([, , target = '?']) => ({ target, typeOnly: false })),
    ...[...code.matchAll(HIDDEN)].map(() => ({ target: '?', typeOnly: false })),
  ];
}

/** The package that an import is of: `undici` for `undici/lib/x.js`. undefined for Node's own and for ours. */
export function packageOf(target: string): string | undefined {
  if (target.startsWith('node:') || /^(contracts|src|addon|tests|scripts|bench)\//.test(target)) return undefined;
  const [first = '', second = ''] = target.split('/');
  return first.startsWith('@') ? `${first}/${second}` : first;
}

export function matches(path: string, globs: readonly string[]): boolean {
  return globs.some((glob) => path === glob || matchesGlob(path, glob));
}
