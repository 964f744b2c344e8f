/** A body off the wire, however it is framed. */
import type { Field } from '../receipt.ts';
import { ChunkedReader, type Sender } from './chunked.ts';
import type { Framing } from './framing.ts';
import { type Malformed, malformed } from './section.ts';

export type BodyPart =
  /** A part of the piece that was pushed. */
  | { readonly kind: 'data'; readonly bytes: Buffer }
  /** Nothing of the body follows. `rest`: what stands behind it, a part of the piece that was pushed. */
  | { readonly kind: 'end'; readonly trailers: readonly Field[]; readonly rest: Buffer }
  /** Nothing that follows can be read. */
  | Malformed;

/** For one body. */
export interface BodyReader {
  /** In order; `end` and `malformed` are the last, and nothing may be pushed after them. */
  push(bytes: Buffer): readonly BodyPart[];
  /** The connection has ended before an `end`: what that means. */
  close(): BodyPart;
}

/** A body of kind `none` is at its end with the first push, also of nothing. */
export function bodyReader(framing: Framing, sender: Sender): BodyReader {
  switch (framing.kind) {
    case 'chunked': {
      const reader = new ChunkedReader(sender);
      return { push: (bytes) => reader.push(bytes), close: cutOff };
    }
    case 'close':
      return { push: (bytes) => (bytes.length === 0 ? [] : [{ kind: 'data', bytes }]), close: () => END };
    case 'length':
      return new LengthReader(framing.bytes);
    case 'none':
      return new LengthReader(0);
  }
}

class LengthReader implements BodyReader {
  #left: number;

  constructor(bytes: number) {
    this.#left = bytes;
  }

  push(bytes: Buffer): readonly BodyPart[] {
    const own = bytes.length <= this.#left ? bytes : bytes.subarray(0, this.#left);
    this.#left -= own.length;
    const data: readonly BodyPart[] = own.length === 0 ? [] : [{ kind: 'data', bytes: own }];
    return this.#left > 0 ? data : [...data, { kind: 'end', trailers: [], rest: bytes.subarray(own.length) }];
  }

  close(): BodyPart {
    return cutOff();
  }
}

function cutOff(): BodyPart {
  return malformed('the body was cut off');
}

const END: BodyPart = { kind: 'end', trailers: [], rest: Buffer.alloc(0) };
