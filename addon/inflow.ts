/**
 * What comes on a stream of HTTP/2 and what became of its end. Node reads on while nobody takes anything, up to the stream's window, so
 * that no stream holds up the others: what waits is counted here.
 */
import type { Http2Stream } from 'node:http2';
import type { Budget } from './budget.ts';

export interface Inflow {
  /**
   * The other side has said that this was all (END_STREAM). Node's `end` event comes also after a reset without an error, and where a
   * connection was lost.
   */
  readonly isWhole: boolean;
  /** To be called when something was taken. */
  count(): void;
}

/** `onFull`: the budget has no room for what waits; the stream is to be given up. */
export function watchInflow(stream: Http2Stream, budget: Budget, onFull: () => void): Inflow {
  let isWhole = stream.endAfterHeaders;
  let counted = 0;

  function count(): void {
    const waiting = stream.destroyed ? 0 : stream.readableLength;
    if (waiting > counted && !budget.take(waiting - counted)) return onFull();
    if (waiting < counted) budget.give(counted - waiting);
    counted = waiting;
  }

  // The one place where the two can be told apart: an end comes through here before the stream is closed, a reset after that.
  const push = stream.push.bind(stream);
  stream.push = (chunk: unknown, encoding?: BufferEncoding) => {
    if (chunk === null && !stream.closed && !stream.destroyed) isWhole = true;
    const wanted = push(chunk, encoding);
    count();
    return wanted;
  };
  stream.once('close', () => {
    budget.give(counted);
    counted = 0;
  });
  return {
    get isWhole() {
      return isWhole;
    },
    count,
  };
}
