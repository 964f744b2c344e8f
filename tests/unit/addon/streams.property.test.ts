/** Whatever becomes of a stream of messages, every byte that it held is given back, those that were decompressed among them. */
import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { type Budget, makeBudget } from '../../../addon/budget.ts';
import { codingOf, messages } from '../../../addon/client/grpc.ts';
import { webSocketOver } from '../../../addon/client/websocket.ts';
import { exchange, type Steps } from '../../../addon/exchange.ts';
import type { Client, Field, Leg, Received, Relayed, RequestHead } from '../../../addon/message.ts';
import { holdSecrets } from '../../../addon/secrets.ts';
import type { ScanResult } from '../../../addon/verdict.ts';
import { deflater, frame } from './websocket/frames.ts';

const KiB = 1024;
/** So little that some messages find no room, compressed or not. */
const BUDGET = 40 * KiB;
const MESSAGE_BYTES = 30 * KiB;
/** Bytes of the largest message of a run that can be sent at all. */
const LARGEST_SENT = 25 * KiB;

/** What happens in one run. */
interface World {
  readonly sizes: readonly number[];
  readonly compressed: boolean;
  /** Bytes that come at once. */
  readonly chunk: number;
  /** The agent's bytes end after so many; all of them, if there are fewer. */
  readonly cut: number;
  /** Whether its connection then ends, too. */
  readonly leaves: boolean;
  /** What the scan says of the units, in turn; it allows those behind. */
  readonly scans: readonly (ScanResult['kind'] | 'reject')[];
  /** The unit that cannot be sent. */
  readonly unsent: number;
  /** After so many messages the upstream's answer ends; never, unless somebody ends it. */
  readonly answered: number;
  readonly answer: 'relayed' | 'failed';
}

const world: fc.Arbitrary<World> = fc.record({
  sizes: fc.array(fc.constantFrom(0, 1, 900, 9_000, LARGEST_SENT, 31 * KiB, 45 * KiB), { minLength: 1, maxLength: 5 }),
  compressed: fc.boolean(),
  chunk: fc.constantFrom(100, 1_000, 64 * KiB),
  cut: fc.constantFrom(3, 50, 1_500, 10_000, Number.POSITIVE_INFINITY),
  leaves: fc.boolean(),
  scans: fc.array(fc.constantFrom('allow', 'allow', 'allow', 'allow', 'block', 'refused', 'error', 'reject'), {
    maxLength: 9,
  }),
  unsent: fc.nat(12),
  answered: fc.nat(9),
  answer: fc.constantFrom('relayed', 'failed'),
});

function headOf(fields: readonly Field[]): RequestHead {
  const target = { scheme: 'https', host: { kind: 'name', text: 'a.test' }, port: 443 } as const;
  return { method: 'POST', target, path: '/', fields };
}

function clientOf(head: RequestHead, units: () => AsyncIterator<Received>, gone: AbortSignal, end: () => void): Client {
  return {
    head,
    refusal: undefined,
    units: { [Symbol.asyncIterator]: units },
    gone,
    onDrain: undefined,
    inform: () => undefined,
    start: () => undefined,
    write: () => true,
    finish: end,
    destroy: end,
  };
}

function cutTo(bytes: Buffer, { cut, chunk }: World): Buffer[] {
  const all = bytes.subarray(0, Math.min(cut, bytes.length));
  const count = Math.ceil(all.length / chunk);
  return Array.from({ length: count }, (_, at) => Buffer.from(all.subarray(at * chunk, (at + 1) * chunk)));
}

async function overWebSocket(w: World, budget: Budget): Promise<Client> {
  const deflate = deflater('kept');
  const frames: Buffer[] = [];
  for (const size of w.sizes) {
    const text = Buffer.alloc(size, 'text ');
    frames.push(
      frame(w.compressed ? { opcode: 1, rsv: 4, payload: await deflate(text) } : { opcode: 1, payload: text }),
    );
  }
  const gone = new AbortController();
  const over = Promise.withResolvers<void>();
  async function* bytes(): AsyncGenerator<Buffer> {
    for (const one of cutTo(Buffer.concat(frames), w)) if (!gone.signal.aborted) yield one;
    if (w.leaves) gone.abort();
    else await over.promise; // an open connection says nothing
  }
  async function* first(): AsyncGenerator<Received> {
    const nothing = { kind: 'unit', size: 0, last: false, trailers: [], chunks: () => [] } as const;
    yield { ...nothing, [Symbol.dispose]: () => undefined };
  }
  const fields: Field[] = [
    ['Sec-WebSocket-Version', '13'],
    ['Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ=='],
    ['Sec-WebSocket-Extensions', 'permessage-deflate'],
  ];
  const plain = clientOf({ ...headOf(fields), upgrade: 'websocket' }, first, gone.signal, () => {
    over.resolve();
    gone.abort();
  });
  return webSocketOver(plain, bytes(), { budget, messageBytes: MESSAGE_BYTES, covered: () => [] });
}

async function overGrpc(w: World, budget: Budget): Promise<Client> {
  const fields: Field[] = [
    ['content-type', 'application/grpc'],
    ['grpc-encoding', 'gzip'],
  ];
  const coding = codingOf(fields);
  assert.ok(coding);
  const stream = new PassThrough();
  stream.on('error', () => undefined);
  const all = w.sizes.map((size) => {
    const text = Buffer.alloc(size, 'text ');
    const bytes = w.compressed ? gzipSync(text) : text;
    const prefix = Buffer.alloc(5);
    prefix.writeUInt8(w.compressed ? 1 : 0);
    prefix.writeUInt32BE(bytes.length, 1);
    return Buffer.concat([prefix, bytes]);
  });
  for (const one of cutTo(Buffer.concat(all), w)) stream.write(one);
  const gone = new AbortController();
  if (w.leaves) stream.end();
  const inflow = { isWhole: w.leaves && w.cut === Number.POSITIVE_INFINITY, count: () => undefined };
  const options = { coding, budget, messageBytes: MESSAGE_BYTES, inflow, covered: () => [] };
  return clientOf(
    headOf(fields),
    () => messages(stream, options),
    gone.signal,
    () => {
      gone.abort();
      stream.destroy();
    },
  );
}

async function run(w: World, client: Client): Promise<string> {
  let [scanned, sent] = [0, 0];
  const answer = Promise.withResolvers<Relayed['kind']>();
  const leg: Leg = {
    async send(_, unit) {
      if (sent === w.unsent) throw new Error('the connection is lost');
      for await (const chunk of unit.chunks()) assert.ok(chunk.length > 0);
      sent += 1;
      if (sent > w.answered) answer.resolve(w.answer);
    },
    async relay(to) {
      to.start({ status: to.head.upgrade ? 101 : 200, text: '', fields: deflateOf(to) });
      const kind = await answer.promise;
      if (kind === 'failed') return { kind, cause: 'x', started: true, received: 0 };
      to.finish([]);
      return { kind: 'relayed', status: 200, received: 0 };
    },
    sent: 0,
    [Symbol.dispose]: () => answer.resolve('failed'),
  };
  const results: Record<ScanResult['kind'], ScanResult> = {
    allow: { kind: 'allow' },
    block: { kind: 'block', finding: 'blocked: x' },
    refused: { kind: 'refused', status: 413, reason: 'x' },
    error: { kind: 'error', cause: 'x' },
  };
  const steps: Steps = {
    unavailable: () => undefined,
    decide: () => ({ kind: 'allow', rule: 'r' }),
    async scan() {
      await new Promise((resolve) => setImmediate(resolve)); // so that the answer may end meanwhile
      const kind = w.scans[scanned++] ?? 'allow';
      if (kind === 'reject') throw new Error('canary');
      return results[kind];
    },
    secrets: holdSecrets([]),
    journal: {
      admit: () => undefined,
      close: () => undefined,
      flush: () => undefined,
      [Symbol.dispose]: () => undefined,
    },
    upstream: { open: async () => leg },
  };
  // Where the agent has fallen silent the answer ends in the end.
  return (await Promise.race([exchange(client, 'id', steps), idle(() => answer.resolve(w.answer))])).kind;
}

function deflateOf({ head }: Client): readonly Field[] {
  return head.upgrade ? [['Sec-WebSocket-Extensions', 'permessage-deflate']] : [];
}

/** Never resolves; ends the answer once nothing more can happen by itself. */
async function idle(end: () => void): Promise<never> {
  for (let turn = 0; turn < 200; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  end();
  return new Promise<never>(() => undefined);
}

const SIDES = { 'a WebSocket': overWebSocket, 'a gRPC call': overGrpc };
for (const [what, open] of Object.entries(SIDES))
  test(`the budget is whole again when ${what} is over, whatever became of it`, async () => {
    const seen = new Map<string, number>();
    let most = 0;
    await fc.assert(
      fc.asyncProperty(world, async (w) => {
        const real = makeBudget(BUDGET);
        const budget: Budget = {
          take(bytes) {
            const isTaken = real.take(bytes);
            most = Math.max(most, real.used);
            return isTaken;
          },
          give: (bytes) => real.give(bytes),
          get used() {
            return real.used;
          },
          get left() {
            return real.left;
          },
        };
        const kind = await run(w, await open(w, budget));
        seen.set(kind, (seen.get(kind) ?? 0) + 1);
        for (let turn = 0; turn < 100 && real.used !== 0; turn += 1)
          await new Promise((resolve) => setImmediate(resolve)); // what the agent was still sending
        assert.equal(real.used, 0, kind);
      }),
      { numRuns: 400 },
    );
    assert.deepEqual([...seen.keys()].toSorted(), ['blocked', 'failed', 'forwarded', 'refused'], 'every end was seen');
    assert.ok(most > LARGEST_SENT && most <= BUDGET, 'what a message was decompressed to is counted beside it');
  });
