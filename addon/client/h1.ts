/**
 * HTTP/1.1 towards the agent: one connection, one request at a time, each a `Client`. What is pipelined behind a request waits, not
 * even read, until its answer is complete. Nothing is closed without an answer but what was never used.
 */
import type { Socket } from 'node:net';
import { type Bodies, LATE } from '../body.ts';
import { persists, requestFraming } from '../h1/framing.ts';
import { type RequestLine, requestReader } from '../h1/head.ts';
import { CLIENT_IDLE_MS, LINGER_MS, PIPELINED_BYTES } from '../limits.ts';
import { type Client, type Received, type Refusal, refused, type Target } from '../message.ts';
import { readHead, type Tunnel, valuesOf } from '../request.ts';
import { Answer } from './answer.ts';
import type { Deadline } from './deadlines.ts';
import { Incoming } from './incoming.ts';
import { type RawBytes, rawBytes, type Switch } from './raw.ts';

export interface H1Options {
  readonly tunnel: Tunnel | undefined;
  readonly deadline: Deadline;
  /** Milliseconds for a head, and for a whole request. */
  readonly headMs: number;
  readonly requestMs: number;
  readonly bodies: Bodies;
  /** Why a request to this target is not accepted at all, if so. */
  readonly refuse: (target: Target) => Refusal | undefined;
  /** By lower-case name of the protocol. */
  readonly switches: ReadonlyMap<string, Switch>;
  readonly serve: (client: Client) => void;
  /** Takes the connection over; `rest` stands behind the head. */
  readonly connect: (head: RequestLine, rest: Buffer) => void;
  /** Records what is no request, and gives the bytes that answer it. */
  readonly reject: (refusal: Refusal) => Buffer;
}

/** `first`: bytes that have been read already. */
export function serveH1(socket: Socket, options: H1Options, first: Buffer): void {
  new Connection(socket, options).begin(first);
}

/** A request whose answer is not complete. */
interface Exchange {
  readonly client: Client;
  readonly answer: Answer;
  /** Where its body ends can be told. */
  readonly isFramed: boolean;
  /** It asks to switch protocols: what comes behind its head. */
  readonly raw: RawBytes | undefined;
  readonly gone: AbortController;
}

class Connection {
  readonly #socket: Socket;
  readonly #options: H1Options;
  readonly #reader = requestReader();
  #exchange: Exchange | undefined;
  /** Of the last request: not over until all of it has come, which may be after the answer. */
  #incoming: Incoming | undefined;
  /** What stands behind the request that is under way. */
  #behind: Buffer[] = [];
  #behindBytes = 0;
  /** No request follows: what comes is dropped. */
  #isClosing = false;

  constructor(socket: Socket, options: H1Options) {
    this.#socket = socket;
    this.#options = options;
  }

  begin(first: Buffer): void {
    this.#socket.on('data', this.#onData).on('end', this.#onEnd).on('close', this.#onClose).on('drain', this.#onDrain);
    this.#options.deadline.set(this.#options.headMs, this.#onLate);
    this.#socket.resume(); // from the next turn on
    if (first.length > 0) this.#onData(first);
  }

  // --- one request -------------------------------------------------------------------------------------------------------

  #readHead(piece: Buffer): void {
    const { deadline, headMs, connect } = this.#options;
    if (this.#reader.isUntouched) deadline.set(headMs, this.#onLate);
    const read = this.#reader.push(piece);
    if (read.kind === 'malformed') return this.#reject({ ...read, kind: 'refused' });
    if (read.kind === 'more') return;
    deadline.clear();
    if (read.head.method !== 'CONNECT') return this.#serve(read.head, read.rest);
    this.#leave();
    connect(read.head, read.rest);
  }

  #serve(line: RequestLine, rest: Buffer): void {
    const { tunnel, refuse, switches, serve } = this.#options;
    const { head, refusal } = readHead(line, tunnel, switches);
    const { method, version } = line;
    const answer = new Answer(this.#socket, { method, version, persists: persists(line), upgrade: head.upgrade });
    const upgrade = head.upgrade === undefined ? undefined : switches.get(head.upgrade);
    const raw = upgrade ? rawBytes(this.#hold) : undefined;
    const incoming = this.#receive(line, head.target, answer);
    const gone = new AbortController();
    const finished = () => this.#finish(exchange);

    async function* units(): AsyncGenerator<Received> {
      if (!incoming) return;
      const received = await incoming.read();
      yield raw && received.kind === 'unit' ? { ...received, last: false } : received;
    }
    const client: Client = {
      head,
      refusal: refusal ?? refuse(head.target),
      units: { [Symbol.asyncIterator]: units },
      gone: gone.signal,
      onDrain: undefined,
      inform(interim) {
        if (interim.status > 101) answer.inform(interim); // 100 is ours to say, and 101 is no interim answer
      },
      start: (final) => answer.start(final),
      write: (chunk) => answer.write(chunk),
      finish(trailers) {
        answer.finish(trailers);
        finished();
      },
      destroy: () => void answer.destroy(),
    };
    const exchange: Exchange = { client, answer, isFramed: incoming !== undefined, raw, gone };
    this.#exchange = exchange;
    serve(upgrade && raw ? upgrade(client, raw) : client);
    if (rest.length > 0) this.#onData(rest);
  }

  /** Undefined: where the body ends cannot be told, so that nothing follows. */
  #receive(line: RequestLine, target: Target, answer: Answer): Incoming | undefined {
    const framing = requestFraming(line);
    this.#incoming = undefined;
    if (framing.kind === 'malformed') {
      answer.persists = false;
      return undefined;
    }
    const { bodies, deadline, requestMs } = this.#options;
    if (framing.kind !== 'none') deadline.set(requestMs, this.#onLate);
    // An agent that waits, and is never told to go on, may or may not send its body: what followed could not be told apart.
    const waits = framing.kind !== 'none' && line.version === '1.1' && valuesOf(line.fields, 'expect').length > 0;
    const goesOn = answer.persists;
    if (waits) answer.persists = false;
    this.#incoming = new Incoming({
      framing,
      receive: (announced) => bodies.receive(target, announced),
      hold: this.#hold,
      onWanted() {
        if (!waits) return;
        answer.inform(CONTINUE);
        answer.persists = goesOn;
      },
      onMalformed: () => {
        answer.persists = false;
        deadline.clear();
        if (!this.#exchange) this.#end();
      },
      onEnd: (rest) => {
        deadline.clear();
        if (!this.#exchange) this.#next(rest);
        else if (rest.length > 0) this.#keep(rest);
      },
    });
    return this.#incoming;
  }

  /** Its answer is complete. */
  #finish(exchange: Exchange): void {
    if (this.#exchange !== exchange) return;
    this.#exchange = undefined;
    if (!exchange.answer.persists) this.#end();
    else if (!this.#incoming || this.#incoming.isOver) this.#next(NOTHING);
    else this.#incoming.drop();
  }

  #next(rest: Buffer): void {
    this.#options.deadline.set(CLIENT_IDLE_MS, this.#onLate);
    const bytes = this.#behindBytes === 0 ? rest : Buffer.concat([...this.#behind, rest]);
    this.#behind = [];
    this.#behindBytes = 0;
    this.#hold(false);
    if (bytes.length > 0) this.#onData(bytes);
  }

  // --- the connection ----------------------------------------------------------------------------------------------------

  readonly #onData = (piece: Buffer): void => {
    if (this.#isClosing) return;
    if (this.#exchange?.raw) this.#exchange.raw.push(piece);
    else if (this.#incoming && !this.#incoming.isOver) this.#incoming.push(piece);
    else if (this.#exchange) this.#keep(piece);
    else this.#readHead(piece);
  };

  /** The agent sends nothing more. While an answer is under way that is a client that left: few mean anything else by it. */
  readonly #onEnd = (): void => {
    const exchange = this.#exchange;
    if (this.#isClosing) return;
    if (exchange?.answer.isSwitched) exchange.raw?.end();
    else if (exchange) {
      exchange.gone.abort();
      this.#incoming?.fail(GONE);
    } else if (this.#incoming?.isOver === false || this.#reader.isUntouched) this.#end();
    else this.#reject(refused(400, 'the request was cut off'));
  };

  readonly #onClose = (): void => {
    this.#options.deadline.clear();
    this.#isClosing = true;
    this.#exchange?.raw?.end();
    this.#exchange?.gone.abort();
    this.#incoming?.fail(GONE);
  };

  readonly #onDrain = (): void => this.#exchange?.client.onDrain?.();

  readonly #onLate = (): void => {
    const exchange = this.#exchange;
    if (exchange) {
      exchange.answer.persists = false;
      this.#incoming?.fail(LATE);
    } else if (this.#incoming?.isOver === false || this.#reader.isUntouched) this.#socket.destroy();
    else this.#reject(LATE);
  };

  readonly #hold = (held: boolean): void => {
    if (held) this.#socket.pause();
    else this.#socket.resume();
  };

  #keep(piece: Buffer): void {
    this.#behind.push(piece);
    this.#behindBytes += piece.length;
    if (this.#behindBytes >= PIPELINED_BYTES) this.#hold(true);
  }

  #reject(refusal: Refusal): void {
    this.#socket.write(this.#options.reject(refusal));
    this.#end();
  }

  /** What was written goes out; what still comes is read by nobody, but read: a reset would take the answer with it. */
  #end(): void {
    this.#isClosing = true;
    this.#socket.end();
    this.#hold(false);
    this.#options.deadline.set(LINGER_MS, () => this.#socket.destroy());
  }

  #leave(): void {
    const socket = this.#socket;
    socket.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onClose).off('drain', this.#onDrain);
    socket.pause();
  }
}

const NOTHING = Buffer.alloc(0);
const GONE = { kind: 'gone' } as const;
const CONTINUE = { status: 100, text: 'Continue', fields: [] };
