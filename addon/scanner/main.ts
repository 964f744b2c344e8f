/** The embedded scanner: configuration from the first line of standard input, one ready line, then it serves until that input ends. */
import { chmodSync, lstatSync, unlinkSync } from 'node:fs';
import type { Server } from 'node:http';
import { createInterface } from 'node:readline';
import { type ScannerConfig, scannerConfigSchema } from '../../contracts/sidecar.ts';
import { createScanner } from './serve.ts';

const KEY_BYTES = 32;
/** The config may hold many credentials' shapes; nothing honest is longer. */
const MAX_CONFIG_CHARACTERS = 1024 * 1024;

const input = createInterface({ input: process.stdin });
let started = false;
input.on('line', (line) => {
  if (started) return; // heartbeats
  started = true;
  start(line).catch((error: unknown) => fail(error instanceof Error ? error.message : 'unknown error'));
});
input.on('close', () => {
  if (!started) fail('standard input ended before the configuration');
  // In-flight scans are worth nothing without the caller.
  else process.exit();
});
process.on('SIGTERM', () => process.exit(0));
process.stdout.on('error', () => {}); // a log that nobody reads stops no scan

async function start(line: string): Promise<void> {
  const config = readConfig(line);
  const key = Buffer.from(config.key, 'base64');
  if (key.length !== KEY_BYTES) throw new Error(`the key has ${key.length} bytes instead of ${KEY_BYTES}`);
  for (const one of config.own_credentials) checkShape(one.shape);
  const server = createScanner({
    key,
    own: config.own_credentials,
    log: (text) => void process.stdout.write(`${text}\n`),
  });
  await listen(server, config.socket);
  process.stdout.write(`${JSON.stringify({ event: 'ready', role: 'scanner' })}\n`);
}

function readConfig(line: string): ScannerConfig {
  if (line.length > MAX_CONFIG_CHARACTERS) throw new Error('the configuration is too long');
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new Error('the configuration is not one line of JSON'); // the parser's message would repeat it, key included
  }
  const parsed = scannerConfigSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new Error(
    `the configuration is wrong: ${parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ')}`,
  );
}

function checkShape(shape: string): void {
  try {
    new RegExp(`^(?:${shape})$`);
  } catch {
    throw new Error('the configuration is wrong: own_credentials: a shape is not a regular expression');
  }
}

/** Owner and group may connect: the sidecar runs under the same user or group, nobody else sees the volume. */
async function listen(server: Server, path: string): Promise<void> {
  removeStale(path);
  const before = process.umask(0o117);
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(path, () => {
        server.off('error', reject);
        resolve();
      });
    });
    chmodSync(path, 0o660);
  } finally {
    process.umask(before);
  }
}

function removeStale(path: string): void {
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (there?.isSocket()) unlinkSync(path);
  else if (there) throw new Error('the socket path is taken by something that is not a socket');
}

function fail(why: string): void {
  process.stderr.write(`scanner: ${why}\n`);
  process.exitCode = 1;
  process.stdin.destroy();
  process.exit();
}
