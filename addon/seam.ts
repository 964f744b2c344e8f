/** What one message of a stream shows only together with those before it: their end and its beginning, read once more as one text. */
import { SEAM_BYTES } from './limits.ts';
import type { Unit } from './message.ts';

/** Messages of one direction of a stream. What is of one kind is read as if it were one text; kinds are kept apart. */
export class Seams {
  readonly #ends = new Map<string, Buffer>();

  /**
   * A unit that sends nothing, to be judged before the message is. Undefined: there is nothing before it.
   * `readings`: the message, each with the kind of text that it goes on with.
   */
  next(readings: readonly (readonly [kind: string, content: Buffer])[]): Unit | undefined {
    const seams: Buffer[] = [];
    for (const [kind, content] of readings) {
      if (content.length === 0) continue;
      const before = this.#ends.get(kind);
      this.#ends.set(kind, endOf(before ?? NOTHING, content, SEAM_BYTES));
      if (!before) continue;
      if (seams.length > 0) seams.push(BETWEEN);
      seams.push(before, content.subarray(0, SEAM_BYTES));
    }
    if (seams.length === 0) return undefined;
    return {
      kind: 'unit',
      size: 0,
      last: false,
      trailers: [],
      chunks: () => [],
      message: { type: 'text/plain', bytes: Buffer.concat(seams) },
      [Symbol.dispose]: () => undefined,
    };
  }
}

/** The last bytes of two texts that follow each other, as a copy. */
export function endOf(before: Buffer, after: Buffer, most: number): Buffer {
  const end = after.subarray(Math.max(0, after.length - most));
  return Buffer.concat([before.subarray(Math.max(0, before.length - (most - end.length))), end]);
}

const NOTHING: Buffer = Buffer.alloc(0);
/** So that two readings do not read on from one to the other. */
const BETWEEN = Buffer.from('\n\n');
