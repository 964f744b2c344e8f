/** One answer onto the agent's connection: framed anew, everything else as it came. */
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { chunk, lastChunk, writeResponseHead } from '../h1/write.ts';
import type { Field, ResponseHead } from '../message.ts';

/** What of a request decides how it can be answered. */
export interface Asked {
  readonly method: string;
  /** `1.0` or `1.1`. */
  readonly version: string;
  /** The agent would go on with this connection. */
  readonly persists: boolean;
  /** The protocol that a 101 switches to, if the request asks for one. */
  readonly upgrade: string | undefined;
}

type Framing =
  | { readonly kind: 'none' | 'chunked' | 'close' | 'raw' }
  /** `left`: bytes that have not been written yet. */
  | { readonly kind: 'length'; left: number };

export class Answer {
  readonly #socket: Socket;
  readonly #asked: Asked;
  #framing: Framing | undefined;
  #corked = false;
  /** Another request may follow on the connection. */
  persists: boolean;

  constructor(socket: Socket, asked: Asked) {
    this.#socket = socket;
    this.#asked = asked;
    this.persists = asked.persists;
  }

  /** It is 101: what follows is another protocol's, in both directions. */
  get isSwitched(): boolean {
    return this.#framing?.kind === 'raw';
  }

  /** Interim heads pass as they come; HTTP/1.0 knows none (RFC 9110 section 15.2). */
  inform(head: ResponseHead): void {
    if (this.#asked.version === '1.1' && !this.#framing) this.#socket.write(writeResponseHead(head));
  }

  /** Throws if the head can be none of an answer to this request. */
  start({ status, text, fields }: ResponseHead): void {
    const { method, version, upgrade } = this.#asked;
    if (status < 200 && !(status === 101 && upgrade !== undefined)) throw new Error('not the head of an answer');
    // A length that stands there is what another request would have been answered with.
    const isAbout = method === 'HEAD' || status === 304;
    const framing: Framing = isAbout || status === 204 ? { kind: 'none' } : this.#frame(status, fields);
    if (framing.kind === 'close' || framing.kind === 'raw' || (upgrade !== undefined && status !== 101))
      this.persists = false;
    const head = writeResponseHead({
      status,
      text,
      fields: [
        ...(framing.kind === 'length' || isAbout ? fields : withoutLength(fields)),
        ...(framing.kind === 'chunked' ? [CHUNKED] : []),
        ...(framing.kind === 'raw' ? [UPGRADE, ['Upgrade', upgrade ?? ''] as const] : []),
        ...(framing.kind !== 'raw' && !this.persists ? [CLOSE] : []),
        ...(this.persists && version === '1.0' ? [KEEP_ALIVE] : []),
      ],
    });
    this.#framing = framing;
    this.#send(head);
  }

  /** False: wait for the socket's `drain`. More than was announced is not written, and never whole. */
  write(bytes: Buffer): boolean {
    const framing = this.#framing;
    switch (framing?.kind) {
      case 'length':
        framing.left -= bytes.length;
        return framing.left < 0 ? this.destroy() : this.#send(bytes);
      case 'chunked':
        return bytes.length === 0 || this.#send(chunk(bytes));
      case 'close':
      case 'raw':
        return this.#send(bytes);
      case 'none':
      case undefined:
        return true;
    }
  }

  /** What has been announced and not been written makes it broken, not short. */
  finish(trailers: readonly Field[]): void {
    const framing = this.#framing;
    if (framing?.kind === 'length' && framing.left !== 0) return void this.destroy();
    if (framing?.kind === 'chunked') this.#send(lastChunk(trailers));
    this.#flush();
  }

  /** What was written goes out first; what comes then is taken for a complete answer by nobody. */
  destroy(): boolean {
    this.persists = false;
    this.#flush();
    const socket = this.#socket;
    // Without length or chunks only a reset says that this was not the end; inside TLS the missing close_notify does.
    const reset = this.#framing?.kind === 'close' && !(socket instanceof TLSSocket);
    setImmediate(() => (reset ? socket.resetAndDestroy() : socket.destroy()));
    return true;
  }

  #frame(status: number, fields: readonly Field[]): Framing {
    if (status === 101) return { kind: 'raw' };
    const isModern = this.#asked.version === '1.1';
    // HTTP/2 may announce a length and trailers; here only chunks have a place for these.
    if (isModern && fields.some(isTrailer)) return { kind: 'chunked' };
    const lengths = fields.filter(isLength);
    const [first] = lengths;
    if (first && lengths.length === 1 && /^\d{1,15}$/.test(first[1])) return { kind: 'length', left: Number(first[1]) };
    return { kind: isModern ? 'chunked' : 'close' };
  }

  /** Head, body and end go out together if they come together, and at the end of this turn at the latest. */
  #send(bytes: Buffer): boolean {
    if (!this.#corked) {
      this.#corked = true;
      this.#socket.cork();
      process.nextTick(() => this.#flush());
    }
    return this.#socket.write(bytes);
  }

  #flush(): void {
    if (!this.#corked) return;
    this.#corked = false;
    this.#socket.uncork();
  }
}

const CHUNKED: Field = ['Transfer-Encoding', 'chunked'];
const CLOSE: Field = ['Connection', 'close'];
const KEEP_ALIVE: Field = ['Connection', 'keep-alive'];
const UPGRADE: Field = ['Connection', 'Upgrade'];

function isLength([name]: Field): boolean {
  return name.length === 14 && name.toLowerCase() === 'content-length';
}

function isTrailer([name]: Field): boolean {
  return name.length === 7 && name.toLowerCase() === 'trailer';
}

function withoutLength(fields: readonly Field[]): readonly Field[] {
  return fields.some(isLength) ? fields.filter((field) => !isLength(field)) : fields;
}
