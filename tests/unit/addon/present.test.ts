import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { present, stableUrl } from '../../../addon/present.ts';
import { type Field, receiptOf, type ScannedPart } from '../../../addon/receipt.ts';

const HOST = 'http://a.test';

suite('the spelling of a URL that Go gives back unchanged', () => {
  const rows: [given: string, stable: string][] = [
    ['/', '/'],
    ['', '/'],
    ['/a/b?c=d', '/a/b?c=d'],
    ['/a%2Fb', '/a%2Fb'],
    ['/a%2fb"', '/a%2fb%22'],
    ['/100%', '/100%25'],
    ['/%zz?%', '/%25zz?%25'],
    ['/[x]{y}|^`\\<>', '/[x]%7By%7D%7C%5E%60%5C%3C%3E'],
    ["/!$&'()*+,;=:@~-._", "/!$&'()*+,;=:@~-._"],
    ['//b//c', '//b//c'],
    ['/x?', '/x?'],
    ['/x??a?', '/x??a?'],
    ['/x?a=b;c=d', '/x?a=b%3Bc=d'],
    ['/x?agent=me&b=1', '/x?agent-=me&b=1'],
    ['/x?%61gent=me', '/x?agent-=me'],
    ['/x?agent', '/x?agent-'],
    ['/x?agents=1&my=agent', '/x?agents=1&my=agent'],
    ['/caf\u00e9?\u00e9', '/caf%E9?%E9'],
  ];
  for (const [given, stable] of rows)
    test(`${given} is ${stable}`, () => assert.equal(stableUrl(`${HOST}${given}`), `${HOST}${stable}`));

  test('is one spelling: it stays as it is', () => {
    const path = fc.string({ unit: fc.integer({ min: 0x21, max: 0xff }).map((code) => String.fromCharCode(code)) });
    fc.assert(
      fc.property(path, (text) => {
        const once = stableUrl(`${HOST}/${text}`);
        assert.equal(stableUrl(once), once);
        const rest = once.slice(HOST.length);
        assert.match(rest, /^\/(?:[\x21-\x7e](?<!["<>\\^`{|}?])|%[0-9A-Fa-f]{2})*(\?(?:[\x21-\x7e](?<!;))*)?$/);
        assert.doesNotMatch(rest, /%(?![0-9A-Fa-f]{2})/);
      }),
      { numRuns: 2000 },
    );
  });

  test('loses nothing: what was escaped is there when it is unescaped', () => {
    const path = fc.string({ unit: fc.integer({ min: 0x21, max: 0xff }).map((code) => String.fromCharCode(code)) });
    const plain = (text: string) =>
      text.replaceAll(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
    fc.assert(
      fc.property(path, (text) => {
        fc.pre(!text.includes('agent') && !text.includes('%'));
        assert.equal(plain(stableUrl(`${HOST}/${text}`)), `${HOST}/${text}`);
      }),
      { numRuns: 2000 },
    );
  });
});

suite('a part as a forward proxy gets it', () => {
  const part = (fields: Field[], trailers: Field[] = []): ScannedPart => ({
    nonce: 'n',
    index: 0,
    count: 1,
    method: 'GET',
    url: `${HOST}/`,
    fields,
    trailers,
    bodySha256: '',
  });

  test('what it takes out, adds to or sends once goes under another name, with its value', () => {
    const names = ['Via', 'forwarded', 'X-Forwarded-For', 'X-Real-IP', 'Pragma', 'User-Agent', 'Signature'];
    const { fields } = present(part([...names, 'Cookie'].map((name): Field => [name, 'v'])));
    assert.deepEqual(fields, [
      ...names.map((name): Field => [`Agent-Field-${name}`, 'v']),
      ['Cookie', 'v'],
      ['User-Agent', 'bottle'],
    ]);
  });

  test('trailers become fields, because it would pass them on unscanned', () => {
    const shown = present(part([], [['Digest', 'x']]));
    assert.deepEqual(shown.trailers, []);
    assert.deepEqual(shown.fields[0], ['Agent-Trailer-Digest', 'x']);
  });

  test('the scan’s own name is left alone, and is no part of the proof', () => {
    const key = Buffer.alloc(32);
    const named = present(part([['X-Pipelock-Agent', 'id']]));
    assert.deepEqual(named.fields[0], ['X-Pipelock-Agent', 'id']);
    assert.equal(receiptOf(key, named), receiptOf(key, present(part([]))));
  });
});
