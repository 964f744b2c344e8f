/**
 * What a git pack is made of: a head, and objects of a head and a zlib stream each (gitformat-pack(5)). One reading for packs that lie in
 * memory and for those that come piece by piece.
 */
import { constants, inflateSync } from 'node:zlib';
import { isTooLarge } from './inflate.ts';
import type { Sink } from './sink.ts';

/** How a pack begins. Its four letters by themselves are in every text about packs. */
export const MAGIC = Buffer.from('PACK\0\0\0');
/** Bytes of a pack's head. */
export const PACK_HEAD = 12;
/** Bytes that an object's head has at most, the name of its base included. */
export const OBJECT_HEAD = 64;

/** What `git push` sends, by any of the values of Content-Type. */
export function isPush(types: readonly string[]): boolean {
  return types.some((type) => /^application\/x-git-receive-pack-request/i.test(type));
}

/** How many objects the pack has whose head stands there; undefined if none does. */
export function countObjects(bytes: Buffer, at: number): number | undefined {
  const version = bytes[at + 7];
  if ((version !== 2 && version !== 3) || at + PACK_HEAD > bytes.length) return undefined;
  return bytes.readUInt32BE(at + 8);
}

/** Bytes of the line of the protocol that stands there, its length included (gitprotocol-common(5)); undefined if none does. */
export function lineLength(bytes: Buffer, at: number): number | undefined {
  const digits = bytes.toString('latin1', at, at + 4);
  return /^[0-9a-fA-F]{4}$/.test(digits) ? Math.max(4, Number.parseInt(digits, 16)) : undefined;
}

export interface ObjectHead {
  readonly isDelta: boolean;
  /** Bytes that the stream becomes. */
  readonly size: number;
  /** Where the stream may begin: of a base that is named, SHA-1 or SHA-256 stands in front, and only one of the two leaves a stream. */
  readonly streams: readonly number[];
}

/** Undefined: no object begins there. */
export function readObjectHead(bytes: Buffer, start: number): ObjectHead | undefined {
  const kind = ((bytes[start] ?? 0) >> 4) & 7;
  let at = start;
  let size = (bytes[at] ?? 0) & 15;
  for (let bits = 4; isContinued(bytes[at]); bits += 7) {
    at += 1;
    size += ((bytes[at] ?? 0) & 0x7f) * 2 ** bits;
  }
  at += 1;
  if (kind === OFFSET_DELTA) {
    while (isContinued(bytes[at])) at += 1;
    at += 1;
  }
  const isDelta = kind === OFFSET_DELTA || kind === NAMED_DELTA;
  if (at - start > LONGEST_NUMBERS || (!isDelta && (kind < COMMIT || kind > TAG))) return undefined;
  return { isDelta, size, streams: kind === NAMED_DELTA ? [at + SHA1, at + SHA256] : [at] };
}

const [COMMIT, TAG, OFFSET_DELTA, NAMED_DELTA] = [1, 4, 6, 7];
const [SHA1, SHA256] = [20, 32];
/** Bytes of a size and an offset; 64 bits need ten each. */
const LONGEST_NUMBERS = OBJECT_HEAD - SHA256;

/** The text of a zlib stream, and how many bytes the stream has. `too much`: it is longer than `most`. Undefined: it is none, or is cut. */
export function inflate(
  stream: Buffer,
  size: number,
  most: number,
): { readonly content: Buffer; readonly length: number } | 'too much' | undefined {
  try {
    // The first piece has room for all of it if it is as long as it says: most objects are a few hundred bytes.
    const chunkSize = Math.min(Math.max(size + 1, 64), 16 * 1024);
    const options = { info: true, chunkSize, maxOutputLength: Math.max(1, most) } as const;
    // With `info`, the engine comes along, which knows where the stream ended; the types do not say so.
    const { buffer: content, engine } = inflateSync(stream, options) as unknown as {
      buffer: Buffer;
      engine: { bytesWritten: number };
    };
    return { content, length: engine.bytesWritten };
  } catch (error) {
    return isTooLarge(error) ? 'too much' : undefined;
  }
}

/** Whether a zlib stream begins there, as far as these bytes tell. */
export function beginsStream(bytes: Buffer): boolean {
  try {
    inflateSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: 2 ** 20 });
    return true;
  } catch (error) {
    return isTooLarge(error);
  }
}

/**
 * What a delta adds to its base, however it is cut: two additions in a row belong together, what is copied between two parts them.
 */
export class Additions {
  /** Two sizes stand in front. */
  #sizes = 2;
  #copying = 0;
  #adding = 0;

  /** Takes the next piece of the delta. */
  read(bytes: Buffer, sink: Sink): void {
    for (let at = 0; at < bytes.length; ) {
      if (this.#sizes > 0) {
        if (!isContinued(bytes[at])) this.#sizes -= 1;
        at += 1;
      } else if (this.#copying > 0) {
        const skipped = Math.min(this.#copying, bytes.length - at);
        this.#copying -= skipped;
        at += skipped;
      } else if (this.#adding > 0) {
        const added = Math.min(this.#adding, bytes.length - at);
        sink.copy(bytes, at, at + added);
        this.#adding -= added;
        at += added;
      } else {
        this.#begin(bytes[at] as number, sink);
        at += 1;
      }
    }
  }

  #begin(command: number, sink: Sink): void {
    if (command < 0x80) {
      this.#adding = command;
      return;
    }
    for (let flag = 1; flag < 0x80; flag <<= 1) if (command & flag) this.#copying += 1;
    sink.separate();
  }
}

/** Numbers go on as long as the highest bit is set. */
function isContinued(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x80;
}
