import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { trimBlanks } from '../../../addon/blanks.ts';
import { readStreamHead, writeFields } from '../../../addon/h2fields.ts';
import { handshakeProblem } from '../../../addon/websocket/handshake.ts';

test('spaces and tabs around a text go, everything else stays', () => {
  const text = fc.string({ unit: fc.constantFrom(' ', '\t', 'a', '\u00a0', '\n') });
  fc.assert(
    fc.property(text, (given) => assert.equal(trimBlanks(given), given.replace(/^[\t ]+/, '').replace(/[\t ]+$/, ''))),
  );
});

// A pattern that begins anew at each blank would take hours.
test('a million blanks in the middle of a value hold up nobody', () => {
  const value = `a${' '.repeat(1_000_000)}b`;
  assert.equal(trimBlanks(value), value);
  assert.deepEqual(writeFields([['X', value]]), ['x', value]);
  assert.deepEqual(readStreamHead(['x', value]).raw.fields, [['x', value]]);
  const fields = ['sec-websocket-protocol', 'sec-websocket-extensions'].map((name) => [name, value] as const);
  assert.equal(handshakeProblem(fields)?.status, 400);
  const key = ['sec-websocket-key', 'AAAAAAAAAAAAAAAAAAAAAA=='] as const;
  for (const field of fields)
    assert.equal(handshakeProblem([['sec-websocket-version', '13'], key, field])?.status, 400);
});
