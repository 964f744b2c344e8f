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

/** Calls `onRun` for every maximal run of at least `least` bytes of the class, in order. */
export function eachRun(
  bytes: Uint8Array,
  inClass: ByteClass,
  least: number,
  onRun: (start: number, end: number) => void,
): void {
  let [from, probe] = [0, least - 1];
  while (probe < bytes.length) {
    if (inClass[bytes[probe] as number] === 0) {
      from = probe + 1;
      probe += least;
      continue;
    }
    let start = probe;
    while (start > from && inClass[bytes[start - 1] as number] === 1) start -= 1;
    let end = probe + 1;
    // A run that is too short is known by its missing byte; the probe then jumps past that byte.
    while (end < bytes.length && inClass[bytes[end] as number] === 1) end += 1;
    if (end - start >= least) onRun(start, end);
    from = end + 1;
    probe = end + least;
  }
}
