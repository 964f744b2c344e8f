import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Search, spellingsOf, unescaped } from '../../../addon/spellings.ts';

const value = fc.stringMatching(/^[\x20-\x7e]{8,60}$/);
const bytes = fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array));
const percent = (text: string) => text.replaceAll(/./gs, (c) => `%${c.charCodeAt(0).toString(16).padStart(2, '0')}`);

/** How a program may write a text, beside other text; by its name. */
const ENCODINGS: Record<string, (before: Buffer, text: string, after: Buffer) => Buffer> = {
  raw: (before, text, after) => Buffer.concat([before, Buffer.from(text), after]),
  base64: (before, text, after) => Buffer.from(Buffer.concat([before, Buffer.from(text), after]).toString('base64')),
  base64url: (before, text, after) =>
    Buffer.from(Buffer.concat([before, Buffer.from(text), after]).toString('base64url')),
  hex: (before, text, after) => Buffer.from(Buffer.concat([before, Buffer.from(text), after]).toString('hex')),
  HEX: (before, text, after) =>
    Buffer.from(
      Buffer.concat([before, Buffer.from(text), after])
        .toString('hex')
        .toUpperCase(),
    ),
  'percent, every byte': (before, text, after) => Buffer.concat([before, Buffer.from(percent(text)), after]),
  'percent, every byte, upper case': (before, text, after) =>
    Buffer.concat([before, Buffer.from(percent(text).toUpperCase()), after]),
  encodeURIComponent: (before, text, after) => Buffer.concat([before, Buffer.from(encodeURIComponent(text)), after]),
  JSON: (before, text, after) => Buffer.concat([before, Buffer.from(JSON.stringify({ a: text })), after]),
  'JSON with \\/': (before, text, after) =>
    Buffer.concat([before, Buffer.from(JSON.stringify(text).replaceAll('/', '\\/')), after]),
  reversed: (before, text, after) => Buffer.concat([before, Buffer.from(text.split('').toReversed().join('')), after]),
};

for (const [name, encode] of Object.entries(ENCODINGS)) {
  test(`a value is found as ${name}, wherever it stands`, () => {
    fc.assert(
      fc.property(value, bytes, bytes, (text, before, after) => {
        const written = encode(before, text, after);
        assert.equal(new Search([['KEY', text]]).inBytes(written), 'KEY');
        assert.equal(new Search([['KEY', text]]).inRequest(written), 'KEY');
      }),
    );
  });
}

test('in a request, escapes of any mixture are seen through', () => {
  const how = fc.constantFrom<(c: string) => string>(
    (c) => c,
    (c) => percent(c),
    (c) => `\\u00${c.charCodeAt(0).toString(16)}`,
    (c) => `\\u00${c.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  fc.assert(
    fc.property(
      fc.stringMatching(/^[A-Za-z0-9_-]{8,40}$/),
      fc.array(how, { minLength: 40, maxLength: 40 }),
      (text, ways) => {
        const written = text
          .split('')
          .map((c, index) => ways[index]?.(c) ?? c)
          .join('');
        assert.equal(new Search([['KEY', text]]).inRequest(Buffer.from(`{"a":"${written}"}`)), 'KEY');
      },
    ),
  );
});

test('what holds no value is not found to, and stays as it is', () => {
  const search = new Search([['KEY', 'sk-ant-api03-0123456789abcdef']]);
  for (const text of ['', 'sk-ant-api03-', '%', '%4', '\\u00', '\\', 'a%zzb', '100% \\n \\u12'])
    assert.equal(search.inRequest(Buffer.from(text)), undefined, text);
  assert.equal(unescaped(Buffer.from('plain')).toString(), 'plain');
  assert.equal(unescaped(Buffer.from('a%41\\u0042\\/\\"c%')).toString(), 'aAB/"c%');
});

test('a value is found in a host’s name, where case is lost and dots stand between', () => {
  const search = new Search([['KEY', 'Sk-Key-0123456789']]);
  assert.equal(search.inHost('sk-key-0123456789.example.com'), 'KEY');
  assert.equal(search.inHost('sk-key-01.23456789.example.com'), 'KEY');
  assert.equal(search.inHost(`${Buffer.from('Sk-Key-0123456789').toString('hex')}.example.com`), 'KEY');
  assert.equal(search.inHost('example.com'), undefined);
});

test('spellings of two words of one length have the same lengths, so that one can take the other’s place', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[A-Za-z0-9_-]{16,80}$/), (word) => {
      const other = 'placeholder-'.repeat(8).slice(0, word.length);
      assert.deepEqual(
        spellingsOf(word).map(({ length }) => length),
        spellingsOf(other).map(({ length }) => length),
      );
    }),
  );
});

test('searching a megabyte for three values costs milliseconds', () => {
  const search = new Search(['A', 'B', 'C'].map((name) => [name, `sk-${name}-${'k3yM4t3r1al'.repeat(8)}`] as const));
  const body = Buffer.from(JSON.stringify({ text: 'The quick brown fox %41 jumps\n'.repeat(40_000) }));
  search.inRequest(body);
  const began = performance.now();
  for (let turn = 0; turn < 5; turn += 1) assert.equal(search.inRequest(body), undefined);
  const perMegabyte = (performance.now() - began) / 5 / (body.length / 1_000_000);
  assert.ok(perMegabyte < 200, `${perMegabyte.toFixed(1)} ms per MB`); // 10 times what an idle machine takes
  console.log(`${perMegabyte.toFixed(1)} ms per MB`);
});
