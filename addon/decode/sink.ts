/** Bytes that grow: where decoders write what they found. */

/** A line end stands between two texts that do not belong together, unless the reader would leave it out: no value reaches across it. */
const LINE_END = 0x0a;
/** For readers that leave line ends out and read across them. */
export const SPACE = 0x20;

export class Sink {
  readonly separator: number;
  #bytes: Buffer = Buffer.allocUnsafe(1024);
  length = 0;

  constructor(separator = LINE_END) {
    this.separator = separator;
  }

  /** Room for so many more bytes; returns the buffer to write to from `length` on. */
  reserve(count: number): Buffer {
    if (this.length + count > this.#bytes.length) {
      const grown = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.length + count));
      this.#bytes.copy(grown, 0, 0, this.length);
      this.#bytes = grown;
    }
    return this.#bytes;
  }

  copy(from: Uint8Array, start: number, end: number): void {
    if (end <= start) return;
    const to = this.reserve(end - start);
    if (end - start > 64) {
      to.set(from.subarray(start, end), this.length);
    } else {
      for (let i = start, at = this.length; i < end; i += 1, at += 1) to[at] = from[i] as number;
    }
    this.length += end - start;
  }

  push(byte: number): void {
    this.reserve(1)[this.length] = byte;
    this.length += 1;
  }

  separate(): void {
    this.push(this.separator);
  }

  take(): Buffer {
    return this.#bytes.subarray(0, this.length);
  }
}
