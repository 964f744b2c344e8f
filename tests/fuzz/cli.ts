/**
 * Runs a fuzz target from the command line: inputs from a seed for some minutes, or one that failed before.
 *
 *     node tests/fuzz/h1.ts [--seed N] [--minutes N] [--repro FILE]
 *
 * The first input that fails is printed and saved, and ends the run with status 1.
 */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Random, randomFrom } from './random.ts';

export interface Target {
  readonly name: string;
  make(random: Random): Buffer;
  /** Rejects if the input shows a fault. */
  run(input: Buffer): Promise<void>;
}

export async function fuzz(targets: readonly Target[]): Promise<void> {
  const { values } = parseArgs({
    options: { seed: { type: 'string' }, minutes: { type: 'string' }, repro: { type: 'string' } },
  });
  if (values.repro !== undefined) {
    const input = readFileSync(values.repro);
    const target = targets.find(({ name }) => values.repro?.endsWith(`.${name}`));
    if (!target)
      throw new Error(`no target is called as ${values.repro} ends: .${targets.map(({ name }) => name).join(', .')}`);
    await target.run(input);
    console.log('nothing is wrong with this input');
    return;
  }
  const seed = Number(values.seed ?? Date.now() % 1_000_000_000);
  const end = performance.now() + Number(values.minutes ?? 1) * 60_000;
  let count = 0;
  let told = performance.now();
  console.log(`seed ${seed}`);
  while (performance.now() < end) {
    for (const target of targets) {
      const input = target.make(randomFrom(seed + count));
      count += 1;
      try {
        await target.run(input);
      } catch (error) {
        const file = join(mkdtempSync(join(tmpdir(), 'fuzz-')), `input.${target.name}`);
        writeFileSync(file, input);
        console.error(
          `${target.name}, after ${count} inputs: ${JSON.stringify(input.toString('latin1'))}\n--repro ${file}`,
        );
        throw error;
      }
    }
    if (performance.now() > told + 60_000) {
      told = performance.now();
      console.log(`${count} inputs`);
    }
  }
  console.log(`${count} inputs, no fault`);
}
