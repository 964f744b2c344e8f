/** A zlib stream in the middle of bytes that come piece by piece, too long to be inflated at once. */
import { createInflate, type Inflate } from 'node:zlib';
import type { Pieces } from './pieces.ts';

/**
 * The text of the zlib stream in front, which has at most so many bytes itself. In the end the pieces begin behind it.
 * @throws the error of a stream that breaks, and whatever reading the pieces throws
 */
export async function* inflated(pieces: Pieces, most: number): AsyncGenerator<Buffer> {
  const engine = createInflate({ chunkSize: CHUNK });
  engine.on('error', () => undefined); // whoever iterates gets it
  const given: Buffer[] = [];
  let [givenBytes, total] = [0, 0];
  async function feed(): Promise<void> {
    try {
      while (!engine.destroyed) {
        const piece = total < most ? await pieces.take(CHUNK) : undefined;
        if (!piece) return void engine.end();
        given.push(piece);
        givenBytes += piece.length;
        total += piece.length;
        if (engine.destroyed) return;
        if (!engine.write(piece)) await drained(engine);
        const unread = total - engine.bytesWritten;
        while (given[0] && givenBytes - given[0].length >= unread) givenBytes -= given.shift()?.length ?? 0;
      }
    } catch (error) {
      engine.destroy(error as Error);
    }
  }
  const fed = feed();
  try {
    yield* engine as AsyncIterable<Buffer>;
  } finally {
    engine.destroy();
    await fed;
    let unread = total - engine.bytesWritten;
    const rest = given.toReversed().map((piece) => {
      const part = piece.subarray(piece.length - Math.min(unread, piece.length));
      unread -= part.length;
      return part;
    });
    pieces.back(rest.toReversed());
  }
}

/** Bytes that go in and come out at a time. */
const CHUNK = 64 * 1024;

/** Also when there is nothing to wait for any more. */
function drained(engine: Inflate): Promise<void> {
  return new Promise((resolve) => {
    function go(): void {
      engine.off('drain', go).off('close', go);
      resolve();
    }
    engine.on('drain', go).on('close', go);
  });
}
