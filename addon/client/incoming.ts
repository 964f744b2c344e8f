/** The body of one request, from the pieces that the agent's connection brings, as the one unit of it. */
import { type Arriving, emptyUnit } from '../body.ts';
import { type BodyReader, bodyReader } from '../h1/body.ts';
import type { Framing } from '../h1/framing.ts';
import type { Field, Received, Refusal } from '../message.ts';
import { trailerRefusal } from '../trailers.ts';

export interface IncomingOptions {
  readonly framing: Framing;
  /** Where the data goes. `announced`: bytes that the head says, 0 if it does not. */
  readonly receive: (announced: number) => Arriving | Refusal;
  /** Nothing more is to be brought, until it is to be again. */
  readonly hold: (held: boolean) => void;
  /** Asked for: the agent that waits is told to go on. */
  readonly onWanted: () => void;
  /** All of it has come; `rest` stands behind it. */
  readonly onEnd: (rest: Buffer) => void;
  /** Nothing that follows on the connection can be read. */
  readonly onMalformed: () => void;
}

export class Incoming {
  readonly #options: IncomingOptions;
  readonly #reader: BodyReader;
  /** Without it, data is dropped. */
  #body: Arriving | undefined;
  readonly #received = Promise.withResolvers<Received>();
  /** Nobody has asked yet: what came before. */
  #early: Buffer[] | undefined = [];
  #isSettled = false;
  isOver: boolean;

  constructor(options: IncomingOptions) {
    this.#options = options;
    this.#reader = bodyReader(options.framing, 'agent');
    this.isOver = options.framing.kind === 'none';
  }

  /** Once. */
  read(): Promise<Received> {
    const { framing, receive, hold, onWanted } = this.#options;
    if (framing.kind === 'none') return Promise.resolve(emptyUnit());
    const body = receive(framing.kind === 'length' ? framing.bytes : 0);
    if ('kind' in body) this.#settle(body);
    else {
      this.#body = body;
      body.onDrain = () => hold(false);
      if (this.#early?.length === 0) onWanted();
    }
    if (this.#isSettled) this.#giveUp();
    else this.#open();
    return this.#received.promise;
  }

  push(piece: Buffer): void {
    if (this.#early) {
      this.#early.push(piece);
      this.#options.hold(true);
      return;
    }
    for (const part of this.#reader.push(piece)) {
      if (part.kind === 'data') this.#take(part.bytes);
      else if (part.kind === 'end') this.#end(part.trailers, part.rest);
      else {
        this.isOver = true;
        this.fail({ ...part, kind: 'refused' });
        this.#options.onMalformed();
      }
    }
  }

  /** It will not become whole: `why`. Has no effect on a body that is. */
  fail(why: Refusal | { readonly kind: 'gone' }): void {
    this.#settle(why);
    this.#giveUp();
  }

  /** Nobody reads it any more: what comes is read off the wire, so that the answer arrives and the next request can be found. */
  drop(): void {
    this.#giveUp();
    this.#open();
  }

  #take(bytes: Buffer): void {
    const taken = this.#body?.add(bytes);
    if (taken === 'wait') this.#options.hold(true);
    else if (taken) this.fail(taken);
  }

  #end(trailers: readonly Field[], rest: Buffer): void {
    this.isOver = true;
    const refusal = trailerRefusal(trailers);
    const body = this.#body;
    if (refusal) this.fail(refusal);
    else if (body) {
      this.#leave(body); // its unit holds the bytes
      this.#settle(body.end(trailers));
    }
    this.#options.onEnd(rest);
  }

  #settle(received: Received | Promise<Received>): void {
    this.#isSettled = true;
    this.#received.resolve(received); // the first counts
  }

  #giveUp(): void {
    const body = this.#body;
    if (!body) return;
    body.release();
    this.#leave(body);
  }

  /** Whatever it waited for, the connection goes on. */
  #leave(body: Arriving): void {
    body.onDrain = undefined;
    this.#body = undefined;
    this.#options.hold(false);
  }

  /** What came early comes now. */
  #open(): void {
    const early = this.#early;
    if (!early) return;
    this.#early = undefined;
    if (early.length === 0) return;
    this.#options.hold(false);
    this.push(Buffer.concat(early));
  }
}
