/**
 * Git packs that are too large to be read at once: what `pack.ts` reads, piece by piece, in as much memory as one small object takes.
 * What is large is inflated as a stream.
 */
import { inflated } from './flow.ts';
import {
  Additions,
  beginsStream,
  countObjects,
  inflate,
  lineLength,
  MAGIC,
  OBJECT_HEAD,
  type ObjectHead,
  PACK_HEAD,
  readObjectHead,
} from './object.ts';
import { Pieces } from './pieces.ts';
import { Sink } from './sink.ts';
import { type Bytes, Expanded, isOfCoding } from './stream.ts';

export interface UnpackOptions {
  /** Bytes that all objects together may become, also those that turn out not to be any. */
  readonly most: number;
  /** Objects of all packs together, also those that turn out not to be any. */
  readonly objects: number;
  /** The byte between two texts that do not belong together. */
  readonly separator: number | undefined;
}

export interface Unpacked {
  /**
   * The contents of all objects, as `Packed` has them; of one that breaks off, what there is of it. Each piece is written over when the
   * next is asked for.
   * @throws {Expanded} beyond the limits, and whatever reading the source throws
   */
  readonly text: Bytes;
  /** Once the text is at its end: false if a pack could not be read to its own. */
  readonly isWhole: () => boolean;
}

/** `source` is read twice at most: where the lines of the protocol end has to be known before. */
export function unpack(source: () => Bytes, options: UnpackOptions): Unpacked {
  let isWhole = true;
  async function* text(): AsyncGenerator<Buffer> {
    const start = await reading(source(), linesEnd);
    const pieces = new Pieces(source());
    const spent = new Spent(options);
    try {
      await pieces.skip(start);
      for (let count = await nextPack(pieces); count !== undefined; count = await nextPack(pieces)) {
        await spent.object();
        if (!(yield* objectsOf(pieces, count, spent, options.separator))) isWhole = false;
      }
    } finally {
      await pieces.close();
    }
  }
  return { text: text(), isWhole: () => isWhole };
}

async function reading<T>(source: Bytes, read: (pieces: Pieces) => Promise<T>): Promise<T> {
  const pieces = new Pieces(source);
  try {
    return await read(pieces);
  } finally {
    await pieces.close();
  }
}

/** Where the lines of the protocol end, if a pack follows: git reads from there, whatever they hold. Otherwise 0. */
async function linesEnd(pieces: Pieces): Promise<number> {
  let at = 0;
  for (;;) {
    const front = await pieces.front(MAGIC.length);
    const length = lineLength(front, 0);
    if (length === undefined) return front.subarray(0, MAGIC.length).equals(MAGIC) ? at : 0;
    await pieces.skip(length);
    at += length;
  }
}

/** Moves on behind the head of the next pack, and says how many objects it has. Undefined: there is none. */
async function nextPack(pieces: Pieces): Promise<number | undefined> {
  for (;;) {
    const front = await pieces.front(PACK_HEAD);
    const at = front.indexOf(MAGIC);
    if (at < 0) {
      if (front.length < PACK_HEAD) return undefined;
      pieces.drop(front.length - MAGIC.length + 1);
      continue;
    }
    pieces.drop(at);
    const count = countObjects(await pieces.front(PACK_HEAD), 0);
    pieces.drop(count === undefined ? MAGIC.length : PACK_HEAD);
    if (count !== undefined) return count;
  }
}

/** Returns whether all of them could be read. Where one cannot, it stays in front. */
async function* objectsOf(
  pieces: Pieces,
  count: number,
  spent: Spent,
  separator: number | undefined,
): AsyncGenerator<Buffer, boolean> {
  const sink = new Sink(separator);
  let isWhole = true;
  for (let left = count; left > 0 && isWhole; left -= 1) {
    await spent.object();
    const head = readObjectHead(await pieces.front(OBJECT_HEAD), 0);
    if (!head) isWhole = false;
    else if (head.size <= SMALL)
      isWhole = copySmall(await pieces.front(OBJECT_HEAD + room(head.size)), head, pieces, sink, spent);
    else isWhole = yield* largeObject(pieces, head, sink, spent);
    sink.separate();
    if (sink.length < CHUNK) continue;
    yield sink.take();
    sink.length = 0;
  }
  yield sink.take();
  return isWhole;
}

/** Bytes of an object that is inflated at once, which is several times as fast. */
const SMALL = 128 * 1024;
/** Bytes that come out at a time. */
const CHUNK = 64 * 1024;

/** Bytes that a stream of this size has at most. What does not compress gets a thousandth longer; only what was made to gets more. */
function room(size: number): number {
  return size + Math.floor(size / 16) + 1024;
}

/** False: it is none. */
function copySmall(front: Buffer, head: ObjectHead, pieces: Pieces, sink: Sink, spent: Spent): boolean {
  for (const at of head.streams) {
    spent.bytes(head.size);
    const opened = inflate(front.subarray(at, at + room(head.size)), head.size, head.size);
    if (opened === undefined || opened === 'too much' || opened.content.length !== head.size) continue;
    if (head.isDelta) new Additions().read(opened.content, sink);
    else sink.copy(opened.content, 0, opened.content.length);
    pieces.drop(at + opened.length);
    return true;
  }
  return false;
}

/** The sink is given on first; false: it is none, or it breaks off. */
async function* largeObject(
  pieces: Pieces,
  head: ObjectHead,
  sink: Sink,
  spent: Spent,
): AsyncGenerator<Buffer, boolean> {
  const front = await pieces.front(OBJECT_HEAD + PROBED);
  const start = head.streams.find((at) => head.streams.length === 1 || beginsStream(front.subarray(at, at + PROBED)));
  if (start === undefined) return false;
  pieces.drop(start);
  const additions = head.isDelta ? new Additions() : undefined;
  let size = 0;
  try {
    for await (const piece of inflated(pieces, room(head.size))) {
      size += piece.length;
      spent.bytes(piece.length);
      if (size > head.size) return false;
      if (additions) additions.read(piece, sink);
      else sink.copy(piece, 0, piece.length);
      yield sink.take();
      sink.length = 0;
    }
  } catch (error) {
    if (!isOfCoding(error)) throw error;
    return false;
  }
  return size === head.size;
}

/** Bytes by which a name is told from a stream. */
const PROBED = 1024;

/** What reading has cost, against its limits. Each throws `Expanded` beyond them. */
class Spent {
  readonly #limits: UnpackOptions;
  #objects = 0;
  #bytes = 0;
  #breath = 0;

  constructor(limits: UnpackOptions) {
    this.#limits = limits;
  }

  /** Counts one object, or the head of a pack, which may have none; now and then others get their turn. */
  async object(): Promise<void> {
    this.#objects += 1;
    if (this.#objects > this.#limits.objects) throw new Expanded();
    const work = this.#objects * OBJECT_WORK + this.#bytes;
    if (work - this.#breath < BREATH) return;
    this.#breath = work;
    await new Promise((resolve) => setImmediate(resolve));
  }

  bytes(count: number): void {
    this.#bytes += count;
    if (this.#bytes > this.#limits.most) throw new Expanded();
  }
}

/** Bytes that are inflated in the time that one object takes beside its own. */
const OBJECT_WORK = 4 * 1024;
/** Bytes after which others get their turn: some milliseconds. */
const BREATH = 2 * 1024 * 1024;
