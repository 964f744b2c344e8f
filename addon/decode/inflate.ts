/** Compressed texts: those that a header declares, which must decode, and those that only look like it, which may not. */
import {
  brotliDecompressSync,
  gunzipSync,
  inflateRawSync,
  inflateSync,
  zstdDecompressSync,
  constants,
} from 'node:zlib';
import type { Work } from './work.ts';

export type Decoded =
  | { readonly kind: 'decoded'; readonly body: Buffer }
  /** `why`: it is too much, or it is not what it says. */
  | { readonly kind: 'unscannable'; readonly why: 'size' | 'form'; readonly reason: string };

/** Codings that one body may be wrapped in. */
export const MAX_CODINGS = 3;

/** Undoes what Content-Encoding says, last coding first (RFC 9110 section 8.4). */
export function decodeContent(body: Buffer, encodings: readonly string[], work: Work): Decoded {
  const codings = encodings
    .join(',')
    .split(',')
    .map((coding) => coding.trim().toLowerCase())
    .filter((coding) => coding !== '' && coding !== 'identity');
  if (body.length === 0) return { kind: 'decoded', body };
  if (codings.length > MAX_CODINGS)
    return unscannable('form', 'is wrapped in too many Content-Encodings; it cannot be scanned for secrets');
  let decoded = body;
  for (const coding of codings.toReversed()) {
    const decoder = DECODERS[coding];
    if (!decoder)
      return unscannable('form', 'uses an unknown Content-Encoding; compressed bodies cannot be scanned for secrets');
    try {
      decoded = decoder(decoded, work.maxInflated);
    } catch (error) {
      return isTooLarge(error)
        ? unscannable('size', `exceeds max_body_bytes (${work.maxInflated}) when it is decompressed`)
        : unscannable('form', 'does not decode as its Content-Encoding says; it cannot be scanned for secrets');
    }
    if (!work.inflated(decoded.length)) return unscannable('size', work.exhausted ?? '');
  }
  return { kind: 'decoded', body: decoded };
}

/** Opens what begins like gzip, zlib or zstd at this place. A text that is cut off gives what there is of it. */
export function openCompressed(bytes: Buffer, work: Work): Buffer | undefined {
  if (!work.tryInflation()) return undefined;
  const open = bytes[0] === 0x1f ? gunzipPart : bytes[0] === 0x28 ? zstdPart : inflatePart;
  try {
    const opened = open(bytes, Math.max(1, work.inflatable));
    return work.inflated(opened.length) ? opened : undefined;
  } catch (error) {
    // Random bytes look compressed now and then; what does not decode is not.
    if (isTooLarge(error)) work.inflated(work.maxInflated + 1);
    return undefined;
  }
}

type Decoder = (bytes: Buffer, limit: number) => Buffer;

const DECODERS: Readonly<Record<string, Decoder>> = {
  gzip: whole(gunzipSync),
  'x-gzip': whole(gunzipSync),
  deflate: inflateEither,
  br: whole(brotliDecompressSync),
  zstd: whole(zstdDecompressSync),
};

/** Node's decoders are silent where theirs ends and something follows, which another reader may not be. Throws then. */
function whole(open: (bytes: Buffer, options: { maxOutputLength: number; info: true }) => unknown): Decoder {
  return (bytes, limit) => {
    // `info` gives the engine beside the text; the types do not know it for the synchronous forms.
    const opened = open(bytes, { maxOutputLength: limit, info: true }) as {
      readonly buffer: Buffer;
      readonly engine: { readonly bytesWritten: number };
    };
    if (opened.engine.bytesWritten !== bytes.length) throw new Error('something follows its end');
    return opened.buffer;
  };
}

/** "deflate" is zlib by the RFC and raw by the practice of some clients. */
function inflateEither(bytes: Buffer, limit: number): Buffer {
  try {
    return whole(inflateSync)(bytes, limit);
  } catch (error) {
    if (isTooLarge(error)) throw error;
    return whole(inflateRawSync)(bytes, limit);
  }
}

const partial = { finishFlush: constants.Z_SYNC_FLUSH };
const inflatePart: Decoder = (bytes, limit) => inflateSync(bytes, { ...partial, maxOutputLength: limit });
const zstdPart: Decoder = (bytes, limit) =>
  zstdDecompressSync(bytes, { finishFlush: constants.ZSTD_e_flush, maxOutputLength: limit });

/** Also with something else behind it, as in the middle of a multipart body. */
function gunzipPart(bytes: Buffer, limit: number): Buffer {
  const options = { ...partial, maxOutputLength: limit };
  try {
    return gunzipSync(bytes, options);
  } catch (error) {
    if (isTooLarge(error)) throw error;
    return inflateRawSync(bytes.subarray(gzipHead(bytes)), options);
  }
}

/** Bytes of the head of gzip (RFC 1952 section 2.3). */
function gzipHead(bytes: Buffer): number {
  const flags = bytes[3] ?? 0;
  let at = 10;
  if (flags & 4) at += 2 + (bytes[at] ?? 0) + 256 * (bytes[at + 1] ?? 0);
  for (const text of [8, 16]) if (flags & text) at = bytes.indexOf(0, at) + 1 || bytes.length;
  return flags & 2 ? at + 2 : at;
}

/** The error of a text that becomes more than its limit. */
export function isTooLarge(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE';
}

function unscannable(why: 'size' | 'form', reason: string): Decoded {
  return { kind: 'unscannable', why, reason };
}
