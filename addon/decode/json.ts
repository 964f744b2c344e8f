/**
 * A strict reading of JSON (RFC 8259) of our own, in one pass over the bytes: every key and every string at any depth, duplicates
 * kept, and every number that a reader of doubles would not see as it is written.
 */
import { isUtf8 } from 'node:buffer';
import type { Place } from './places.ts';
import { SPACE } from './sink.ts';

export interface JsonText {
  /** Keys and strings, decoded, a space behind each. */
  readonly strings: Buffer;
  /** Literals of numbers that are another text once they have been a double, a comma and a space behind each: two are not one. */
  readonly numbers: string;
  /**
   * False where a parser that makes maps and doubles of it may lose something: repeated keys (or two that only differ in what such
   * a parser replaces), depth, bytes that are no UTF-8.
   */
  readonly isPlain: boolean;
}

/** Levels that every scanner looks into; they stop at 64. */
const PLAIN_DEPTH = 60;
/** Levels beyond which parsers give up. */
const MAX_DEPTH = 1_000;
/** Characters of the shortest number that can be a credential. */
const LEAST_NUMBER = 8;
/** Digits up to which every integer is a double's. */
const EXACT_DIGITS = 15;

/** Told of every string that stands at one of the places below `top`: which they are, and where between its quotes it stands. */
export interface Watch {
  readonly top: Place;
  found(at: readonly number[], from: number, to: number): void;
}

/**
 * Undefined: it is not exactly one JSON text, or one that some parser of doubles refuses. `watch` has been told of what stands before
 * the place where that was seen.
 */
export function readJson(bytes: Buffer, watch?: Watch): JsonText | undefined {
  return new Reader(bytes, watch).read();
}

/** Characters of a key that can be part of a place. */
const LONGEST_KEY = 200;

const [QUOTE, BACKSLASH, COMMA, COLON, MINUS, DOT] = [0x22, 0x5c, 0x2c, 0x3a, 0x2d, 0x2e];
const [OPEN_OBJECT, CLOSE_OBJECT, OPEN_ARRAY, CLOSE_ARRAY] = [0x7b, 0x7d, 0x5b, 0x5d];

class Reader {
  readonly #bytes: Buffer;
  /** Never longer than the text: a string's two quotes become one space. */
  readonly #out: Buffer;
  #at = 0;
  #to = 0;
  #numbers = '';
  #isPlain: boolean;
  /** What closes each open object or array, and the hashes of the keys of each open object. */
  readonly #closers: number[] = [];
  readonly #keys: Set<number>[] = [];
  /** Where each open object or array stands, and the value that is read next; nothing without a watch. */
  readonly #watch: Watch | undefined;
  readonly #places: Place[] = [];
  #here: Place | undefined;

  constructor(bytes: Buffer, watch: Watch | undefined) {
    this.#bytes = bytes;
    this.#watch = watch;
    this.#here = watch?.top;
    this.#out = Buffer.allocUnsafe(bytes.length);
    this.#isPlain = isUtf8(bytes);
  }

  read(): JsonText | undefined {
    if (!this.#readValues()) return undefined;
    return { strings: this.#out.subarray(0, this.#to), numbers: this.#numbers, isPlain: this.#isPlain };
  }

  #readValues(): boolean {
    for (;;) {
      const opened = this.#readValue();
      if (opened === undefined) return false;
      if (opened) continue;
      const more = this.#readAfterValue();
      if (more === undefined) return false;
      if (!more) return true;
    }
  }

  /** True: an object or array was opened that has a first value. */
  #readValue(): boolean | undefined {
    this.#skipSpace();
    const byte = this.#bytes[this.#at];
    if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) return this.#open(byte === OPEN_OBJECT);
    if (byte === QUOTE) return this.#readText() ? false : undefined;
    if (byte === MINUS || isDigit(byte)) return this.#readNumber() ? false : undefined;
    return this.#readWord() ? false : undefined;
  }

  /** True: another value follows. False: this was the last. */
  #readAfterValue(): boolean | undefined {
    for (;;) {
      this.#skipSpace();
      const closer = this.#closers.at(-1);
      if (closer === undefined) return this.#at === this.#bytes.length ? false : undefined;
      const byte = this.#bytes[this.#at];
      this.#at += 1;
      if (byte === COMMA) {
        if (closer === CLOSE_OBJECT) return this.#readKey() ? true : undefined;
        this.#here = this.#places.at(-1)?.element();
        return true;
      }
      if (byte !== closer) return undefined;
      this.#closers.pop();
      this.#places.pop();
    }
  }

  #open(isObject: boolean): boolean | undefined {
    this.#at += 1;
    const closer = isObject ? CLOSE_OBJECT : CLOSE_ARRAY;
    const depth = this.#closers.push(closer);
    if (depth > MAX_DEPTH) return undefined;
    if (depth > PLAIN_DEPTH) this.#isPlain = false;
    if (isObject) {
      const keys = this.#keys[depth];
      if (keys) keys.clear();
      else this.#keys[depth] = new Set();
    }
    this.#skipSpace();
    if (this.#bytes[this.#at] === closer) {
      this.#at += 1;
      this.#closers.pop();
      return false;
    }
    if (this.#here) this.#places.push(this.#here);
    if (isObject) return this.#readKey() ? true : undefined;
    this.#here = this.#here?.element();
    return true;
  }

  #readKey(): boolean {
    this.#skipSpace();
    const from = this.#to;
    if (this.#bytes[this.#at] !== QUOTE || !this.#readString()) return false;
    // Equal keys have equal hashes; two others that do by chance only cost a longer extract.
    let hash = 0x811c9dc5;
    for (let i = from; i < this.#to; i += 1) hash = Math.imul(hash ^ (this.#out[i] as number), 0x01000193);
    const keys = this.#keys[this.#closers.length];
    if (keys?.has(hash)) this.#isPlain = false;
    keys?.add(hash);
    this.#enter(from);
    this.#skipSpace();
    if (this.#bytes[this.#at] !== COLON) return false;
    this.#at += 1;
    return true;
  }

  /** Goes to the value of the key whose text begins at `from`. */
  #enter(from: number): void {
    const object = this.#places.at(-1);
    if (!object) return;
    const length = this.#to - 1 - from; // a space behind it
    const name = object.isBarren || length > LONGEST_KEY ? '' : this.#out.toString('utf8', from, from + length);
    this.#here = object.member(name);
  }

  /** A string that is a value. */
  #readText(): boolean {
    const from = this.#at + 1;
    if (!this.#readString()) return false;
    const at = this.#here?.at ?? [];
    if (at.length > 0) this.#watch?.found(at, from, this.#at - 1);
    return true;
  }

  #readString(): boolean {
    const [bytes, out] = [this.#bytes, this.#out];
    let [at, to] = [this.#at + 1, this.#to];
    for (;;) {
      const byte = bytes[at];
      if (byte === undefined || byte < 0x20) return false;
      if (byte === QUOTE) break;
      if (byte === BACKSLASH) {
        this.#to = to;
        at = this.#readEscape(at);
        if (at < 0) return false;
        to = this.#to;
        continue;
      }
      out[to] = byte;
      to += 1;
      at += 1;
    }
    out[to] = SPACE;
    this.#to = to + 1;
    this.#at = at + 1;
    return true;
  }

  /** Writes what the escape stands for; the place behind it, or -1. */
  #readEscape(at: number): number {
    const letter = this.#bytes[at + 1] ?? 0;
    if (letter !== 0x75) {
      const plain = ESCAPES[letter] as number;
      this.#out[this.#to] = plain;
      this.#to += 1;
      return plain === 0 ? -1 : at + 2;
    }
    const unit = this.#unit(at);
    if (unit < 0) return -1;
    const low = unit >= 0xd800 && unit <= 0xdbff ? this.#unit(at + 6) : -1;
    const pair = low >= 0xdc00 && low <= 0xdfff;
    const point = pair ? 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00) : unit;
    if (point >= 0xd800 && point <= 0xdfff) this.#isPlain = false; // half a pair: parsers put one and the same sign there
    if (point < 0x80) {
      this.#out[this.#to] = point;
      this.#to += 1;
    } else this.#to += this.#out.write(String.fromCodePoint(point), this.#to);
    return at + (pair ? 12 : 6);
  }

  /** The number of a \uXXXX that stands there, or -1. */
  #unit(at: number): number {
    if (this.#bytes[at] !== BACKSLASH || this.#bytes[at + 1] !== 0x75) return -1;
    const text = this.#bytes.toString('latin1', at + 2, Math.min(at + 6, this.#bytes.length));
    return /^[0-9a-fA-F]{4}$/.test(text) ? Number.parseInt(text, 16) : -1;
  }

  #readNumber(): boolean {
    const from = this.#at;
    if (this.#bytes[this.#at] === MINUS) this.#at += 1;
    const zero = this.#bytes[this.#at] === 0x30;
    const digits = this.#readDigits();
    if (digits === 0 || (zero && digits > 1)) return false;
    let whole = true;
    if (this.#bytes[this.#at] === DOT) {
      whole = false;
      this.#at += 1;
      if (this.#readDigits() === 0) return false;
    }
    if (((this.#bytes[this.#at] ?? 0) | 0x20) === 0x65) {
      whole = false;
      this.#at += 1;
      if (this.#bytes[this.#at] === 0x2b || this.#bytes[this.#at] === MINUS) this.#at += 1;
      if (this.#readDigits() === 0) return false;
    }
    if (whole && digits <= EXACT_DIGITS) return true;
    const literal = this.#bytes.toString('latin1', from, this.#at);
    const value = Number(literal);
    if (literal.length >= LEAST_NUMBER && String(value) !== literal) this.#numbers += `${literal}, `;
    return Number.isFinite(value); // beyond a double strict parsers of doubles refuse the whole text
  }

  #readDigits(): number {
    const from = this.#at;
    while (isDigit(this.#bytes[this.#at])) this.#at += 1;
    return this.#at - from;
  }

  #readWord(): boolean {
    for (const word of WORDS)
      if (this.#bytes.toString('latin1', this.#at, Math.min(this.#at + word.length, this.#bytes.length)) === word) {
        this.#at += word.length;
        return true;
      }
    return false;
  }

  #skipSpace(): void {
    for (;;) {
      const byte = this.#bytes[this.#at];
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return;
      this.#at += 1;
    }
  }
}

const WORDS = ['true', 'false', 'null'];

/** What a letter behind a backslash stands for; 0 for none. */
const ESCAPES = new Uint8Array(256);
for (const [letter, value] of [
  ['"', QUOTE],
  ['\\', BACKSLASH],
  ['/', 0x2f],
  ['b', 8],
  ['f', 12],
  ['n', 10],
  ['r', 13],
  ['t', 9],
] as const)
  ESCAPES[letter.charCodeAt(0)] = value;

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}
