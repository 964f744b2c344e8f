/** Randomness that a seed repeats. */

export interface Random {
  /** 0 ≤ n < below. */
  number(below: number): number;
  pick<T>(from: readonly T[]): T;
  /** True once in `of` times. */
  once(of: number): boolean;
}

/** mulberry32. `seed`: an integer. */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  function next(): number {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
  const number = (below: number) => Math.floor(next() * below);
  return {
    number,
    pick: (from) => from[number(from.length)] as (typeof from)[number],
    once: (of) => number(of) === 0,
  };
}

/** The same cuts for the same bytes, so that an input is all that a fault needs to be seen again. */
export function cutUp(input: Buffer): Buffer[] {
  const random = randomFrom(input.reduce((hash, byte) => Math.imul(hash ^ byte, 16_777_619) >>> 0, 2_166_136_261));
  const cuts = Array.from({ length: random.number(4) }, () => random.number(input.length + 1)).toSorted(
    (a, b) => a - b,
  );
  const all = [0, ...cuts, input.length];
  return all.slice(1).map((end, index) => input.subarray(all[index], end));
}
