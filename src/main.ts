/** argv in, exit status out. The one place where the engine is named, errors become statuses, and `process.exitCode` is set. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { debuglog } from 'node:util';
import type { Deps } from './cli/deps.ts';
import { processIo } from './cli/io.ts';
import { run } from './cli/program.ts';
import { openBackend } from './docker/backend.ts';
import { currentOwner } from './docker/owner.ts';
import { packageRoot } from './docker/package.ts';
import { BottleError, Cancelled } from './errors.ts';
import { historyIn, stateFolder } from './history.ts';
import { trustIn } from './trust.ts';

/** docker run's convention for "the wrapper failed, not what it runs". */
const FAILED = 125;
/** 128 + SIGINT, as shells have it. */
const INTERRUPTED = 130;

const debug = debuglog('bottle-main');
const io = processIo(process);

process.exitCode = await run(process.argv.slice(2), makeDeps()).catch(statusOf);
// Standard input may still be a pipe that nobody ends; nothing is waited for any more.
process.stdin.destroy();

function makeDeps(): Deps {
  const home = homedir();
  const state = stateFolder(process.env, home);
  let backend: ReturnType<typeof openBackend> | undefined;
  return {
    env: process.env,
    cwd: process.cwd(),
    home,
    packageFolder: packageRoot,
    version: readVersion(),
    state,
    trust: trustIn(state),
    history: historyIn(state),
    io,
    backend: () => (backend ??= openBackend(process.env)),
    owner: currentOwner,
    now: () => new Date(),
    random: randomBytes,
  };
}

function readVersion(): string {
  const { version }: { version: string } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8'));
  return version;
}

function statusOf(error: unknown): number {
  debug('%o', error);
  for (const line of (error instanceof Error ? error.message : String(error)).split('\n')) io.say(line);
  if (!(error instanceof BottleError)) io.say('this is a defect of bottle; NODE_DEBUG=bottle* shows where');
  return error instanceof Cancelled ? INTERRUPTED : FAILED;
}
