/**
 * What `git push` sends: packs of objects, each of them a zlib stream of its own that begins in the middle of binary data. A pack is
 * found by its first bytes, whatever stands before it. See `unpack.ts` for those that are too large to be read at once.
 */
import { Additions, countObjects, inflate, lineLength, MAGIC, PACK_HEAD, readObjectHead } from './object.ts';
import { Sink } from './sink.ts';
import type { Work } from './work.ts';

export interface Packed {
  /** The contents of all objects: files, commits, names; of a difference to another object, what it adds. */
  readonly content: Buffer;
  /** False: from some object on it could not be read, so that the rest is not in the content. */
  readonly isWhole: boolean;
}

/** Undefined: no pack is in it. More than the work allows leaves `work.exhausted`. */
export function readPacks(bytes: Buffer, work: Work, separator?: number): Packed | undefined {
  const sink = new Sink(separator);
  let [found, isWhole] = [false, true];
  let at = bytes.indexOf(MAGIC, linesEnd(bytes));
  for (; at >= 0 && work.exhausted === undefined; at = bytes.indexOf(MAGIC, at)) {
    const end = readPack(bytes, at, sink, work);
    if (end !== NO_PACK) found = true;
    if (end === CUT) isWhole = false;
    at = end > at ? end : at + MAGIC.length;
  }
  return found ? { content: sink.take(), isWhole } : undefined;
}

const NO_PACK = -1;
const CUT = -2;

/** Where the lines of the protocol end, if a pack follows: git reads from there, whatever they hold. Otherwise 0. */
function linesEnd(bytes: Buffer): number {
  let at = 0;
  for (let length = lineLength(bytes, at); length !== undefined; length = lineLength(bytes, at)) at += length;
  return bytes.subarray(at, at + MAGIC.length).equals(MAGIC) ? at : 0;
}

/** Where the pack ends. */
function readPack(bytes: Buffer, start: number, sink: Sink, work: Work): number {
  const count = countObjects(bytes, start);
  if (count === undefined) return NO_PACK;
  let at = start + PACK_HEAD;
  for (let left = count; left > 0; left -= 1) {
    const object = readObject(bytes, at, work);
    if (!object) return CUT;
    if (object.isDelta) new Additions().read(object.content, sink);
    else sink.copy(object.content, 0, object.content.length);
    sink.separate();
    at = object.end;
  }
  return at;
}

interface PackedObject {
  readonly content: Buffer;
  readonly isDelta: boolean;
  /** Where the next one begins. */
  readonly end: number;
}

/** Undefined: none stands there. */
function readObject(bytes: Buffer, start: number, work: Work): PackedObject | undefined {
  if (!work.unpack()) return undefined;
  const head = readObjectHead(bytes, start);
  if (!head) return undefined;
  for (const at of head.streams) {
    const opened = inflate(bytes.subarray(at), head.size, work.inflatable);
    if (opened === 'too much') work.inflated(work.maxInflated + 1);
    else if (opened && work.inflated(opened.content.length) && opened.content.length === head.size)
      return { content: opened.content, isDelta: head.isDelta, end: at + opened.length };
  }
  return undefined;
}
