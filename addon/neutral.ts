/** Words that stand for placeholders in what a scanner is shown: a placeholder has the shape of a credential. Pure. */
import type { BoundSecret } from '../contracts/secret.ts';
import { spellingsOf } from './spellings.ts';

interface Spelled {
  readonly text: string;
  readonly bytes: Buffer;
}
export type Pair = readonly [from: Spelled, to: Spelled];

/** What stands for one placeholder. */
export interface Neutral {
  readonly name: string;
  /** For each spelling of the placeholder the same spelling of a neutral word, of the same length. */
  readonly pairs: readonly Pair[];
  /** How a placeholder begins that breaks off, as tools print them: that much of it a scanner may take for a credential already. */
  readonly begins: Spelled;
}

export function neutralOf({ name, placeholder }: BoundSecret): Neutral {
  const word = 'placeholder-'.repeat(Math.ceil(placeholder.length / 12)).slice(0, placeholder.length);
  const to = spellingsOf(word);
  const spelled = (bytes: Buffer): Spelled => ({ text: bytes.toString('latin1'), bytes });
  const pairs = spellingsOf(placeholder).map((bytes, index): Pair => [spelled(bytes), spelled(to[index] ?? bytes)]);
  const seen = new Set<string>();
  const begins = spelled(Buffer.from(placeholder.slice(0, LEAST_BEGUN), 'latin1'));
  return { name, pairs: pairs.filter(([{ text }]) => !seen.has(text) && seen.add(text)), begins };
}

/** True if the placeholder stands in the bytes, whole or broken off. */
export function standsIn(bytes: Buffer, { pairs, begins }: Neutral): boolean {
  return bytes.includes(begins.bytes) || pairs.some(([from]) => bytes.includes(from.bytes));
}

export function replaceText(text: string, neutral: Neutral): string {
  const left = neutral.pairs.reduce((before, [from, to]) => before.replaceAll(from.text, to.text), text);
  if (!left.includes(neutral.begins.text)) return left;
  return replaceBegun(Buffer.from(left, 'latin1'), neutral).toString('latin1');
}

/** The same bytes if none of the spellings stands in them, else a copy. */
export function replaceBytes(bytes: Buffer, neutral: Neutral): Buffer {
  let out = bytes;
  const { pairs } = neutral;
  for (const [from, to] of pairs) {
    for (let at = out.indexOf(from.bytes); at >= 0; at = out.indexOf(from.bytes, at + from.bytes.length)) {
      if (out === bytes) out = Buffer.from(bytes);
      to.bytes.copy(out, at);
    }
  }
  return replaceBegun(out, neutral);
}

/** As much of the placeholder as stands there. The whole ones have been replaced. */
function replaceBegun(bytes: Buffer, { pairs: [whole], begins }: Neutral): Buffer {
  let out = bytes;
  if (!whole) return out;
  const [from, to] = whole;
  for (let at = out.indexOf(begins.bytes); at >= 0; at = out.indexOf(begins.bytes, at + 1)) {
    let size = begins.bytes.length;
    while (size < from.bytes.length && out[at + size] === from.bytes[size]) size += 1;
    if (out === bytes) out = Buffer.from(bytes);
    to.bytes.copy(out, at, 0, size);
  }
  return out;
}

/** The same for a spelling that the window's beginning or end cuts through: half a placeholder would look like a credential. */
export function replaceCut(bytes: Buffer, pairs: readonly Pair[]): Buffer {
  let out = bytes;
  const replace = (part: Buffer, at: number) => {
    if (out === bytes) out = Buffer.from(bytes);
    part.copy(out, at);
  };
  for (const [from, to] of pairs) {
    for (let kept = Math.min(from.bytes.length - 1, bytes.length); kept >= LEAST_CUT; kept -= 1) {
      const [head, tail] = [from.bytes.subarray(0, kept), from.bytes.subarray(-kept)];
      if (out.subarray(-kept).equals(head)) replace(to.bytes.subarray(0, kept), out.length - kept);
      if (out.subarray(0, kept).equals(tail)) replace(to.bytes.subarray(-kept), 0);
    }
  }
  return out;
}

/** Bytes: longer than the longest prefix that is a provider's, so that no credential of anybody else's begins so. */
const LEAST_BEGUN = 17;
/** Bytes below which no scanner takes a piece of a placeholder for a credential. */
const LEAST_CUT = 8;
