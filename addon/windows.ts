/**
 * What a scanner looks at of a body that is too large for one look: windows that overlap by more than anything that is looked for.
 * First of the bytes as they are sent, then of each text that a coding hides in them, declared or not, then of the objects of git packs.
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
import { MAGIC } from './decode/object.ts';
import { byteClass, DIGITS, LOWER, UPPER } from './decode/span.ts';
import { unpack } from './decode/unpack.ts';
import { EXPANDED_BYTES, EXPANDED_RATIO, PACK_BYTES, PACK_OBJECTS, WINDOW_OVERLAP } from './limits.ts';
import { type Refusal, refused, type Unit } from './message.ts';

export interface Window {
  readonly kind: 'window';
  /** Written over as soon as the window after the next is asked for. */
  readonly bytes: Buffer;
  /** It is the first of the body, or of what a coding hides in it. */
  readonly begins: boolean;
  /** It is of the objects of a git pack. */
  readonly packed: boolean;
}

export interface WindowOptions {
  /** Bytes of one window, more than `overlap`. */
  readonly size: number;
  /** Bytes that two windows share. */
  readonly overlap?: number;
  /** Values of the field Content-Encoding. */
  readonly encodings: readonly string[];
  /** It is a `git push`, whose pack must be readable to its end. */
  readonly push?: boolean;
  /** The byte between two texts that do not belong together. */
  readonly separator?: number;
}

/** Ends with the first thing that cannot be scanned. Rejects if the body cannot be read. */
export async function* windowsOf(
  unit: Pick<Unit, 'size' | 'chunks'>,
  { size, overlap = WINDOW_OVERLAP, encodings, push = false, separator }: WindowOptions,
): AsyncGenerator<Window | Refusal> {
  const most = Math.min(EXPANDED_BYTES, unit.size * EXPANDED_RATIO);
  const packs: (() => Bytes)[] = [];
  let layer = (): Bytes => piecesOf(unit);
  let look = await lookAt(layer());
  if (yield* cut(layer(), { size, overlap, look })) packs.push(layer);
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
      if (yield* cut(layer(), { size, overlap, look })) packs.push(layer);
    }
  } catch (error) {
    if (error instanceof NotCompressed) return yield unreadable('does not decode as its Content-Encoding says');
    if (error instanceof Expanded) return yield TOO_MUCH;
    throw error;
  }
  const content = layer;
  try {
    for (let depth = 0; depth < MAX_CODINGS && look !== undefined; depth += 1) {
      const [coded, coding] = [layer, look];
      layer = () => untilItBreaks(opened(coded(), coding, 'any', most));
      look = await lookAt(layer());
      if (yield* cut(layer(), { size, overlap, look })) packs.push(layer);
    }
    for (const packed of packs) {
      const limits = { most: Math.max(most, PACK_BYTES), objects: PACK_OBJECTS, separator };
      const { text, isWhole } = unpack(packed, limits);
      yield* cut(text, { size, overlap, look: undefined, packed: true });
      if (push && packed === content && !isWhole()) return yield unreadable('holds git objects that cannot be read');
    }
  } catch (error) {
    if (error instanceof Expanded) return yield TOO_MUCH;
    throw error;
  }
}

/** True for a unit in memory that may become much: one that may be a compressed text, as an archive is, or that holds git objects. */
export function mayExpand(unit: Unit): boolean {
  return lookOf(bytesInMemory(unit)?.subarray(0, MAGIC_BYTES) ?? Buffer.of()) !== undefined || holdsPack(unit);
}

/** True for a unit in memory with the beginning of a git pack in it. */
export function holdsPack(unit: Unit): boolean {
  return bytesInMemory(unit)?.includes(MAGIC) ?? false;
}

/** The names in Content-Encoding, in order (RFC 9110 section 8.4). */
function declared(encodings: readonly string[]): string[] {
  return encodings
    .join(',')
    .split(',')
    .map((coding) => coding.trim().toLowerCase())
    .filter((coding) => coding !== '' && coding !== 'identity');
}

interface Cut {
  readonly size: number;
  readonly overlap: number;
  /** The coding of the next layer. */
  readonly look: Coding | undefined;
  readonly packed?: boolean;
}

/**
 * At least one window, which may be empty. Returns whether a git pack may begin in the text. The two bytes by which a scanner would know
 * what the next layer opens as a whole are left out, and the first of a pack is written over: of a text that becomes much it would open
 * less. Two places are used in turn: new ones for each would be garbage faster than it is collected.
 */
async function* cut(source: Bytes, { size, overlap, look, packed = false }: Cut): AsyncGenerator<Window, boolean> {
  let left = look === undefined ? 0 : 2;
  let [window, other] = [Buffer.allocUnsafeSlow(size), Buffer.alloc(0)];
  let filled = 0;
  let begins = !packed;
  let holdsPacks = false;
  const made = (bytes: Buffer): Window => {
    if (hidePacks(bytes)) holdsPacks = true;
    return { kind: 'window', bytes, begins, packed };
  };
  for await (const piece of source) {
    const skipped = Math.min(left, piece.length);
    left -= skipped;
    for (let at = skipped; at < piece.length; ) {
      if (filled === size) {
        yield made(window);
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
  yield made(window.subarray(0, filled));
  return holdsPacks;
}

/** Returns whether there were any. */
function hidePacks(window: Buffer): boolean {
  const first = window.indexOf(MAGIC);
  for (let at = first; at >= 0; at = window.indexOf(MAGIC, at)) window[at] = 0;
  return first >= 0;
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
  return refused(400, `the body ${why}; it cannot be scanned for secrets`);
}

const TOO_MUCH = refused(413, 'the body decompresses to more than can be scanned');
