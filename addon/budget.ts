/** All memory for request bodies comes from here, so that no agent can make the sidecar larger than its container. */

import { refused } from './message.ts';

/** What whoever gets nothing of it is told. */
export const OVER_BUDGET = refused(503, 'too many request bodies are held');

export interface Budget {
  /** False: there is not so much left, and nothing was taken. */
  take(bytes: number): boolean;
  give(bytes: number): void;
  readonly used: number;
  /** Bytes that can still be taken. */
  readonly left: number;
}

export function makeBudget(total: number): Budget {
  let used = 0;
  return {
    take(bytes) {
      if (used + bytes > total) return false;
      used += bytes;
      return true;
    },
    give(bytes) {
      used -= bytes;
    },
    get used() {
      return used;
    },
    get left() {
      return total - used;
    },
  };
}

/** A body that grows while it arrives. Pieces are copied together: a body of one-byte pieces must not cost 100 times its size. */
export interface Gathering {
  /** False: the budget is exhausted. */
  add(piece: Buffer): boolean;
  readonly size: number;
  bytes(): Buffer;
  /** Gives everything back; more than once does no harm. */
  release(): void;
}

/** `expected`: bytes that are announced, 0 if none are. */
export function gather(budget: Budget, expected: number): Gathering {
  let store: Buffer = Buffer.alloc(0);
  let size = 0;
  let taken = 0;

  function grow(needed: number): boolean {
    const roomy = Math.max(needed, expected, Math.min(store.length * 2, store.length + MAX_STEP));
    const capacity = [roomy, needed].find((bytes) => budget.take(bytes - taken));
    if (capacity === undefined) return false;
    taken = capacity;
    const larger = Buffer.allocUnsafeSlow(capacity);
    store.copy(larger, 0, 0, size);
    store = larger;
    return true;
  }

  return {
    add(piece) {
      if (size === 0 && piece.length === expected) {
        if (!budget.take(expected)) return false; // whole at once, the usual case: no copy
        [store, size, taken] = [piece, piece.length, expected];
        return true;
      }
      if (size + piece.length > store.length && !grow(size + piece.length)) return false;
      piece.copy(store, size);
      size += piece.length;
      return true;
    },
    get size() {
      return size;
    },
    bytes: () => store.subarray(0, size),
    release() {
      budget.give(taken);
      [store, size, taken] = [Buffer.alloc(0), 0, 0];
    },
  };
}

const MAX_STEP = 4 * 1024 * 1024;
