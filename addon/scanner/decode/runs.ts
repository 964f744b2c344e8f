/** Alphabets of data: base64, base32 and hex wherever a long enough run of their characters stands. */
import { byteClass, DIGITS, eachRun, LOWER, UPPER } from '../runs.ts';
import { SEPARATOR, type Sink } from './sink.ts';

/** A run shorter than this holds less than any credential. */
const LEAST = 16;
/** Decoded bytes in a row that are text; what is found in random bytes by chance is much shorter or rare. */
const LEAST_TEXT = 8;
/** From this length on a run may be one line of several. */
const LINE = 40;

const BASE64 = values(`${UPPER}${LOWER}${DIGITS}+/`, '-_');
const BASE32 = values(`${UPPER}234567`, '');
const BASE32_LOWER = values(`${LOWER}234567`, '');
const BASE16 = values('0123456789abcdef', '');
for (const [i, letter] of [...'ABCDEF'].entries()) BASE16.value[letter.charCodeAt(0)] = 10 + i;

const BASE64_CLASS = byteClass(`${UPPER}${LOWER}${DIGITS}+/-_`);
const BASE32_CLASS = byteClass(`${UPPER}234567`);
const BASE32_LOWER_CLASS = byteClass(`${LOWER}234567`);
const BASE16_CLASS = byteClass(`${DIGITS}abcdefABCDEF`);
const SPACED_HEX_CLASS = byteClass(`${DIGITS}abcdefABCDEF :,;-xX\\\r\n\t`);
/** NUL counts: text in UTF-16 is every other byte NUL. */
const TEXT_CLASS = byteClass(Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i)).join('') + '\t\r\n\0');

interface Alphabet {
  /** Value of each character; 0 for those that are not in it. */
  readonly value: Uint8Array;
}

/** Decodes every run into the sink, text only; `onBinary` is given what may be compressed. */
export function decodeRuns(bytes: Buffer, sink: Sink, onBinary: (decoded: Buffer) => void): void {
  eachBase64(bytes, (run) => {
    if (!hasBothCases(run)) return;
    // A character more in front (a slash, a letter of what went before) shifts the rest: all four beginnings are tried.
    for (let from = 0; from < 4; from += 1) {
      const decoded = unpack(run.subarray(from), BASE64, 6);
      copyText(decoded, sink);
      if (looksCompressed(decoded)) onBinary(Buffer.from(decoded));
    }
  });
  eachRun(bytes, BASE32_CLASS, LEAST, (start, end) => copyText(unpack(bytes.subarray(start, end), BASE32, 5), sink));
  eachRun(bytes, BASE32_LOWER_CLASS, LEAST, (start, end) =>
    copyText(unpack(bytes.subarray(start, end), BASE32_LOWER, 5), sink),
  );
  eachRun(bytes, BASE16_CLASS, LEAST, (start, end) => {
    for (let from = 0; from < ((end - start) % 2 === 0 ? 1 : 2); from += 1) {
      const decoded = unpack(bytes.subarray(start + from, end), BASE16, 4);
      copyText(decoded, sink);
      if (looksCompressed(decoded)) onBinary(Buffer.from(decoded));
    }
  });
  eachRun(bytes, SPACED_HEX_CLASS, 2 * LEAST, (start, end) => copySpacedHex(bytes.subarray(start, end), sink));
}

/** Runs of the alphabet; lines of one wrapped text are put together. */
function eachBase64(bytes: Buffer, onRun: (run: Uint8Array) => void): void {
  let [first, last, lines]: [number, number, Uint8Array[]] = [-1, -1, []];
  const flush = () => {
    if (first < 0) return;
    if (lines.length === 1 && last - first < LINE) return onRun(lines[0] as Uint8Array);
    const rest = wrappedRest(bytes, last);
    onRun(lines.length === 1 && rest.length === 0 ? (lines[0] as Uint8Array) : Buffer.concat([...lines, rest]));
  };
  eachRun(bytes, BASE64_CLASS, LEAST, (start, end) => {
    const line = bytes.subarray(start, end);
    if (first >= 0 && (lines.at(-1)?.length ?? 0) >= LINE && isLineBreak(bytes, last, start)) {
      lines.push(line);
    } else {
      flush();
      [first, lines] = [start, [line]];
    }
    last = end;
  });
  flush();
}

function isLineBreak(bytes: Buffer, from: number, to: number): boolean {
  if (to - from > 12 || to === from) return false;
  let broken = false;
  for (let i = from; i < to; i += 1) {
    const byte = bytes[i];
    if (byte === 10 || byte === 13) broken = true;
    else if (byte !== 32 && byte !== 9) return false;
  }
  return broken;
}

/** The last line of a wrapped text, too short for a run of its own. */
function wrappedRest(bytes: Buffer, from: number): Uint8Array {
  let start = from;
  while (start < bytes.length && start - from < 4 && (bytes[start] === 10 || bytes[start] === 13)) start += 1;
  let end = start;
  while (start > from && end < bytes.length && BASE64_CLASS[bytes[end] as number] === 1) end += 1;
  return bytes.subarray(start, end);
}

/** Base64 of any text has letters of both cases; paths, words and names with underscores do not. */
function hasBothCases(run: Uint8Array): boolean {
  let [upper, lower] = [false, false];
  for (let i = 0; i < run.length && !(upper && lower); i += 1) {
    const byte = run[i] as number;
    if (byte >= 65 && byte <= 90) upper = true;
    else if (byte >= 97 && byte <= 122) lower = true;
  }
  return upper && lower;
}

/** Reused between runs: decoding is synchronous and its result is read at once. */
let scratch = Buffer.allocUnsafe(64 * 1024);

/** Bytes of `bits` bits each, put together. The result is valid until the next call. */
function unpack(run: Uint8Array, alphabet: Alphabet, bits: number): Uint8Array {
  const size = Math.floor((run.length * bits) / 8);
  if (size > scratch.length) scratch = Buffer.allocUnsafe(size * 2);
  const { value } = alphabet;
  if (bits === 6) unpackBase64(run, value, scratch);
  else {
    let [held, count, at] = [0, 0, 0];
    for (let i = 0; i < run.length; i += 1) {
      held = ((held << bits) | (value[run[i] as number] as number)) & 0xffff;
      count += bits;
      if (count < 8) continue;
      count -= 8;
      scratch[at] = (held >> count) & 0xff;
      at += 1;
    }
  }
  return scratch.subarray(0, size);
}

function unpackBase64(run: Uint8Array, value: Uint8Array, to: Buffer): void {
  let at = 0;
  const whole = run.length - (run.length % 4);
  for (let i = 0; i < whole; i += 4) {
    const group =
      ((value[run[i] as number] as number) << 18) |
      ((value[run[i + 1] as number] as number) << 12) |
      ((value[run[i + 2] as number] as number) << 6) |
      (value[run[i + 3] as number] as number);
    to[at] = group >> 16;
    to[at + 1] = (group >> 8) & 0xff;
    to[at + 2] = group & 0xff;
    at += 3;
  }
  const rest = run.length - whole;
  if (rest < 2) return;
  const group =
    ((value[run[whole] as number] as number) << 18) |
    ((value[run[whole + 1] as number] as number) << 12) |
    (rest > 2 ? (value[run[whole + 2] as number] as number) << 6 : 0);
  to[at] = group >> 16;
  if (rest > 2) to[at + 1] = (group >> 8) & 0xff;
}

function copyText(decoded: Uint8Array, sink: Sink): void {
  eachRun(decoded, TEXT_CLASS, LEAST_TEXT, (start, end) => {
    sink.copy(decoded, start, end);
    sink.push(SEPARATOR);
  });
}

/** `41:4b:49`, `41 4B 49`, `0x41, 0x4b`. */
function copySpacedHex(run: Uint8Array, sink: Sink): void {
  const decoded: number[] = [];
  const flush = () => {
    if (decoded.length >= LEAST_TEXT) copyText(Uint8Array.from(decoded), sink);
    decoded.length = 0;
  };
  for (let at = 0; at < run.length; ) {
    const [high, low, after] = [run[at] as number, run[at + 1] ?? 0, run[at + 2] ?? 0];
    if (BASE16_CLASS[high] === 0 || (high === 0x30 && (low | 32) === 0x78)) {
      at += high === 0x30 ? 2 : 1;
      continue;
    }
    if (BASE16_CLASS[low] === 1 && BASE16_CLASS[after] === 0) {
      decoded.push(((BASE16.value[high] as number) << 4) | (BASE16.value[low] as number));
      at += 2;
      continue;
    }
    flush();
    while (at < run.length && BASE16_CLASS[run[at] as number] === 1) at += 1;
  }
  flush();
}

/** First bytes of gzip, zlib and zstd. */
function looksCompressed(decoded: Uint8Array): boolean {
  const [a = 0, b = 0, c = 0, d = 0] = decoded;
  return (
    (a === 0x1f && b === 0x8b && c === 8) ||
    (a === 0x78 && ((a << 8) | b) % 31 === 0 && decoded.length > 16) ||
    (a === 0x28 && b === 0xb5 && c === 0x2f && d === 0xfd)
  );
}

function values(alphabet: string, alternatives: string): Alphabet {
  const value = new Uint8Array(256);
  for (let i = 0; i < alphabet.length; i += 1) value[alphabet.charCodeAt(i)] = i;
  for (let i = 0; i < alternatives.length; i += 1)
    value[alternatives.charCodeAt(i)] = alphabet.length - alternatives.length + i;
  return { value };
}
