/** The body of a request as it arrives, whatever the protocol: kept within the one budget and the one limit. */
import { type Budget, gather } from './budget.ts';
import type { Field, Received, Refusal } from './message.ts';

export interface Arriving {
  /**
   * Takes the next piece, which nobody may change from then on. A refusal: no more of it is wanted, and all of it has been let go.
   * `wait`: it was taken, and the next one is wanted only after `onDrain`.
   */
  add(piece: Buffer): Refusal | 'wait' | undefined;
  onDrain: (() => void) | undefined;
  /** The whole body as the one unit of its request; it is the unit that holds the bytes from here on. */
  end(trailers: readonly Field[]): Received | Promise<Received>;
  /** Lets all of it go; more than once does no harm. */
  release(): void;
}

export interface BodyLimits {
  readonly budget: Budget;
  /** Bytes of one body. */
  readonly bodyBytes: number;
  /** Bytes that the head announces, 0 if it does not. */
  readonly announced: number;
}

/** A refusal if the head already says that it is too large. */
export function receiveBody({ budget, bodyBytes, announced }: BodyLimits): Arriving | Refusal {
  if (announced > bodyBytes) return tooLarge(bodyBytes);
  const body = gather(budget, announced);
  return {
    onDrain: undefined,
    add(piece) {
      const refusal = body.size + piece.length > bodyBytes ? tooLarge(bodyBytes) : body.add(piece) ? undefined : FULL;
      if (refusal) body.release();
      return refusal;
    },
    end(trailers) {
      const bytes = body.bytes();
      return unitOf(bytes, trailers, () => body.release());
    },
    release: () => body.release(),
  };
}

/** A request without a body. */
export function emptyUnit(): Received {
  return unitOf(Buffer.alloc(0), [], () => undefined);
}

function unitOf(body: Buffer, trailers: readonly Field[], release: () => void): Received {
  return { kind: 'unit', size: body.length, last: true, trailers, chunks: () => [body], [Symbol.dispose]: release };
}

function tooLarge(bytes: number): Refusal {
  return { kind: 'refused', status: 413, reason: `the body is larger than ${bytes} bytes` };
}

const FULL: Refusal = { kind: 'refused', status: 503, reason: 'too many request bodies are held' };
