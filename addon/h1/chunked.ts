/** The chunked coding, taken off bytes as they come. RFC 9112 section 7.1. */
import { CHUNK_DIGITS, CHUNK_EXTENSION_BYTES, TRAILER_BYTES } from '../limits.ts';
import type { BodyPart } from './body.ts';
import { FRAMING, type Malformed, malformed, SectionReader } from './section.ts';

/** Who sends: extensions are dropped from answers, and a reason to refuse a request (nobody sends them but to confuse). */
export type Sender = 'agent' | 'upstream';

export class ChunkedReader {
  readonly #sender: Sender;
  #state = FIRST_DIGIT;
  #digits = 0;
  /** Bytes of the chunk: all of them while its size is read, then those that have not come yet. */
  #left = 0;
  #extension = '';
  readonly #trailers = new SectionReader({ most: TRAILER_BYTES, what: 'trailer section' });

  constructor(sender: Sender) {
    this.#sender = sender;
  }

  push(bytes: Buffer): readonly BodyPart[] {
    const parts: BodyPart[] = [];
    let at = 0;
    while (at < bytes.length) {
      if (this.#state === DATA) {
        const end = Math.min(bytes.length, at + this.#left);
        parts.push({ kind: 'data', bytes: bytes.subarray(at, end) });
        this.#left -= end - at;
        at = end;
        if (this.#left === 0) this.#state = DATA_CR;
      } else if (this.#state === TRAILERS) {
        const end = this.#readTrailers(bytes.subarray(at));
        return end ? [...parts, end] : parts;
      } else {
        const objection = this.#step(bytes[at] as number);
        at += 1;
        if (objection) return [...parts, objection];
      }
    }
    return parts;
  }

  /** One byte that is not data. */
  #step(byte: number): Malformed | undefined {
    switch (this.#state) {
      case FIRST_DIGIT:
      case DIGITS: {
        const digit = byte < 128 ? (HEX[byte] as number) : NO_DIGIT;
        if (digit !== NO_DIGIT) {
          this.#digits += 1;
          if (this.#digits > CHUNK_DIGITS) return malformed('the size of a chunk has too many digits');
          this.#left = this.#left * 16 + digit;
          this.#state = DIGITS;
          return undefined;
        }
        if (this.#state === FIRST_DIGIT || (byte !== CR && byte !== SEMICOLON)) return malformed(NO_SIZE);
        if (byte === CR) this.#state = SIZE_LF;
        else if (this.#sender === 'agent') return malformed('a chunk has an extension');
        else this.#beginExtension();
        return undefined;
      }
      case EXTENSION:
        if (byte === CR) {
          if (!EXTENSIONS.test(this.#extension)) return malformed('the extension of a chunk is not well-formed');
          this.#state = SIZE_LF;
          return undefined;
        }
        this.#extension += String.fromCharCode(byte);
        return this.#extension.length > CHUNK_EXTENSION_BYTES ? malformed('a chunk has a long extension') : undefined;
      case SIZE_LF:
        if (byte !== LF) return malformed(NO_SIZE);
        this.#state = this.#left === 0 ? TRAILERS : DATA;
        return undefined;
      case DATA_CR:
        if (byte !== CR) return malformed(NO_END);
        this.#state = DATA_LF;
        return undefined;
      default:
        if (byte !== LF) return malformed(NO_END);
        this.#state = FIRST_DIGIT;
        this.#digits = 0;
        return undefined;
    }
  }

  #beginExtension(): void {
    this.#state = EXTENSION;
    this.#extension = ';';
  }

  #readTrailers(bytes: Buffer): BodyPart | undefined {
    const found = this.#trailers.push(bytes);
    if (found.kind === 'more') return undefined;
    if (found.kind === 'malformed') return found;
    const { fields: trailers, rest } = found;
    // Parsers that read trailers as they read a head act upon these.
    return trailers.some(([name]) => FRAMING.test(name))
      ? malformed('a trailer says how the message is framed')
      : { kind: 'end', trailers, rest };
  }
}

const LF = 0x0a;
const CR = 0x0d;
const SEMICOLON = 0x3b;

const FIRST_DIGIT = 0;
const DIGITS = 1;
const EXTENSION = 2;
const SIZE_LF = 3;
const DATA = 4;
const DATA_CR = 5;
const DATA_LF = 6;
const TRAILERS = 7;

const NO_DIGIT = 255;
const HEX = Uint8Array.from({ length: 128 }, (_, byte) => {
  const digit = Number.parseInt(String.fromCharCode(byte), 16);
  return Number.isNaN(digit) ? NO_DIGIT : digit;
});
/** Without white space, which RFC 9112 has only for parsers. */
const EXTENSIONS =
  /^(;[!#$%&'*+\-.^_`|~0-9A-Za-z]+(=([!#$%&'*+\-.^_`|~0-9A-Za-z]+|"([\t\x20\x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*"))?)+$/;
const NO_SIZE = 'the size of a chunk is not a hexadecimal number and CRLF';
const NO_END = 'a chunk does not end with CRLF';
