/** Every way of writing one character as several: percent, backslash, HTML entity, quoted-printable, look-alikes. */
import { lookalike } from './lookalikes.ts';

const BACKSLASH = 0x5c;
const PERCENT = 0x25;
const AMPERSAND = 0x26;
export const EQUALS = 0x3d;
const U = 0x75;
const X = 0x78;

/** Bytes at which something may begin. */
export const BEGINS = new Uint8Array(256);
for (const byte of [BACKSLASH, PERCENT, AMPERSAND, EQUALS]) BEGINS[byte] = 1;
for (const lead of [0xc2, 0xce, 0xcf, 0xd0, 0xd1, 0xd2, 0xd4, 0xe2, 0xef, 0xf0]) BEGINS[lead] = 1;

/** Bytes of which one stands second in everything that is decoded here; in code, what follows "=" is mostly another. */
const CONTINUES = new Uint8Array(256).fill(1, 0x80);
for (const character of '0123456789abcdefABCDEFnrtbfuxzlgphseqUX"\'`/\\&=:-_.+$#\r\n')
  CONTINUES[character.charCodeAt(0)] = 1;

/** What a text is: it names quoted-printable, it has a line that goes on as in it, or nothing speaks for it. */
export type Quoting = 'said' | 'shown' | 'no';

/** What the last decoding step gave: bytes read, and the code point, or -1 for nothing at all. */
export const step = { read: 0, point: 0 };

/**
 * Reads what is written at this place into `step`; false if nothing is. `inQuoted`: the character before was quoted-printable.
 * `quoting`: whether the text says or shows that it is.
 */
export function decodeAt(bytes: Buffer, at: number, inQuoted: boolean, quoting: Quoting): boolean {
  const byte = bytes[at] as number;
  if (BEGINS[byte] === 0 || CONTINUES[bytes[at + 1] ?? 0] === 0) return false;
  if (byte === BACKSLASH) return decodeBackslash(bytes, at);
  if (byte === PERCENT) return decodePercent(bytes, at);
  if (byte === AMPERSAND) return decodeEntity(bytes, at);
  if (byte === EQUALS) return decodeQuoted(bytes, at, inQuoted, quoting);
  const seen = lookalike(bytes, at);
  return seen !== undefined && result(seen.read, seen.point);
}

function decodePercent(bytes: Buffer, at: number): boolean {
  if ((bytes[at + 1] ?? 0) === U) {
    const point = hex(bytes, at + 2, 4);
    return point >= 0 && result(6, point);
  }
  const value = hex(bytes, at + 1, 2);
  // A byte, not a code point: several of them may make one.
  return value >= 0 && result(3, value < 0x80 ? value : -2 - value);
}

/** Of JSON, JavaScript, Python, C and the shell. */
function decodeBackslash(bytes: Buffer, at: number): boolean {
  const next = bytes[at + 1] ?? 0;
  if (next === U) return decodeUnicode(bytes, at);
  if (next === X) {
    const value = hex(bytes, at + 2, 2);
    return value >= 0 && result(4, value);
  }
  if (next >= 0x30 && next <= 0x37) {
    const value = octal(bytes, at + 1);
    return value >= 0 && result(4, value);
  }
  const plain = PLAIN[next] as number;
  return plain !== 0 && result(2, plain);
}

function decodeUnicode(bytes: Buffer, at: number): boolean {
  if (bytes[at + 2] === 0x7b) {
    let close = at + 4;
    while (close < at + 9 && bytes[close] !== 0x7d) close += 1;
    const point = bytes[close] === 0x7d ? hex(bytes, at + 3, close - at - 3) : -1;
    return point >= 0 && point <= 0x10ffff && result(close + 1 - at, point);
  }
  const unit = hex(bytes, at + 2, 4);
  if (unit < 0xd800 || unit > 0xdbff) return unit >= 0 && result(6, unit);
  const low = bytes[at + 6] === BACKSLASH && bytes[at + 7] === U ? hex(bytes, at + 8, 4) : -1;
  if (low < 0xdc00 || low > 0xdfff) return result(6, 0xfffd);
  return result(12, 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00));
}

const PLAIN = new Uint8Array(256);
for (const [letter, value] of Object.entries({
  n: 10,
  r: 13,
  t: 9,
  b: 8,
  f: 12,
  '"': 34,
  "'": 39,
  '`': 96,
  '/': 47,
  '\\': 92,
  '&': 38,
  '=': 61,
  ':': 58,
  '-': 45,
  _: 95,
  '.': 46,
  '+': 43,
  $: 36,
}))
  PLAIN[letter.charCodeAt(0)] = value;

const ENTITIES: Readonly<Record<string, number>> = {
  amp: 38,
  quot: 34,
  apos: 39,
  lt: 60,
  gt: 62,
  nbsp: 32,
  equals: 61,
  colon: 58,
  sol: 47,
  plus: 43,
  lowbar: 95,
  hyphen: 45,
  period: 46,
  num: 35,
  shy: -1,
  zwj: -1,
  zwnj: -1,
};

function decodeEntity(bytes: Buffer, at: number): boolean {
  let end = at + 2;
  while (end < at + 10 && end < bytes.length && bytes[end] !== 0x3b) end += 1;
  if (bytes[end] !== 0x3b) return false;
  const name = bytes.toString('latin1', at + 1, end);
  const number = /^#(?:[xX]([0-9a-fA-F]{1,6})|(\d{1,7}))$/.exec(name);
  const point = number
    ? Number.parseInt(number[1] ?? number[2] ?? '', number[1] === undefined ? 10 : 16)
    : ENTITIES[name];
  return point !== undefined && point <= 0x10ffff && result(end + 1 - at, point);
}

/**
 * In a text that does not say that it is quoted-printable, `=41` is one only beside another, and `=3D` only if the text shows it: `x=41`
 * is an assignment far more often.
 */
function decodeQuoted(bytes: Buffer, at: number, inQuoted: boolean, quoting: Quoting): boolean {
  const next = bytes[at + 1];
  if (next === 10) return result(2, -1);
  if (next === 13 && bytes[at + 2] === 10) return result(3, -1);
  const value = capitalHex(bytes, at + 1);
  if (value < 0) return false;
  const after = bytes[at + 4];
  const follows = bytes[at + 3] === EQUALS && (capitalHex(bytes, at + 4) >= 0 || after === 10 || after === 13);
  const isShown = inQuoted || follows || (value === EQUALS && quoting === 'shown');
  return (isShown || quoting === 'said') && result(3, value < 0x80 ? value : -2 - value);
}

/** Two digits of hex without small letters (RFC 2045 section 6.7), or -1. */
function capitalHex(bytes: Buffer, at: number): number {
  return (bytes[at] ?? 0) < 0x61 && (bytes[at + 1] ?? 0) < 0x61 ? hex(bytes, at, 2) : -1;
}

function result(read: number, point: number): boolean {
  step.read = read;
  step.point = point;
  return true;
}

const HEX = new Int8Array(256).fill(-1);
for (let value = 0; value < 16; value += 1) {
  HEX[value.toString(16).charCodeAt(0)] = value;
  HEX[value.toString(16).toUpperCase().charCodeAt(0)] = value;
}

/** The number that stands there, or -1. */
function hex(bytes: Buffer, at: number, count: number): number {
  if (count < 1 || at + count > bytes.length) return -1;
  let value = 0;
  for (let i = at; i < at + count; i += 1) {
    const digit = HEX[bytes[i] as number] as number;
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

function octal(bytes: Buffer, at: number): number {
  let value = 0;
  for (let i = at; i < at + 3; i += 1) {
    const digit = (bytes[i] ?? 0) - 0x30;
    if (digit < 0 || digit > 7) return -1;
    value = value * 8 + digit;
  }
  return value < 256 ? value : -1;
}
