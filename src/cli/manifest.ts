/** The commands about manifests: `init`, `schema`, `trust`. None of them needs an engine. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { manifestSchema } from '../../contracts/manifest.ts';
import { looksLikeCredential } from '../../contracts/placeholder.ts';
import { KNOWN_SECRETS } from '../builtin.ts';
import { UsageError } from '../errors.ts';
import type { Deps } from './deps.ts';
import { load } from './load.ts';

/** Writes a commented `bottle.yaml`, with the credentials that the environment has by name; never over an existing one. */
export function init(deps: Deps): number {
  const target = resolve(deps.cwd, 'bottle.yaml');
  const isSet = (name: string) => (deps.env[name] ?? '') !== '';
  const names = Object.keys(KNOWN_SECRETS).filter(isSet);
  const others = Object.keys(deps.env).filter(
    (name) => isSet(name) && !names.includes(name) && looksLikeCredential(name, ''),
  );
  try {
    const example = readFileSync(join(deps.packageFolder, 'bottle.example.yaml'), 'utf8');
    writeFileSync(target, withSecrets(example, names), { flag: 'wx' });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST')
      throw new UsageError(`${target} exists: it was left as it is`);
    throw error;
  }
  deps.io.say(`wrote ${target}: read it, change it, then "bottle trust" and "bottle start"`);
  if (names.length > 0) deps.io.say(`secrets, from your environment: ${names.join(', ')}; the agent gets placeholders`);
  if (others.length > 0)
    deps.io.say(
      `of your environment these look like credentials as well, but bottle does not know their hosts: ${others.join(', ')}. The agent does not get them; "secrets" gives it placeholders`,
    );
  return 0;
}

/** The example with a secret for each of these variables, and their hosts allowed. Names only, never a value. */
function withSecrets(example: string, names: readonly string[]): string {
  if (names.length === 0) return example;
  const wishes = names.map((name) => {
    const { hosts = [], place = {} } = KNOWN_SECRETS[name] ?? {};
    return { name, hosts, place };
  });
  const allowed = new Set(wishes.flatMap(({ hosts }) => hosts).filter((host) => !example.includes(`    - ${host}\n`)));
  const lines = wishes.map(
    ({ name, hosts, place }) => `  ${name}: ${JSON.stringify({ from: { env: name }, hosts, ...place })}\n`,
  );
  const allow = [...allowed].map((host) => `    - ${host}\n`).join('');
  return `${example.replace('  allow:\n', (line) => `${line}${allow}`)}\nsecrets:\n${lines.join('')}`;
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
