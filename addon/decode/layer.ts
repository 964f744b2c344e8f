/**
 * One layer deeper: everything that some decoder makes of a text, put together as one text. A layer holds the result of every
 * decoder at once, so layers are a chain and not a tree, and any nesting of decoders is found by walking it.
 */
import type { Work } from './work.ts';
import { openCompressed } from './inflate.ts';
import { decodeRuns } from './runs.ts';
import { Sink } from './sink.ts';
import { lookOf, MAGIC_BYTES } from './stream.ts';
import { unescape } from './unescape.ts';
import { narrow } from './utf16.ts';

const GZIP = Buffer.of(0x1f, 0x8b, 8);
const ZSTD = Buffer.of(0x28, 0xb5, 0x2f, 0xfd);

/** Empty when there is nothing to decode. `separator`: the byte between two texts; a line end if none is given. */
export function nextLayer(bytes: Buffer, work: Work, separator?: number): Buffer {
  const sink = new Sink(separator);
  const open = (compressed: Buffer) => {
    const opened = openCompressed(compressed, work);
    if (opened === undefined) return;
    sink.copy(opened, 0, opened.length);
    sink.separate();
  };
  const rewritten = unescape(bytes, sink);
  // A text that is escaped throughout (a program in JSON) stands in the next layer as a whole, and its runs with it.
  if (rewritten < bytes.length) decodeRuns(bytes, sink, open);
  narrow(bytes, sink);
  if (lookOf(bytes.subarray(0, MAGIC_BYTES)) === 'deflate') open(bytes); // anywhere else its two bytes would be found all the time
  for (const magic of [GZIP, ZSTD])
    for (let at = bytes.indexOf(magic); at >= 0 && work.exhausted === undefined; at = bytes.indexOf(magic, at + 1))
      open(bytes.subarray(at));
  return sink.take();
}
