/**
 * The sidecar's program. The first line of standard input is its configuration, every later line a heartbeat of the launcher,
 * the end of it the launcher's end. One ready line on standard output. The key of the CA never leaves this process.
 */
import { createInterface } from 'node:readline';
import { type SidecarConfig, sidecarConfigSchema } from '../contracts/sidecar.ts';
import { renewalSchema } from '../contracts/secret.ts';
import type { ReadyLine } from '../contracts/sidecar.ts';
import { serve, type Sidecar } from './sidecar.ts';

let sidecar: Sidecar | undefined;
let begun = false;

const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  if (begun) return next(line);
  begun = true;
  start(line).catch((error: unknown) => fail(error instanceof Error ? error.message : 'unknown error'));
});
lines.on('close', () => (begun ? stop() : fail('standard input ended before the configuration')));
process.on('uncaughtException', (error) => fail(`unexpected ${error.name}\n${framesOf(error)}`));
process.on('SIGTERM', stop);
process.on('SIGINT', stop);

/** A heartbeat, and perhaps new values. A line that cannot be read is a heartbeat alone: the values before stay. */
function next(line: string): void {
  sidecar?.beat();
  if (!line.startsWith('{')) return;
  try {
    sidecar?.renew(renewalSchema.parse(JSON.parse(line)));
  } catch {
    process.stderr.write('bump: a line of the launcher could not be read\n');
  }
}

async function start(line: string): Promise<void> {
  const config = readConfig(line);
  if (typeof config === 'string') return fail(config);
  sidecar = await serve(config, { onBroken: (why) => fail(`journal: ${why}`) });
  const wrong = await sidecar.scannerReady();
  if (wrong !== undefined) return fail(`scanner: ${wrong}`);
  const { certificate, fingerprint } = sidecar.authority;
  const ready: ReadyLine = { event: 'ready', role: 'bump', certificate, fingerprint };
  process.stdout.write(`${JSON.stringify(ready)}\n`);
}

/** The configuration, or what is wrong with it: paths and messages only, never a value. */
function readConfig(line: string): SidecarConfig | string {
  let data: unknown;
  try {
    data = JSON.parse(line);
  } catch {
    return 'the configuration is not JSON';
  }
  const parsed = sidecarConfigSchema.safeParse(data);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.code}`);
  return `the configuration is not valid (${issues.join(', ')})`;
}

/** The agent has no way out from here on: sockets end with the process. */
function stop(): void {
  const closing = sidecar?.close() ?? Promise.resolve();
  void closing.finally(() => process.exit(0));
}

function fail(why: string): never {
  process.stderr.write(`bump: ${why}\n`);
  process.exit(1);
}

/** Where it happened, without the message: it may quote what the agent sent. */
function framesOf(error: Error): string {
  const lines = error.stack?.split('\n') ?? [];
  return lines.filter((line) => /^ {4}at /.test(line)).join('\n');
}
