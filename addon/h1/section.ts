/**
 * The lines of a head or of trailers, from bytes as they come: CRLF and nothing else ends a line, and no byte passes that another
 * parser could take for the end of one. RFC 9112 sections 2 and 5.
 */
import { isBlank } from '../blanks.ts';
import type { Field } from '../receipt.ts';

/** What cannot be read in exactly one way. `status` is what a request is answered with. */
export interface Malformed {
  readonly kind: 'malformed';
  readonly status: number;
  /** A sentence without its beginning's capital and its full stop; never quotes what came. */
  readonly reason: string;
}

export function malformed(reason: string, status = 400): Malformed {
  return { kind: 'malformed', status, reason };
}

export interface Section {
  readonly kind: 'section';
  /** Wire case and order, duplicates kept; values as Latin-1, without the white space around them. */
  readonly fields: readonly Field[];
  /** What stands behind the empty line. */
  readonly rest: Buffer;
}

export interface SectionRule {
  /** Bytes up to and with the empty line. */
  readonly most: number;
  /** What is too large then, for the reason. */
  readonly what: 'head' | 'trailer section';
  /** Reads the line that stands before the fields, as soon as it is there; without it there is none. */
  readonly start?: (line: string) => Malformed | undefined;
  /** One empty line may come before all (RFC 9112 section 2.2). */
  readonly blank?: boolean;
}

/** For one section. */
export class SectionReader {
  readonly #rule: SectionRule;
  #state: number;
  #blank: boolean;
  /** All that has come, once one piece was not enough: a copy, because pieces are not ours to keep. */
  #held: Buffer = NOTHING;
  #size = 0;
  /** Where the line that is being read begins, and the next byte to look at. */
  #line = 0;
  #at = 0;
  /** Beginning, colon and end of each field. */
  readonly #marks: number[] = [];

  constructor(rule: SectionRule) {
    this.#rule = rule;
    this.#state = rule.start ? START : NAME;
    this.#blank = rule.blank ?? false;
  }

  /** Nothing has come but the empty line that may. */
  get isUntouched(): boolean {
    return this.#size === this.#line && this.#marks.length === 0 && (this.#state === START || this.#state === NAME);
  }

  push(piece: Buffer): { readonly kind: 'more' } | Section | Malformed {
    const bytes = this.#size === 0 ? piece : this.#hold(piece);
    const size = this.#size + (bytes === piece ? piece.length : 0);
    const before = size - piece.length;
    const objection = this.#scan(bytes, Math.min(size, this.#rule.most));
    if (objection) return objection;
    if (this.#state === DONE) return this.#section(bytes, piece.subarray(this.#at - before));
    if (size >= this.#rule.most)
      return malformed(`the ${this.#rule.what} is larger than ${this.#rule.most} bytes`, 431);
    if (bytes === piece && piece.length > 0) this.#hold(piece);
    return MORE;
  }

  #hold(piece: Buffer): Buffer {
    const size = this.#size + piece.length;
    if (this.#held.length < size) {
      const larger = Buffer.allocUnsafe(Math.max(1024, 2 * size));
      this.#held.copy(larger, 0, 0, this.#size);
      this.#held = larger;
    }
    piece.copy(this.#held, this.#size);
    this.#size = size;
    return this.#held;
  }

  #scan(bytes: Buffer, end: number): Malformed | undefined {
    let at = this.#at;
    let state = this.#state;
    for (; at < end && state !== DONE; at += 1) {
      const byte = bytes[at] as number;
      switch (state) {
        case NAME:
          if (IS_TOKEN[byte] === 1) continue;
          if (byte === COLON && at > this.#line) {
            this.#marks.push(this.#line, at);
            state = VALUE;
          } else if (byte === CR && at === this.#line) state = END_LF;
          else return malformed(nameObjection(byte, at === this.#line));
          continue;
        case VALUE:
          if (byte >= 0x20 && byte !== DEL) continue;
          if (byte === CR) {
            this.#marks.push(at);
            state = VALUE_LF;
          } else if (byte !== TAB) return malformed(controlObjection(byte));
          continue;
        case START:
          if (byte >= 0x20 && byte !== DEL) continue;
          if (byte !== CR) return malformed(controlObjection(byte));
          if (at > this.#line) state = START_LF;
          else if (this.#blank) state = BLANK_LF;
          else return malformed('an empty line stands before the first');
          continue;
        default:
          if (byte !== LF) return malformed(BARE_CR);
          if (state === START_LF) {
            const objection = this.#rule.start?.(bytes.toString('latin1', this.#line, at - 1));
            if (objection) return objection;
          }
          this.#blank = false;
          this.#line = at + 1;
          state = state === END_LF ? DONE : state === BLANK_LF ? START : NAME;
      }
    }
    this.#at = at;
    this.#state = state;
    return undefined;
  }

  #section(bytes: Buffer, rest: Buffer): Section | Malformed {
    const text = bytes.toString('latin1', 0, this.#at);
    const marks = this.#marks;
    const fields: Field[] = [];
    for (let index = 0; index < marks.length; index += 3) {
      const colon = marks[index + 1] as number;
      const end = marks[index + 2] as number;
      let from = colon + 1;
      let to = end;
      while (from < to && isBlank(text.charCodeAt(from))) from += 1;
      while (to > from && isBlank(text.charCodeAt(to - 1))) to -= 1;
      const name = text.slice(marks[index], colon);
      // Some parsers then take the value for another one, and find another end of the message.
      if (to < end && text.slice(to, end).includes('\t') && FRAMING.test(name)) return malformed(TAB_BEHIND);
      fields.push([name, text.slice(from, to)]);
    }
    return { kind: 'section', fields, rest };
  }
}

/** Fields that say where a message ends. */
export const FRAMING = /^(content-length|transfer-encoding)$/i;

/** What a name of a field or a method is made of (RFC 9110 section 5.6.2). */
export const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const COLON = 0x3a;
const DEL = 0x7f;

/** What the next byte belongs to: a line's text, or the LF of its end. */
const START = 0;
const NAME = 1;
const VALUE = 2;
const START_LF = 3;
const BLANK_LF = 4;
const VALUE_LF = 5;
const END_LF = 6;
const DONE = 7;

const IS_TOKEN = Uint8Array.from({ length: 256 }, (_, byte) => (TOKEN.test(String.fromCharCode(byte)) ? 1 : 0));
const NOTHING = Buffer.alloc(0);
const MORE = { kind: 'more' } as const;
const TAB_BEHIND = 'a tab stands behind the value of a field that says where the message ends';
const BARE_CR = 'a line ends with CR alone';

function nameObjection(byte: number, first: boolean): string {
  if (byte === COLON) return 'a header field has no name';
  if (isBlank(byte)) return first ? 'a header field is folded over two lines' : "white space stands in a field's name";
  if (byte === CR || byte === LF) return first && byte === LF ? controlObjection(byte) : 'a header field has no colon';
  return "a character that is not allowed stands in a field's name";
}

function controlObjection(byte: number): string {
  return byte === LF ? 'a line ends with LF alone' : 'a control character stands in the head';
}
