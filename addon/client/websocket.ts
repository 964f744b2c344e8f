/**
 * A WebSocket of the agent, whatever its bytes come over: each of its messages is a unit, scanned before it goes on, and what it was
 * told of the end is a close frame. The server's bytes are no matter of this file but for where they can be interrupted.
 */
import { randomBytes } from 'node:crypto';
import type { Outcome } from '../../contracts/exchange.ts';
import type { Budget } from '../budget.ts';
import type { Covered, Covers } from '../covered.ts';
import { LINGER_MS } from '../limits.ts';
import type { Client, Received, Unit } from '../message.ts';
import { Seams } from '../seam.ts';
import { closeFrame } from '../websocket/close.ts';
import { Follower } from '../websocket/follow.ts';
import { applyMask, frameHead } from '../websocket/frame.ts';
import { type Agreed, handshakeProblem, knownExtensions, readAgreement } from '../websocket/handshake.ts';
import { MessageReader, type Whole } from '../websocket/message.ts';

export interface WebSocketOptions {
  readonly budget: Budget;
  /** Bytes of one message. */
  readonly messageBytes: number;
  readonly covered: Covers;
}

/**
 * The client of a request that asks for a WebSocket. `plain`: its first unit is the request, whose answer it passes on; what is written
 * behind a 101 goes out as it is. `bytes`: what the agent sends behind its request.
 */
export function webSocketOver(plain: Client, bytes: AsyncIterable<Buffer>, options: WebSocketOptions): Client {
  const head = { ...plain.head, fields: knownExtensions(plain.head.fields) };
  const server = new ServerSide();
  const agreed = Promise.withResolvers<Agreed | undefined>();
  const left = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let isOpen = false;

  /** No server waits for ever for one that has nothing more to say. */
  function onLeft(): void {
    timer = setTimeout(() => {
      left.abort();
      client.finish([]);
    }, LINGER_MS).unref();
  }

  async function* units(): AsyncGenerator<Received> {
    yield* plain.units;
    const agreement = await agreed.promise;
    const covered: MessageOptions['covered'] = (type, content) => options.covered(head.target.host, type, content);
    if (agreement) yield* messages(bytes, agreement, { ...options, covered, onLeft });
    else yield { kind: 'gone' }; // it was answered without a switch: what follows is nobody's
  }

  const client: Client = {
    ...plain,
    head,
    refusal: plain.refusal ?? handshakeProblem(head.fields),
    units: { [Symbol.asyncIterator]: units },
    gone: AbortSignal.any([plain.gone, left.signal]),
    set onDrain(listener: (() => void) | undefined) {
      plain.onDrain = listener;
    },
    get onDrain() {
      return plain.onDrain;
    },
    start(final) {
      const agreement = final.status === SWITCHED ? readAgreement(head.fields, final.fields) : undefined;
      if (agreement?.kind === 'wrong') throw new Error(agreement.why); // whoever got the answer has checked it
      plain.start(final);
      isOpen = agreement !== undefined;
      agreed.resolve(agreement);
    },
    write(chunk) {
      if (isOpen) server.pass(chunk);
      return plain.write(chunk);
    },
    finish(trailers) {
      clearTimeout(timer);
      plain.finish(trailers);
    },
    destroy(why) {
      clearTimeout(timer);
      const ending = isOpen ? server.ending(why) : undefined;
      if (!ending) return plain.destroy(why);
      plain.write(ending);
      plain.finish([]);
    },
  };
  return client;
}

interface MessageOptions extends Omit<WebSocketOptions, 'covered'> {
  /** What masks cover of a message. */
  readonly covered: (type: string | undefined, content: Buffer) => readonly Covered[];
  /** The agent sends nothing more; the server has been, or is about to be, told so. */
  readonly onLeft?: () => void;
}

/** What the agent sends, beginning with the first byte behind its request; the chunks are not anybody else's. */
export async function* messages(
  bytes: AsyncIterable<Buffer>,
  { deflate }: Agreed,
  options: MessageOptions,
): AsyncGenerator<Received> {
  const reader = new MessageReader({ ...options, deflate });
  const seams = new Seams();
  let isClosed = false;
  let waiting: Whole | undefined;
  try {
    for await (const chunk of bytes) {
      if (isClosed) continue; // nothing follows a close (RFC 6455 section 5.5.1), but its end is waited for
      for (const whole of reader.read(chunk)) {
        if (whole.kind === 'refused') {
          yield whole;
          return;
        }
        waiting = whole;
        const { opcode, content } = whole;
        const covered = options.covered(typeOf(opcode, content), content);
        const seam = seams.next([{ kind: textOf(whole), content, covered }]);
        if (seam) yield seam;
        waiting = undefined;
        yield unitOf(whole);
        if (whole.opcode === 'close') {
          isClosed = true;
          break;
        }
      }
    }
  } finally {
    waiting?.release();
    reader.release();
  }
  options.onLeft?.();
  // Who leaves without a word is told of by us: otherwise a server would go on until its next ping.
  yield isClosed ? { kind: 'gone' } : goingAway();
}

function goingAway(): Unit {
  const content = Buffer.from([GOING_AWAY >> 8, GOING_AWAY & 0xff]);
  return { ...unitOf({ kind: 'whole', opcode: 'close', content, release: () => undefined }), last: true };
}

/** The server's side of it: what it says is passed on at once, and the end is told where that is possible. */
export class ServerSide {
  readonly #follower = new Follower();

  /** To be told of all that the agent is given behind the answer's head. */
  pass(chunk: Buffer): void {
    this.#follower.follow(chunk);
  }

  /** What to say last. Undefined: nothing can be said, in the middle of a frame or because the network ended it. */
  ending(why: Outcome | undefined): Buffer | undefined {
    return why && this.#follower.isBetween ? closeFrame(why) : undefined;
  }
}

/**
 * One frame with a mask of ours: how an agent cuts and masks its messages could carry what no scan sees. It is sent as it was scanned,
 * without compression, which either end may leave out for any message (RFC 7692 section 6): no inflater of a server can read something
 * else in it than ours did.
 */
function unitOf({ opcode, content, release }: Whole): Unit {
  const key = randomBytes(4);
  const head = frameHead(opcode, content.length, key);
  return {
    kind: 'unit',
    size: head.length + content.length,
    last: false,
    trailers: [],
    *chunks() {
      yield head;
      for (let at = 0; at < content.length; at += PIECE) {
        const piece = Buffer.from(content.subarray(at, at + PIECE));
        applyMask(piece, key, at);
        yield piece;
      }
    },
    message: { type: typeOf(opcode, content), bytes: content },
    [Symbol.dispose]: release,
  };
}

/** Texts, binary messages and control frames are kept apart, because an endpoint reads each kind by itself. */
function textOf({ opcode }: Whole): string {
  return opcode === 'text' || opcode === 'binary' ? opcode : 'control';
}

/** As JSON only what may be it: whoever takes the message apart reads it strictly, and as text if it is none. */
function typeOf(opcode: Whole['opcode'], content: Buffer): string | undefined {
  if (content.length === 0) return undefined;
  if (opcode !== 'text' && opcode !== 'binary') return 'text/plain';
  if (JSON_BEGINS.has(firstNotBlank(content))) return 'application/json';
  return opcode === 'text' ? 'text/plain' : 'application/octet-stream';
}

/** The byte behind what may stand in front of a JSON text (RFC 8259 section 2). */
function firstNotBlank(content: Buffer): number | undefined {
  let at = 0;
  while (content[at] === 0x20 || content[at] === 0x0a || content[at] === 0x0d || content[at] === 0x09) at += 1;
  return content[at];
}

/** An object, an array or a string. */
const JSON_BEGINS = new Set<number | undefined>(Buffer.from('{["'));
/** Status of an answer that switches the protocol. */
const SWITCHED = 101;
/** RFC 6455 section 7.4.1. */
const GOING_AWAY = 1_001;
/** Bytes that are masked at a time. */
const PIECE = 64 * 1024;
