/** Bounds how much is asked of a scanner at once: so many calls under way, so many waiting in their order, and no more. */

export interface Lane {
  /** Resolves when it is this one's turn; 'full' at once if too many wait, 'gone' if `gone` aborts before. */
  enter(gone: AbortSignal): Promise<Slot | 'full' | 'gone'>;
}

export interface Slot {
  /** To be called once, when the scanner is really done. */
  leave(): void;
}

export function makeLane(width: number, queue: number): Lane {
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
        const onGone = () => {
          waiting.splice(waiting.indexOf(onTurn), 1);
          resolve('gone');
        };
        const onTurn = () => {
          gone.removeEventListener('abort', onGone);
          resolve(slot);
        };
        waiting.push(onTurn);
        gone.addEventListener('abort', onGone, { once: true });
      });
    },
  };
}
