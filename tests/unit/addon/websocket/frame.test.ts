import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  applyMask,
  type FrameEvent,
  frameHead,
  FrameReader,
  readFrameHead,
} from '../../../../addon/websocket/frame.ts';
import { frame, type Written } from './frames.ts';

const [CONTINUATION, TEXT, BINARY, CLOSE, PING] = [0, 1, 2, 8, 9];

function read(bytes: Buffer, compression = false): FrameEvent[] {
  return [...new FrameReader({ compression }).read(Buffer.from(bytes))];
}

/** Why the last frame was refused; fails if it was not. */
function refusal(bytes: Buffer, compression = false): string {
  const last = read(bytes, compression).at(-1);
  assert.equal(last?.kind, 'refused');
  assert.equal(last?.kind === 'refused' && last.status, 400);
  return last?.kind === 'refused' ? last.reason : '';
}

/** What was read, pieces put together. */
function told(events: readonly FrameEvent[]): unknown[] {
  const out: unknown[] = [];
  let payload: Buffer[] = [];
  for (const event of events) {
    if (event.kind === 'piece') payload.push(event.bytes);
    else if (event.kind === 'end') {
      out.push(Buffer.concat(payload).toString('latin1'));
      payload = [];
    } else out.push(event);
  }
  return out;
}

test('a masked frame is read without its mask', () => {
  assert.deepEqual(told(read(frame({ opcode: TEXT, payload: 'hello' }))), [
    { kind: 'frame', opcode: 'text', fin: true, compressed: false, length: 5 },
    'hello',
  ]);
});

test('the example of RFC 6455 section 5.7 is read and written as it stands there', () => {
  const wire = Buffer.from('818537fa213d7f9f4d5158', 'hex');
  assert.equal(told(read(wire)).at(-1), 'Hello');
  const payload = Buffer.from('Hello');
  const key = Buffer.from('37fa213d', 'hex');
  applyMask(payload, key, 0);
  assert.deepEqual(Buffer.concat([frameHead('text', 5, key), payload]), wire);
});

test('a control frame may stand between the fragments of a message', () => {
  const bytes = Buffer.concat([
    frame({ opcode: TEXT, payload: 'a', fin: false }),
    frame({ opcode: PING, payload: 'p' }),
    frame({ opcode: CONTINUATION, payload: 'b', fin: false }),
    frame({ opcode: CONTINUATION, payload: '' }),
    frame({ opcode: BINARY, payload: 'c' }),
  ]);
  assert.deepEqual(
    told(read(bytes)).filter((one) => typeof one === 'string'),
    ['a', 'p', 'b', '', 'c'],
  );
});

const REFUSED: [string, Partial<Written> & { opcode: number }, RegExp][] = [
  ['a frame without a mask', { opcode: TEXT, key: undefined }, /not masked/],
  ['RSV1 where no compression was agreed upon', { opcode: TEXT, rsv: 4 }, /reserved bit/],
  ['RSV2', { opcode: TEXT, rsv: 2 }, /reserved bit/],
  ['RSV3', { opcode: BINARY, rsv: 1 }, /reserved bit/],
  ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((opcode): [string, { opcode: number }, RegExp] => [
    `the reserved opcode ${opcode}`,
    { opcode },
    /reserved opcode/,
  ]),
  ['a fragmented ping', { opcode: PING, fin: false }, /control frame is fragmented/],
  ['a control frame of 126 bytes', { opcode: PING, payload: 'x'.repeat(126) }, /longer than 125/],
  ['a continuation of nothing', { opcode: CONTINUATION }, /continues no message/],
  ['a 16-bit length below 126', { opcode: TEXT, lengthBytes: 2, payload: 'x'.repeat(125) }, /shortest form/],
  ['a 64-bit length below 65536', { opcode: TEXT, lengthBytes: 8, payload: 'x'.repeat(65_535) }, /shortest form/],
];
for (const [what, written, why] of REFUSED)
  test(`${what} is refused`, () => {
    assert.match(refusal(frame({ payload: 'x', ...written })), why);
  });

test('a length that no number holds exactly is refused', () => {
  assert.match(refusal(Buffer.from('81ff8000000000000000' + '00000000', 'hex')), /no possible length/);
  assert.match(refusal(Buffer.from('81ff0020000000000000' + '00000000', 'hex')), /no possible length/);
  assert.equal(read(Buffer.from('81ff001fffffffffffff' + '00000000', 'hex')).at(-1)?.kind, 'frame');
});

test('a message inside another is refused', () => {
  const bytes = Buffer.concat([
    frame({ opcode: TEXT, payload: 'a', fin: false }),
    frame({ opcode: TEXT, payload: 'b' }),
  ]);
  assert.match(refusal(bytes), /begins inside another/);
});

test('RSV1 is read on the first frame of a message only, once compression is agreed upon', () => {
  const first = frame({ opcode: TEXT, rsv: 4, payload: 'a', fin: false });
  assert.deepEqual(told(read(first, true)).at(0), {
    kind: 'frame',
    opcode: 'text',
    fin: false,
    compressed: true,
    length: 1,
  });
  assert.match(
    refusal(Buffer.concat([first, frame({ opcode: CONTINUATION, rsv: 4, payload: 'b' })]), true),
    /reserved/,
  );
  assert.match(refusal(frame({ opcode: CLOSE, rsv: 4, payload: '' }), true), /reserved/);
  assert.match(refusal(frame({ opcode: TEXT, rsv: 6, payload: '' }), true), /reserved/);
});

test('nothing is read behind a frame that was refused', () => {
  const reader = new FrameReader({ compression: false });
  assert.equal([...reader.read(frame({ opcode: 3, payload: 'x' }))].at(-1)?.kind, 'refused');
  assert.deepEqual([...reader.read(frame({ opcode: TEXT, payload: 'x' }))], []);
});

test('whatever the chunks, the same frames are read', () => {
  const one = fc.record({ opcode: fc.constantFrom(TEXT, BINARY, PING), payload: fc.string({ maxLength: 125 }) });
  fc.assert(
    fc.property(fc.array(one, { maxLength: 6 }), fc.array(fc.integer({ min: 1, max: 40 })), (frames, cuts) => {
      const wire = Buffer.concat(frames.map((each) => frame(each)));
      const reader = new FrameReader({ compression: false });
      const events: FrameEvent[] = [];
      let at = 0;
      for (const size of [...cuts, wire.length]) {
        events.push(...reader.read(Buffer.from(wire.subarray(at, at + size))));
        at += size;
      }
      assert.deepEqual(told(events), told(read(wire)));
      assert.equal(events.filter(({ kind }) => kind === 'end').length, frames.length);
    }),
  );
});

test('a head that is written is read as the same, at every border of its length', () => {
  const key = Buffer.from([1, 2, 3, 4]);
  for (const length of [0, 1, 125, 126, 127, 65_535, 65_536, 2 ** 32, 2 ** 40])
    for (const given of [key, undefined]) {
      const head = frameHead('binary', length, given);
      assert.deepEqual(readFrameHead(head), { fin: true, rsv: 0, opcode: 2, length, key: given, size: head.length });
      assert.equal(readFrameHead(head.subarray(0, -1)), undefined);
    }
});
