/**
 * What a scanner looks at of a body that is too large for one look: windows that overlap by more than anything that is looked for.
 * First of the bytes as they are sent, then of each text that a coding hides in them, declared or not.
 */
import { bytesInMemory } from './body.ts';
import {
  type Bytes,
  type Coding,
  codingOf,
  Expanded,
  lookOf,
  MAGIC_BYTES,
  NotCompressed,
  opened,
} from './decode/stream.ts';
import { MAX_CODINGS } from './decode/inflate.ts';
import { byteClass, DIGITS, LOWER, UPPER } from './decode/span.ts';
import { EXPANDED_BYTES, EXPANDED_RATIO, WINDOW_OVERLAP } from './limits.ts';
import type { Refusal, Unit } from './message.ts';

export interface Window {
  readonly kind: 'window';
  /** Written over as soon as the window after the next is asked for. */
  readonly bytes: Buffer;
  /** It is the first of the body, or of what a coding hides in it. */
  readonly begins: boolean;
}

export interface WindowOptions {
  /** Bytes of one window, more than `overlap`. */
  readonly size: number;
  /** Bytes that two windows share. */
  readonly overlap?: number;
  /** Values of the field Content-Encoding. */
  readonly encodings: readonly string[];
}

/** Ends with the first thing that cannot be scanned. Rejects if the body cannot be read. */
export async function* windowsOf(
  unit: Pick<Unit, 'size' | 'chunks'>,
  { size, overlap = WINDOW_OVERLAP, encodings }: WindowOptions,
): AsyncGenerator<Window | Refusal> {
  const most = Math.min(EXPANDED_BYTES, unit.size * EXPANDED_RATIO);
  let layer = (): Bytes => piecesOf(unit);
  let look = await lookAt(layer());
  yield* cut(layer(), size, overlap, look);
  try {
    const codings = declared(encodings);
    if (codings.length > MAX_CODINGS) return yield unreadable('is wrapped in too many Content-Encodings');
    for (const name of codings.toReversed()) {
      const coded = layer;
      const coding = codingOf(name, await beginningOf(coded()));
      if (coding === undefined) return yield unreadable('uses an unknown Content-Encoding');
      layer = () => opened(coded(), coding, 'whole', most);
    }
    if (codings.length > 0) {
      look = await lookAt(layer());
      yield* cut(layer(), size, overlap, look);
    }
  } catch (error) {
    if (error instanceof NotCompressed) return yield unreadable('does not decode as its Content-Encoding says');
    if (error instanceof Expanded) return yield TOO_MUCH;
    throw error;
  }
  for (let depth = 0; depth < MAX_CODINGS; depth += 1) {
    const [coded, coding] = [layer, look];
    if (coding === undefined) return;
    layer = () => untilItBreaks(opened(coded(), coding, 'any', most));
    try {
      look = await lookAt(layer());
      yield* cut(layer(), size, overlap, look);
    } catch (error) {
      if (error instanceof Expanded) return yield TOO_MUCH;
      throw error;
    }
  }
}

/** True for a unit in memory that may be one compressed text, as an archive is: it may become much. */
export function beginsCompressed(unit: Unit): boolean {
  return lookOf(bytesInMemory(unit)?.subarray(0, MAGIC_BYTES) ?? Buffer.of()) !== undefined;
}

/** The names in Content-Encoding, in order (RFC 9110 section 8.4). */
function declared(encodings: readonly string[]): string[] {
  return encodings
    .join(',')
    .split(',')
    .map((coding) => coding.trim().toLowerCase())
    .filter((coding) => coding !== '' && coding !== 'identity');
}

/**
 * At least one window, which may be empty. The two bytes by which a scanner would know what the next layer opens as a whole are left out:
 * of a text that becomes much it would open less. Two places are used in turn: new ones for each would be garbage faster than it is
 * collected.
 */
async function* cut(source: Bytes, size: number, overlap: number, look: Coding | undefined): AsyncGenerator<Window> {
  let left = look === undefined ? 0 : 2;
  let [window, other] = [Buffer.allocUnsafeSlow(size), Buffer.alloc(0)];
  let filled = 0;
  let begins = true;
  for await (const piece of source) {
    const skipped = Math.min(left, piece.length);
    left -= skipped;
    for (let at = skipped; at < piece.length; ) {
      if (filled === size) {
        yield { kind: 'window', bytes: window, begins };
        if (other.length === 0) other = Buffer.allocUnsafeSlow(size);
        filled = window.copy(other, 0, nextStart(window, size - overlap));
        [window, other] = [other, window];
        begins = false;
      }
      const copied = piece.copy(window, filled, at);
      at += copied;
      filled += copied;
    }
  }
  yield { kind: 'window', bytes: window.subarray(0, filled), begins };
}

/**
 * Where the next window begins: at this place or a little before it, so that a run of base64, base32 or hex that goes on there is cut
 * between two of its groups. Otherwise all that follows in the window would decode to something else.
 */
function nextStart(window: Buffer, place: number): number {
  let run = place;
  while (run > 0 && DATA_CLASS[window[run - 1] as number] === 1) run -= 1;
  return Math.max(1, place - ((place - run) % GROUP));
}

/** Characters after which base64 (4), base32 (8) and hex (2) all begin anew. */
const GROUP = 8;
const DATA_CLASS = byteClass(`${UPPER}${LOWER}${DIGITS}+/-_`);

async function* piecesOf(unit: Pick<Unit, 'chunks'>): AsyncGenerator<Buffer> {
  yield* unit.chunks();
}

/** What only looks compressed stops being read where it does not decode; all of it was looked at as it is. */
async function* untilItBreaks(source: Bytes): AsyncGenerator<Buffer> {
  try {
    yield* source;
  } catch (error) {
    if (!(error instanceof NotCompressed)) throw error;
  }
}

async function lookAt(source: Bytes): Promise<Coding | undefined> {
  return lookOf(await beginningOf(source));
}

async function beginningOf(source: Bytes): Promise<Buffer> {
  let beginning: Buffer = Buffer.alloc(0);
  for await (const piece of source) {
    beginning = Buffer.concat([beginning, piece.subarray(0, MAGIC_BYTES)]);
    if (beginning.length >= MAGIC_BYTES) break;
  }
  return beginning.subarray(0, MAGIC_BYTES);
}

function unreadable(why: string): Refusal {
  return { kind: 'refused', status: 400, reason: `the body ${why}; it cannot be scanned for secrets` };
}

const TOO_MUCH: Refusal = { kind: 'refused', status: 413, reason: 'the body decompresses to more than can be scanned' };
