/** Compressed texts that are too large to be opened at once: the same codings as `inflate.ts`, piece by piece. */
import { pipeline, Readable, type Transform } from 'node:stream';
import {
  constants,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createInflateRaw,
  createZstdDecompress,
} from 'node:zlib';

export type Bytes = AsyncIterable<Buffer>;

export type Coding = 'gzip' | 'deflate' | 'deflate-raw' | 'br' | 'zstd';

/** Bytes that begin a text: enough to tell how it is compressed. */
export const MAGIC_BYTES = 4;

/** What a name of Content-Encoding means; `beginning` tells the two kinds of "deflate" apart. Undefined: unknown. */
export function codingOf(name: string, beginning: Buffer): Coding | undefined {
  switch (name) {
    case 'gzip':
    case 'x-gzip':
      return 'gzip';
    case 'deflate':
      return isZlib(beginning) ? 'deflate' : 'deflate-raw';
    case 'br':
    case 'zstd':
      return name;
    default:
      return undefined;
  }
}

/** The coding that a text's first bytes look like, if any. */
export function lookOf(beginning: Buffer): Coding | undefined {
  if (beginning[0] === 0x1f && beginning[1] === 0x8b) return 'gzip';
  if (beginning.equals(ZSTD)) return 'zstd';
  return beginning[0] === 0x78 && isZlib(beginning) ? 'deflate' : undefined;
}

/** It is no such text, or breaks off; what came before stands. */
export class NotCompressed extends Error {}

/** It becomes more than `most` bytes. */
export class Expanded extends Error {}

/**
 * The text without the coding. `whole`: it must end as it should; otherwise one that is cut off ends where it does.
 * @throws {NotCompressed} @throws {Expanded} and whatever reading the source throws
 */
export async function* opened(
  source: Bytes,
  coding: Coding,
  ending: 'whole' | 'any',
  most: number,
): AsyncGenerator<Buffer> {
  const decoder = DECODERS[coding](ending);
  let size = 0;
  let fed = 0;
  async function* counted(): AsyncGenerator<Buffer> {
    for await (const piece of source) {
      fed += piece.length;
      yield piece;
    }
  }
  pipeline(Readable.from(counted(), { objectMode: false }), decoder, () => undefined); // an error is the decoder's as well
  try {
    for await (const piece of decoder as AsyncIterable<Buffer>) {
      size += piece.length;
      if (size > most) throw new Expanded();
      yield piece;
    }
    // Node's decoders end in silence where theirs ends and something follows, which another reader may not.
    if (ending === 'whole' && decoder.bytesWritten !== fed) throw new NotCompressed();
  } catch (error) {
    throw isOfCoding(error) ? new NotCompressed() : error;
  }
}

type Decoder = Transform & { readonly bytesWritten: number };

const DECODERS: Readonly<Record<Coding, (ending: 'whole' | 'any') => Decoder>> = {
  gzip: (ending) => createGunzip(flush(ending)),
  deflate: (ending) => createInflate(flush(ending)),
  'deflate-raw': (ending) => createInflateRaw(flush(ending)),
  br: () => createBrotliDecompress({ chunkSize: CHUNK }),
  zstd: (ending) =>
    createZstdDecompress({ chunkSize: CHUNK, ...(ending === 'any' ? { finishFlush: constants.ZSTD_e_flush } : {}) }),
};

/** Bytes that come out at a time. */
const CHUNK = 64 * 1024;

function flush(ending: 'whole' | 'any'): { chunkSize: number; finishFlush?: number } {
  return ending === 'whole' ? { chunkSize: CHUNK } : { chunkSize: CHUNK, finishFlush: constants.Z_SYNC_FLUSH };
}

const ZSTD = Buffer.of(0x28, 0xb5, 0x2f, 0xfd);

/** The two bytes that zlib begins with (RFC 1950 section 2.2). */
function isZlib([first = 0, second = 0]: Buffer): boolean {
  return (first & 0x0f) === 8 && first >> 4 <= 7 && ((first << 8) | second) % 31 === 0;
}

/** It does not decode, or breaks off. */
export function isOfCoding(error: unknown): boolean {
  return error instanceof Error && 'code' in error && /^(Z_|ZSTD_|ERR__ERROR)/.test(String(error.code));
}
