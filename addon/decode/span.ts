/** Finds stretches of bytes of one class without reading every byte: only one byte of each `least` is looked at in between. */

export type ByteClass = Uint8Array;

/** 1 for each character of the text, 0 for every other byte. */
export function byteClass(characters: string): ByteClass {
  const table = new Uint8Array(256);
  for (const character of characters) table[character.charCodeAt(0)] = 1;
  return table;
}

export const DIGITS = '0123456789';
export const LOWER = 'abcdefghijklmnopqrstuvwxyz';
export const UPPER = LOWER.toUpperCase();

/** Calls `onRun` for every maximal run of at least `least` bytes of the class between `from` and `to`, in order. */
export function eachRun(
  bytes: Uint8Array,
  inClass: ByteClass,
  least: number,
  onRun: (start: number, end: number) => void,
  from = 0,
  to = bytes.length,
): void {
  // Everything from `start` up to `known` is of the class; `probe` is the first place that would make the run long enough.
  let [start, known, probe] = [from, from, from + least - 1];
  while (probe < to) {
    let at = probe;
    while (at >= known && inClass[bytes[at] as number] === 1) at -= 1;
    if (at >= known) {
      start = at + 1;
      known = probe + 1;
      probe = start + least - 1;
      continue;
    }
    let end = probe + 1;
    while (end < to && inClass[bytes[end] as number] === 1) end += 1;
    onRun(start, end);
    start = end + 1;
    known = start;
    probe = end + least;
  }
}
