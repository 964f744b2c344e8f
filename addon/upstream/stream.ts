/** One stream of an HTTP/2 session with an upstream as a `Leg`. RFC 9113 section 8. */
import { STATUS_CODES } from 'node:http';
import { type ClientHttp2Session, type ClientHttp2Stream, constants } from 'node:http2';
import type { Budget } from '../budget.ts';
import { codeOf, unexpected } from '../code.ts';
import { readFields, writeFieldMap } from '../h2fields.ts';
import { type Inflow, watchInflow } from '../inflow.ts';
import * as limits from '../limits.ts';
import type { Client, Field, Leg, Relayed, RequestHead, ResponseHead, Unit } from '../message.ts';
import { valuesOf } from '../request.ts';
import { TIMED_OUT } from '../respond.ts';
import { endToEnd } from './answer.ts';
import { requestList, writeUnit } from './streamed.ts';

/** A leg on a connection that others share. */
export interface SharedLeg extends Leg {
  /** The upstream has said that it did nothing with this request (RFC 9113 section 8.7), or it was never sent. */
  readonly isUnprocessed: boolean;
}

export interface LegOptions {
  /** What waits for agents that are slower, over all connections. */
  readonly held: Budget;
  /** Milliseconds until the head of an answer, and of silence in it; tests shorten them. */
  readonly headMs?: number;
  readonly silenceMs?: number;
}

export interface Session {
  readonly session: ClientHttp2Session;
  /** Streams that are open. */
  open: number;
  /** The upstream has done nothing with streams of a higher number (RFC 9113 section 6.8). */
  lastProcessed: number;
}

export class StreamLeg implements SharedLeg {
  readonly #shared: Session;
  readonly #gone: AbortSignal;
  readonly #options: LegOptions;
  #stream: ClientHttp2Stream | undefined;
  #inflow: Inflow | undefined;
  #client: Client | undefined;
  /** A call whose messages follow one by one may be silent for hours. */
  #isPlain = true;
  #requestTrailers: readonly Field[] = [];
  /** What has come of the answer. */
  #head: ResponseHead | undefined;
  readonly #interim: ResponseHead[] = [];
  #trailers: readonly Field[] = [];
  /** Nothing of the answer is to come. */
  #isComplete = false;
  #received = 0;
  /** Why the stream was given up, if it was from here. */
  #why: string | undefined;
  #end: Relayed | undefined;
  #timer: NodeJS.Timeout | undefined;
  readonly #answered = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<Relayed>();
  isUnprocessed = false;
  sent = 0;

  constructor(shared: Session, gone: AbortSignal, options: LegOptions) {
    this.#shared = shared;
    this.#gone = gone;
    this.#options = options;
  }

  async send(head: RequestHead | undefined, unit: Unit): Promise<void> {
    if (head) this.#begin(head, unit);
    const stream = this.#stream;
    if (!stream || this.#end) return;
    if (unit.last) this.#requestTrailers = unit.trailers;
    // An answer may come before all is sent, and may be the reason that no more of it is taken.
    await Promise.race([writeUnit(stream, unit, (bytes) => void (this.sent += bytes)), this.#answered.promise]);
    if (this.#isPlain && !this.#head) this.#limit(this.#options.headMs ?? limits.UPSTREAM_HEAD_MS, 'no answer');
  }

  relay(client: Client): Promise<Relayed> {
    this.#client = client;
    for (const head of this.#interim) client.inform(head);
    if (this.#head && !this.#end) this.#start(client, this.#head);
    return this.#ended.promise;
  }

  [Symbol.dispose](): void {
    this.#leave();
  }

  #begin(head: RequestHead, unit: Unit): void {
    const { session } = this.#shared;
    const list = requestList(head, unit);
    const endStream = unit.last && unit.size === 0 && unit.trailers.length === 0;
    this.#isPlain = unit.last;
    this.#gone.addEventListener('abort', this.#leave, { once: true });
    if (this.#gone.aborted) return this.#leave();
    // Trailers are waited for also where there are none: a request that is given up must not look complete.
    const stream = session.request(list, { endStream, waitForTrailers: !endStream });
    stream.on('error', (error) => {
      this.#why ??= explain(error, stream.rstCode);
    });
    this.#stream = stream;
    this.#shared.open += 1;
    this.#inflow = watchInflow(stream, this.#options.held, () => this.#giveUp('too many answers wait for the agent'));
    stream.once('wantTrailers', () => stream.sendTrailers(writeFieldMap(this.#requestTrailers)));
    stream.on('headers', (_fields, _flags, raw) => this.#guarded(() => this.#inform(responseHead(raw ?? []))));
    stream.once('response', (_fields, flags, raw) => {
      this.#isComplete = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
      this.#guarded(() => this.#answer(responseHead(raw ?? [])));
    });
    stream.once('trailers', (_fields, _flags, raw) => {
      this.#trailers = endToEnd(readFields(raw ?? []));
    });
    stream.once('end', () => {
      if (!this.#inflow?.isWhole) return; // its close tells
      this.#isComplete = true;
      this.#guarded(() => this.#finish());
    });
    stream.once('close', () => this.#closed(stream));
    this.sent += list.reduce((sum, part) => sum + part.length, 0);
  }

  #inform(head: ResponseHead): void {
    if (this.#client) this.#client.inform(head);
    else if (this.#interim.length < INTERIM) this.#interim.push(head);
  }

  #answer(head: ResponseHead): void {
    this.#head = head;
    clearTimeout(this.#timer);
    this.#answered.resolve();
    if (this.#client) this.#start(this.#client, head);
  }

  #start(client: Client, head: ResponseHead): void {
    const stream = this.#stream;
    if (!stream || this.#end) return;
    client.start(head);
    if (this.#isComplete) return this.#finish();
    client.onDrain = () => {
      stream.resume();
      this.#awaitMore();
    };
    stream.on('data', (chunk: Buffer) => this.#guarded(() => this.#pass(client, stream, chunk)));
    this.#awaitMore();
  }

  #pass(client: Client, stream: ClientHttp2Stream, chunk: Buffer): void {
    this.#inflow?.count();
    if (this.#end) return;
    this.#received += chunk.length;
    if (client.write(chunk)) return void this.#timer?.refresh();
    clearTimeout(this.#timer); // it is the agent's turn
    stream.pause();
  }

  #finish(): void {
    if (!this.#client || !this.#head || this.#end) return;
    this.#client.finish(this.#trailers);
    this.#settle({ kind: 'relayed', status: this.#head.status, received: this.#received });
  }

  #closed(stream: ClientHttp2Stream): void {
    const { session } = this.#shared;
    this.#shared.open -= 1;
    this.#answered.resolve();
    if (!this.#isComplete && this.#isAllThere(stream)) {
      this.#isComplete = true;
      this.#guarded(() => this.#finish());
    }
    if (this.#isComplete && this.#head) return; // it is relayed, or will be
    const { id = Number.POSITIVE_INFINITY } = stream;
    const refused = stream.rstCode === constants.NGHTTP2_REFUSED_STREAM || id > this.#shared.lastProcessed;
    this.isUnprocessed = !this.#head && (refused || (stream.id === undefined && (session.closed || session.destroyed)));
    this.#fail(this.#why ?? explain(undefined, stream.rstCode));
  }

  /**
   * A reset without an error is taken for the end, unless a length shows that something is missing: under load Node's servers reset a
   * stream in this way where they have written all of it, before they end it. A connection that is lost says CANCEL.
   */
  #isAllThere(stream: ClientHttp2Stream): boolean {
    if (stream.rstCode !== constants.NGHTTP2_NO_ERROR || !stream.readableEnded || this.#why !== undefined) return false;
    const [length] = valuesOf(this.#head?.fields ?? [], 'content-length');
    return length === undefined || Number(length) === this.#received;
  }

  #awaitMore(): void {
    this.#limit(this.#options.silenceMs ?? limits.UPSTREAM_SILENCE_MS, 'its answer stopped in the middle');
  }

  #limit(ms: number, why: string): void {
    clearTimeout(this.#timer);
    if (this.#end || !this.#isPlain) return;
    this.#timer = setTimeout(() => this.#giveUp(`${TIMED_OUT}: ${why}`), ms);
  }

  #giveUp(why: string): void {
    this.#fail(why);
    this.#stream?.close(constants.NGHTTP2_CANCEL);
  }

  /** For what is called by the stream: nobody else would catch it. */
  #guarded(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#giveUp(unexpected(error));
    }
  }

  #fail(cause: string): void {
    this.#settle({ kind: 'failed', cause, started: this.#head !== undefined, received: this.#received });
  }

  /** Bound: it is a listener of the agent's signal. */
  readonly #leave = (): void => {
    if (this.#end) return;
    this.#settle({ kind: 'gone', status: this.#head?.status, received: this.#received });
    this.#stream?.close(constants.NGHTTP2_CANCEL);
  };

  #settle(end: Relayed): void {
    if (this.#end) return;
    this.#end = end;
    clearTimeout(this.#timer);
    this.#gone.removeEventListener('abort', this.#leave);
    this.#answered.resolve();
    this.#ended.resolve(end);
  }
}

/** Interim heads that are kept until somebody relays them. */
const INTERIM = 8;

function responseHead(raw: readonly string[]): ResponseHead {
  const status = Number(raw[raw.indexOf(':status') + 1]);
  return { status, text: STATUS_CODES[status] ?? '', fields: endToEnd(readFields(raw)) };
}

/** Names of RFC 9113 section 7. */
const CODES: ReadonlyMap<number, string> = new Map(
  [
    'NO_ERROR',
    'PROTOCOL_ERROR',
    'INTERNAL_ERROR',
    'FLOW_CONTROL_ERROR',
    'SETTINGS_TIMEOUT',
    'STREAM_CLOSED',
    'FRAME_SIZE_ERROR',
    'REFUSED_STREAM',
    'CANCEL',
    'COMPRESSION_ERROR',
    'CONNECT_ERROR',
    'ENHANCE_YOUR_CALM',
    'INADEQUATE_SECURITY',
    'HTTP_1_1_REQUIRED',
  ].map((name, code) => [code, name]),
);

function explain(error: Error | undefined, reset: number | undefined): string {
  const name = reset === undefined || reset === constants.NGHTTP2_NO_ERROR ? undefined : CODES.get(reset);
  if (name !== undefined) return `the stream was reset before the answer was complete (${name})`;
  const code = error ? ` (${codeOf(error)})` : '';
  return `the connection was closed before the answer was complete${code}`;
}
