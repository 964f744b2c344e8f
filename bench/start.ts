/**
 * What `bottle start -- true` costs over `docker run --rm IMAGE true`, with images built: the median of paired ratios. The two run in turn, so
 * that a machine that speeds up or slows down does so for both. Usage: node bench/start.ts [PAIRS]
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DockerBackend } from '../src/docker/backend.ts';
import { connect } from '../src/docker/connect.ts';
import { median, quantile } from './support/samples.ts';

const PAIRS = Number(process.argv[2] ?? 9);
const BOTTLE = fileURLToPath(new URL('../bin/bottle.js', import.meta.url));

const backend = new DockerBackend(await connect(process.env), process.env);
const { id } = await backend.ensureImage(
  { kind: 'built', name: 'agent', dockerfile: 'Dockerfile.agent' },
  console.error,
  new AbortController().signal,
);
const folder = mkdtempSync(join(tmpdir(), 'bottle-bench-'));
const state = mkdtempSync(join(tmpdir(), 'bottle-bench-state-'));
const env = { ...process.env, XDG_STATE_HOME: state };
const runDocker = () => time('docker', ['run', '--rm', id, 'true']);
const runBottle = () => time(process.execPath, [BOTTLE, 'start', '--quiet', '--', 'true']);

runDocker();
runBottle(); // images, file caches
const pairs = Array.from({ length: PAIRS }, () => ({ docker: runDocker(), bottle: runBottle() }));
for (const made of [folder, state]) rmSync(made, { recursive: true, force: true });

say(
  'docker run --rm IMAGE true',
  pairs.map(({ docker }) => docker),
  'ms',
);
say(
  'bottle start -- true',
  pairs.map(({ bottle }) => bottle),
  'ms',
);
say(
  'ratio, pair by pair',
  pairs.map(({ docker, bottle }) => bottle / docker),
  '',
);

/** Milliseconds. */
function time(command: string, args: string[]): number {
  const began = performance.now();
  const { status, stderr } = spawnSync(command, args, { cwd: folder, env, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ended with ${status}: ${stderr}`);
  return performance.now() - began;
}

function say(what: string, values: number[], unit: string): void {
  const show = (value: number) => `${value.toFixed(unit === '' ? 2 : 0)}${unit && ` ${unit}`}`;
  const [least, most] = [quantile(values, 0), quantile(values, 1)];
  console.log(`${what}: median ${show(median(values))} (${show(least)} … ${show(most)}, ${values.length} runs)`);
}
