/** Where the values of a manifest's secrets come from: found on this machine, and not read. */
import { accessSync, constants, realpathSync, statSync } from 'node:fs';
import type { SecretWish } from '../contracts/secret.ts';
import { reasonOf } from './errors.ts';
import { expandHome, pathIn } from './path.ts';

export type CredentialSource =
  | { readonly kind: 'env'; readonly variable: string }
  /** Real path. */
  | { readonly kind: 'file'; readonly path: string }
  /** `program`: real path. */
  | {
      readonly kind: 'command';
      readonly program: string;
      readonly args: readonly string[];
      readonly timeoutMs: number;
      /** Of a value that the program prints without saying so itself. */
      readonly expiresMs: number | undefined;
    };

/** Looks a secret's source up without reading it. What the agent is given is no place for it: the agent would hold it, or could exchange it. */
export function findSource(
  { env, file, command, timeout = 30, expires }: Partial<SecretWish['from']>,
  folder: string,
  given: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): CredentialSource | { key: string; why: string } {
  const isGiven = (path: string) => given.some((mount) => path === mount || path.startsWith(`${mount}/`));
  if (env !== undefined) {
    const set = Object.hasOwn(environment, env) && environment[env] !== undefined && environment[env] !== '';
    return set ? { kind: 'env', variable: env } : { key: 'env', why: `${env} is not set in your environment` };
  }
  if (file !== undefined) {
    const path = realFile(pathIn(folder, file), constants.R_OK);
    if (typeof path !== 'string') return { key: 'file', why: path.why };
    return isGiven(path)
      ? { key: 'file', why: `${path} lies in a folder that the agent is given: move it out of there` }
      : { kind: 'file', path };
  }
  const [name = '', ...args] = (command ?? []).map(expandHome);
  const program = findProgram(name, environment['PATH'] ?? '');
  if (program === undefined)
    return { key: 'command', why: `${name} is neither an absolute path nor a program in your PATH` };
  const foreign = [program, ...args.map((arg) => existing(arg))].find((path) => path !== undefined && isGiven(path));
  if (foreign !== undefined)
    return {
      key: 'command',
      why: `${foreign} lies in a folder that the agent is given: it could write what runs on your machine`,
    };
  const expiresMs = expires === undefined ? undefined : expires * 1000;
  return { kind: 'command', program, args, timeoutMs: timeout * 1000, expiresMs };
}

function findProgram(name: string, path: string): string | undefined {
  const places = name.includes('/') ? [name] : path.split(':').map((place) => `${place}/${name}`);
  for (const place of places.filter((text) => text.startsWith('/'))) {
    const found = realFile(place, constants.X_OK);
    if (typeof found === 'string') return found;
  }
  return undefined;
}

function realFile(path: string, access: number): string | { why: string } {
  try {
    const real = realpathSync(path);
    if (!statSync(real).isFile()) return { why: `${path} is not a file` };
    accessSync(real, access);
    return real;
  } catch (error) {
    return { why: `${path} cannot be read (${reasonOf(error)})` };
  }
}

function existing(path: string): string | undefined {
  try {
    return path.startsWith('/') ? realpathSync(path) : undefined;
  } catch {
    return undefined;
  }
}
