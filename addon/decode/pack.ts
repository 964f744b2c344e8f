/**
 * What `git push` sends: packs of objects, each of them a zlib stream of its own that begins in the middle of binary data. A pack is
 * found by its first bytes, whatever stands before it (gitformat-pack(5)).
 */
import { inflateSync } from 'node:zlib';
import { isTooLarge } from './inflate.ts';
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
  for (let at = bytes.indexOf(MAGIC); at >= 0 && work.exhausted === undefined; at = bytes.indexOf(MAGIC, at)) {
    const end = readPack(bytes, at, sink, work);
    if (end !== NO_PACK) found = true;
    if (end === CUT) isWhole = false;
    at = end > at ? end : at + MAGIC.length;
  }
  return found ? { content: sink.take(), isWhole } : undefined;
}

/** The four letters by themselves are in every text about packs. */
const MAGIC = Buffer.from('PACK\0\0\0');
const NO_PACK = -1;
const CUT = -2;

/** Where the pack ends. */
function readPack(bytes: Buffer, start: number, sink: Sink, work: Work): number {
  const version = bytes[start + 7];
  if ((version !== 2 && version !== 3) || start + HEAD > bytes.length) return NO_PACK;
  let at = start + HEAD;
  for (let left = bytes.readUInt32BE(start + 8); left > 0; left -= 1) {
    const object = readObject(bytes, at, work);
    if (!object) return CUT;
    const content = object.isDelta ? addedBy(object.content, sink.separator) : object.content;
    sink.copy(content, 0, content.length);
    sink.separate();
    at = object.end;
  }
  return at;
}

const HEAD = 12;

interface PackedObject {
  readonly content: Buffer;
  readonly isDelta: boolean;
  /** Where the next one begins. */
  readonly end: number;
}

/** Undefined: none stands there. */
function readObject(bytes: Buffer, start: number, work: Work): PackedObject | undefined {
  if (!work.unpack()) return undefined;
  const kind = ((bytes[start] ?? 0) >> 4) & 7;
  let at = start;
  let size = (bytes[at] ?? 0) & 15;
  for (let bits = 4; isContinued(bytes[at]); bits += 7) {
    at += 1;
    size += ((bytes[at] ?? 0) & 0x7f) * 2 ** bits;
  }
  at += 1;
  if (kind === OFFSET_DELTA) {
    while (isContinued(bytes[at])) at += 1;
    at += 1;
  }
  const isDelta = kind === OFFSET_DELTA || kind === NAMED_DELTA;
  if (!isDelta && (kind < COMMIT || kind > TAG)) return undefined;
  // Of a named base, SHA-1 or SHA-256 stands in front: only one of the two leaves a stream that begins.
  for (const name of kind === NAMED_DELTA ? [20, 32] : [0]) {
    const opened = openStream(bytes, at + name, size, work);
    if (opened) return { ...opened, isDelta };
  }
  return undefined;
}

const [COMMIT, TAG, OFFSET_DELTA, NAMED_DELTA] = [1, 4, 6, 7];

function openStream(bytes: Buffer, at: number, size: number, work: Work): { content: Buffer; end: number } | undefined {
  try {
    const options = { info: true, maxOutputLength: Math.max(1, work.inflatable) } as const;
    // With `info`, the engine comes along, which knows where the stream ended; the types do not say so.
    const { buffer: content, engine } = inflateSync(bytes.subarray(at), options) as unknown as {
      buffer: Buffer;
      engine: { bytesWritten: number };
    };
    if (!work.inflated(content.length) || content.length !== size) return undefined;
    return { content, end: at + engine.bytesWritten };
  } catch (error) {
    if (isTooLarge(error)) work.inflated(work.maxInflated + 1);
    return undefined;
  }
}

/** What a delta adds to its base: two additions in a row belong together, what is copied between two parts them. */
function addedBy(delta: Buffer, separator: number): Buffer {
  const sink = new Sink(separator);
  let at = 0;
  for (let sizes = 0; sizes < 2; sizes += 1) {
    while (isContinued(delta[at])) at += 1;
    at += 1;
  }
  while (at < delta.length) {
    const command = delta[at] as number;
    at += 1;
    if (command < 0x80) {
      sink.copy(delta, at, Math.min(at + command, delta.length));
      at += command;
    } else {
      for (let flag = 1; flag < 0x80; flag <<= 1) if (command & flag) at += 1;
      sink.separate();
    }
  }
  return sink.take();
}

/** Numbers go on as long as the highest bit is set. */
function isContinued(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x80;
}
