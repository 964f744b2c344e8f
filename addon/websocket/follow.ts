/**
 * Where in the server's frames an agent is. They are passed on as they come and never read; but a frame of ours can only be said
 * between two of them.
 */
import { readFrameHead } from './frame.ts';

export class Follower {
  #early: Buffer = Buffer.alloc(0);
  #left = 0;
  #isLost = false;

  /** The next bytes that the agent was given. */
  follow(chunk: Buffer): void {
    let bytes = this.#early.length === 0 ? chunk : Buffer.concat([this.#early, chunk]);
    this.#early = Buffer.alloc(0);
    while (bytes.length > 0 && !this.#isLost) {
      const skipped = Math.min(this.#left, bytes.length);
      this.#left -= skipped;
      bytes = bytes.subarray(skipped);
      if (bytes.length === 0) return;
      const head = readFrameHead(bytes);
      if (head === undefined) {
        this.#early = Buffer.from(bytes);
        return;
      }
      // A close is the last that a server says; what is no frame has no end.
      if ('kind' in head || head.opcode === CLOSE) this.#isLost = true;
      else [bytes, this.#left] = [bytes.subarray(head.size), head.length];
    }
  }

  /** A frame may stand here. */
  get isBetween(): boolean {
    return !this.#isLost && this.#left === 0 && this.#early.length === 0;
  }
}

const CLOSE = 8;
