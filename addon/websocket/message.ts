/**
 * Messages of a WebSocket, whole: fragments put together, compressed ones inflated, texts and closes checked. What is held is drawn from
 * the one budget.
 */
import { isUtf8 } from 'node:buffer';
import { type Budget, type Gathering, gather, OVER_BUDGET } from '../budget.ts';
import { type Refusal, refused } from '../message.ts';
import { readClose } from './close.ts';
import { type Deflate, DEFLATE_TAIL, Inflater, mostInflated } from './deflate.ts';
import { type Begun, FrameReader, malformed, type Opcode } from './frame.ts';

export interface Whole {
  readonly kind: 'whole';
  readonly opcode: Exclude<Opcode, 'continuation'>;
  /** Without mask and compression. */
  readonly content: Buffer;
  /** Gives its bytes back; more than once does no harm. */
  readonly release: () => void;
}

export interface MessageOptions {
  readonly budget: Budget;
  /** Bytes of one message. */
  readonly messageBytes: number;
  /** Undefined: messages are not compressed. */
  readonly deflate: Deflate | undefined;
}

export class MessageReader {
  readonly #options: MessageOptions;
  readonly #frames: FrameReader;
  readonly #inflater: Inflater | undefined;
  /** The message whose frames come; control frames may stand between them. */
  #message: Pending | undefined;
  /** The frame whose payload comes. */
  #frame: Begun | undefined;
  #control: Buffer[] = [];

  constructor(options: MessageOptions) {
    this.#options = options;
    this.#frames = new FrameReader({ compression: options.deflate !== undefined });
    this.#inflater = options.deflate && new Inflater(options.deflate);
  }

  /** The messages that end with these bytes, in the order of their ends. After a refusal, or a close, nothing more may be read. */
  *read(chunk: Buffer): Generator<Whole | Refusal> {
    for (const event of this.#frames.read(chunk)) {
      const result =
        event.kind === 'refused'
          ? event
          : event.kind === 'frame'
            ? this.#begin(event)
            : event.kind === 'piece'
              ? this.#add(event.bytes)
              : this.#end();
      if (result) yield result;
      if (result?.kind === 'refused') return this.release();
    }
  }

  /** Lets go of what has not come in full. */
  release(): void {
    this.#message?.body.release();
    this.#message = undefined;
  }

  #begin(frame: Begun): Refusal | undefined {
    this.#frame = frame;
    if (isControl(frame.opcode)) return undefined;
    const { budget, messageBytes } = this.#options;
    if (frame.opcode === 'text' || frame.opcode === 'binary') {
      const { opcode, compressed } = frame;
      const announced = Math.min(frame.length, messageBytes) + (compressed ? DEFLATE_TAIL.length : 0);
      this.#message = { opcode, compressed, body: gather(budget, announced) };
    }
    const size = this.#message?.body.size ?? 0;
    return size + frame.length > messageBytes ? tooLarge(messageBytes) : undefined;
  }

  #add(piece: Buffer): Refusal | undefined {
    if (this.#frame && isControl(this.#frame.opcode)) {
      this.#control.push(Buffer.from(piece)); // a copy: at most 125 bytes must not hold a whole chunk
      return undefined;
    }
    return this.#message?.body.add(piece) ? undefined : OVER_BUDGET;
  }

  #end(): Whole | Refusal | undefined {
    const frame = this.#frame;
    if (frame && isControl(frame.opcode)) {
      const content = Buffer.concat(this.#control);
      this.#control = [];
      const refusal = frame.opcode === 'close' ? readClose(content) : undefined;
      return refusal ?? { kind: 'whole', opcode: frame.opcode, content, release: () => undefined };
    }
    const message = this.#message;
    if (!frame?.fin || !message) return undefined;
    this.#message = undefined;
    const whole = message.compressed ? this.#inflated(message) : plain(message);
    if (whole.kind === 'refused' || whole.opcode !== 'text' || isUtf8(whole.content)) return whole;
    whole.release();
    return NO_TEXT;
  }

  #inflated({ opcode, body }: Pending): Whole | Refusal {
    const { budget, messageBytes } = this.#options;
    try {
      if (!this.#inflater || !body.add(DEFLATE_TAIL)) return OVER_BUDGET;
      const most = Math.min(messageBytes, mostInflated(body.size));
      if (!budget.take(most)) return OVER_BUDGET;
      const inflated = this.#inflater.inflate(body.bytes(), most);
      const held = inflated.kind === 'inflated' ? inflated.bytes.length : 0;
      budget.give(most - held);
      if (inflated.kind === 'too large') return tooLarge(messageBytes);
      if (inflated.kind === 'broken') return malformed('a compressed message does not decompress');
      let taken = held;
      function release(): void {
        budget.give(taken);
        taken = 0;
      }
      return { kind: 'whole', opcode, content: inflated.bytes, release };
    } finally {
      body.release();
    }
  }
}

interface Pending {
  readonly opcode: 'text' | 'binary';
  readonly compressed: boolean;
  readonly body: Gathering;
}

function plain({ opcode, body }: Pending): Whole {
  return { kind: 'whole', opcode, content: body.bytes(), release: () => body.release() };
}

function isControl(opcode: Opcode): opcode is 'close' | 'ping' | 'pong' {
  return opcode === 'close' || opcode === 'ping' || opcode === 'pong';
}

function tooLarge(bytes: number): Refusal {
  return refused(413, `a message is larger than ${bytes} bytes`);
}

const NO_TEXT = refused(422, 'a text message is not UTF-8');
