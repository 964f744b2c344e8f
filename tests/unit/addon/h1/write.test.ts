import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { requestReader, responseReader } from '../../../../addon/h1/head.ts';
import { chunk, lastChunk, writeRequestHead, writeResponseHead } from '../../../../addon/h1/write.ts';
import type { Field } from '../../../../addon/receipt.ts';

const token = fc.string({ unit: fc.constantFrom(...Array.from("aZ09!#$%&'*+-.^_`|~")), minLength: 1, maxLength: 12 });
const latin1 = fc.string({
  unit: fc
    .integer({ min: 0x21, max: 0xff })
    .filter((code) => code !== 0x7f)
    .map((code) => String.fromCharCode(code)),
  maxLength: 20,
});
const fields = fc.array(fc.tuple(token, latin1), { maxLength: 6 });

test('what is written is read as the same', () => {
  fc.assert(
    fc.property(token, token, fields, (method, path, given) => {
      const url = `/${path}`;
      const read = requestReader().push(writeRequestHead({ method, url, fields: given }));
      assert.ok(read.kind === 'head' && read.rest.length === 0);
      assert.deepEqual(read.head, { method, url, version: '1.1', fields: given });
    }),
  );
  fc.assert(
    fc.property(fc.integer({ min: 100, max: 999 }), latin1, fields, (status, text, given) => {
      const read = responseReader().push(writeResponseHead({ status, text, fields: given }));
      assert.ok(read.kind === 'head' && read.rest.length === 0);
      assert.deepEqual(read.head, { version: '1.1', status, text, fields: given });
    }),
  );
});

test('nothing that would begin another line, or end a name, is written', () => {
  for (const bad of ['a\rb', 'a\nb', 'a\r\nX: y', 'a\0', 'a\x7f', 'a\u0100', '\ud83d\ude00']) {
    const field: Field[] = [['X', bad]];
    assert.throws(() => writeRequestHead({ method: 'GET', url: '/', fields: field }), TypeError);
    assert.throws(() => writeResponseHead({ status: 200, text: '', fields: field }), TypeError);
    assert.throws(() => lastChunk(field), TypeError);
    assert.throws(() => writeRequestHead({ method: 'GET', url: `/${bad}`, fields: [] }), TypeError);
    assert.throws(() => writeResponseHead({ status: 200, text: bad, fields: [] }), TypeError);
  }
  for (const name of ['', 'a b', 'a:', 'a\r\n', 'h\xe9']) {
    assert.throws(() => lastChunk([[name, 'v']]), TypeError);
    assert.throws(() => writeRequestHead({ method: name, url: '/', fields: [] }), TypeError);
  }
  for (const url of ['', '/a b', '/\t', '/\xe9'])
    assert.throws(() => writeRequestHead({ method: 'GET', url, fields: [] }), TypeError);
  for (const status of [99, 1000, Number.NaN])
    assert.throws(() => writeResponseHead({ status, text: '', fields: [] }), TypeError);
});

test('a chunk of nothing is nothing: it would be the last', () => {
  assert.equal(chunk(Buffer.alloc(0)).length, 0);
  assert.equal(chunk(Buffer.from('0123456789abcdef')).toString(), '10\r\n0123456789abcdef\r\n');
});
