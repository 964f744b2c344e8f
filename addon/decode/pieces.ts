/** Bytes that come piece by piece, read from the front. For one reader that waits for each answer. */

export class Pieces {
  readonly #source: AsyncIterator<Buffer>;
  /** What has come and was not read, none of them empty. */
  #held: Buffer[] = [];
  #ended = false;

  constructor(source: AsyncIterable<Buffer>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** What is in front, without moving on: at least so many bytes, if there are so many. */
  async front(least: number): Promise<Buffer> {
    const [first] = this.#held;
    if (first && first.length >= least) return first;
    const taken: Buffer[] = [];
    const wanted = Math.max(least, JOINED); // or each of many small readings would copy
    for (let size = 0; size < least; ) {
      const piece = await this.take(wanted - size);
      if (!piece) break;
      taken.push(piece);
      size += piece.length;
    }
    const front = Buffer.concat(taken);
    this.back([front]);
    return front;
  }

  /** Moves on by so many of the bytes that `front` gave. */
  drop(count: number): void {
    const first = this.#held.shift();
    if (first && first.length > count) this.#held.unshift(first.subarray(count));
  }

  /** Some bytes, at most so many, and moves on behind them. Undefined: there are no more. */
  async take(most: number): Promise<Buffer | undefined> {
    const piece = this.#held.shift() ?? (await this.#next());
    if (!piece || piece.length <= most) return piece;
    this.#held.unshift(piece.subarray(most));
    return piece.subarray(0, most);
  }

  /** Puts bytes back to the front. */
  back(pieces: readonly Buffer[]): void {
    this.#held.unshift(...pieces.filter(({ length }) => length > 0));
  }

  /** Moves on by so many bytes, or to the end. */
  async skip(count: number): Promise<void> {
    for (let left = count; left > 0; ) left -= (await this.take(left))?.length ?? left;
  }

  async close(): Promise<void> {
    await this.#source.return?.();
  }

  /** Never empty. */
  async #next(): Promise<Buffer | undefined> {
    while (!this.#ended) {
      const next = await this.#source.next();
      if (next.done) this.#ended = true;
      else if (next.value.length > 0) return next.value;
    }
    return undefined;
  }
}

/** Bytes that are put together at a time. */
const JOINED = 64 * 1024;
