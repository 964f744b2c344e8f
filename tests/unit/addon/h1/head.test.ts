import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type HeadReader, type Parsed, requestReader, responseReader } from '../../../../addon/h1/head.ts';
import { HEAD_BYTES } from '../../../../addon/limits.ts';

const bytes = (text: string) => Buffer.from(text, 'latin1');

function reasonFor(text: string, reader: HeadReader<unknown> = requestReader()): string | undefined {
  const read = reader.push(bytes(text));
  return read.kind === 'malformed' ? `${read.status} ${read.reason}` : undefined;
}

test('a request head is read with its case, order, duplicates and Latin-1 bytes', () => {
  const read = requestReader().push(
    bytes('GET /a?b=c HTTP/1.1\r\nHost: a.test\r\nx-A:1\r\nX-a: \t two  words \t\r\nEmpty:\r\nL: \xff\r\n\r\nrest'),
  );
  assert.ok(read.kind === 'head');
  assert.deepEqual(read.head, {
    method: 'GET',
    url: '/a?b=c',
    version: '1.1',
    fields: [
      ['Host', 'a.test'],
      ['x-A', '1'],
      ['X-a', 'two  words'],
      ['Empty', ''],
      ['L', '\xff'],
    ],
  });
  assert.equal(read.rest.toString(), 'rest');
});

test('a response head is read with its reason phrase, which may be missing', () => {
  const read = (line: string) => responseReader().push(bytes(`${line}\r\n\r\n`));
  for (const [line, status, text] of [
    ['HTTP/1.1 200 OK', 200, 'OK'],
    ['HTTP/1.0 299 Tr\xe8s  bien', 299, 'Tr\xe8s  bien'],
    ['HTTP/1.1 404 ', 404, ''],
    ['HTTP/1.1 404', 404, ''],
    ['HTTP/1.1 103 Early Hints', 103, 'Early Hints'],
  ] as const) {
    const { head } = read(line) as Extract<ReturnType<typeof read>, { kind: 'head' }>;
    assert.deepEqual([head.status, head.text], [status, text]);
  }
  for (const line of [
    'HTTP/1.1 20 OK',
    'HTTP/1.1 2000 OK',
    'HTTP/1.1  200 OK',
    'HTTP/1.1\t200 OK',
    'HTTP/1.1 099 OK',
    'HTTP/2.0 200 OK',
    'HTTP/1.2 200 OK',
    'http/1.1 200 OK',
    ' HTTP/1.1 200 OK',
    'ICY 200 OK',
    'HTTP/1.1 200OK',
    'HTTP/1.1 +20 OK',
    '',
  ])
    assert.equal(read(line).kind, 'malformed', line);
});

test('a request line has one form', () => {
  for (const line of [
    'GET / http/1.1',
    'GET / HTTP/1.1 ',
    ' GET / HTTP/1.1',
    'GET  / HTTP/1.1',
    'GET /  HTTP/1.1',
    'GET\t/ HTTP/1.1',
    'GET /\tHTTP/1.1',
    'GET /a b HTTP/1.1',
    'GET / HTTP/1.1\t',
    'GET /',
    'GET /\r\n/ HTTP/1.1',
    'GET',
    'GET / HTTP/0.9',
    'GET / HTTP/1.2',
    'GET / HTTP/2.0',
    'PRI * HTTP/2.0',
    'GET / HTTP/11',
    'GET / HTTP/1.10',
    'GET / HTTP/01.1',
    'GET / HTTP/1,1',
    'G@T / HTTP/1.1',
    'G\xc9T / HTTP/1.1',
    'GET /\x7f HTTP/1.1',
    'GET /\xe9 HTTP/1.1',
    'GET /\x00 HTTP/1.1',
    '\x16\x03\x01\x02',
    '"GET" / HTTP/1.1',
  ])
    assert.match(reasonFor(`${line}\r\nHost: a\r\n\r\n`) ?? '', /^400 /, JSON.stringify(line));
});

test('what is wrong with a request line is told as what it is', () => {
  assert.match(reasonFor('GET /\xe9 HTTP/1.1\r\nHost: a\r\n\r\n') ?? '', /the target has a character/);
  assert.match(reasonFor('G@T / HTTP/1.0\r\nHost: a\r\n\r\n') ?? '', /the method or/);
  assert.match(reasonFor('GET /\xe9 HTTP/2.0\r\nHost: a\r\n\r\n') ?? '', /version/);
});

test('a line ends with CRLF and nothing else, and no line is folded', () => {
  for (const [text, reason] of [
    ['GET / HTTP/1.1\nHost: a\r\n\r\n', /LF alone/],
    ['GET / HTTP/1.1\r\nHost: a\n\r\n', /LF alone/],
    ['GET / HTTP/1.1\r\nHost: a\r\n\n', /LF alone/],
    ['GET / HTTP/1.1\r\nHost: a\r\r\n\r\n', /CR alone/],
    ['GET / HTTP/1.1\rHost: a\r\n\r\n', /CR alone/],
    ['GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n', /CR alone/],
    ['GET / HTTP/1.1\r\nHost: a\r\n\rx', /CR alone/],
    ['GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n', /folded/],
    ['GET / HTTP/1.1\r\nHost: a\r\n\tb\r\n\r\n', /folded/],
    ['GET / HTTP/1.1\r\n Host: a\r\n\r\n', /folded/],
  ] as const)
    assert.match(reasonFor(text) ?? '', reason, JSON.stringify(text));
});

test('a field has a name of token characters, a colon right behind it, and no control character in its value', () => {
  for (const field of [
    'X : y',
    'X\t: y',
    ': y',
    'X',
    'X y: z',
    'X(: y',
    'X\xe9: y',
    'X\0: y',
    'X: a\0b',
    'X: a\x01b',
    'X: a\x0bb',
    'X: a\x7fb',
    'X: \x1b',
    'Transfer-Encoding: chunked\t',
    'content-length: 3 \t ',
  ])
    assert.match(reasonFor(`GET / HTTP/1.1\r\n${field}\r\n\r\n`) ?? '', /^400 /, JSON.stringify(field));
});

test('one empty line may come before a request, and none before an answer', () => {
  assert.equal(requestReader().push(bytes('\r\nGET / HTTP/1.1\r\n\r\n')).kind, 'head');
  for (const text of ['\r\n\r\nGET / HTTP/1.1\r\n\r\n', '\nGET / HTTP/1.1\r\n\r\n', '\r\n\nGET', '\rGET / HTTP/1.1'])
    assert.match(reasonFor(text) ?? '', /^400 /, JSON.stringify(text));
  assert.equal(reasonFor('\r\nHTTP/1.1 200 OK\r\n\r\n', responseReader()) !== undefined, true);
});

test('a head is refused at the first byte that makes it one', () => {
  for (const text of ['\x16', 'GET / HTTP/1.1\r\nX:\0', 'GET /\n', 'PRI * HTTP/2.0\r\n', 'GET /\r\n'])
    assert.notEqual(reasonFor(text), undefined, JSON.stringify(text));
});

test('a head may have 64 KiB, its empty line included, and not a byte more', () => {
  const head = (size: number) => {
    const start = 'GET / HTTP/1.1\r\nX: ';
    return bytes(`${start}${'y'.repeat(size - start.length - 4)}\r\n\r\n`);
  };
  assert.equal(requestReader().push(head(HEAD_BYTES)).kind, 'head');
  const over = requestReader().push(head(HEAD_BYTES + 1));
  assert.ok(over.kind === 'malformed' && over.status === 431);
  const endless = requestReader();
  let read: Parsed<unknown> = { kind: 'more' };
  for (let count = 0; read.kind === 'more' && count <= HEAD_BYTES; count += 1) read = endless.push(bytes('a'));
  assert.ok(read.kind === 'malformed' && read.status === 431);
});

test('wherever the bytes are cut, and although the pieces are reused, the reading is the same', () => {
  const piece = fc.constantFrom(
    'GET / HTTP/1.1',
    'X: y',
    'Host:a',
    '\r\n',
    '\r',
    '\n',
    ' ',
    ':',
    '\0',
    '\xe9',
    'GET',
    '/',
  );
  const good = fc.constantFrom('\r\nGET /p HTTP/1.1\r\nHost: a\r\nX:\t\xe9\r\n\r\nbody', 'HEAD * HTTP/1.0\r\n\r\n\r\n');
  const text = fc.oneof(
    good,
    fc.array(piece, { maxLength: 12 }).map((parts) => `GET / HTTP/1.1\r\n${parts.join('')}\r\n\r\n`),
    fc.array(piece, { maxLength: 12 }).map((parts) => parts.join('')),
  );
  fc.assert(
    fc.property(text, fc.array(fc.nat(40), { maxLength: 6 }), (all, cuts) => {
      const whole = requestReader().push(bytes(all));
      const reader = requestReader();
      const at = [...new Set([0, ...cuts.filter((cut) => cut < all.length).toSorted((a, b) => a - b), all.length])];
      let pieces: Parsed<unknown> = { kind: 'more' };
      let behind = Buffer.alloc(0);
      for (let index = 1; index < at.length; index += 1) {
        const one = bytes(all.slice(at[index - 1], at[index]));
        if (pieces.kind === 'more') {
          pieces = reader.push(one);
          if (pieces.kind === 'head') behind = Buffer.concat([behind, pieces.rest]);
          if (pieces.kind === 'more') one.fill('#');
        } else behind = Buffer.concat([behind, one]);
      }
      if (whole.kind === 'head' && pieces.kind === 'head') {
        assert.deepEqual(pieces.head, whole.head);
        assert.deepEqual(behind, whole.rest);
      } else assert.deepEqual(pieces, whole);
    }),
    { numRuns: 2000 },
  );
});

test('one reader reads head after head', () => {
  const reader = requestReader();
  const two = reader.push(bytes('GET /1 HTTP/1.1\r\nA: b\r\n\r\nGET /2 HTTP/1.1\r\n\r\n'));
  assert.ok(two.kind === 'head' && reader.isUntouched);
  const second = reader.push(two.rest);
  assert.ok(second.kind === 'head');
  assert.deepEqual(second.head, { method: 'GET', url: '/2', version: '1.1', fields: [] });
  assert.equal(reader.push(bytes('\r\n')).kind, 'more');
  assert.ok(reader.isUntouched, 'an empty line is nothing');
  reader.push(bytes('G'));
  assert.ok(!reader.isUntouched);
});
