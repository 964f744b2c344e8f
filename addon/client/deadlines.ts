/** What has to have happened by when, for thousands of connections under one timer: arming one costs next to nothing. */

export interface Deadline {
  /** In place of the one before. `run` is called once, late by at most the interval between two looks. */
  set(ms: number, run: () => void): void;
  clear(): void;
}

export interface Deadlines {
  /** Forgotten by `clear`, or when it has passed. */
  make(): Deadline;
  close(): void;
}

/** `checkMs`: milliseconds between two looks. */
export function keepDeadlines(checkMs: number): Deadlines {
  const armed = new Map<Deadline, { at: number; run: () => void }>();
  const timer = setInterval(() => {
    const now = performance.now();
    for (const [deadline, { at, run }] of armed) {
      if (at > now) continue;
      armed.delete(deadline);
      run();
    }
  }, checkMs);
  timer.unref();
  return {
    make() {
      const deadline: Deadline = {
        set: (ms, run) => void armed.set(deadline, { at: performance.now() + ms, run }),
        clear: () => void armed.delete(deadline),
      };
      return deadline;
    },
    close() {
      clearInterval(timer);
      armed.clear();
    },
  };
}
