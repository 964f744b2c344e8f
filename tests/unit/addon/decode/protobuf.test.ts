import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readingsOf } from '../../../../addon/decode/protobuf.ts';
import { bytesField, numberField } from '../support/protobuf.ts';

const TEXT = 'the text, which is long enough to need a length of two bytes. '.repeat(4);

test('a text is read from its beginning on, however deep in messages it is', () => {
  let message: Buffer = Buffer.from(TEXT);
  for (let depth = 0; depth < 4; depth += 1) {
    assert.equal(readingsOf(message)[depth]?.toString(), TEXT);
    message = bytesField(1, message);
  }
  assert.equal(readingsOf(message).length, 4);
});

test('numbers in front of it are passed over, and what follows it is read too', () => {
  const fixed = Buffer.from([0x19, 1, 2, 3, 4, 5, 6, 7, 8, 0x25, 1, 2, 3, 4]); // fields 3 and 4, of eight bytes and four
  const message = Buffer.concat([numberField(2, 100_000), fixed, bytesField(10, 'text'), numberField(11, 1)]);
  assert.equal(readingsOf(message)[1]?.toString('latin1'), 'text\x58\x01');
});

test('what is no such message has one reading', () => {
  for (const bytes of [
    '',
    '{"a":"b"}',
    '\0',
    '\n',
    '\n\x05four',
    '\x08',
    '\x0b',
    '\x0d123',
    '\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff',
  ])
    assert.deepEqual(readingsOf(Buffer.from(bytes, 'latin1')), [Buffer.from(bytes, 'latin1')], JSON.stringify(bytes));
});

test('whatever the bytes are, the first reading is all of them, and each other one is an end of the one before', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (random) => {
      const bytes = Buffer.from(random);
      const readings = readingsOf(bytes);
      assert.deepEqual(readings[0], bytes);
      for (const [at, reading] of readings.entries()) {
        const before = readings[at - 1];
        if (before)
          assert.ok(reading.length < before.length && before.subarray(before.length - reading.length).equals(reading));
      }
    }),
  );
});
