/** One connection to an upstream, and whoever uses it at the moment. Its listeners stand from its beginning to its end. */
import type { Socket } from 'node:net';
import { codeOf } from '../code.ts';

/** Who has a connection. */
export interface User {
  onData(bytes: Buffer): void;
  /** The upstream sends nothing more. */
  onEnd(): void;
  /** It is gone. `code`: of what broke it, if anything did. */
  onClose(code: string | undefined): void;
}

export class Connection {
  readonly socket: Socket;
  /** Where it leads. */
  readonly place: string;
  /** Without one nothing was asked for, and whatever comes ends it. */
  user: User | undefined;
  /** Requests that it has carried before. */
  uses = 0;
  readonly #onGone: () => void;
  #broken: string | undefined;
  #drained: (() => void)[] = [];
  #idle: NodeJS.Timeout | undefined;
  #restsUntil = 0;

  /** `onGone` is called once. */
  constructor(socket: Socket, place: string, onGone: () => void) {
    this.socket = socket;
    this.place = place;
    this.#onGone = onGone;
    socket.on('error', (error) => {
      this.#broken ??= codeOf(error);
    });
    socket.on('data', (bytes: Buffer) => {
      if (this.user) this.user.onData(bytes);
      else this.destroy();
    });
    socket.on('end', () => {
      if (this.user) this.user.onEnd();
      else this.destroy();
    });
    socket.on('drain', () => this.#wake());
    socket.once('close', () => {
      clearTimeout(this.#idle);
      this.user?.onClose(this.#broken);
      this.#wake();
      this.#onGone();
    });
    socket.pause();
  }

  get isAlive(): boolean {
    return !this.socket.destroyed && this.socket.writable && !this.socket.readableEnded;
  }

  /** Resolves when more may be written, or when it is gone. */
  drained(): Promise<void> {
    const { writableNeedDrain, destroyed, closed } = this.socket;
    if (closed || (!writableNeedDrain && !destroyed)) return Promise.resolve();
    return new Promise((resolve) => void this.#drained.push(resolve));
  }

  /** Nobody uses it. After so many milliseconds it goes. */
  rest(ms: number): void {
    this.user = undefined;
    this.uses += 1;
    this.#idle = setTimeout(() => this.destroy(), ms);
    this.#restsUntil = Date.now() + ms;
    this.socket.resume(); // an end, or bytes that nobody asked for, are to be noticed
  }

  /** It has rested for too long, by the clock that goes on while a machine sleeps: its timer did not, and it may be gone without a word. */
  get isOverdue(): boolean {
    return Date.now() > this.#restsUntil;
  }

  wake(): this {
    clearTimeout(this.#idle);
    this.socket.pause();
    return this;
  }

  destroy(): void {
    this.user = undefined;
    this.socket.destroy();
  }

  #wake(): void {
    const waiting = this.#drained;
    if (waiting.length === 0) return;
    this.#drained = [];
    for (const resolve of waiting) resolve();
  }
}
