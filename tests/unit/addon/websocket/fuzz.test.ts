import { createRequire } from 'node:module';
import { test } from 'node:test';
import type { Target } from '../../../fuzz/cli.ts';
import { randomFrom } from '../../../fuzz/random.ts';

const skip = isInstalled('ws') ? false : 'the package ws, which is the oracle, is not installed';

test('frames from a fixed seed are read and sent as ws reads them, or refused', { skip }, async () => {
  const { TARGETS } = (await import('../../../fuzz/websocket.ts')) as { TARGETS: readonly Target[] };
  for (const target of TARGETS)
    for (let seed = 1; seed <= 2_000; seed += 1) await target.run(target.make(randomFrom(seed)));
});

function isInstalled(name: string): boolean {
  try {
    createRequire(import.meta.url).resolve(name);
    return true;
  } catch {
    return false;
  }
}
