/** Bytes that grow: where decoders write what they found. */

/** A form feed stands between two texts that do not belong together: no value and no line of base64 goes on behind it. */
const FORM_FEED = 0x0c;
/** For readers that leave control characters out and read across them. */
export const SPACE = 0x20;

export class Sink {
  readonly separator: number;
  #bytes: Buffer = Buffer.allocUnsafe(1024);
  length = 0;

  constructor(separator = FORM_FEED) {
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
