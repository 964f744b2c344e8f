/** The body of a request as it arrives, whatever the protocol: kept in memory or, if it is large, on the disk, within one limit. */
import { type Budget, gather, OVER_BUDGET } from './budget.ts';
import { codeOf } from './code.ts';
import { BODY_BYTES, SPOOL_BLOCK, UNKNOWN_BYTES } from './limits.ts';
import { type Field, type Received, type Refusal, refused, type Target, type Unit } from './message.ts';
import type { Spool, Spooled, Trouble } from './spool.ts';

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

/** Takes in the bodies of all requests. */
export interface Bodies {
  /** `announced`: bytes that the head says, 0 if it does not. A refusal if that is too much already. */
  receive(target: Target, announced: number): Arriving | Refusal;
}

export interface BodiesOptions {
  /** Of memory. */
  readonly budget: Budget;
  readonly spool: Spool;
  /** Bytes of one body to this target. */
  readonly limit: (target: Target) => number;
}

export function makeBodies({ budget, spool, limit }: BodiesOptions): Bodies {
  return {
    receive: (target, announced) => receiveBody({ budget, spool, bodyBytes: limit(target), announced }),
  };
}

export interface BodyLimits {
  readonly budget: Budget;
  /** Without one everything stays in memory. */
  readonly spool?: Spool;
  /** Bytes of one body. */
  readonly bodyBytes: number;
  /** Bytes that the head announces, 0 if it does not. */
  readonly announced: number;
}

/** A refusal if the head already says that it is too large. */
export function receiveBody({ budget, spool, bodyBytes, announced }: BodyLimits): Arriving | Refusal {
  if (announced > bodyBytes) return tooLarge(bodyBytes);
  // A body of unknown length that turns out to be short comes back from the disk at its end.
  const most = spool ? (announced > 0 ? BODY_BYTES : UNKNOWN_BYTES) : bodyBytes;
  const memory = gather(budget, announced > most ? 0 : announced);
  let disk: Spooled | undefined;
  let size = 0;

  function keep(piece: Buffer): Refusal | 'wait' | undefined {
    if (size > bodyBytes) return tooLarge(bodyBytes);
    if (!spool || Math.max(size, announced) <= most) return memory.add(piece) ? undefined : OVER_BUDGET;
    disk ??= moved(spool);
    return disk ? answerTo(disk.add(piece)) : OVER_BUDGET;
  }

  /** What has come so far goes to the disk. It counts as memory until it is there. */
  function moved(to: Spool): Spooled | undefined {
    if (!budget.take(WAITING_BYTES)) return undefined;
    const file = to.open(announced);
    if (!file) {
      budget.give(WAITING_BYTES);
      return undefined;
    }
    if (memory.size > 0) file.add(memory.bytes());
    file.onDrain = () => {
      memory.release();
      body.onDrain?.();
    };
    return file;
  }

  function release(): void {
    memory.release();
    if (!disk) return;
    disk.release();
    if (!released) budget.give(WAITING_BYTES);
    released = true;
  }
  let released = false;

  const body: Arriving = {
    onDrain: undefined,
    add(piece) {
      size += piece.length;
      const answer = keep(piece);
      if (answer !== undefined && answer !== 'wait') release();
      return answer;
    },
    end(trailers) {
      return disk ? endOnDisk(disk, trailers) : unitInMemory(memory.bytes(), trailers, release);
    },
    release,
  };

  async function endOnDisk(file: Spooled, trailers: readonly Field[]): Promise<Received> {
    const trouble = await file.end();
    memory.release();
    if (trouble) {
      release();
      return refusalOf(trouble);
    }
    if (file.size <= BODY_BYTES) return await backInMemory(file, trailers);
    return {
      kind: 'unit',
      size: file.size,
      last: true,
      trailers,
      chunks: () => file.chunks(),
      [Symbol.dispose]: release,
    };
  }

  async function backInMemory(file: Spooled, trailers: readonly Field[]): Promise<Received> {
    const bytes = gather(budget, file.size);
    try {
      for await (const piece of file.chunks()) {
        if (bytes.add(piece)) continue;
        bytes.release();
        return OVER_BUDGET;
      }
    } catch (error) {
      bytes.release();
      return refusalOf({ kind: 'broken', cause: codeOf(error) });
    } finally {
      release();
    }
    return unitInMemory(bytes.bytes(), trailers, () => bytes.release());
  }

  return body;
}

/** A whole body that lies in memory. `release`: gives its bytes back, if somebody counts them. */
export function unitInMemory(
  body: Buffer,
  trailers: readonly Field[] = [],
  release: () => void = () => undefined,
): Unit {
  return { kind: 'unit', size: body.length, last: true, trailers, chunks: () => [body], [Symbol.dispose]: release };
}

/** A request without a body. */
export function emptyUnit(): Unit {
  return unitInMemory(Buffer.alloc(0));
}

/** The bytes of a unit that lies in memory; undefined of one that does not. */
export function bytesInMemory(unit: Unit): Buffer | undefined {
  const chunks = unit.chunks();
  if (!(Symbol.iterator in chunks)) return undefined;
  const all = [...chunks];
  const [only] = all;
  return all.length === 1 && only ? only : Buffer.concat(all);
}

/** Bytes that wait to be written, of a body on the disk. */
const WAITING_BYTES = 3 * SPOOL_BLOCK;

function answerTo(taken: ReturnType<Spooled['add']>): Refusal | 'wait' | undefined {
  return taken === undefined || taken === 'wait' ? taken : refusalOf(taken);
}

function tooLarge(bytes: number): Refusal {
  return refused(413, `the body is larger than ${bytes} bytes`);
}

function refusalOf(trouble: Trouble): Refusal {
  if (trouble.kind === 'full') return OVER_BUDGET;
  return refused(503, `the body could not be kept on the disk (${trouble.cause})`);
}

/** Not all of it has come within its time. */
export const LATE = refused(408, 'the request did not arrive in time');
