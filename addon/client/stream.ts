/** One stream of an HTTP/2 session with the agent as a `Client`. RFC 9113 section 8.1. */
import { constants, type ServerHttp2Stream } from 'node:http2';
import { type Arriving, type Bodies, emptyUnit, LATE } from '../body.ts';
import type { Budget } from '../budget.ts';
import { isGrpc, readFields, readStreamHead, writeFieldMap, writeFields } from '../h2fields.ts';
import { type Inflow, watchInflow } from '../inflow.ts';
import { REQUEST_MS, STREAM_LINGER_MS } from '../limits.ts';
import {
  type Client,
  type Field,
  type Received,
  type Refusal,
  refused,
  type ResponseHead,
  type Target,
} from '../message.ts';
import { readHead, type Tunnel, valuesOf } from '../request.ts';
import type { Unforwarded } from '../respond.ts';
import { grpcStatus } from '../shape.ts';
import { trailerRefusal } from '../trailers.ts';
import { asKeyed, asOpened, bytesOf } from './extended.ts';
import { codingOf, messages } from './grpc.ts';
import type { Switch } from './raw.ts';

export interface StreamOptions {
  readonly tunnel: Tunnel;
  readonly bodies: Bodies;
  /** Of messages, and of what waits to be read. */
  readonly budget: Budget;
  /** Bytes of one message. */
  readonly messageBytes: number;
  /** Milliseconds for a whole request; tests shorten it. */
  readonly requestMs?: number;
  /** Why a request to this target is not accepted at all, if so. */
  readonly refuse: (target: Target) => Refusal | undefined;
  /** By the name of the protocol that an extended CONNECT asks for. */
  readonly switches: ReadonlyMap<string, Switch>;
}

/** `list`: names and values of the request's field section in turn. */
export function makeStream(stream: ServerHttp2Stream, list: readonly string[], options: StreamOptions): Client {
  const { raw, protocol, refusal: contradiction } = readStreamHead(list);
  const { head: asked, refusal: ambiguity } = readHead(
    raw,
    options.tunnel,
    protocol === undefined ? undefined : options.switches,
  );
  const upgrade = asked.upgrade === undefined ? undefined : options.switches.get(asked.upgrade);
  const head = upgrade ? asKeyed(asked) : asked;
  const unknown = protocol === undefined || options.switches.has(protocol) ? undefined : UNKNOWN_PROTOCOL;
  const refusal = contradiction ?? unknown ?? ambiguity ?? options.refuse(head.target);
  const gone = new AbortController();
  const inflow = watchInflow(stream, options.budget, () => stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM));
  const answer = new Answer(stream, head.method, inflow);
  const leave = () => {
    if (!answer.isTold) gone.abort();
  };
  stream.once('aborted', leave);
  stream.once('close', leave);
  if (stream.destroyed) leave();
  stream.on('drain', () => client.onDrain?.());
  // Node resets a stream that nobody reads when its answer is written, and the reset may overtake the answer's end.
  if (stream.endAfterHeaders) stream.resume();

  async function* units(): AsyncGenerator<Received> {
    if (upgrade) {
      yield { ...emptyUnit(), last: false };
      return;
    }
    const coding = codingOf(head.fields);
    if (coding) {
      yield* messages(stream, { ...options, coding, inflow });
      return;
    }
    if (inflow.isWhole && stream.endAfterHeaders) {
      yield emptyUnit();
      return;
    }
    const announced = Number(valuesOf(raw.fields, 'content-length')[0] ?? 0);
    const body = options.bodies.receive(head.target, announced);
    if ('kind' in body) {
      yield body;
      return;
    }
    if (valuesOf(raw.fields, 'expect').length > 0) answer.inform({ status: 100, text: '', fields: [] });
    yield await readBody(stream, body, { inflow, gone: gone.signal, ms: options.requestMs ?? REQUEST_MS });
  }

  const client: Client = {
    head,
    refusal,
    units: { [Symbol.asyncIterator]: units },
    gone: gone.signal,
    onDrain: undefined,
    inform: (interim) => answer.inform(interim),
    start: (final) => answer.start(upgrade ? asOpened(final, asked) : final),
    write: (chunk) => answer.write(chunk),
    finish: (trailers) => answer.finish(trailers),
    destroy(why) {
      const isTold = why && why.kind !== 'forwarded' && why.kind !== 'passed' && isGrpc(head.fields);
      if (isTold) answer.tellStatus(why);
      else answer.reset(upgrade ? constants.NGHTTP2_CANCEL : undefined); // as RFC 8441 section 5 has it
    },
  };
  return upgrade ? upgrade(client, bytesOf(stream, inflow)) : client;
}

/** The answer on a stream. After the agent has left, all of it says nothing. */
class Answer {
  readonly #stream: ServerHttp2Stream;
  readonly #method: string;
  readonly #inflow: Inflow;
  /** The head, until it is known whether anything follows. */
  #head: { list: string[]; bodiless: boolean } | undefined;
  #bodiless = false;
  #trailers: readonly Field[] = [];
  /** All of it was said, or given up by us. */
  isTold = false;

  constructor(stream: ServerHttp2Stream, method: string, inflow: Inflow) {
    this.#stream = stream;
    this.#method = method;
    this.#inflow = inflow;
    stream.once('wantTrailers', () => {
      stream.sendTrailers(writeFieldMap(this.#trailers));
    });
  }

  inform({ status, fields }: ResponseHead): void {
    if (this.#isOver || this.#stream.headersSent) return;
    this.#stream.additionalHeaders({ ...writeFieldMap(fields), ':status': status });
  }

  start({ status, fields }: ResponseHead): void {
    this.#bodiless = this.#method === 'HEAD' || status === 204 || status === 304;
    this.#head = { list: [':status', String(status), ...writeFields(fields)], bodiless: this.#bodiless };
    // Out at once if nothing follows in this turn; an answer without a body is one frame.
    queueMicrotask(() => this.#flush(false));
  }

  write(chunk: Buffer): boolean {
    this.#flush(false);
    if (this.#isOver || this.#bodiless) return true;
    return this.#stream.write(Buffer.from(chunk)); // a copy: the chunk is not ours to keep, and flow control may
  }

  finish(trailers: readonly Field[]): void {
    this.#trailers = trailers;
    this.#flush(trailers.length === 0);
    this.#end();
  }

  /** gRPC tells how a call ended in trailers, also in the middle of its messages. */
  tellStatus(why: Unforwarded): void {
    if (!this.#stream.headersSent) return this.reset();
    this.finish(grpcStatus(why));
  }

  /** What was written goes out first; the end that Node would write before a reset is held back by the trailers that it waits for. */
  reset(code: number = constants.NGHTTP2_INTERNAL_ERROR): void {
    this.isTold = true;
    this.#head = undefined;
    if (!this.#isOver) this.#stream.close(code);
  }

  get #isOver(): boolean {
    return this.#stream.closed || this.#stream.destroyed;
  }

  #flush(isEnd: boolean): void {
    const head = this.#head;
    this.#head = undefined;
    if (!head || this.#isOver) return;
    const endStream = isEnd || head.bodiless;
    const how = { endStream, waitForTrailers: !endStream, sendDate: false }; // the upstream's own date, or none
    try {
      this.#stream.respond(head.list, how);
    } catch {
      this.reset(); // a status that Node does not write
    }
  }

  #end(): void {
    if (this.isTold) return;
    this.isTold = true;
    if (this.#isOver) return;
    this.#stream.end();
    if (this.#inflow.isWhole) return;
    // The request is not whole, and nobody reads it any more (RFC 9113 section 8.1). The answer's end must be out before that is said.
    this.#stream.resume();
    const timer = setTimeout(() => this.#stream.close(constants.NGHTTP2_NO_ERROR), STREAM_LINGER_MS);
    this.#stream.once('close', () => clearTimeout(timer));
  }
}

interface Reading {
  readonly inflow: Inflow;
  readonly gone: AbortSignal;
  /** Milliseconds for all of it. */
  readonly ms: number;
}

/** The whole body, or why there is none. What comes after that is read by nobody until the answer is told. */
function readBody(stream: ServerHttp2Stream, body: Arriving, { inflow, gone, ms }: Reading): Promise<Received> {
  let trailers: Field[] = [];
  return new Promise((resolve) => {
    function settle(received: Received | Promise<Received>): void {
      clearTimeout(timer);
      stream.off('data', onData);
      stream.off('trailers', onTrailers);
      stream.off('end', onEnd);
      gone.removeEventListener('abort', onGone);
      resolve(received);
    }
    function giveUp(received: Received): void {
      body.release();
      settle(received);
      stream.resume(); // so that the agent, which may write all of it first, gets to read the answer
    }
    function onData(piece: Buffer): void {
      inflow.count();
      const taken = body.add(piece);
      if (taken === 'wait') stream.pause();
      else if (taken) giveUp(taken);
    }
    function onTrailers(_fields: unknown, _flags: unknown, list: readonly string[] = []): void {
      trailers = readFields(list);
    }
    function onEnd(): void {
      const refusal = inflow.isWhole ? trailerRefusal(trailers) : undefined;
      if (refusal) giveUp(refusal);
      else if (inflow.isWhole) settle(body.end(trailers));
      else giveUp({ kind: 'gone' });
    }
    function onGone(): void {
      giveUp({ kind: 'gone' });
    }
    body.onDrain = () => stream.resume();
    const timer = setTimeout(() => giveUp(LATE), ms);
    stream.on('data', onData);
    stream.on('trailers', onTrailers);
    stream.on('end', onEnd);
    gone.addEventListener('abort', onGone, { once: true });
    if (gone.aborted) onGone();
  });
}

const UNKNOWN_PROTOCOL = refused(501, 'the protocol of an extended CONNECT is not carried; websocket alone is');
