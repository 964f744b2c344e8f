/** A Node program in a network of its own: loopback, some addresses, and one resolver. No packet of it leaves, and what it binds meets nobody. */
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Alone {
  /** Further addresses of the loopback device. */
  readonly addresses: readonly string[];
  /** The only resolver, at port 53. */
  readonly resolver: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Its standard output is ours, too. */
  readonly shows?: boolean;
}

/** Runs it to its end. Its standard error is ours. */
export function runAlone(program: string, args: readonly string[], alone: Alone): SpawnSyncReturns<string> {
  const folder = mkdtempSync(join(tmpdir(), 'bottle-alone-'));
  const file = join(folder, 'resolv.conf');
  writeFileSync(file, `nameserver ${alone.resolver}\n`);
  const script = [
    'ip link set lo up',
    ...alone.addresses.map((address) => `ip addr add ${address}/32 dev lo`),
    `mount --bind '${file}' /etc/resolv.conf`,
    'exec "$@"',
  ].join(' && ');
  try {
    return spawnSync('unshare', ['-rmn', 'sh', '-c', script, 'sh', process.execPath, program, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', alone.shows ? 'inherit' : 'pipe', 'inherit'],
      env: { ...process.env, ...alone.env },
      maxBuffer: 64 * 1024 * 1024,
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Why no program can be run so here, or false. */
export function notAlone(): string | false {
  const tried = spawnSync('unshare', ['-rmn', 'sh', '-c', 'ip link set lo up'], { encoding: 'utf8' });
  return tried.status === 0 ? false : `no network namespace can be made here: ${tried.error?.message ?? tried.stderr}`;
}
