/**
 * Is the launcher still there? It sends a line every few seconds; a sidecar that hears none serves nobody, because nobody could
 * stop it.
 */

export interface Lifeline {
  /** A line has come. */
  beat(): void;
  /** Asked at every request, not only by a timer: after a pause of the whole process requests come before timers. */
  isAlive(): boolean;
  [Symbol.dispose](): void;
}

export interface LifelineOptions {
  /** Milliseconds of silence that are too long. */
  readonly lostMs: number;
  /** Called once for each silence. */
  readonly onLost: () => void;
  /** Milliseconds that only go forward. */
  readonly now?: () => number;
}

export function holdLifeline({ lostMs, onLost, now = () => performance.now() }: LifelineOptions): Lifeline {
  let last = now();
  let lost = false;

  function isAlive(): boolean {
    if (!lost && now() - last > lostMs) {
      lost = true;
      onLost();
    }
    return !lost;
  }

  const timer = setInterval(isAlive, Math.max(10, Math.floor(lostMs / 8))).unref();
  return {
    beat() {
      isAlive(); // a silence that ends with this line was one all the same
      last = now();
      lost = false;
    },
    isAlive,
    [Symbol.dispose]: () => clearInterval(timer),
  };
}
