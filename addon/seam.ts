/** What one message of a stream shows only together with those before it: their end and its beginning, read once more as one text. */
import { type Covered, coveredBehind, coveredWithin } from './covered.ts';
import { SEAM_BYTES } from './limits.ts';
import type { Unit } from './message.ts';

/** A message, or a part of it up to its end. */
export interface SeamReading {
  /** What is of one kind is read as if it were one text; kinds are kept apart. */
  readonly kind: string;
  readonly content: Buffer;
  /** What masks cover of it. Only in the whole message is it seen: at the end of one nothing tells what place a string stands at. */
  readonly covered: readonly Covered[];
}

/** Messages of one direction of a stream. */
export class Seams {
  readonly #ends = new Map<string, Text>();

  /** A unit that sends nothing, to be judged before the message is. Undefined: there is nothing before it. */
  next(readings: readonly SeamReading[]): Unit | undefined {
    let seam = EMPTY;
    for (const { kind, content: bytes, covered } of readings) {
      if (bytes.length === 0) continue;
      const before = this.#ends.get(kind);
      this.#ends.set(kind, lastOf(before ?? EMPTY, { bytes, covered }));
      if (!before) continue;
      if (seam.bytes.length > 0) seam = joined(seam, BETWEEN);
      seam = joined(joined(seam, before), firstOf({ bytes, covered }));
    }
    if (seam.bytes.length === 0) return undefined;
    return {
      kind: 'unit',
      size: 0,
      last: false,
      trailers: [],
      chunks: () => [],
      message: { type: 'text/plain', ...seam },
      [Symbol.dispose]: () => undefined,
    };
  }
}

/** The last bytes of two texts that follow each other, as a copy. */
export function endOf(before: Buffer, after: Buffer, most: number): Buffer {
  const end = after.subarray(Math.max(0, after.length - most));
  return Buffer.concat([before.subarray(Math.max(0, before.length - (most - end.length))), end]);
}

interface Text {
  readonly bytes: Buffer;
  readonly covered: readonly Covered[];
}

function joined(before: Text, after: Text): Text {
  return { bytes: Buffer.concat([before.bytes, after.bytes]), covered: coveredInBoth(before, after) };
}

function coveredInBoth(before: Text, after: Text): Covered[] {
  return [...before.covered, ...coveredBehind(before.bytes.length, after.covered)];
}

function firstOf({ bytes, covered }: Text): Text {
  return { bytes: bytes.subarray(0, SEAM_BYTES), covered: coveredWithin(covered, 0, SEAM_BYTES) };
}

/** The messages themselves are never put together: they may be large, and only their ends are kept. */
function lastOf(before: Text, after: Text): Text {
  const bytes = endOf(before.bytes, after.bytes, SEAM_BYTES);
  const whole = before.bytes.length + after.bytes.length;
  return { bytes, covered: coveredWithin(coveredInBoth(before, after), whole - bytes.length, whole) };
}

const EMPTY: Text = { bytes: Buffer.alloc(0), covered: [] };
/** So that two readings do not read on from one to the other. */
const BETWEEN: Text = { bytes: Buffer.from('\n\n'), covered: [] };
