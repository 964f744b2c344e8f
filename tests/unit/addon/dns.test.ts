import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { answerTo, serveNames } from '../../../addon/dns.ts';

/** A query as a stub resolver writes it. */
function query(name: string, type = 1): Buffer {
  const labels = name.split('.').flatMap((label) => [label.length, ...Buffer.from(label)]);
  return Buffer.from([0xab, 0xcd, 0x01, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...labels, 0, 0, type, 0, 1]);
}

test('every query is answered that there is no such name, with the question copied', () => {
  for (const type of [1, 28, 16, 33, 65, 255]) {
    const asked = query('example.com', type);
    const answer = answerTo(Buffer.concat([asked, Buffer.from('additional records')]));
    assert.ok(answer);
    assert.equal(answer.readUInt16BE(0), 0xabcd);
    assert.equal(answer.readUInt16BE(2), 0x8183); // response, recursion desired and available, NXDOMAIN
    assert.deepEqual(
      [4, 6, 8, 10].map((at) => answer.readUInt16BE(at)),
      [1, 0, 0, 0],
    );
    assert.ok(answer.subarray(12).equals(asked.subarray(12)));
  }
  assert.ok(answerTo(query('x'.repeat(63))));
});

test('a scanner is told that every name is the sink’s, and that it has no other address', () => {
  const asked = query('api.example.com');
  const answer = answerTo(asked, '10.9.8.7');
  assert.ok(answer);
  assert.equal(answer.readUInt16BE(2), 0x8180); // response, recursion desired and available, no error
  assert.deepEqual(
    [4, 6, 8, 10].map((at) => answer.readUInt16BE(at)),
    [1, 1, 0, 0],
  );
  const record = answer.subarray(asked.length);
  assert.deepEqual([...record], [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 10, 9, 8, 7]);
  for (const type of [28, 16, 33, 65, 255]) {
    const empty = answerTo(query('api.example.com', type), '10.9.8.7');
    assert.equal(empty?.readUInt16BE(2), 0x8180);
    assert.equal(empty.readUInt16BE(6), 0);
    assert.equal(empty.length, asked.length);
  }
});

test('what is not one well-formed query is dropped', () => {
  const asked = query('example.com');
  assert.equal(answerTo(Buffer.alloc(0)), undefined);
  assert.equal(answerTo(asked.subarray(0, asked.length - 1)), undefined);
  const response = Buffer.from(asked);
  response[2] = 0x81;
  assert.equal(answerTo(response), undefined);
  const two = Buffer.from(asked);
  two[5] = 2;
  assert.equal(answerTo(two), undefined);
  const pointer = Buffer.from(asked);
  pointer[12] = 0xc0;
  assert.equal(answerTo(pointer), undefined);
});

test('no bytes make it throw, or answer with more than was asked', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
      const answer = answerTo(Buffer.from(bytes));
      assert.ok(answer === undefined || answer.length <= bytes.length);
    }),
  );
});

test('it answers over UDP and over TCP', async () => {
  const port = await freePort();
  const names = await serveNames('127.0.0.1', port);
  const udp = createSocket('udp4');
  udp.send(query('a.test'), port, '127.0.0.1');
  const [answer] = (await once(udp, 'message')) as [Buffer];
  assert.equal((answer[3] ?? 0) & 0xf, 3);
  udp.close();
  const tcp = connect(port, '127.0.0.1');
  const asked = query('b.test');
  tcp.write(Buffer.concat([Buffer.from([0]), Buffer.from([asked.length]), asked.subarray(0, 5)]));
  tcp.write(asked.subarray(5));
  const [framed] = (await once(tcp, 'data')) as [Buffer];
  assert.equal((framed[5] ?? 0) & 0xf, 3);
  tcp.destroy();
  await names.close();
});

async function freePort(): Promise<number> {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', () => resolve()));
  const { port } = socket.address();
  socket.close();
  return port;
}
