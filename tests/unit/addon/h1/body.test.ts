import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type BodyPart, type BodyReader, bodyReader } from '../../../../addon/h1/body.ts';
import { chunk, lastChunk } from '../../../../addon/h1/write.ts';
import { CHUNK_DIGITS, CHUNK_EXTENSION_BYTES, TRAILER_BYTES } from '../../../../addon/limits.ts';
import type { Field } from '../../../../addon/receipt.ts';

const bytes = (text: string) => Buffer.from(text, 'latin1');
const chunked = (sender: 'agent' | 'upstream' = 'agent') => bodyReader({ kind: 'chunked' }, sender);

function read(reader: BodyReader, ...pieces: Buffer[]): { data: string; last: BodyPart | undefined } {
  const parts = pieces.flatMap((piece) => [...reader.push(piece)]);
  const data = Buffer.concat(parts.flatMap((part) => (part.kind === 'data' ? [part.bytes] : []))).toString('latin1');
  const last = parts.at(-1);
  return { data, last: last?.kind === 'data' ? undefined : last };
}

test('a body of a known length ends there, and what follows is given back', () => {
  const { data, last } = read(bodyReader({ kind: 'length', bytes: 5 }, 'agent'), bytes('he'), bytes('lloGET'));
  assert.equal(data, 'hello');
  assert.ok(last?.kind === 'end' && last.rest.toString() === 'GET');
  const empty = read(bodyReader({ kind: 'none' }, 'agent'), bytes(''));
  assert.deepEqual([empty.data, empty.last?.kind], ['', 'end']);
});

test('a body that is cut off is malformed, unless the end of the connection is its end', () => {
  for (const framing of [{ kind: 'length', bytes: 5 }, { kind: 'chunked' }] as const) {
    const reader = bodyReader(framing, 'upstream');
    reader.push(bytes('3\r\nh'));
    assert.equal(reader.close().kind, 'malformed');
  }
  const close = bodyReader({ kind: 'close' }, 'upstream');
  assert.equal(read(close, bytes('a'), bytes(''), bytes('b')).data, 'ab');
  assert.equal(close.close().kind, 'end');
});

test('chunks and trailers are read, wherever the bytes are cut', () => {
  const piece = fc.string({ unit: fc.constantFrom('a', '\r', '\n', '0', '\xff'), maxLength: 20 });
  const trailer = fc.constantFrom<Field>(['X-T', 'v'], ['x-t', ''], ['Digest', '\xe9']);
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 6 }),
      fc.array(trailer, { maxLength: 3 }),
      fc.array(fc.nat(80), { maxLength: 8 }),
      (pieces, trailers, cuts) => {
        const wire = Buffer.concat([...pieces.map((one) => chunk(bytes(one))), lastChunk(trailers), bytes('next')]);
        const at = [0, ...cuts.filter((cut) => cut < wire.length).toSorted((a, b) => a - b), wire.length];
        const cut = at.slice(1).map((end, index) => wire.subarray(at[index], end));
        const reader = chunked();
        let data = '';
        let end: BodyPart | undefined;
        let behind = '';
        for (const one of cut) {
          if (end) behind += one.toString('latin1');
          else {
            const found = read(reader, one);
            data += found.data;
            end = found.last;
            if (end?.kind === 'end') behind += end.rest.toString('latin1');
          }
        }
        assert.equal(data, pieces.join(''));
        assert.ok(end?.kind === 'end');
        assert.deepEqual(end.trailers, trailers);
        assert.equal(behind, 'next');
      },
    ),
  );
});

test('a chunk has a size, CRLF, its bytes and CRLF, and nothing else', () => {
  for (const wire of [
    'z\r\n',
    '\r\n',
    ' 3\r\nabc\r\n',
    '3 \r\nabc\r\n',
    '3\t\r\nabc\r\n',
    '+3\r\nabc\r\n',
    '-3\r\nabc\r\n',
    '0x3\r\nabc\r\n',
    '3\nabc\r\n',
    '3\r\r\nabc\r\n',
    '3\r\nabc\n',
    '3\r\nabcd\r\n',
    '3\r\nabcX\n',
    '3\r\nabc\rX',
    '3,\r\nabc\r\n',
    '\xb3\r\nabc\r\n',
    '"3"\r\nabc\r\n',
    `${'0'.repeat(CHUNK_DIGITS)}3\r\nabc\r\n`,
    '0\r\nX-T\r\n\r\n',
    '0\r\nX-T : v\r\n\r\n',
    '0\r\nX-T: v\n\r\n',
    '0\r\nX-T: a\r\n b\r\n\r\n',
    '0\r\nX-T: \0\r\n\r\n',
    '0\r\n\n',
    '0\r\ncontent-LENGTH: 0\r\n\r\n',
    '0\r\nTransfer-Encoding: chunked\r\n\r\n',
    `0\r\nX-T: ${'y'.repeat(TRAILER_BYTES)}\r\n\r\n`,
  ])
    for (const sender of ['agent', 'upstream'] as const)
      assert.equal(read(chunked(sender), bytes(wire)).last?.kind, 'malformed', JSON.stringify(wire));
  assert.equal(read(chunked(), bytes('00A\r\n0123456789\r\n0000\r\n\r\n')).data, '0123456789');
});

test('extensions of chunks are refused from the agent, and dropped from an answer if they are well-formed', () => {
  for (const extension of [';a', ';a=b', ';a="b \\" ;c"', ';a;b=c']) {
    const wire = bytes(`3${extension}\r\nabc\r\n0${extension}\r\n\r\n`);
    assert.equal(read(chunked('agent'), wire).last?.kind, 'malformed');
    const { data, last } = read(chunked('upstream'), wire);
    assert.deepEqual([data, last?.kind], ['abc', 'end'], extension);
  }
  for (const extension of [
    ';',
    ';=b',
    '; a',
    ';a="b',
    ';a=b c',
    ';a\n',
    ';a\x01',
    `;${'a'.repeat(CHUNK_EXTENSION_BYTES)}`,
  ])
    assert.equal(
      read(chunked('upstream'), bytes(`3${extension}\r\nabc\r\n0\r\n\r\n`)).last?.kind,
      'malformed',
      extension,
    );
});
