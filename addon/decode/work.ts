/** The bound on one scan. Everything that a request can make large is paid for here, so no input costs more than this. */

/** Bytes that are looked at, over all layers of decoding. A body of the largest size with all its copies stays below. */
const MAX_SCANNED_BYTES = 512 * 1024 * 1024;
/** Bytes that patterns are tried on. Source code of 1 MB needs about one million, a large body’s window full of numbers 320. */
const MAX_WINDOW_BYTES = 384 * 1024 * 1024;
/** Bytes that all compressed texts of a request may become. */
const MAX_INFLATED_BYTES = 64 * 1024 * 1024;
/** Places inside a request that look like the beginning of a compressed text and are tried. */
const MAX_INFLATIONS = 64;
/** Objects of git packs, at some 10 µs each. */
const MAX_OBJECTS = 100_000;

export class Work {
  /** Bytes that all compressed texts together may become. */
  readonly maxInflated: number;
  scannedBytes = 0;
  windowBytes = 0;
  inflations = 0;
  objects = 0;
  inflatedBytes = 0;
  /** Why the scan was given up, once it was. */
  exhausted: string | undefined;

  constructor(maxInflated = MAX_INFLATED_BYTES) {
    this.maxInflated = maxInflated;
  }

  /** Each returns whether the work may be done. */
  scan(bytes: number): boolean {
    this.scannedBytes += bytes;
    return this.scannedBytes <= MAX_SCANNED_BYTES || this.#giveUp('decodes to more than can be scanned');
  }

  tryWindow(bytes: number): boolean {
    this.windowBytes += bytes;
    return this.windowBytes <= MAX_WINDOW_BYTES || this.#giveUp('has more places to look at than can be scanned');
  }

  tryInflation(): boolean {
    this.inflations += 1;
    return this.inflations <= MAX_INFLATIONS || this.#giveUp('holds more compressed parts than can be scanned');
  }

  unpack(): boolean {
    this.objects += 1;
    return this.objects <= MAX_OBJECTS || this.#giveUp('holds more git objects than can be scanned');
  }

  /** Bytes that may still come out of compressed texts. */
  get inflatable(): number {
    return Math.max(0, this.maxInflated - this.inflatedBytes);
  }

  inflated(bytes: number): boolean {
    this.inflatedBytes += bytes;
    return this.inflatedBytes <= this.maxInflated || this.#giveUp('decompresses to more than can be scanned');
  }

  #giveUp(why: string): boolean {
    this.exhausted ??= why;
    return false;
  }
}
