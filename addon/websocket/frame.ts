/**
 * Frames of a WebSocket (RFC 6455 section 5): a strict reader of what an agent sends, and a writer. Whatever two endpoints could read
 * differently is a refusal: nothing behind it is read.
 */
import { type Refusal, refused } from '../message.ts';

export type Opcode = 'continuation' | 'text' | 'binary' | 'close' | 'ping' | 'pong';

/** A head as it stands on the wire. */
export interface FrameHead {
  readonly fin: boolean;
  /** The three reserved bits, RSV1 the highest. */
  readonly rsv: number;
  readonly opcode: number;
  /** Bytes of the payload. */
  readonly length: number;
  /** Four bytes; undefined: the payload is not masked. */
  readonly key: Buffer | undefined;
  /** Bytes of the head itself. */
  readonly size: number;
}

/** What there is to know of a frame before its payload. */
export interface Begun {
  readonly kind: 'frame';
  readonly opcode: Opcode;
  readonly fin: boolean;
  /** The message that begins here is compressed (RSV1, RFC 7692 section 6). */
  readonly compressed: boolean;
  readonly length: number;
}

/** A frame as it is read: its head, its payload without the mask in any number of pieces, its end. */
export type FrameEvent =
  | Begun
  | { readonly kind: 'piece'; readonly bytes: Buffer }
  | { readonly kind: 'end' }
  | Refusal;

export interface FrameRules {
  /** permessage-deflate was agreed upon. */
  readonly compression: boolean;
}

/** Reads the frames of one direction, that of the agent. */
export class FrameReader {
  readonly #rules: FrameRules;
  /** A head that has not come in full. */
  #early: Buffer = NOTHING;
  /** Payload that is still to come, its key, and how much of it has come. */
  #left = 0;
  #key: Buffer = NOTHING;
  #at = 0;
  /** A message has begun whose last frame has not. */
  #isOpen = false;
  #isBroken = false;

  constructor(rules: FrameRules) {
    this.#rules = rules;
  }

  /** Takes the next bytes, whatever they are the end or the beginning of. They are its own from here on: masks are undone in place. */
  *read(chunk: Buffer): Generator<FrameEvent> {
    let bytes = this.#early.length === 0 ? chunk : Buffer.concat([this.#early, chunk]);
    this.#early = NOTHING;
    while (bytes.length > 0 && !this.#isBroken) {
      if (this.#left > 0) {
        const piece = bytes.subarray(0, this.#left);
        bytes = bytes.subarray(piece.length);
        applyMask(piece, this.#key, this.#at);
        this.#at += piece.length;
        this.#left -= piece.length;
        yield { kind: 'piece', bytes: piece };
        if (this.#left === 0) yield { kind: 'end' };
        continue;
      }
      const head = readFrameHead(bytes);
      if (head === undefined) {
        this.#early = Buffer.from(bytes);
        return;
      }
      const begun = this.#begin(head);
      yield begun;
      if (begun.kind === 'refused') return;
      bytes = bytes.subarray('size' in head ? head.size : 0);
      if (begun.length === 0) yield { kind: 'end' };
    }
  }

  #begin(head: FrameHead | Refusal): Begun | Refusal {
    const begun = 'kind' in head ? head : this.#judge(head);
    if (begun.kind === 'refused' || 'kind' in head || !head.key) {
      this.#isBroken = true;
      return begun;
    }
    if (!isControl(head.opcode)) this.#isOpen = !head.fin;
    [this.#left, this.#key, this.#at] = [head.length, head.key, 0];
    return begun;
  }

  #judge({ fin, rsv, opcode: code, length, key }: FrameHead): Begun | Refusal {
    const opcode = OPCODES[code];
    if (opcode === undefined) return malformed(`a frame has the reserved opcode ${code}`);
    if (!key) return malformed('a frame of the agent is not masked');
    const compressed = rsv === RSV1;
    if (rsv !== 0 && !(compressed && this.#rules.compression && (opcode === 'text' || opcode === 'binary')))
      return malformed('a frame has a reserved bit that means nothing there');
    if (isControl(code)) {
      if (!fin) return malformed('a control frame is fragmented');
      if (length > CONTROL_BYTES) return malformed(`a control frame is longer than ${CONTROL_BYTES} bytes`);
    } else if ((opcode === 'continuation') !== this.#isOpen)
      return malformed(this.#isOpen ? 'a message begins inside another' : 'a frame continues no message');
    return { kind: 'frame', opcode, fin, compressed, length };
  }
}

/** Undefined: more is needed. The length is in its shortest form and a number that is exact (RFC 6455 section 5.2). */
export function readFrameHead(bytes: Buffer): FrameHead | Refusal | undefined {
  const [first, second] = bytes;
  if (first === undefined || second === undefined) return undefined;
  const short = second & 0x7f;
  const extended = short === 127 ? 8 : short === 126 ? 2 : 0;
  const isMasked = (second & 0x80) !== 0;
  const size = 2 + extended + (isMasked ? 4 : 0);
  if (bytes.length < size) return undefined;
  let length = short;
  if (extended === 2) length = bytes.readUInt16BE(2);
  if (extended === 8) length = bytes.readUInt32BE(2) * 2 ** 32 + bytes.readUInt32BE(6);
  if ((extended === 2 && length < 126) || (extended === 8 && length < 2 ** 16))
    return malformed('the length of a frame is not in its shortest form');
  if (length > Number.MAX_SAFE_INTEGER) return malformed('the length of a frame is no possible length');
  return {
    fin: (first & 0x80) !== 0,
    rsv: (first >> 4) & 7,
    opcode: first & 0x0f,
    length,
    key: isMasked ? Buffer.from(bytes.subarray(size - 4, size)) : undefined,
    size,
  };
}

/** Head of a frame that is a whole message. `key`: that its payload is masked with, if it is. */
export function frameHead(opcode: Exclude<Opcode, 'continuation'>, length: number, key?: Buffer): Buffer {
  const extended = length > 0xffff ? 8 : length > 125 ? 2 : 0;
  const head = Buffer.alloc(2 + extended);
  head[0] = 0x80 | OPCODES.indexOf(opcode);
  head[1] = (key ? 0x80 : 0) | (extended === 8 ? 127 : extended === 2 ? 126 : length);
  if (extended === 2) head.writeUInt16BE(length, 2);
  if (extended === 8) head.writeBigUInt64BE(BigInt(length), 2);
  return key ? Buffer.concat([head, key]) : head;
}

/** Masks or unmasks in place (RFC 6455 section 5.3). `at`: where in the payload the bytes begin. */
export function applyMask(bytes: Buffer, key: Buffer, at: number): void {
  for (let index = 0; index < bytes.length; index += 1)
    bytes[index] = (bytes[index] as number) ^ (key[(at + index) & 3] as number);
}

/** Payload of a control frame (RFC 6455 section 5.5). */
export const CONTROL_BYTES = 125;

/** A breach of the protocol. */
export function malformed(reason: string): Refusal {
  return refused(400, reason);
}

function isControl(opcode: number): boolean {
  return (opcode & 8) !== 0;
}

const NOTHING: Buffer = Buffer.alloc(0);
const RSV1 = 4;
/** By their number. */
const OPCODES: readonly (Opcode | undefined)[] = [
  'continuation',
  'text',
  'binary',
  ...Array.from({ length: 5 }, () => undefined),
  'close',
  'ping',
  'pong',
];
