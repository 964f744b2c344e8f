import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Budget, makeBudget } from '../../../../addon/budget.ts';
import { messages, ServerSide, webSocketOver } from '../../../../addon/client/websocket.ts';
import { LINGER_MS, SEAM_BYTES } from '../../../../addon/limits.ts';
import type { Client, Field, Received, ResponseHead, Unit } from '../../../../addon/message.ts';
import { FrameReader } from '../../../../addon/websocket/frame.ts';
import { deflater, frame, type Written } from '../websocket/frames.ts';
import { bytesOf } from '../support/unit.ts';

const [CONTINUATION, TEXT, BINARY, CLOSE, PING] = [0, 1, 2, 8, 9];
const MiB = 1024 * 1024;
const none = () => [];

interface Given {
  deflate?: 'kept' | 'none';
  budget?: Budget;
  messageBytes?: number;
  onLeft?: () => void;
}

function units(chunks: readonly Buffer[], given: Given = {}): AsyncGenerator<Received> {
  async function* bytes() {
    yield* chunks;
  }
  const deflate = given.deflate && { clientNoContextTakeover: given.deflate === 'none' };
  return messages(
    bytes(),
    { kind: 'agreed', deflate },
    { ...given, budget: given.budget ?? makeBudget(16 * MiB), messageBytes: given.messageBytes ?? MiB, covered: none },
  );
}

/** Everything that was received, each unit let go once it has been looked at. */
async function received(chunks: readonly Buffer[], given: Given = {}) {
  const all: { sent: Buffer; size: number; scanned: Buffer; type: string | undefined }[] = [];
  const ends: Exclude<Received, Unit>[] = [];
  const parting: ReturnType<typeof readAsPeer>[] = [];
  for await (const one of units(chunks, given)) {
    if (one.kind !== 'unit') {
      ends.push(one);
      continue;
    }
    const sent = bytesOf(one);
    assert.deepEqual(bytesOf(one), sent, 'read twice, it is the same');
    if (one.last) parting.push(readAsPeer(sent));
    else all.push({ sent, size: one.size, scanned: one.message?.bytes ?? Buffer.alloc(0), type: one.message?.type });
    one[Symbol.dispose]();
  }
  return {
    all,
    messages: all.filter(({ size }) => size > 0),
    seams: all.filter(({ size }) => size === 0),
    ends,
    parting,
  };
}

const wire = (...frames: Written[]) => frames.map(frame);
const text = (payload: string): Written => ({ opcode: TEXT, payload });

test('a message is a unit: what is scanned is what is sent, in one masked frame', async () => {
  const { messages: all } = await received(
    wire(
      { opcode: TEXT, payload: 'hel', fin: false },
      { opcode: CONTINUATION, payload: 'lo' },
      { opcode: BINARY, payload: 'x'.repeat(70_000) },
    ),
  );
  const reader = new FrameReader({ compression: false });
  const events = [...reader.read(Buffer.concat(all.map(({ sent }) => sent)))];
  assert.deepEqual(
    events.filter(({ kind }) => kind === 'frame'),
    [
      { kind: 'frame', opcode: 'text', fin: true, compressed: false, length: 5 },
      { kind: 'frame', opcode: 'binary', fin: true, compressed: false, length: 70_000 },
    ],
  );
  assert.deepEqual(
    all.map(({ scanned }) => scanned.toString()),
    ['hello', 'x'.repeat(70_000)],
  );
  assert.ok(all.every(({ sent, size }) => sent.length === size));
});

test('the mask is ours, and another for each frame', async () => {
  const key = Buffer.from('abcd');
  const { messages: all } = await received(wire({ ...text('hello'), key }, { ...text('hello'), key }));
  const keys = all.map(({ sent }) => sent.toString('latin1', 2, 6));
  assert.equal(new Set([...keys, 'abcd']).size, 3);
});

test('a message is of the type that it may be', async () => {
  const { messages: all } = await received(
    wire(
      text('{"a":1}'),
      text(' \n[1]'),
      text(`${' \t\r\n'.repeat(99)}{}`),
      text('"a"'),
      text('a=b'),
      { opcode: BINARY, payload: '\x00' },
      text(''),
      {
        opcode: PING,
        payload: '{}',
      },
    ),
  );
  assert.deepEqual(
    all.map(({ type }) => type),
    [...Array(4).fill('application/json'), 'text/plain', 'application/octet-stream', undefined, 'text/plain'],
  );
});

test('before a message is judged, what it shows together with those before it is', async () => {
  const { all } = await received(
    wire(
      text('AKIA'),
      { opcode: BINARY, payload: 'zero' },
      text('IOSF'),
      { opcode: PING, payload: 'p' },
      text(''),
      text('ODNN'),
    ),
  );
  assert.deepEqual(
    all.map(({ size, scanned }) => `${size === 0 ? 'seam ' : ''}${scanned.toString()}`),
    ['AKIA', 'zero', 'seam AKIAIOSF', 'IOSF', 'p', '', 'seam AKIAIOSFODNN', 'ODNN'],
  );
});

test('whatever is at most as long as the window and ends in a message is in the message or in its seam', async () => {
  const sizes = [1, 100, SEAM_BYTES - 1, SEAM_BYTES, 3 * SEAM_BYTES];
  const one = fc.constantFrom(...sizes).map((size) => size);
  await fc.assert(
    fc.asyncProperty(fc.array(one, { minLength: 1, maxLength: 5 }), fc.nat(), fc.nat(), async (lengths, a, b) => {
      // Every place has a text of its own.
      const whole = Buffer.from(Array.from({ length: 4_000 }, (_, at) => `${at},`.padStart(8)).join(''));
      const total = lengths.reduce((sum, length) => sum + length, 0);
      const from = a % total;
      const secret = whole.subarray(from, Math.min(total, from + 1 + (b % SEAM_BYTES)));
      let at = 0;
      const frames = lengths.map((length) => {
        at += length;
        return { opcode: BINARY, payload: whole.subarray(at - length, at) };
      });
      const { all } = await received(wire(...frames));
      assert.ok(all.some(({ scanned }) => scanned.includes(secret)));
    }),
    { numRuns: 60 },
  );
});

test('after a close nothing is passed on, and the end is waited for', async () => {
  const { messages: all, ends } = await received(
    wire({ opcode: CLOSE, payload: Buffer.from([3, 232, 0x62, 0x79]) }, text('more')).concat(wire(text('and more'))),
  );
  assert.deepEqual(
    all.map(({ scanned }) => scanned.toString('latin1')),
    ['\x03\xe8by'],
  );
  assert.deepEqual(ends, [{ kind: 'gone' }]);
});

test('an agent that leaves without a word is said to go away, and that is the last', async () => {
  let told = 0;
  const { parting, ends } = await received(wire(text('hello')), { onLeft: () => void (told += 1) });
  assert.deepEqual(parting, [{ opcode: CLOSE, payload: Buffer.from([3, 233]) }]);
  assert.deepEqual([ends, told], [[], 1]);
});

test('a breach of the protocol ends it, and what came before has been told', async () => {
  const { messages: all, ends } = await received(wire(text('good'), { opcode: 3, payload: '' }, text('more')));
  assert.equal(all.length, 1);
  assert.deepEqual(
    ends.map((end) => end.kind === 'refused' && end.status),
    [400],
  );
});

test('nothing is read ahead of the message that is judged', async () => {
  let given = 0;
  async function* bytes() {
    for (let at = 0; at < 10; at += 1) {
      given += 1;
      yield frame(text(`${at}`));
    }
  }
  const options = { budget: makeBudget(MiB), messageBytes: MiB, covered: none };
  const all = messages(bytes(), { kind: 'agreed', deflate: undefined }, options);
  await all.next();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(given, 1);
  await all.return(undefined);
});

test('whoever stops reading holds nothing any more', async () => {
  const budget = makeBudget(MiB);
  const all = units(wire(text('one'), text('two'), { opcode: TEXT, payload: 'thr', fin: false }), { budget });
  const first = await all.next();
  const seam = await all.next(); // the message that it belongs to is held already
  assert.ok(first.value.kind === 'unit' && seam.value.kind === 'unit' && seam.value.size === 0);
  first.value[Symbol.dispose]();
  assert.ok(budget.used > 0);
  await all.return(undefined);
  assert.equal(budget.used, 0);
});

test('any messages, in any fragments, chunks and compression, are units in their order that a peer reads as the same', async () => {
  const one = fc.record({
    opcode: fc.constantFrom(TEXT, BINARY),
    payload: fc.oneof(fc.string({ unit: 'binary', maxLength: 300 }), fc.constant('ab'.repeat(40_000))),
    compressed: fc.boolean(),
    cuts: fc.array(fc.nat({ max: 200 }), { maxLength: 3 }),
    ping: fc.boolean(),
  });
  const context = fc.constantFrom('kept', 'none');
  await fc.assert(
    fc.asyncProperty(
      fc.array(one, { maxLength: 6 }),
      context,
      fc.integer({ min: 1, max: 5_000 }),
      async (said, kept, step) => {
        const deflate = deflater(kept);
        const expected: string[] = [];
        const frames: Written[] = [];
        for (const { opcode, payload, compressed, cuts, ping } of said) {
          const content = Buffer.from(payload);
          const coded = compressed ? await deflate(content) : content;
          const at = [0, ...cuts.map((cut) => Math.min(cut, coded.length)).sort((a, b) => a - b), coded.length];
          for (let index = 0; index + 1 < at.length; index += 1) {
            const fin = index + 2 === at.length;
            const first = { opcode, rsv: compressed ? 4 : 0 };
            frames.push({
              ...(index === 0 ? first : { opcode: CONTINUATION }),
              payload: coded.subarray(at[index], at[index + 1]),
              fin,
            });
            if (ping && index === 0) frames.push({ opcode: PING, payload: 'ping' });
          }
          const whole = `${opcode} ${content.toString('latin1')}`;
          // The ping comes first if the message goes on behind it.
          if (ping && at.length > 2) expected.push(`${PING} ping`, whole);
          else expected.push(whole, ...(ping ? [`${PING} ping`] : []));
        }
        const bytes = Buffer.concat(frames.map(frame));
        const chunks = Array.from({ length: Math.ceil(bytes.length / step) }, (_, index) =>
          Buffer.from(bytes.subarray(index * step, (index + 1) * step)),
        );
        const budget = makeBudget(16 * MiB);
        const { messages: all, ends, parting } = await received(chunks, { deflate: kept, budget });
        assert.deepEqual(
          all.map(({ sent, scanned }) => {
            const peer = readAsPeer(sent);
            assert.deepEqual(peer.payload, scanned);
            return `${peer.opcode} ${peer.payload.toString('latin1')}`;
          }),
          expected,
        );
        assert.deepEqual(ends, []);
        assert.equal(parting.length, 1);
        assert.equal(budget.used, 0);
      },
    ),
    { numRuns: 150 },
  );
});

/** A frame as a server would read it, from the RFC and not from the code that is tested. */
function readAsPeer(bytes: Buffer): { opcode: number; payload: Buffer } {
  const [first = 0, second = 0] = bytes;
  assert.equal(first & 0xf0, 0x80);
  assert.equal(second & 0x80, 0x80);
  const short = second & 0x7f;
  const extended = short === 127 ? 8 : short === 126 ? 2 : 0;
  const length = extended === 8 ? Number(bytes.readBigUInt64BE(2)) : extended === 2 ? bytes.readUInt16BE(2) : short;
  const key = bytes.subarray(2 + extended, 6 + extended);
  const payload = bytes.subarray(6 + extended);
  assert.equal(payload.length, length);
  return { opcode: first & 0x0f, payload: Buffer.from(payload.map((byte, at) => byte ^ (key[at % 4] ?? 0))) };
}

test('the end is told between two frames of the server only', () => {
  const side = new ServerSide();
  assert.equal(side.ending(undefined), undefined);
  assert.equal(side.ending({ kind: 'blocked', finding: 'blocked: x' })?.[0], 0x88);
  side.pass(Buffer.from([0x81, 3, 0x61]));
  assert.equal(side.ending({ kind: 'blocked', finding: 'blocked: x' }), undefined);
  side.pass(Buffer.from('bc'));
  assert.equal(side.ending({ kind: 'blocked', finding: 'blocked: x' })?.[0], 0x88);
});

/** The side that only carries bytes, and what reached it. */
function makePlain(chunks: AsyncIterable<Buffer>, fields: readonly Field[] = ASKED) {
  const log: string[] = [];
  const gone = new AbortController();
  const first: Unit = {
    kind: 'unit',
    size: 0,
    last: false,
    trailers: [],
    chunks: () => [],
    [Symbol.dispose]: () => undefined,
  };
  async function* units(): AsyncGenerator<Received> {
    yield first;
  }
  const target = { scheme: 'https', host: { kind: 'name', text: 'a.test' }, port: 443 } as const;
  const plain: Client = {
    head: { method: 'GET', target, path: '/', fields, upgrade: 'websocket' },
    refusal: undefined,
    units: { [Symbol.asyncIterator]: units },
    gone: gone.signal,
    onDrain: undefined,
    inform: () => undefined,
    start: ({ status }) => void log.push(`start ${status}`),
    write: (chunk) => log.push(`write ${chunk.toString('latin1')}`) > 0,
    finish: () => void log.push('finish'),
    destroy: () => void log.push('destroy'),
  };
  const client = webSocketOver(plain, chunks, { budget: makeBudget(MiB), messageBytes: MiB, covered: none });
  return { plain, client, log, gone };
}

const ASKED: readonly Field[] = [
  ['Sec-WebSocket-Version', '13'],
  ['Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ=='],
  ['Sec-WebSocket-Extensions', 'permessage-deflate, other'],
];
const SWITCHED: ResponseHead = { status: 101, text: '', fields: [] };
const BLOCKED = { kind: 'blocked', finding: 'blocked: x' } as const;

async function* nothing(): AsyncGenerator<Buffer> {}

test('a request for a WebSocket that cannot be one is refused, and offers only what is read go on', () => {
  assert.equal(makePlain(nothing(), []).client.refusal?.status, 400);
  const { client } = makePlain(nothing());
  assert.equal(client.refusal, undefined);
  assert.deepEqual(client.head.fields.at(-1), ['Sec-WebSocket-Extensions', 'permessage-deflate']);
});

test('what the agent sends before the switch is read by what was agreed upon, and not before', async () => {
  async function* early() {
    yield frame({ opcode: TEXT, rsv: 4, payload: await deflater('kept')(Buffer.from('hello')) });
  }
  const { client } = makePlain(early());
  const all = client.units[Symbol.asyncIterator]();
  await all.next();
  let isRead = false;
  const next = all.next().then((one) => {
    isRead = true;
    return one;
  });
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(isRead, false);
  client.start({ ...SWITCHED, fields: [['Sec-WebSocket-Extensions', 'permessage-deflate']] });
  const { value } = await next;
  assert.equal(value.kind === 'unit' && value.message?.bytes.toString(), 'hello');
});

test('an answer that does not switch ends the messages before they begin', async () => {
  async function* early() {
    yield frame({ opcode: TEXT, payload: 'hello' });
  }
  const { client, log } = makePlain(early());
  const all = client.units[Symbol.asyncIterator]();
  await all.next();
  client.start({ status: 403, text: '', fields: [] });
  assert.deepEqual((await all.next()).value, { kind: 'gone' });
  client.destroy(BLOCKED);
  assert.deepEqual(log, ['start 403', 'destroy']);
});

test('an answer that agrees to what was not offered is never passed on', () => {
  const { client, log } = makePlain(nothing());
  const wrong = { ...SWITCHED, fields: [['Sec-WebSocket-Extensions', 'other']] as const };
  assert.throws(() => client.start(wrong), /not offered/);
  assert.deepEqual(log, []);
});

test('behind a switch the end is told by a close', () => {
  const { client, log } = makePlain(nothing());
  client.start(SWITCHED);
  client.write(Buffer.from([0x81, 1, 0x61]));
  client.destroy(BLOCKED);
  assert.deepEqual(log, ['start 101', 'write \x81\x01a', 'write \x88\x0c\x03\xf0blocked: x', 'finish']);
});

test('what a server says to one that has left is waited for, but not for ever', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { client, log } = makePlain(nothing());
  client.start(SWITCHED);
  const all = client.units[Symbol.asyncIterator]();
  await all.next();
  const { value } = await all.next();
  assert.equal(value.kind === 'unit' && value.last, true);
  t.mock.timers.tick(LINGER_MS - 1);
  assert.equal(client.gone.aborted, false);
  t.mock.timers.tick(1);
  assert.equal(client.gone.aborted, true);
  assert.deepEqual(log, ['start 101', 'finish']);
});
