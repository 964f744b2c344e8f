/** Images with many programs, and one bottle of each in which all of its programs run. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import type { FileEntry } from '../../../src/backend.ts';
import { build } from '../../../src/docker/build.ts';
import { HERE } from './clients/here.ts';
import { type Row, slugOf } from './clients/row.ts';
import type { World } from './world.ts';

/** What became of one row. */
export interface Outcome {
  readonly row: Row;
  /** Exit status of its command. */
  readonly status: number;
  readonly ms: number;
  /** The end of what it printed. */
  readonly output: string;
  /** Whether its request came to the stand-in host, decrypted. */
  readonly reached: boolean;
}

/** At once: more only wait for each other on two cores. */
const PARALLEL = 3;
/** Seconds that a row may take: JVMs and browsers start slowly beside others. */
const SECONDS = 60;
/** The stand-in under every name that some row cannot be told to leave; gRPC has a port of its own. */
const HOSTS = ['api.anthropic.com', 'api.anthropic.com:8453', 'api.github.com', 'git.example.com', 'prices.azure.com'];
const FILES = {
  core: [],
  all: ['Call.java', 'Cargo.toml', 'Fetch.java', 'fetch.go', 'go.mod', 'go.sum', 'main.rs', 'pom.xml', 'talk.go'],
  here: [],
} as const;
/** Bytes of what this machine lends: gcloud has half a gigabyte. */
const MAX_LENT = 2 ** 30;

/** Builds the image, or finds it: its tag says what went in. @returns its reference */
export async function imageWith(world: World, which: Row['image']): Promise<string> {
  const base = which === 'core' ? world.agentImage : await imageWith(world, 'core');
  const files: FileEntry[] = [`${which}.Dockerfile`, ...FILES[which]].map((name) => ({
    path: name.endsWith('.Dockerfile') ? 'Dockerfile' : name,
    content: readFileSync(new URL(`clients/${name}`, import.meta.url)),
    mode: 0o644,
  }));
  const lent = which === 'here' ? [{ path: 'lent.tar', content: lentTar(), mode: 0o644 }] : [];
  return await made(world, `clients-${which}`, base, [...files, ...lent]);
}

/** Why this machine cannot lend what the row needs. */
export function lacking({ lent = [] }: Row): string | undefined {
  const path = lent.find((one) => !existsSync(one));
  return path && `this machine has no ${path}`;
}

function lentTar(): Buffer {
  const paths = HERE.filter((row) => lacking(row) === undefined).flatMap(({ lent = [] }) => lent);
  const options = ['--sort=name', '--exclude=__pycache__', '--dereference', '-C', '/'];
  return execFileSync('tar', ['-cf', '-', ...options, ...paths.map((path) => path.slice(1))], { maxBuffer: MAX_LENT });
}

/** The same image with other variables. */
export async function imageWithEnv(world: World, base: string, env: Record<string, string>): Promise<string> {
  const lines = Object.entries(env).map(([name, value]) => `ENV ${name}=${value}\n`);
  const content = `ARG BASE_IMAGE\nFROM \${BASE_IMAGE}\n${lines.join('')}`;
  return await made(world, 'clients-env', base, [{ path: 'Dockerfile', content, mode: 0o644 }]);
}

async function made(world: World, name: string, base: string, files: readonly FileEntry[]): Promise<string> {
  const hash = createHash('sha256').update(base);
  for (const { content = '' } of files) hash.update(content);
  const tag = `bottle-${name}:${hash.digest('hex').slice(0, 12)}`;
  const known = await world.docker.listImages({ filters: { reference: [tag] } });
  if (known.length > 0) return tag;
  const work = { progress: console.error, signal: new AbortController().signal, env: process.env };
  await build(world.docker, { tag, name, base, files }, work);
  return tag;
}

/** Runs all of them in one bottle of this name. */
export async function runRows(world: World, image: string, rows: readonly Row[], name: string): Promise<Outcome[]> {
  const manifest = world.manifest({ name: 'clients.yaml', agent: { image }, egress: { allow: HOSTS } });
  const script = readFileSync(new URL('clients/run.mjs', import.meta.url), 'utf8');
  const asked = rows.map((row) => ({ slug: slugOf(row), command: `export U=${urlOf(row)}\n${row.command}` }));
  const { stdout, stderr } = await world.run(
    ['start', '-f', manifest, '--trust', '--name', name, '--', 'node', '--input-type=module', '-e', script],
    { input: JSON.stringify({ rows: asked, parallel: PARALLEL, seconds: SECONDS }) },
  );
  const seen = await world.seen(() => true);
  const ran = stdout.split('\n').filter((line) => line.startsWith('{'));
  const results = ran.map((line) => JSON.parse(line) as Omit<Outcome, 'row' | 'reached'> & { slug: string });
  return rows.map((row) => {
    const result = results.find(({ slug }) => slug === slugOf(row));
    if (!result) throw new Error(`${row.client} did not run: ${stderr}`);
    const path = row.path ?? new URL(urlOf(row)).pathname;
    const { status, ms, output } = result;
    return { row, status, ms, output, reached: seen.some(({ url }) => isAt(url, path)) };
  });
}

/** At the path or below, so that no row passes for another whose name begins as its own. */
function isAt(url: string, path: string): boolean {
  const [pathname = ''] = url.split('?', 1);
  return pathname === path || pathname.startsWith(`${path}/`);
}

function urlOf(row: Row): string {
  return `https://api.anthropic.com/row/${slugOf(row)}`;
}
