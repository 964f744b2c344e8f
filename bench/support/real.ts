/** A bench with the real pipelock: run again in a network of its own, where its names can be answered. */
import { fileURLToPath } from 'node:url';
import { notAlone, runAlone } from '../../tests/unit/support/alone.ts';
import { pipelockBinary } from '../../tests/unit/support/program.ts';
import { SINK } from '../../tests/unit/support/variations.ts';

const INSIDE = 'BOTTLE_BENCH_ALONE';

/** pipelock's file, if the bench runs alone already; otherwise it is run so, and this process ends with it. */
export function pipelockOrAgain(bench: string): string {
  const why = [pipelockBinary(), notAlone()].find((one) => typeof one === 'string');
  const binary = pipelockBinary();
  if (typeof binary === 'object' && process.env[INSIDE] === '1') return binary.file;
  if (why !== undefined) {
    console.error(why);
    process.exit(1);
  }
  const { status } = runAlone(fileURLToPath(bench), process.argv.slice(2), {
    addresses: [SINK],
    resolver: SINK,
    env: { [INSIDE]: '1' },
    shows: true,
  });
  process.exit(status ?? 1);
}
