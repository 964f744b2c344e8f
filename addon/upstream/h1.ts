/** HTTP/1.1 towards the world: one request over a connection that is its own while it lasts, and its answer. */
import { unexpected } from '../code.ts';
import { TIMED_OUT } from '../respond.ts';
import type { Client, Leg, Relayed, RequestHead, Unit } from '../message.ts';
import { UPSTREAM_HEAD_MS, UPSTREAM_IDLE_MS, UPSTREAM_SILENCE_MS, UPSTREAM_WRITE_BYTES } from '../limits.ts';
import { type AnswerPart, AnswerReader } from './answer.ts';
import type { Connection, User } from './connection.ts';
import { DialError } from './failure.ts';
import { tlsProblem } from './tls.ts';
import { type Coding, codingOf, writeHead, writeUnit } from './written.ts';

export interface H1Options {
  readonly gone: AbortSignal;
  /** Another connection to the same place, newly made. Rejects with a `DialError`. */
  readonly again: () => Promise<Connection>;
  /** For the next request, if it comes within so many milliseconds. */
  readonly give: (connection: Connection, ms: number) => void;
  /** Milliseconds until the answer's head, and of silence inside it. */
  readonly headMs?: number;
  readonly silenceMs?: number;
  readonly idleMs?: number;
}

/** What may be sent a second time. */
interface Sendable {
  readonly head: RequestHead;
  readonly unit: Unit;
}

/** Nothing is read before `relay`. */
export class H1Leg implements Leg, User {
  readonly #options: H1Options;
  #connection: Connection;
  #client: Client | undefined;
  #coding: Coding = 'length';
  #reader: AnswerReader | undefined;
  /** Set as long as it could be sent again. */
  #sendable: Sendable | undefined;
  /** The request is written again, on another connection. */
  #retry: Promise<void> | undefined;
  #isSent = false;
  /** Of the answer's head. */
  #status: number | undefined;
  #keepMs = 0;
  #received = 0;
  #paused = false;
  #end: Relayed | undefined;
  #timer: NodeJS.Timeout | undefined;
  readonly #ended = Promise.withResolvers<Relayed>();
  /** The other protocol may be spoken, or it never will be. */
  readonly #switched = Promise.withResolvers<void>();
  sent = 0;

  constructor(connection: Connection, options: H1Options) {
    this.#connection = connection;
    this.#options = options;
    connection.user = this;
    options.gone.addEventListener('abort', this.#leave, { once: true });
    if (options.gone.aborted) this.#leave();
  }

  async send(head: RequestHead | undefined, unit: Unit): Promise<void> {
    if (this.#end) return;
    if (head) {
      this.#coding = codingOf(head, unit);
      this.#reader = new AnswerReader(head);
      this.#sendable = { head, unit };
      this.#arm(this.#options.headMs ?? UPSTREAM_HEAD_MS);
      if (!this.#connection.isAlive) {
        this.#lose(undefined); // it ended while nobody looked
        return await this.#retry;
      }
    } else if (this.#coding === 'raw') await this.#switched.promise; // before, it would be read as another request
    await this.#write(head, unit);
    await this.#retry;
    // A small body is kept for a second time; a large one is not ours any longer.
    if (unit.size > UPSTREAM_WRITE_BYTES) this.#sendable = undefined;
  }

  relay(client: Client): Promise<Relayed> {
    this.#client = client;
    client.onDrain = () => this.#resume();
    if (!this.#end) this.#connection.socket.resume();
    return this.#ended.promise;
  }

  [Symbol.dispose](): void {
    this.#leave();
  }

  onData(bytes: Buffer): void {
    if (!this.#reader) return void this.#connection.socket.destroy(); // an answer to nothing
    this.#timer?.refresh();
    try {
      for (const part of this.#reader.push(bytes)) {
        if (this.#end) return;
        this.#pass(part);
      }
    } catch (error) {
      this.#fail(unexpected(error)); // here nobody else would catch it
    }
  }

  onEnd(): void {
    if (this.#reader?.begun) this.#pass(this.#reader.close());
    else if (this.#reader) this.#lose(undefined);
  }

  onClose(code: string | undefined): void {
    if (this.#reader) this.#lose(code);
  }

  #lose(code: string | undefined): void {
    if (this.#mayRetry()) this.#writeAgain();
    else this.#fail(explain(code));
  }

  async #write(head: RequestHead | undefined, unit: Unit): Promise<void> {
    const connection = this.#connection;
    let held = head ? writeHead(head, this.#coding, unit.size) : undefined;
    for await (const piece of writeUnit(unit, this.#coding)) {
      if (this.#end || connection !== this.#connection) return;
      this.#hand(connection, held ? Buffer.concat([held, piece]) : piece);
      held = undefined;
      await connection.drained();
    }
    if (this.#end || connection !== this.#connection) return;
    if (held) this.#hand(connection, held);
    this.#isSent = unit.last;
  }

  #hand({ socket }: Connection, bytes: Buffer): void {
    this.#timer?.refresh();
    this.sent += bytes.length;
    socket.write(bytes);
  }

  #pass(part: AnswerPart): void {
    const client = this.#client as Client; // nothing is read before there is one
    switch (part.kind) {
      case 'interim':
        return client.inform(part.head);
      case 'head':
      case 'switched':
        this.#sendable = undefined;
        this.#status = part.head.status;
        this.#keepMs = part.kind === 'head' ? part.keepMs : 0;
        clearTimeout(this.#timer);
        this.#timer = undefined;
        // Another protocol may be silent for as long as it likes; whether the upstream is still there, TCP asks.
        if (part.kind === 'head') this.#arm(this.#options.silenceMs ?? UPSTREAM_SILENCE_MS);
        client.start(part.head);
        if (part.kind === 'switched') this.#switched.resolve();
        return;
      case 'data':
        this.#received += part.bytes.length;
        if (client.write(part.bytes) || this.#end) return;
        this.#paused = true;
        this.#connection.socket.pause();
        return;
      case 'end':
        client.finish(part.trailers);
        return this.#finish(part.clean);
      case 'broken':
        return this.#fail(part.why);
    }
  }

  #resume(): void {
    if (!this.#paused || this.#end) return;
    this.#paused = false;
    this.#connection.socket.resume();
  }

  /** RFC 9110 section 9.2.2: only on a connection that may have been closed before the request came, and only what can do no harm twice. */
  #mayRetry(): boolean {
    const { uses } = this.#connection;
    const { head, unit } = this.#sendable ?? {};
    if (this.#end || this.#retry || uses === 0 || this.#reader?.begun) return false;
    if (!head || !unit?.last || head.upgrade !== undefined) return false;
    return this.sent === 0 || IDEMPOTENT.has(head.method);
  }

  #writeAgain(): void {
    const { head, unit } = this.#sendable as Sendable;
    this.#connection.destroy();
    this.#retry = this.#options
      .again()
      .then(async (connection) => {
        if (this.#end) return connection.destroy();
        connection.user = this;
        this.#connection = connection;
        this.#reader = new AnswerReader(head);
        if (this.#client) connection.socket.resume();
        await this.#write(head, unit);
      })
      .catch((error: unknown) => {
        this.#settle(relayedOf(error));
        this.#connection.destroy();
      });
  }

  #arm(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this.#paused)
        this.#timer?.refresh(); // it is the agent that does not read
      else this.#fail(`${TIMED_OUT}: ${this.#status === undefined ? 'no answer' : 'its answer stopped in the middle'}`);
    }, ms);
  }

  #finish(clean: boolean): void {
    const connection = this.#connection;
    const keep = clean && this.#isSent && !this.#paused;
    const ms = keep ? Math.min(this.#keepMs, this.#options.idleMs ?? UPSTREAM_IDLE_MS) : 0;
    this.#settle({ kind: 'relayed', status: this.#status as number, received: this.#received });
    this.#options.give(connection, ms);
  }

  #fail(cause: string): void {
    this.#settle({ kind: 'failed', cause, started: this.#status !== undefined, received: this.#received });
    this.#connection.destroy();
  }

  /** Bound: it is a listener of the agent's signal. */
  readonly #leave = (): void => {
    if (this.#end) return;
    this.#settle({ kind: 'gone', status: this.#status, received: this.#received });
    this.#connection.destroy();
  };

  #settle(end: Relayed): void {
    if (this.#end) return;
    this.#end = end;
    clearTimeout(this.#timer);
    this.#options.gone.removeEventListener('abort', this.#leave);
    this.#sendable = undefined;
    this.#switched.resolve();
    this.#ended.resolve(end);
  }
}

/** What is told of a connection that did not come about. */
export function relayedOf(error: unknown): Relayed {
  if (error instanceof DialError && error.kind === 'forbidden') return { kind: 'forbidden', why: error.message };
  const cause = error instanceof DialError ? error.message : unexpected(error);
  return { kind: 'failed', cause, started: false, received: 0 };
}

const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);

function explain(code: string | undefined): string {
  const tls = code === undefined ? undefined : tlsProblem(code);
  return tls ?? `the connection was closed before the answer was complete${code === undefined ? '' : ` (${code})`}`;
}
