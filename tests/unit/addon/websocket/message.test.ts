import assert from 'node:assert/strict';
import { test } from 'node:test';
import { constants, deflateRawSync } from 'node:zlib';
import { makeBudget } from '../../../../addon/budget.ts';
import type { Refusal } from '../../../../addon/message.ts';
import { MessageReader, type Whole } from '../../../../addon/websocket/message.ts';
import { deflater, frame, type Written } from './frames.ts';

const [CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG] = [0, 1, 2, 8, 9, 10];
const KiB = 1024;

interface Options {
  bodyBytes?: number;
  budgetBytes?: number;
  deflate?: 'kept' | 'none';
}

function makeReader({ bodyBytes = 64 * KiB, budgetBytes = 256 * KiB, deflate }: Options = {}) {
  const budget = makeBudget(budgetBytes);
  const agreed = deflate && { clientNoContextTakeover: deflate === 'none' };
  const reader = new MessageReader({ budget, bodyBytes, deflate: agreed });
  return { budget, read: (...frames: Written[]) => [...reader.read(Buffer.concat(frames.map(frame)))], reader };
}

function texts(all: readonly (Whole | Refusal)[]): string[] {
  return all.map((one) => (one.kind === 'whole' ? `${one.opcode} ${one.content.toString()}` : `${one.status}`));
}

const compressed = (payload: Buffer, more: Partial<Written> = {}): Written => ({
  opcode: TEXT,
  rsv: 4,
  payload,
  ...more,
});

test('fragments are one message, and a ping between them comes first', () => {
  const { read } = makeReader();
  const all = read(
    { opcode: TEXT, payload: 'one ', fin: false },
    { opcode: PING, payload: 'ping' },
    { opcode: CONTINUATION, payload: 'two ', fin: false },
    { opcode: PONG, payload: '' },
    { opcode: CONTINUATION, payload: 'three' },
    { opcode: BINARY, payload: 'four' },
  );
  assert.deepEqual(texts(all), ['ping ping', 'pong ', 'text one two three', 'binary four']);
});

test('a text may be cut inside a character, but must be UTF-8 as a whole', () => {
  const euro = Buffer.from('€');
  const cut: Written[] = [
    { opcode: TEXT, payload: euro.subarray(0, 1), fin: false },
    { opcode: CONTINUATION, payload: euro.subarray(1) },
  ];
  assert.deepEqual(texts(makeReader().read(...cut)), ['text €']);
  for (const wrong of ['c0af', 'eda080', 'f4908080', 'e282', 'ff']) {
    const { read, budget } = makeReader();
    assert.deepEqual(texts(read({ opcode: TEXT, payload: Buffer.from(wrong, 'hex') })), ['422'], wrong);
    assert.equal(budget.used, 0);
  }
  assert.equal(makeReader().read({ opcode: BINARY, payload: Buffer.from('ff', 'hex') })[0]?.kind, 'whole');
});

test('a close has no code or one that may be sent, and a reason in UTF-8', () => {
  const close = (hex: string) => texts(makeReader().read({ opcode: CLOSE, payload: Buffer.from(hex, 'hex') }))[0];
  const code = (number: number) => close(number.toString(16).padStart(4, '0'));
  assert.equal(close(''), 'close ');
  for (const good of [1000, 1001, 1002, 1003, 1007, 1014, 3000, 4999])
    assert.match(code(good) ?? '', /^close/, `${good}`);
  for (const bad of [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535])
    assert.equal(code(bad), '400', `${bad}`);
  assert.equal(close('03'), '400');
  assert.equal(close('03e8ff'), '422');
});

test('a message that is larger than a body may be is refused before it is there, whole or in fragments', () => {
  const at = (length: number, opcode = BINARY) => frame({ opcode, payload: Buffer.alloc(length), fin: false });
  const { reader, budget } = makeReader({ bodyBytes: 1_000 });
  const head = frame({ opcode: BINARY, payload: Buffer.alloc(1_001) }).subarray(0, 8);
  assert.deepEqual(texts([...reader.read(head)]), ['413']);
  const other = makeReader({ bodyBytes: 1_000 });
  assert.deepEqual([...other.reader.read(at(600))], []);
  assert.deepEqual(texts([...other.reader.read(at(401, CONTINUATION))]), ['413']);
  assert.equal(budget.used + other.budget.used, 0);
});

test('memory is drawn from the budget, and given back when a message is let go', () => {
  const { read, budget } = makeReader({ budgetBytes: 1_000 });
  const [first] = read({ opcode: BINARY, payload: Buffer.alloc(600) });
  assert.equal(budget.used, 600);
  assert.deepEqual(texts(read({ opcode: BINARY, payload: Buffer.alloc(600) })), ['503']);
  assert.ok(first?.kind === 'whole');
  first.release();
  first.release();
  assert.equal(budget.used, 0);
});

test('what has come of a message is let go when the connection ends', () => {
  const { read, reader, budget } = makeReader();
  read({ opcode: BINARY, payload: Buffer.alloc(600), fin: false });
  assert.ok(budget.used > 0);
  reader.release();
  assert.equal(budget.used, 0);
});

for (const context of ['kept', 'none'] as const)
  test(`compressed messages are inflated, fragmented or not, with a context that is ${context}`, async () => {
    const deflate = deflater(context);
    const { read, budget } = makeReader({ deflate: context });
    const text = 'the quick brown fox '.repeat(50);
    for (const [index, size] of [1_000, 5, 1].entries()) {
      const payload = await deflate(Buffer.from(`${index} ${text}`));
      const pieces: Written[] = [];
      for (let at = 0; at < payload.length; at += size) {
        const piece = payload.subarray(at, at + size);
        const fin = at + size >= payload.length;
        pieces.push(at === 0 ? compressed(piece, { fin }) : { opcode: CONTINUATION, payload: piece, fin });
      }
      // One that is not compressed is no part of the context.
      assert.deepEqual(texts(read(...pieces, { opcode: TEXT, payload: 'plain' })), [
        `text ${index} ${text}`,
        'text plain',
      ]);
    }
    assert.ok(budget.used > 0);
  });

test('the context of an inflater reaches back 32 KiB over many messages', async () => {
  const deflate = deflater('kept');
  const { read } = makeReader({ deflate: 'kept', budgetBytes: 4 * KiB * KiB });
  for (let index = 0; index < 60; index += 1) {
    const text = Array.from({ length: 100 }, (_, at) => `${(index * 7 + at) % 311}-${at % 13}`).join(' ');
    const [whole] = read(compressed(await deflate(Buffer.from(text))));
    assert.ok(whole?.kind === 'whole');
    assert.equal(whole.content.toString(), text);
    whole.release();
  }
});

test('where no context is kept, a message that needs one is refused', async () => {
  const deflate = deflater('kept');
  const [one, two] = [
    await deflate(Buffer.from('abcdefgh'.repeat(9))),
    await deflate(Buffer.from('abcdefgh'.repeat(9))),
  ];
  const { read } = makeReader({ deflate: 'none' });
  assert.deepEqual(texts(read(compressed(one), compressed(two))), [`text ${'abcdefgh'.repeat(9)}`, '400']);
});

const TEXTS = Buffer.from('hello, hello, hello, hello');
const flushed = deflateRawSync(TEXTS, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);
const ended = deflateRawSync(TEXTS);
const BROKEN: [string, Buffer][] = [
  ['that is cut off', flushed.subarray(0, -1)],
  ['that is cut off in a block', flushed.subarray(0, 4)],
  ['that is empty', Buffer.alloc(0)],
  ['that is no deflate', Buffer.from('ffffffff', 'hex')],
  ['with a last block', ended],
  ['with a last block and what an inflater may read behind it', Buffer.concat([ended, flushed])],
  ['with the end that is left out', Buffer.concat([flushed, Buffer.from([0, 0, 0xff, 0xff, 1])])],
  // A stored block that is longer than what has come: the next message would be a part of it.
  ['with a stored block that is still open', Buffer.from([0, 20, 0, 235, 255, 1, 2, 3])],
  ['with a stored block that is open by the tail', Buffer.from([0, 9, 0, 246, 255])],
];
for (const [what, payload] of BROKEN)
  test(`a compressed message ${what} is refused`, () => {
    const { read, budget } = makeReader({ deflate: 'kept' });
    assert.deepEqual(texts(read(compressed(payload, { opcode: BINARY }))), ['400']);
    assert.equal(budget.used, 0);
  });

test('a compressed message that becomes more than a body may be is refused, and nothing of it is kept', () => {
  const bomb = deflateRawSync(Buffer.alloc(65 * KiB), { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);
  const { read, budget } = makeReader({ deflate: 'kept' });
  assert.deepEqual(texts(read(compressed(bomb))), ['413']);
  assert.equal(budget.used, 0);
});

test('what a compressed message becomes is drawn from the budget', () => {
  const payload = deflateRawSync(Buffer.alloc(60 * KiB), { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);
  const { read, budget } = makeReader({ deflate: 'kept', budgetBytes: 32 * KiB });
  assert.deepEqual(texts(read(compressed(payload))), ['503']);
  assert.equal(budget.used, 0);
  const roomy = makeReader({ deflate: 'kept', budgetBytes: 128 * KiB });
  assert.deepEqual(texts(roomy.read(compressed(payload))).length, 1);
  assert.equal(roomy.budget.used, 60 * KiB);
});
