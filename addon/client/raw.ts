/** What comes where another protocol is spoken, on a connection that has switched to it, piece by piece. */
import type { Client } from '../message.ts';

/**
 * Makes the client of a request that asks to switch protocols from the plain one, whose only unit is the empty first of a stream.
 * `bytes` are what the agent sends behind its head; what is written after a 101 goes out as it is.
 */
export type Switch = (plain: Client, bytes: AsyncIterable<Buffer>) => Client;

export interface RawBytes extends AsyncIterable<Buffer> {
  push(piece: Buffer): void;
  /** Nothing more comes. */
  end(): void;
}

/** For one reader. `hold`: true when a piece waits for it, so that no other is to be brought. */
export function rawBytes(hold: (held: boolean) => void): RawBytes {
  const waiting: Buffer[] = [];
  let ended = false;
  let wake: (() => void) | undefined;

  async function* read(): AsyncGenerator<Buffer> {
    for (;;) {
      const piece = waiting.shift();
      if (piece) yield piece;
      else if (ended) return;
      else {
        const more = new Promise<void>((resolve) => {
          wake = resolve;
        });
        hold(false);
        await more;
      }
    }
  }
  return {
    push(piece) {
      waiting.push(piece);
      hold(true);
      wake?.();
    },
    end() {
      ended = true;
      wake?.();
    },
    [Symbol.asyncIterator]: read,
  };
}
