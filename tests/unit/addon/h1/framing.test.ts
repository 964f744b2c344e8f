import assert from 'node:assert/strict';
import { test } from 'node:test';
import { persists, requestFraming, responseFraming } from '../../../../addon/h1/framing.ts';
import type { Field } from '../../../../addon/receipt.ts';

const CHUNKED: Field = ['Transfer-Encoding', 'chunked'];
const THREE: Field = ['Content-Length', '3'];

const request = (fields: Field[], version = '1.1') => requestFraming({ version, fields }).kind;
const response = (fields: Field[], { method = 'GET', status = 200, version = '1.1' } = {}) =>
  responseFraming(method, { version, status, text: '', fields }).kind;

test('a request has a body if it says so, and only then', () => {
  assert.equal(request([]), 'none');
  assert.deepEqual(requestFraming({ version: '1.1', fields: [['content-LENGTH', '0012']] }), {
    kind: 'length',
    bytes: 12,
  });
  assert.equal(request([['Content-Length', '0']]), 'none');
  assert.equal(request([CHUNKED]), 'chunked');
  assert.equal(request([['TRANSFER-ENCODING', 'Chunked']]), 'chunked');
});

test('a length or coding with two readings, or with none, is malformed in both directions', () => {
  const cases: Field[][] = [
    [CHUNKED, THREE],
    [THREE, CHUNKED],
    [THREE, THREE],
    [THREE, ['content-length', '4']],
    [CHUNKED, CHUNKED],
    ...['3, 3', '3,4', '+3', '-3', '0x3', '3 3', '', '1e3', '3;', '\xb3', '9'.repeat(16)].map((value): Field[] => [
      ['Content-Length', value],
    ]),
    ...[
      'gzip, chunked',
      'chunked, gzip',
      'chunked, chunked',
      'identity',
      '',
      'xchunked',
      'chunked;a',
      'chunked,',
      '"chunked"',
    ].map((value): Field[] => [['Transfer-Encoding', value]]),
  ];
  for (const fields of cases) {
    assert.equal(request(fields), 'malformed', JSON.stringify(fields));
    assert.equal(response(fields), 'malformed', JSON.stringify(fields));
  }
  assert.equal(request([CHUNKED], '1.0'), 'malformed');
  assert.equal(response([CHUNKED], { version: '1.0' }), 'malformed');
});

test('an answer without length or coding goes on to the end of the connection', () => {
  assert.equal(response([]), 'close');
  assert.equal(response([], { version: '1.0' }), 'close');
  assert.equal(response([THREE]), 'length');
  assert.equal(response([['content-length', '0']]), 'none');
  assert.equal(response([CHUNKED]), 'chunked');
});

test('to HEAD, and with 1xx, 204 and 304, there is no body whatever length the fields announce', () => {
  for (const fields of [[], [THREE], [CHUNKED]] as Field[][]) {
    assert.equal(response(fields, { method: 'HEAD' }), 'none');
    for (const status of [100, 101, 103, 204, 304]) assert.equal(response(fields, { status }), 'none');
  }
  assert.equal(response([CHUNKED, THREE], { method: 'HEAD' }), 'malformed');
  assert.equal(response([['Connection', 'close']], { status: 103 }), 'malformed', 'something has to follow');
  assert.equal(response([], { status: 205 }), 'close');
  assert.equal(response([THREE], { method: 'CONNECT' }), 'none');
  assert.equal(response([THREE], { method: 'CONNECT', status: 403 }), 'length');
});

test('a connection is kept unless a side says otherwise; HTTP/1.0 has to ask for it', () => {
  const kept = (version: string, ...fields: Field[]) => persists({ version, fields });
  assert.ok(kept('1.1'));
  assert.ok(!kept('1.0'));
  assert.ok(kept('1.0', ['Connection', 'Keep-Alive']));
  assert.ok(kept('1.1', ['Connection', 'upgrade'], ['X-Connection', 'close']));
  for (const field of [
    ['connection', 'x-a, Close'],
    ['Proxy-Connection', 'close'],
  ] as Field[]) {
    assert.ok(!kept('1.1', field), field[0]);
    assert.ok(!kept('1.0', ['Connection', 'keep-alive'], field), field[0]);
  }
});
