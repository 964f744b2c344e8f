import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { asKeyed, asOpened, bytesOf } from '../../../../addon/client/extended.ts';
import type { Field, RequestHead, ResponseHead } from '../../../../addon/message.ts';
import { host } from '../rig.ts';

const asked = (...fields: Field[]): RequestHead => ({
  method: 'GET',
  target: { scheme: 'https', host: host('a.test'), port: 443 },
  path: '/',
  upgrade: 'websocket',
  fields: [['sec-websocket-version', '13'], ...fields],
});
const KEY: Field = ['Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ=='];

test('a handshake without a key gets one of 16 bytes, another one each time', () => {
  const [one, two] = [asKeyed(asked()), asKeyed(asked())].map(({ fields }) => fields.at(-1) ?? ['', '']);
  assert.equal(one?.[0], 'sec-websocket-key');
  assert.equal(Buffer.from(one?.[1] ?? '', 'base64').length, 16);
  assert.notEqual(one?.[1], two?.[1]);
  assert.deepEqual(asKeyed(asked(KEY)).fields, asked(KEY).fields);
});

test('a 101 becomes a 200 without what is HTTP/1.1’s alone, and any other answer passes', () => {
  const fields: Field[] = [
    ['Sec-WebSocket-Accept', 's3pPLMBiTxaQ9kYGzzhZRbK+xOo='],
    ['Sec-WebSocket-Protocol', 'v2'],
    ['Content-Length', '0'],
    ['X-A', '1'],
  ];
  const switched: ResponseHead = { status: 101, text: 'Switching Protocols', fields };
  const names = (head: ResponseHead) => head.fields.map(([name]) => name);
  assert.equal(asOpened(switched, asked()).status, 200);
  assert.deepEqual(names(asOpened(switched, asked())), ['Sec-WebSocket-Protocol', 'X-A']);
  assert.deepEqual(names(asOpened(switched, asked(KEY))), ['Sec-WebSocket-Accept', 'Sec-WebSocket-Protocol', 'X-A']);
  const refused: ResponseHead = { ...switched, status: 403 };
  assert.equal(asOpened(refused, asked()), refused);
});

test('the bytes of a stream come in order, none is counted twice, and an error is their end', async () => {
  async function* pieces() {
    yield Buffer.from('a');
    yield Buffer.from('b');
    throw new Error('reset');
  }
  let counted = 0;
  const inflow = { isWhole: false, count: () => void (counted += 1) };
  const came: string[] = [];
  for await (const piece of bytesOf(Readable.from(pieces(), { objectMode: false }), inflow))
    came.push(piece.toString());
  assert.deepEqual([came.join(''), counted], ['ab', came.length]);
});
