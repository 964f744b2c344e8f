/** Alphabets of data: base64, base32 and hex wherever a long enough run of their characters stands. */
import { byteClass, DIGITS, eachRun, LOWER, UPPER } from './span.ts';
import type { Sink } from './sink.ts';

/** A run shorter than this holds less than any credential. */
const LEAST = 15;
/** Decoded bytes in a row that are text; what is found in random bytes by chance is much shorter or rare. */
export const LEAST_TEXT = 8;
/** From this length on a run may be one line of several. */
const LINE = 40;

const BASE64 = values(`${UPPER}${LOWER}${DIGITS}+/`, '-_');
const BASE32 = values(`${UPPER}234567`);
const BASE32_LOWER = values(`${LOWER}234567`);
const BASE16 = values('0123456789abcdef');
for (const letter of ['A', 'B', 'C', 'D', 'E', 'F']) BASE16[letter.charCodeAt(0)] = Number.parseInt(letter, 16);

const BASE64_CLASS = byteClass(`${UPPER}${LOWER}${DIGITS}+/-_`);
const BASE32_CLASS = byteClass(`${UPPER}234567`);
const BASE32_LOWER_CLASS = byteClass(`${LOWER}234567`);
const BASE16_CLASS = byteClass(`${DIGITS}abcdefABCDEF`);
const SPACED_HEX_CLASS = byteClass(`${DIGITS}abcdefABCDEF :,;-xX\\\r\n\t`);
/** NUL counts: text in UTF-16 is every other byte NUL. */
export const TEXT_CLASS = byteClass(
  Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i)).join('') + '\t\r\n\0',
);

/** Decodes every run into the sink, text only; `onBinary` is given what may be compressed. */
export function decodeRuns(bytes: Buffer, sink: Sink, onBinary: (decoded: Buffer) => void): void {
  eachBase64(bytes, (run, start, end) => {
    if (hasBothCases(run, start, end)) decodeBase64(run, start, end, sink, onBinary);
    // The other alphabets are parts of this one.
    const base32 = (table: Uint8Array) => (first: number, last: number) =>
      copyText(unpack(run, first, last, table, 5), sink);
    eachRun(run, BASE32_CLASS, LEAST, base32(BASE32), start, end);
    eachRun(run, BASE32_LOWER_CLASS, LEAST, base32(BASE32_LOWER), start, end);
    eachRun(run, BASE16_CLASS, LEAST, (first, last) => decodeHex(run, first, last, sink, onBinary), start, end);
  });
  eachRun(bytes, SPACED_HEX_CLASS, 2 * LEAST, (start, end) => copySpacedHex(bytes.subarray(start, end), sink));
}

type OnBinary = (decoded: Buffer) => void;

/**
 * A character more in front (a slash, a letter of what went before) shifts the rest: all four beginnings are tried. What comes
 * after a long beginning is tried as the run itself begins: only a body holds so much, and there a quote or a comma is in front.
 */
function decodeBase64(run: Buffer, start: number, end: number, sink: Sink, onBinary: OnBinary): void {
  const shifted = Math.min(end, start + SHIFTED);
  copyText(unpackBase64(run, start, end), sink);
  for (let shift = 1; shift < 4; shift += 1) copyText(unpackBase64(run, start + shift, shifted), sink);
  // Only at the beginning, or at that of a path's segment: what is compressed has no text to be found by.
  for (let at = start; at < shifted; at += 1) {
    if ((at > start && run[at - 1] !== SLASH) || !mayBeCompressed(run, at)) continue;
    const size = unpackBase64(run, at, end);
    if (looksCompressed(size)) onBinary(Buffer.from(scratch.subarray(0, size)));
  }
}

/** Longer than any URL or header. */
const SHIFTED = 128 * 1024;
const SLASH = 0x2f;

/** In base64 gzip begins with H4sI, zstd with KLUv, zlib with eJ, eA, eN or eF. */
function mayBeCompressed(run: Buffer, at: number): boolean {
  const [first, second] = [run[at], run[at + 1]];
  if (first === 0x48) return second === 0x34 && run[at + 2] === 0x73;
  if (first === 0x4b) return second === 0x4c && run[at + 2] === 0x55;
  return first === 0x65 && (second === 0x4a || second === 0x41 || second === 0x4e || second === 0x46);
}

function decodeHex(run: Buffer, start: number, end: number, sink: Sink, onBinary: OnBinary): void {
  for (let shift = 0; shift <= (end - start) % 2; shift += 1) {
    const size = unpack(run, start + shift, end, BASE16, 4);
    copyText(size, sink);
    if (looksCompressed(size)) onBinary(Buffer.from(scratch.subarray(0, size)));
  }
}

/** Runs of the alphabet; lines of one wrapped text are put together. */
function eachBase64(bytes: Buffer, onRun: (run: Buffer, start: number, end: number) => void): void {
  let [first, lastStart, last, lines]: [number, number, number, Buffer[]] = [-1, -1, -1, []];
  const flush = () => {
    if (first < 0) return;
    if (lines.length === 0 && last - first < LINE) return onRun(bytes, first, last);
    const rest = wrappedRest(bytes, last);
    if (lines.length === 0 && rest.length === 0) return onRun(bytes, first, last);
    const whole = Buffer.concat([...lines, bytes.subarray(lastStart, last), rest]);
    onRun(whole, 0, whole.length);
    // What looks like a wrapped text may be two texts.
    if (lines.length < 2) onRun(bytes, lastStart, last);
    if (lines.length === 1) onRun(bytes, first, first + (lines[0]?.length ?? 0));
  };
  eachRun(bytes, BASE64_CLASS, LEAST, (start, end) => {
    if (first >= 0 && last - lastStart >= LINE && isLineBreak(bytes, last, start)) {
      lines.push(bytes.subarray(lastStart, last));
    } else {
      flush();
      first = start;
      if (lines.length > 0) lines = [];
    }
    lastStart = start;
    last = end;
  });
  flush();
}

/** A line end, or the space that folding makes of it. */
function isLineBreak(bytes: Buffer, from: number, to: number): boolean {
  if (to - from > 12 || to === from) return false;
  for (let i = from; i < to; i += 1) if (!isBlank(bytes[i])) return false;
  return true;
}

function isBlank(byte: number | undefined): boolean {
  return byte === 10 || byte === 13 || byte === 32 || byte === 9;
}

/** The last line of a wrapped text, too short for a run of its own. */
function wrappedRest(bytes: Buffer, from: number): Buffer {
  let start = from;
  while (start < bytes.length && start - from < 12 && isBlank(bytes[start])) start += 1;
  let end = start;
  while (start > from && end < bytes.length && BASE64_CLASS[bytes[end] as number] === 1) end += 1;
  return bytes.subarray(start, end);
}

/** Base64 of any text has letters of both cases; paths, words and names with underscores do not. */
function hasBothCases(run: Uint8Array, start: number, end: number): boolean {
  let [upper, lower] = [false, false];
  for (let i = start; i < end && !(upper && lower); i += 1) {
    const byte = run[i] as number;
    if (byte >= 65 && byte <= 90) upper = true;
    else if (byte >= 97 && byte <= 122) lower = true;
  }
  return upper && lower;
}

/** What was decoded last: decoding is synchronous and its result is read at once. */
let scratch = Buffer.allocUnsafe(64 * 1024);

function reserve(size: number): Buffer {
  if (size > scratch.length) scratch = Buffer.allocUnsafe(size * 2);
  return scratch;
}

/** Characters of `bits` bits each, put together in `scratch`. Returns how many bytes. */
function unpack(run: Uint8Array, start: number, end: number, value: Uint8Array, bits: number): number {
  const to = reserve(end - start);
  let [held, count, at] = [0, 0, 0];
  for (let i = start; i < end; i += 1) {
    held = ((held << bits) | (value[run[i] as number] as number)) & 0xffff;
    count += bits;
    if (count < 8) continue;
    count -= 8;
    to[at] = (held >> count) & 0xff;
    at += 1;
  }
  return at;
}

/** The same for six bits, four characters at a time: this is where the time goes. */
function unpackBase64(run: Uint8Array, start: number, end: number): number {
  const to = reserve(end - start);
  const whole = end - ((end - start) & 3);
  let at = 0;
  for (let i = start; i < whole; i += 4) {
    const group =
      ((BASE64[run[i] as number] as number) << 18) |
      ((BASE64[run[i + 1] as number] as number) << 12) |
      ((BASE64[run[i + 2] as number] as number) << 6) |
      (BASE64[run[i + 3] as number] as number);
    to[at] = group >> 16;
    to[at + 1] = (group >> 8) & 0xff;
    to[at + 2] = group & 0xff;
    at += 3;
  }
  const rest = end - whole;
  if (rest < 2) return at;
  const group =
    ((BASE64[run[whole] as number] as number) << 18) |
    ((BASE64[run[whole + 1] as number] as number) << 12) |
    (rest > 2 ? (BASE64[run[whole + 2] as number] as number) << 6 : 0);
  to[at] = group >> 16;
  to[at + 1] = (group >> 8) & 0xff;
  return at + rest - 1;
}

function copyText(size: number, sink: Sink): void {
  const copy = (start: number, end: number) => {
    sink.copy(scratch, start, end);
    sink.separate();
  };
  eachRun(scratch, TEXT_CLASS, LEAST_TEXT, copy, 0, size);
}

/** `41:4b:49`, `41 4B 49`, `0x41, 0x4b`. */
function copySpacedHex(run: Buffer, sink: Sink): void {
  const to = reserve(run.length);
  let size = 0;
  for (let at = 0; at < run.length; ) {
    const [high, low, after] = [run[at] as number, run[at + 1] ?? 0, run[at + 2] ?? 0];
    if (BASE16_CLASS[high] === 0 || (high === 0x30 && (low | 32) === 0x78)) {
      at += high === 0x30 ? 2 : 1;
    } else if (BASE16_CLASS[low] === 1 && BASE16_CLASS[after] === 0) {
      to[size] = ((BASE16[high] as number) << 4) | (BASE16[low] as number);
      size += 1;
      at += 2;
    } else {
      copyText(size, sink);
      size = 0;
      while (at < run.length && BASE16_CLASS[run[at] as number] === 1) at += 1;
    }
  }
  copyText(size, sink);
}

/** First bytes of gzip, zlib and zstd. */
function looksCompressed(size: number): boolean {
  const [a, b, c, d] = [scratch[0] ?? 0, scratch[1] ?? 0, scratch[2] ?? 0, scratch[3] ?? 0];
  return (
    size > 8 &&
    ((a === 0x1f && b === 0x8b && c === 8) ||
      (a === 0x78 && ((a << 8) | b) % 31 === 0) ||
      (a === 0x28 && b === 0xb5 && c === 0x2f && d === 0xfd))
  );
}

/** The value of each character; 0 for those that are not in the alphabet. */
function values(alphabet: string, alternatives = ''): Uint8Array {
  const value = new Uint8Array(256);
  for (let i = 0; i < alphabet.length; i += 1) value[alphabet.charCodeAt(i)] = i;
  for (let i = 0; i < alternatives.length; i += 1)
    value[alternatives.charCodeAt(i)] = alphabet.length - alternatives.length + i;
  return value;
}
