/** Everything that a text decodes to, as one text of its own: for a reader that decodes less. */
import { isUtf8 } from 'node:buffer';
import { nextLayer } from './layer.ts';
import { LEAST_TEXT, TEXT_CLASS } from './runs.ts';
import { Sink, SPACE } from './sink.ts';
import { eachRun } from './span.ts';
import type { Work } from './work.ts';

/** Layers of encoding that are undone, one inside the other. Three are promised; escapes alone may take some more. */
const MAX_LAYERS = 8;

/** What each layer of the text came to, outermost first, a space between any two pieces. Undefined: more than `most` bytes, or too much work. */
export function decodedLayers(bytes: Buffer, work: Work, most: number): Buffer[] | undefined {
  const layers: Buffer[] = [];
  let [layer, left] = [bytes, most];
  for (let depth = 0; depth < MAX_LAYERS && layer.length > 0; depth += 1) {
    layer = nextLayer(layer, work, SPACE);
    const text = textIn(layer);
    if (text.length > 0) layers.push(text);
    left -= layer.length;
    if (left < 0 || work.exhausted !== undefined) return undefined;
  }
  return layers;
}

/** Text as it is; of bytes that are none, the runs that are. */
export function textIn(bytes: Buffer): Buffer {
  if (isUtf8(bytes)) return bytes;
  const sink = new Sink(SPACE);
  eachRun(bytes, TEXT_CLASS, LEAST_TEXT, (start, end) => {
    sink.copy(bytes, start, end);
    sink.separate();
  });
  return sink.take();
}
