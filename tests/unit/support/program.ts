/** The real pipelock as a process, where BOTTLE_PIPELOCK_BINARY names its file. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { stringify } from 'yaml';
import type { PipelockVersion } from '../../../contracts/pipelock.ts';
import { PIPELOCK_PORT, pipelockConfig } from '../../../src/pipelock.ts';

/** Milliseconds until it serves, and between two looks. */
const HEALTH_MS = 10_000;
const POLL_MS = 10;

/** Its file, or why there is none. */
export function pipelockBinary(): { file: string } | string {
  const file = process.env['BOTTLE_PIPELOCK_BINARY'];
  if (!file) return 'BOTTLE_PIPELOCK_BINARY names no file of pipelock';
  const { status, error } = spawnSync(file, ['--help'], { stdio: 'ignore' });
  return status === 0 ? { file } : `${file} does not run: ${error?.message ?? `status ${status}`}`;
}

export interface Pipelock extends AsyncDisposable {
  readonly pid: number;
  /** What it has said so far. */
  readonly log: () => string;
}

/** Starts it with a configuration, and waits until it serves on `PIPELOCK_PORT`. */
export async function startPipelock(file: string, config: object): Promise<Pipelock> {
  const folder = mkdtempSync(join(tmpdir(), 'bottle-pipelock-'));
  const path = join(folder, 'config.yaml');
  writeFileSync(path, stringify(config));
  const child = spawn(file, ['run', '--config', path], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (said += text));
  const ended = once(child, 'exit');
  for (const end = performance.now() + HEALTH_MS; !(await isHealthy()); await delay(POLL_MS)) {
    if (child.exitCode !== null || performance.now() > end) {
      child.kill('SIGKILL');
      throw new Error(`pipelock does not serve: ${said}`);
    }
  }
  return {
    pid: child.pid ?? 0,
    log: () => said,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await ended;
      rmSync(folder, { recursive: true });
    },
  };
}

/** Our configuration, with the address of the sink in it. */
export function configFor(version: PipelockVersion, sink: string): object {
  const filled: unknown = JSON.parse(JSON.stringify(pipelockConfig(version)), (_, value: unknown) =>
    typeof value === 'object' && value !== null && 'late' in value ? `${sink}/32` : value,
  );
  return filled as object;
}

/** What `pipelock check` says of a configuration, if it does not take it. */
export function checkConfig(file: string, config: object): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'bottle-pipelock-'));
  const path = join(folder, 'config.yaml');
  writeFileSync(path, stringify(config));
  const { status, stdout, stderr } = spawnSync(file, ['check', '--config', path], { encoding: 'utf8' });
  rmSync(folder, { recursive: true });
  return status === 0 ? undefined : stdout + stderr;
}

function isHealthy(): Promise<boolean> {
  return new Promise((resolve) => {
    get({ host: '127.0.0.1', port: PIPELOCK_PORT, path: '/health' }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    }).on('error', () => resolve(false));
  });
}
