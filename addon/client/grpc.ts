/**
 * Calls whose bodies are messages behind a prefix of five bytes: gRPC, gRPC-Web, and Connect's streams. Each message is a unit: read as what
 * it decompresses to, sent as it came. The head goes first by itself, so that a server may speak before its caller does.
 */
import type { Readable } from 'node:stream';
import { type Budget, type Gathering, gather, OVER_BUDGET } from '../budget.ts';
import { type Covered, coveredWithin } from '../covered.ts';
import { decodeContent } from '../decode/inflate.ts';
import { readingsOf } from '../decode/protobuf.ts';
import { Work } from '../decode/work.ts';
import { readFields } from '../h2fields.ts';
import type { Inflow } from '../inflow.ts';
import { type Field, type Received, type Refusal, refused, type Unit } from '../message.ts';
import { valuesOf } from '../request.ts';
import { Seams } from '../seam.ts';
import { trailerRefusal } from '../trailers.ts';

/** How the messages of one call are written. */
export interface Coding {
  /** What a message with the flag is compressed with; more than one is a contradiction. */
  readonly encodings: readonly string[];
  /** Media type of a message's content, if it is one that a scanner knows. */
  readonly type: string | undefined;
}

/** Undefined: the body is not a stream of messages. */
export function codingOf(fields: readonly Field[]): Coding | undefined {
  const [declared = ''] = valuesOf(fields, 'content-type');
  const [, protocol, format] =
    /^application\/(grpc|grpc-web|connect)(?:\+([a-z0-9.+-]+))?\s*(?:;|$)/i.exec(declared) ?? [];
  if (protocol === undefined || valuesOf(fields, 'content-encoding').length > 0) return undefined;
  const name = protocol.toLowerCase() === 'connect' ? 'connect-content-encoding' : 'grpc-encoding';
  return {
    encodings: valuesOf(fields, name),
    type: format?.toLowerCase() === 'json' ? 'application/json' : undefined,
  };
}

export interface MessagesOptions {
  readonly coding: Coding;
  readonly budget: Budget;
  /** Bytes of one message. */
  readonly messageBytes: number;
  readonly inflow: Inflow;
  /** What masks cover of a message. */
  readonly covered: (type: string | undefined, content: Buffer) => readonly Covered[];
}

export async function* messages(stream: Readable, options: MessagesOptions): AsyncGenerator<Received> {
  const { inflow } = options;
  const reader = new MessageReader(options);
  const seams = new Seams();
  let trailers: Field[] = [];
  stream.once('trailers', (_fields: unknown, _flags: unknown, list: readonly string[] = []) => {
    trailers = readFields(list);
  });
  try {
    yield nothing(MORE);
    for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
      inflow.count();
      for (const read of reader.read(chunk as Buffer)) {
        if (read.kind === 'refused') return yield read;
        // Most calls have one message, and its end comes with it.
        const isLast = inflow.isWhole && reader.isDrained && stream.readableLength === 0;
        const refusal = isLast ? trailerRefusal(trailers) : undefined;
        if (refusal) read.body.release();
        if (refusal) return yield refusal;
        yield* unitsOf(read, options, seams, isLast ? { last: true, trailers } : MORE);
        if (isLast) return;
      }
    }
    if (!inflow.isWhole) yield { kind: 'gone' };
    else if (!reader.isBetween) yield refused(400, 'the last message is cut off');
    else yield trailerRefusal(trailers) ?? nothing({ last: true, trailers });
  } catch {
    yield { kind: 'gone' }; // a stream that is reset is an error to whoever reads it
  } finally {
    reader.release();
  }
}

interface Whole {
  readonly kind: 'whole';
  readonly prefix: Buffer;
  readonly isCompressed: boolean;
  readonly body: Gathering;
}

/** Bytes in, messages out. */
class MessageReader {
  readonly #budget: Budget;
  readonly #messageBytes: number;
  #prefix: Buffer = NOTHING;
  #body: Gathering | undefined;
  /** Of what was given to be read. */
  #left = 0;

  constructor({ budget, messageBytes }: MessagesOptions) {
    this.#budget = budget;
    this.#messageBytes = messageBytes;
  }

  get isBetween(): boolean {
    return this.#prefix.length === 0;
  }

  /** Nothing is left of what was given to be read. */
  get isDrained(): boolean {
    return this.#left === 0;
  }

  /** Nothing follows a refusal. */
  *read(chunk: Buffer): Generator<Whole | Refusal> {
    for (let rest = chunk; rest.length > 0; ) {
      const wanted = PREFIX - this.#prefix.length;
      this.#prefix = Buffer.concat([this.#prefix, rest.subarray(0, wanted)]);
      rest = rest.subarray(wanted);
      if (this.#prefix.length < PREFIX) return;

      const [flags, length] = [this.#prefix.readUInt8(0), this.#prefix.readUInt32BE(1)];
      if ((flags & ~COMPRESSED) !== 0) return yield refused(400, 'a message has a flag that is not known');
      if (length > this.#messageBytes)
        return yield refused(413, `a message is larger than ${this.#messageBytes} bytes`);
      const body = (this.#body ??= gather(this.#budget, length));
      const piece = rest.subarray(0, length - body.size);
      rest = rest.subarray(piece.length);
      if (piece.length > 0 && !body.add(piece)) return yield OVER_BUDGET;
      if (body.size < length) return;
      const whole = { kind: 'whole', prefix: this.#prefix, isCompressed: flags === COMPRESSED, body } as const;
      this.#prefix = NOTHING;
      this.#body = undefined;
      this.#left = rest.length;
      yield whole;
    }
  }

  release(): void {
    this.#body?.release();
    this.#body = undefined;
  }
}

/**
 * The message, and before it what is only to be judged: where it goes on with those before it, and a compressed one as it came but for its
 * first bytes, because a decoder passes over some of it: the names in a head, frames that are to be skipped.
 */
function* unitsOf(
  { prefix, isCompressed, body }: Whole,
  options: MessagesOptions,
  seams: Seams,
  end: Pick<Unit, 'last' | 'trailers'>,
): Generator<Received> {
  const { type } = options.coding;
  const bytes = body.bytes();
  const size = prefix.length + bytes.length;
  let decoded = 0;
  function release(): void {
    options.budget.give(decoded);
    decoded = 0;
    body.release();
  }
  let isHanded = false;
  try {
    const content = isCompressed ? decompressed(bytes, options) : bytes;
    if ('kind' in content) return yield content;
    if (isCompressed) {
      decoded = content.length;
      yield { ...nothing(MORE), message: { type: undefined, bytes: bytes.subarray(MAGIC) } };
    }
    const covered = options.covered(type, content);
    const readings = readingsOf(content).map((reading, depth) => ({
      kind: String(depth),
      content: reading,
      covered: coveredWithin(covered, content.length - reading.length, content.length),
    }));
    const seam = seams.next(readings);
    if (seam) yield seam;
    isHanded = true;
    yield {
      kind: 'unit',
      size,
      ...end,
      chunks: () => [prefix, bytes],
      message: { type, bytes: content },
      [Symbol.dispose]: release,
    };
  } finally {
    if (!isHanded) release();
  }
}

/** What it becomes, taken from the budget. */
function decompressed(bytes: Buffer, { coding, budget, messageBytes }: MessagesOptions): Buffer | Refusal {
  const [encoding, ...more] = coding.encodings;
  if (encoding === undefined || more.length > 0) return refused(400, 'a message does not say how it is compressed');
  const most = Math.min(messageBytes, budget.left);
  const decoded = decodeContent(bytes, [encoding], new Work(Math.max(1, most)));
  if (decoded.kind === 'decoded') return budget.take(decoded.body.length) ? decoded.body : OVER_BUDGET;
  if (decoded.why === 'form') return refused(400, `a message ${decoded.reason}`);
  return most < messageBytes ? OVER_BUDGET : refused(413, `a message becomes larger than ${messageBytes} bytes`);
}

/** Sends nothing: the beginning, the end, or what is only to be judged. */
function nothing({ last, trailers }: Pick<Unit, 'last' | 'trailers'>): Unit {
  return { kind: 'unit', size: 0, last, trailers, chunks: () => [], [Symbol.dispose]: () => undefined };
}

const MORE = { last: false, trailers: [] } as const;
const NOTHING: Buffer = Buffer.alloc(0);
/** Bytes of a flag and a length. */
const PREFIX = 5;
const COMPRESSED = 1;
/** Bytes by which a scanner would know what it can open: what is inside is scanned by itself, under its type. */
const MAGIC = 2;
