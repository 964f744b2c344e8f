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
