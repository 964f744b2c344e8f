/**
 * Our reading of an agent's WebSocket beside that of the package ws, which must be installed. What ws refuses is refused by us; what both read
 * is read alike, message by message; and what we send of it is read by ws as the same messages.
 */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { constants, deflateRawSync } from 'node:zlib';
import { makeBudget } from '../../addon/budget.ts';
import { messages } from '../../addon/client/websocket.ts';
import { fuzz, type Target } from './cli.ts';
import { cutUp, type Random } from './random.ts';
import { bytesOf } from '../unit/addon/support/unit.ts';

export const TARGETS: readonly Target[] = [
  {
    name: 'frames',
    make: (random) => damaged(Buffer.concat(someFrames(random)), random),
    async run(input) {
      const pieces = cutUp(input);
      const theirs = await readByWs(pieces);
      const ours = await readByUs(pieces);
      const [said, saidThere] = [ours.read.filter(isMessage), theirs.filter(isMessage)];
      assert.deepEqual(said, saidThere.slice(0, said.length), 'read differently from ws');
      // It inflates fragment by fragment, so that it may break off where we still pass on a ping or a close between two of them.
      const most = Math.min(ours.read.length, theirs.length);
      assert.deepEqual(ours.read.slice(0, most), theirs.slice(0, most), 'in another order than ws');
      assert.deepEqual(await readByWs(ours.sent), ours.read, 'sent differently from what was read');
    },
  },
];

/** A message as a text: its kind, and its content. */
type Told = string;

/** No close, ping or pong. */
function isMessage(told: Told): boolean {
  return !/^(?:8|9|10) /.test(told);
}

/** `read`: what is scanned as a message of its own; `sent`: what goes on of it. */
async function readByUs(pieces: readonly Buffer[]): Promise<{ read: Told[]; sent: Buffer[] }> {
  async function* bytes() {
    for (const piece of pieces) yield Buffer.from(piece);
  }
  const budget = makeBudget(1 << 24);
  const agreed = { kind: 'agreed', deflate: { clientNoContextTakeover: false } } as const;
  const [read, sent]: [Told[], Buffer[]] = [[], []];
  for await (const unit of messages(bytes(), agreed, { budget, messageBytes: MOST, covered: () => [] })) {
    if (unit.kind !== 'unit') break;
    if (!unit.last && unit.size > 0) {
      const frame = bytesOf(unit);
      read.push(`${(frame[0] ?? 0) & 15} ${unit.message?.bytes.toString('latin1')}`);
      sent.push(frame);
    }
    unit[Symbol.dispose]();
  }
  assert.equal(budget.used, 0, 'not all memory was given back');
  return { read, sent };
}

async function readByWs(pieces: readonly Buffer[]): Promise<Told[]> {
  const deflate = new ws.PerMessageDeflate({ isServer: true, maxPayload: MOST });
  deflate.accept([{}]);
  const told: Told[] = [];
  const receiver = new ws.Receiver({
    isServer: true,
    maxPayload: MOST,
    extensions: { 'permessage-deflate': deflate },
  });
  let isBroken = false;
  receiver.on('error', () => {
    isBroken = true;
  });
  receiver.on('message', (data: Buffer, isBinary: boolean) =>
    told.push(`${isBinary ? 2 : 1} ${data.toString('latin1')}`),
  );
  receiver.on('ping', (data: Buffer) => told.push(`9 ${data.toString('latin1')}`));
  receiver.on('pong', (data: Buffer) => told.push(`10 ${data.toString('latin1')}`));
  receiver.on('conclude', (code: number, reason: Buffer) => {
    const bytes = Buffer.from([code >> 8, code & 255]).toString('latin1');
    told.push(`8 ${code === NO_CODE ? '' : bytes}${reason.toString('latin1')}`);
  });
  for (const piece of pieces) {
    if (isBroken) break;
    await new Promise<void>((resolve) => receiver.write(Buffer.from(piece), () => resolve()));
  }
  deflate.cleanup();
  return told;
}

// --- inputs --------------------------------------------------------------------------------------------------------------

function someFrames(random: Random): Buffer[] {
  const frames: Buffer[] = [];
  for (let count = 1 + random.number(4); count > 0; count -= 1) {
    const content = aContent(random);
    if (random.once(4)) {
      const control = random.pick([8, 9, 10]);
      const payload = control === 8 ? Buffer.concat([Buffer.from([3, 0xe8 + random.number(20)]), content]) : content;
      frames.push(aFrame(random, control, payload.subarray(0, random.once(4) ? 130 : 120)));
      continue;
    }
    const compressed = random.once(2);
    const finish = random.once(10) ? constants.Z_FINISH : constants.Z_SYNC_FLUSH;
    const coded = compressed ? deflateRawSync(content, { finishFlush: finish }) : content;
    const payload = compressed && finish === constants.Z_SYNC_FLUSH ? coded.subarray(0, -4) : coded;
    const cut = random.once(2) ? payload.length : random.number(payload.length + 1);
    const opcode = 1 + random.number(2);
    frames.push(aFrame(random, opcode, payload.subarray(0, cut), compressed ? 4 : 0, cut === payload.length));
    if (cut < payload.length) {
      if (random.once(3)) frames.push(aFrame(random, 9, Buffer.from('between')));
      frames.push(aFrame(random, 0, payload.subarray(cut)));
    }
  }
  return frames;
}

function aContent(random: Random): Buffer {
  const size = random.pick([0, 1, 5, 124, 125, 126, 300, 65_536]);
  const text = Buffer.from(random.pick(['a', 'hello ', '€', 'é\u{1f600}']).repeat(size)).subarray(0, size);
  return random.once(3) ? text : Buffer.from(text.toString('utf8').replaceAll('\ufffd', '?'));
}

function aFrame(random: Random, opcode: number, payload: Buffer, rsv = 0, fin = true): Buffer {
  const key = Buffer.from(Array.from({ length: 4 }, () => random.number(256)));
  const least = payload.length > 0xffff ? 8 : payload.length > 125 ? 2 : 0;
  const extended = random.once(30) ? 8 : least;
  const head = Buffer.alloc(2 + extended);
  head[0] = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
  head[1] = 0x80 | (extended === 8 ? 127 : extended === 2 ? 126 : payload.length);
  if (extended === 2) head.writeUInt16BE(payload.length, 2);
  if (extended === 8) head.writeBigUInt64BE(BigInt(payload.length), 2);
  return Buffer.concat([head, key, payload.map((byte, at) => byte ^ (key[at % 4] ?? 0))]);
}

/** One or two bytes other than meant, in two of three inputs. */
function damaged(bytes: Buffer, random: Random): Buffer {
  let left = bytes;
  for (let count = random.number(3); count > 0; count -= 1) {
    const at = random.once(2) ? random.number(Math.min(20, left.length)) : random.number(left.length);
    const put = random.once(3) ? Buffer.alloc(0) : Buffer.from([random.number(256)]);
    left = Buffer.concat([left.subarray(0, at), put, left.subarray(at + random.number(3))]);
  }
  return left;
}

/** Bytes of a message. */
const MOST = 100_000;
/** What ws tells of a close without a code. */
const NO_CODE = 1_005;

/** What is used of ws, which has no types here. */
interface Ws {
  PerMessageDeflate: new (options: object) => { accept(offers: object[]): void; cleanup(): void };
  Receiver: new (
    options: object,
  ) => NodeJS.WritableStream & {
    on(event: string, listener: (...values: never[]) => void): void;
  };
}
const ws = createRequire(import.meta.url)('ws') as Ws;

if (import.meta.main) await fuzz(TARGETS);
