/** Bounds how much is asked of a scanner at once: so many calls under way, so many waiting in their order, and no more. */

export interface Lane {
  /** Resolves when it is this one's turn; 'full' at once if too many wait, 'late' if its turn does not come in time, 'gone' if `gone` aborts. */
  enter(gone: AbortSignal): Promise<Slot | 'full' | 'late' | 'gone'>;
}

export interface Slot {
  /** To be called once, when the scanner is really done. */
  leave(): void;
}

/** `patienceMs`: milliseconds that one waits at most. */
export function makeLane(width: number, queue: number, patienceMs?: number): Lane {
  const waiting: (() => void)[] = [];
  let inside = 0;
  const slot: Slot = {
    leave() {
      const next = waiting.shift();
      if (next)
        next(); // it takes the place over
      else inside -= 1;
    },
  };
  return {
    enter(gone) {
      if (gone.aborted) return Promise.resolve('gone');
      if (inside < width) {
        inside += 1;
        return Promise.resolve(slot);
      }
      if (waiting.length >= queue) return Promise.resolve('full');
      return new Promise((resolve) => {
        const leave = (why: 'gone' | 'late') => {
          waiting.splice(waiting.indexOf(onTurn), 1);
          settle(why);
        };
        const settle = (result: Slot | 'gone' | 'late') => {
          gone.removeEventListener('abort', onGone);
          clearTimeout(timer);
          resolve(result);
        };
        const onGone = () => leave('gone');
        const onTurn = () => settle(slot);
        const timer = patienceMs === undefined ? undefined : setTimeout(() => leave('late'), patienceMs);
        waiting.push(onTurn);
        gone.addEventListener('abort', onGone, { once: true });
      });
    },
  };
}
