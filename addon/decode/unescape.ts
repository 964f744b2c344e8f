/**
 * One pass that undoes every way of writing a character as several. JSON needs no parser for this: keys, duplicates, strings at
 * any depth and numbers all stand in the text, and only their escapes hide anything.
 *
 * Only the surroundings of what changed are written: the rest has been looked at already.
 */
import { byteClass, DIGITS, LOWER, UPPER } from './span.ts';
import { BEGINS, decodeAt, EQUALS, type Quoting, step } from './escapes.ts';
import type { Sink } from './sink.ts';

/** Bytes kept on either side of a change, and the run of data that goes on there: half a run decodes to half a credential. */
const KEPT = 256;
const DATA_CLASS = byteClass(`${UPPER}${LOWER}${DIGITS}+/-_:`); // ":" of hex in pairs

/** Returns how many bytes of the text are in what it wrote. */
export function unescape(bytes: Buffer, sink: Sink): number {
  const quoting = quotingOf(bytes);
  // Nothing becomes longer, and a gap is longer than the separator that stands for it.
  const out = sink.reserve(bytes.length + 64);
  // `done`: up to here the text has been copied or left out. `quoted`: here ended the last quoted-printable character.
  let [to, done, changed, quoted, skipped] = [sink.length, 0, false, -1, 0];
  for (let at = 0; at < bytes.length; ) {
    if (BEGINS[bytes[at] as number] === 0 || !decodeAt(bytes, at, quoted === at, quoting)) {
      at += 1;
      continue;
    }
    if (!changed || at - done > 2 * KEPT) {
      const [tail, head] = [changed ? tailOf(bytes, done, at) : 0, headOf(bytes, at, done)];
      if (head > tail) {
        to = copy(bytes, done, tail, out, to);
        if (changed) {
          out[to] = sink.separator;
          to += 1;
        }
        skipped += head - tail;
        done = head;
      }
    }
    to = copy(bytes, done, at, out, to);
    to = write(out, to, step.point);
    if (bytes[at] === EQUALS) quoted = at + step.read;
    at += step.read;
    done = at;
    changed = true;
  }
  if (!changed) return 0;
  const end = tailOf(bytes, done, bytes.length);
  sink.length = copy(bytes, done, end, out, to);
  sink.separate();
  return end - skipped;
}

function quotingOf(bytes: Buffer): Quoting {
  if (SAID.some((name) => bytes.includes(name))) return 'said';
  return bytes.includes('=\n') || bytes.includes('=\r\n') ? 'shown' : 'no';
}

/** As programs write it. */
const SAID = ['quoted-printable', 'Quoted-Printable', 'QUOTED-PRINTABLE'];

/** Where the surroundings of a change that ended at `from` end. */
function tailOf(bytes: Buffer, from: number, limit: number): number {
  let end = Math.min(limit, from + KEPT);
  while (end < limit && DATA_CLASS[bytes[end] as number] === 1) end += 1;
  return end;
}

/** Where the surroundings of a change at `from` begin. */
function headOf(bytes: Buffer, from: number, limit: number): number {
  let start = Math.max(limit, from - KEPT);
  while (start > limit && DATA_CLASS[bytes[start - 1] as number] === 1) start -= 1;
  return start;
}

function copy(from: Buffer, start: number, end: number, out: Buffer, to: number): number {
  if (end - start > 64) {
    from.copy(out, to, start, end);
    return to + end - start;
  }
  let at = to;
  for (let i = start; i < end; i += 1, at += 1) out[at] = from[i] as number;
  return at;
}

/** -1: nothing. Below: a byte as it is. */
function write(out: Buffer, to: number, point: number): number {
  if (point === -1) return to;
  if (point < 0x80) {
    out[to] = point < -1 ? -2 - point : point;
    return to + 1;
  }
  return to + out.write(String.fromCodePoint(point), to);
}
