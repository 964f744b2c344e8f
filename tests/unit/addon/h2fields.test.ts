import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isGrpc, readFields, readStreamHead, writeFieldMap, writeFields } from '../../../addon/h2fields.ts';
import type { Field } from '../../../addon/message.ts';

const PSEUDO = [':method', 'GET', ':scheme', 'https', ':authority', 'a.test', ':path', '/x?y'];

test('a head of HTTP/2 is read as HTTP/1.1 would say it', () => {
  const { raw, refusal } = readStreamHead([
    ...PSEUDO,
    'x-a',
    '1',
    'cookie',
    'a',
    'x-b',
    '2',
    'cookie',
    'b',
    'x-a',
    '3',
  ]);
  assert.equal(refusal, undefined);
  assert.deepEqual(raw, {
    method: 'GET',
    url: '/x?y',
    version: '1.1',
    fields: [
      ['host', 'a.test'],
      ['x-a', '1'],
      ['cookie', 'a; b'],
      ['x-b', '2'],
      ['x-a', '3'],
    ],
  });
});

test('an extended CONNECT is read as the request for a switch that HTTP/1.1 would make of it', () => {
  const list = [':method', 'CONNECT', ':protocol', 'websocket', ...PSEUDO.slice(2), 'x-a', '1'];
  const { raw, protocol, refusal } = readStreamHead(list);
  assert.deepEqual([protocol, refusal], ['websocket', undefined]);
  assert.deepEqual(raw, {
    method: 'GET',
    url: '/x?y',
    version: '1.1',
    fields: [
      ['host', 'a.test'],
      ['connection', 'upgrade'],
      ['upgrade', 'websocket'],
      ['x-a', '1'],
    ],
  });
  assert.equal(readStreamHead(PSEUDO).protocol, undefined);
  assert.equal(readStreamHead([...PSEUDO, ':protocol', 'websocket']).refusal?.status, 400);
  assert.equal(readStreamHead([':method', 'CONNECT', ':authority', 'a.test:443']).refusal?.status, 400);
});

test('every host that is named counts, and they must be one', () => {
  const without = PSEUDO.filter((part) => part !== ':authority' && part !== 'a.test');
  assert.deepEqual(readStreamHead([...without, 'host', 'a', 'host', 'b']).raw.fields, [
    ['host', 'a'],
    ['host', 'b'],
  ]);
  assert.equal(readStreamHead([...PSEUDO, 'host', 'a.test']).refusal, undefined);
  assert.equal(readStreamHead([...PSEUDO, 'host', 'a.test', 'host', 'b.test']).refusal?.status, 400);
  assert.equal(readStreamHead([...PSEUDO, 'host', 'A.test']).refusal?.status, 400);
});

test('what HTTP/1.1 cannot say is refused', () => {
  const changed = (name: string, value: string) => PSEUDO.map((part, at) => (PSEUDO[at - 1] === name ? value : part));
  assert.match(readStreamHead(changed(':scheme', 'http')).refusal?.reason ?? '', /scheme/);
  assert.match(readStreamHead(changed(':path', 'x')).refusal?.reason ?? '', /path/);
  assert.match(readStreamHead(changed(':path', 'https://b.test/')).refusal?.reason ?? '', /path/);
  assert.equal(readStreamHead(changed(':path', '*')).refusal, undefined);
  assert.equal(readStreamHead([...PSEUDO, 'x', 'y'.repeat(65_000)]).refusal, undefined);
  assert.equal(readStreamHead([...PSEUDO, 'x', 'y'.repeat(66_000)]).refusal?.status, 431);
});

test('what is written is read as the same fields, lower-case, in order, without those of a connection', () => {
  const name = fc.stringMatching(/^[A-Za-z][A-Za-z0-9-]{0,12}$/);
  const value = fc.stringMatching(/^[!-~\x80-\xff]([\t -~\x80-\xff]{0,20}[!-~\x80-\xff])?$/);
  fc.assert(
    fc.property(fc.array(fc.tuple(name, value)), (fields: Field[]) => {
      const hop = /^(connection|http2-settings|keep-alive|proxy-connection|te|transfer-encoding|upgrade)$/i;
      const expected = fields.filter(([one]) => !hop.test(one)).map(([one, text]): Field => [one.toLowerCase(), text]);
      assert.deepEqual(readFields(writeFields(fields)), expected);
      for (const [one] of expected)
        assert.deepEqual(
          writeFieldMap(fields)[one],
          expected.filter(([other]) => other === one).map(([, text]) => text),
        );
    }),
  );
});

test('no value becomes two fields, and none named like a property of objects is lost', () => {
  for (const value of ['a\0b', 'a\r\nb', 'a\nb', '\x7f', 'a\u0100'])
    assert.throws(() => writeFields([['x', value]]), /not allowed/);
  assert.deepEqual(writeFieldMap([['__proto__', '1']])['__proto__'], ['1']);
  assert.deepEqual(writeFields([['X', ' \ta b\t ']]), ['x', 'a b']);
});

test('gRPC is known by its type, and gRPC-Web is another protocol', () => {
  const is = (type: string) => isGrpc([['Content-Type', type]]);
  for (const type of ['application/grpc', 'application/grpc+proto', 'Application/gRPC; x=y']) assert.ok(is(type), type);
  for (const type of ['application/grpc-web', 'application/grpcx', 'text/plain']) assert.ok(!is(type), type);
  assert.ok(!isGrpc([]));
});
