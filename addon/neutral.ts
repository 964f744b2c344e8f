/** Words that stand for placeholders in what a scanner is shown: a placeholder has the shape of a credential. Pure. */
import type { BoundSecret } from '../contracts/secret.ts';
import { spellingsOf } from './spellings.ts';

interface Spelled {
  readonly text: string;
  readonly bytes: Buffer;
}
export type Pair = readonly [from: Spelled, to: Spelled];

/** For each spelling of the placeholder the same spelling of a neutral word, of the same length. */
export function neutralOf({ name, placeholder }: BoundSecret): { name: string; pairs: Pair[] } {
  const word = 'placeholder-'.repeat(Math.ceil(placeholder.length / 12)).slice(0, placeholder.length);
  const to = spellingsOf(word);
  const spelled = (bytes: Buffer): Spelled => ({ text: bytes.toString('latin1'), bytes });
  const pairs = spellingsOf(placeholder).map((bytes, index): Pair => [spelled(bytes), spelled(to[index] ?? bytes)]);
  const seen = new Set<string>();
  return { name, pairs: pairs.filter(([{ text }]) => !seen.has(text) && seen.add(text)) };
}

export function replaceText(text: string, pairs: readonly Pair[]): string {
  return pairs.reduce((left, [from, to]) => left.replaceAll(from.text, to.text), text);
}

/** The same bytes if none of the spellings stands in them, else a copy. */
export function replaceBytes(bytes: Buffer, pairs: readonly Pair[]): Buffer {
  let out = bytes;
  for (const [from, to] of pairs) {
    for (let at = out.indexOf(from.bytes); at >= 0; at = out.indexOf(from.bytes, at + from.bytes.length)) {
      if (out === bytes) out = Buffer.from(bytes);
      to.bytes.copy(out, at);
    }
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

/** Bytes below which no scanner takes a piece of a placeholder for a credential. */
const LEAST_CUT = 8;
