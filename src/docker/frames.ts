/** The engine's multiplexed output: 8-byte heads (stream, 0, 0, 0, length in big endian), each followed by its bytes. */

export interface Piece {
  readonly stream: 'stdout' | 'stderr';
  readonly bytes: Buffer;
}

/** Cuts frames out of chunks without gathering them: a piece is passed on as it comes. */
export class Demultiplexer {
  #head = Buffer.alloc(0);
  #left = 0;
  #stream: Piece['stream'] = 'stdout';

  *push(chunk: Buffer): Generator<Piece> {
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#left === 0) rest = this.#takeHead(rest);
      const bytes = rest.subarray(0, this.#left);
      this.#left -= bytes.length;
      rest = rest.subarray(bytes.length);
      if (bytes.length > 0) yield { stream: this.#stream, bytes };
    }
  }

  #takeHead(rest: Buffer): Buffer {
    const missing = 8 - this.#head.length;
    const head = Buffer.concat([this.#head, rest.subarray(0, missing)]);
    const complete = head.length === 8;
    if (complete) {
      this.#stream = head[0] === 1 ? 'stdout' : 'stderr'; // 2 is stderr, 3 the engine's own complaint
      this.#left = head.readUInt32BE(4);
    }
    this.#head = complete ? Buffer.alloc(0) : head;
    return rest.subarray(missing);
  }
}

/** Both streams of finished output, in the order of their frames. */
export function demultiplex(output: Buffer): Buffer {
  return Buffer.concat([...new Demultiplexer().push(output)].map(({ bytes }) => bytes));
}
