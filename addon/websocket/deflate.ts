/**
 * permessage-deflate (RFC 7692), the agent's direction: one whole message at a time. An inflater's memory of the messages before is the
 * end of what they became, so that is all that is kept between two.
 */
import { inflateRawSync } from 'node:zlib';
import { endOf } from '../seam.ts';

/** What the two ends have agreed upon, as far as the agent's messages depend on it. */
export interface Deflate {
  /** Each message is compressed by itself. */
  readonly clientNoContextTakeover: boolean;
}

export type Inflated = { readonly kind: 'inflated'; readonly bytes: Buffer } | { readonly kind: 'too large' } | Broken;
interface Broken {
  readonly kind: 'broken';
}

/**
 * To be put behind the payload of a compressed message: the end of its last block, which is left out on the wire (section 7.2.2), and
 * an empty last block. If the stream ends exactly with that, the message was whole: nothing of it is still open, which an inflater with
 * a memory would go on with in the next message, and nothing stands behind an end.
 */
export const DEFLATE_TAIL = Buffer.from([0x00, 0x00, 0xff, 0xff, 0x01, 0x00, 0x00, 0xff, 0xff]);

export class Inflater {
  readonly #keeps: boolean;
  #window: Buffer = Buffer.alloc(0);

  constructor({ clientNoContextTakeover }: Deflate) {
    this.#keeps = !clientNoContextTakeover;
  }

  /** `stream`: payload and tail. `most`: bytes that it may become. A broken message ends the connection: what follows depends on it. */
  inflate(stream: Buffer, most: number): Inflated {
    const dictionary = this.#window.length > 0 ? { dictionary: this.#window } : {};
    try {
      const options = { ...dictionary, windowBits: 15, maxOutputLength: Math.max(1, most), info: true };
      // With `info` it is an object, which the types do not know.
      const { buffer, engine } = inflateRawSync(stream, options) as unknown as Detailed;
      if (engine.bytesWritten !== stream.length) return { kind: 'broken' };
      if (buffer.length > most) return { kind: 'too large' };
      if (this.#keeps) this.#window = endOf(this.#window, buffer, WINDOW);
      return { kind: 'inflated', bytes: buffer };
    } catch (error) {
      const isTooLarge = error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE';
      return isTooLarge ? { kind: 'too large' } : { kind: 'broken' };
    }
  }
}

/** Bytes that a stream of so many can become at most: 258 for every two bits (RFC 1951). */
export function mostInflated(stream: number): number {
  return stream * 1_032;
}

interface Detailed {
  readonly buffer: Buffer;
  /** `bytesWritten`: of the stream, those that were read. */
  readonly engine: { readonly bytesWritten: number };
}

/** Bytes that deflate reaches back. A smaller window that was agreed upon reads the same. */
const WINDOW = 32 * 1024;
