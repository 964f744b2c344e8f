/**
 * Bodies that are too large for memory, on a disk of the session's own. A file loses its name as soon as it is there, and holds nothing
 * but ciphertext: AES-256-CTR under a key that exists in this process only, so that no request rests on a disk that outlives it.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { statfsSync } from 'node:fs';
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Budget } from './budget.ts';
import { codeOf } from './code.ts';
import { DISK_SPARE_BYTES, SPOOL_BLOCK, SPOOL_STEP } from './limits.ts';

export interface Spool {
  /** A place for one body. `expected`: bytes that are announced, 0 if none are. Undefined: there is no room. */
  open(expected: number): Spooled | undefined;
}

export interface Spooled {
  /** Takes the piece, which nobody may change from then on. `wait`: the next one is wanted only after `onDrain`. */
  add(piece: Buffer): 'wait' | Trouble | undefined;
  onDrain: (() => void) | undefined;
  /** Resolves when all of it is written. */
  end(): Promise<Trouble | undefined>;
  readonly size: number;
  /** What was written; rejects if it cannot be read. Several may read at once. */
  chunks(): AsyncIterable<Buffer>;
  /** Gives the room back once nobody reads any more; more than once does no harm. */
  release(): void;
}

/** Nothing more of this body can be kept. `full`: others hold the room. */
export type Trouble = { readonly kind: 'full' } | { readonly kind: 'broken'; readonly cause: string };

export interface SpoolOptions {
  readonly folder: string;
  /** Bytes of all files. */
  readonly disk: Budget;
  /** Bytes that the disk has left, for tests. */
  readonly free?: () => number;
}

export function makeSpool({ folder, disk, free = () => freeBytes(folder) }: SpoolOptions): Spool {
  return {
    open(expected) {
      const room = makeRoom(disk, free);
      return room.reach(expected) ? new SpoolFile(folder, room) : undefined;
    },
  };
}

class SpoolFile implements Spooled {
  readonly #key = randomBytes(32);
  readonly #cipher = createCipheriv(CIPHER, this.#key, START); // never twice under one key
  readonly #room: Room;
  readonly #file: Promise<FileHandle>;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  /** Behind them: small pieces, copied together, and how much of it they fill. */
  #tail: Buffer = NOTHING;
  #tailSize = 0;
  #written = 0;
  #writing: Promise<void> | undefined;
  #trouble: Trouble | undefined;
  #readers = 0;
  #released = false;
  #closed = false;
  size = 0;
  onDrain: (() => void) | undefined;

  constructor(folder: string, room: Room) {
    this.#room = room;
    this.#file = openUnnamed(folder);
    this.#file.catch(this.#fail);
  }

  add(piece: Buffer): 'wait' | Trouble | undefined {
    if (!this.#trouble && !this.#room.reach(this.size + piece.length)) this.#trouble = { kind: 'full' };
    if (this.#trouble) return this.#trouble;
    this.size += piece.length;
    this.#hold(piece);
    if (this.#waitingBytes < SPOOL_BLOCK) return undefined;
    this.#writing ??= this.#write();
    return this.#waitingBytes < 2 * SPOOL_BLOCK ? undefined : 'wait';
  }

  async end(): Promise<Trouble | undefined> {
    await this.#writing;
    await this.#write();
    return this.#trouble;
  }

  chunks(): AsyncIterable<Buffer> {
    return this.#read();
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#trouble ??= { kind: 'broken', cause: 'let go' };
    [this.#waiting, this.#tail] = [[], NOTHING];
    [this.#waitingBytes, this.#tailSize] = [0, 0];
    this.#close();
  }

  /** Each piece that waits costs as much as a block: a body of one-byte chunks must not hold up everybody. */
  #hold(piece: Buffer): void {
    this.#waitingBytes += piece.length;
    if (piece.length >= TAIL_BYTES / 16) {
      this.#closeTail();
      this.#waiting.push(piece);
      return;
    }
    if (this.#tailSize + piece.length > this.#tail.length) {
      this.#closeTail();
      this.#tail = Buffer.allocUnsafeSlow(TAIL_BYTES);
    }
    this.#tailSize += piece.copy(this.#tail, this.#tailSize);
  }

  #closeTail(): void {
    if (this.#tailSize > 0) this.#waiting.push(this.#tail.subarray(0, this.#tailSize));
    this.#tail = this.#tail.subarray(this.#tailSize);
    this.#tailSize = 0;
  }

  /** Writes what waits, a block at a time. Never rejects. */
  async #write(): Promise<void> {
    try {
      const file = await this.#file;
      while (this.#waitingBytes > 0 && !this.#trouble) {
        const block = this.#take();
        const { bytesWritten } = await file.writev(block, this.#written);
        this.#written += bytesWritten;
        // A disk that takes a part of it is about to be full, and says so at the next try.
        let rest = bytesWritten === sizeOf(block) ? NOTHING : Buffer.concat(block).subarray(bytesWritten);
        while (rest.length > 0) {
          const more = await file.write(rest, 0, rest.length, this.#written);
          this.#written += more.bytesWritten;
          rest = rest.subarray(more.bytesWritten);
        }
        if (this.#waitingBytes < SPOOL_BLOCK) this.onDrain?.();
      }
    } catch (error) {
      this.#fail(error);
    }
    this.#writing = undefined;
    this.#close();
    this.onDrain?.(); // also with trouble, which the next piece is told
  }

  /** About a block of what waits, as it is written. */
  #take(): Buffer[] {
    this.#closeTail();
    const taken: Buffer[] = [];
    let bytes = 0;
    while (bytes < SPOOL_BLOCK) {
      const piece = this.#waiting.shift();
      if (!piece) break;
      const part = piece.subarray(0, SPOOL_BLOCK - bytes);
      if (part.length < piece.length) this.#waiting.unshift(piece.subarray(part.length));
      bytes += part.length;
      taken.push(this.#cipher.update(part));
    }
    this.#waitingBytes -= bytes;
    return taken;
  }

  async *#read(): AsyncGenerator<Buffer> {
    if (this.#released) throw new Error('the body has been let go');
    this.#readers += 1;
    try {
      const file = await this.#file;
      const decipher = createDecipheriv(CIPHER, this.#key, START);
      const block = Buffer.allocUnsafeSlow(Math.min(SPOOL_BLOCK, this.#written));
      for (let at = 0; at < this.#written; ) {
        const { bytesRead } = await file.read(block, 0, Math.min(block.length, this.#written - at), at);
        if (bytesRead === 0) throw new Error('the body on the disk was cut off');
        at += bytesRead;
        yield decipher.update(block.subarray(0, bytesRead));
      }
    } finally {
      this.#readers -= 1;
      this.#close();
    }
  }

  /** Once it is let go and nobody works with it. */
  #close(): void {
    if (!this.#released || this.#closed || this.#readers > 0 || this.#writing) return;
    this.#closed = true;
    this.#room.give();
    this.#key.fill(0);
    this.#file.then((file) => file.close()).catch(() => undefined); // it has no name: the descriptor was all there was
  }

  /** Bound: it is a handler of a promise. */
  readonly #fail = (error: unknown): void => {
    this.#trouble ??= { kind: 'broken', cause: error instanceof Error ? codeOf(error) : 'unknown' };
  };
}

function sizeOf(block: readonly Buffer[]): number {
  return block.reduce((sum, { length }) => sum + length, 0);
}

const NOTHING: Buffer = Buffer.alloc(0);
/** Bytes that small pieces are copied together to. */
const TAIL_BYTES = SPOOL_BLOCK / 2;
const CIPHER = 'aes-256-ctr';
/** The first counter; each key has one file only. */
const START = Buffer.alloc(16);

/** Exclusively, so that nobody else has it open. */
async function openUnnamed(folder: string): Promise<FileHandle> {
  const name = join(folder, `.body-${randomBytes(12).toString('hex')}`);
  const file = await open(name, 'wx+', 0o600);
  try {
    await unlink(name);
  } catch (error) {
    await file.close();
    throw error;
  }
  return file;
}

/** What one file takes of the disk, in steps. */
interface Room {
  /** False: there is not so much. */
  reach(bytes: number): boolean;
  give(): void;
}

function makeRoom(disk: Budget, free: () => number): Room {
  let taken = 0;
  return {
    reach(bytes) {
      if (bytes <= taken) return true;
      // The journal lies on the same disk, and without one there is no service.
      const spare = free() - DISK_SPARE_BYTES;
      const least = bytes - taken;
      const more = [Math.max(least, SPOOL_STEP), least].find((some) => some <= spare && disk.take(some));
      taken += more ?? 0;
      return more !== undefined;
    },
    give() {
      disk.give(taken);
      taken = 0;
    },
  };
}

function freeBytes(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}
