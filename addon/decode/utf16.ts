/** Text in UTF-16, either byte order: every other byte is NUL. */
import type { Sink } from './sink.ts';

const LEAST = 8;

/** Writes every such text as ASCII. */
export function narrow(bytes: Buffer, sink: Sink): void {
  let at = bytes.indexOf(0);
  while (at >= 0 && at < bytes.length) {
    // Big endian: NUL first. Little endian: the character before this NUL is the first.
    const start =
      isText(bytes[at + 1]) && at > 0 && isText(bytes[at - 1]) && bytes[at + 2] !== 0
        ? -1
        : at > 0 && isText(bytes[at - 1])
          ? at - 1
          : at + 1;
    let end = start;
    while (end >= 0 && end < bytes.length && isText(bytes[end]) && (end + 1 >= bytes.length || bytes[end + 1] === 0))
      end += 2;
    if (start >= 0 && end - start >= 2 * LEAST) {
      for (let i = start; i < end && i < bytes.length; i += 2) sink.push(bytes[i] as number);
      // Big endian: the last character has no NUL behind it.
      if (end < bytes.length && bytes[end - 1] === 0 && isText(bytes[end])) sink.push(bytes[end] as number);
      sink.separate();
      at = end;
    }
    while (at < bytes.length && bytes[at] === 0) at += 1;
    at = bytes.indexOf(0, at);
  }
}

function isText(byte: number | undefined): boolean {
  return byte !== undefined && ((byte >= 0x20 && byte < 0x7f) || byte === 9 || byte === 10 || byte === 13);
}
