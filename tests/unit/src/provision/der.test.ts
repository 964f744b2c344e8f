import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { inside, isSequence, octets, oid, sequence, set, small } from '../../../../src/provision/der.ts';

suite('DER', () => {
  const rows: [title: string, der: Buffer, hex: string][] = [
    ['a small integer', small(3), '020103'],
    ['an empty sequence', sequence(), '3000'],
    ['a set', set(small(1)), '3103020101'],
    ['an explicit tag', inside(0, small(1)), 'a003020101'],
    ['an object identifier of one octet an arc', oid('2.5.29.37.0'), '0604551d2500'],
    ['an object identifier of several', oid('1.2.840.113549.1.7.1'), '06092a864886f70d010701'],
    ['the one that Java looks for', oid('2.16.840.1.113894.746875.1.1'), '060c6086480186f966adca7b0101'],
  ];
  for (const [title, der, hex] of rows) test(`${title} is ${hex}`, () => assert.equal(der.toString('hex'), hex));

  const lengths: [length: number, head: string][] = [
    [127, '047f'],
    [128, '048180'],
    [255, '0481ff'],
    [256, '04820100'],
    [65_535, '0482ffff'],
    [65_536, '0483010000'],
  ];
  for (const [length, head] of lengths)
    test(`${length} octets begin with ${head}`, () => {
      const der = octets(Buffer.alloc(length, 0xee));
      assert.ok(der.toString('hex').startsWith(`${head}ee`));
      assert.equal(der.length, length + head.length / 2);
    });

  test('is read by openssl as what was meant', () => {
    const der = sequence(small(3), set(oid('2.16.840.1.113894.746875.1.1')), inside(0, octets(Buffer.alloc(300))));
    const text = execFileSync('openssl', ['asn1parse', '-inform', 'DER'], { input: der }).toString();
    for (const part of [
      /SEQUENCE/,
      /INTEGER +:03/,
      /SET/,
      /OBJECT +:2\.16\.840\.1\.113894\.746875\.1\.1/,
      /l= 300 prim: OCTET/,
    ])
      assert.match(text, part);
  });
});

suite('one whole sequence', () => {
  test('is what was made as one, whatever is in it', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70_000 }), (bytes) => {
        assert.ok(isSequence(sequence(Buffer.from(bytes))));
      }),
      { numRuns: 50 },
    );
  });

  test('is not one that is cut, followed by something, or of another kind', () => {
    for (const length of [0, 1, 127, 128, 300, 70_000]) {
      const whole = sequence(Buffer.alloc(length));
      assert.equal(isSequence(whole.subarray(0, -1)), false);
      assert.equal(isSequence(Buffer.concat([whole, Buffer.from([0])])), false);
      assert.equal(isSequence(set(Buffer.alloc(length))), false);
    }
    for (const hex of ['', '30', '3080', '30800000', '30850000000000', '3082', '308201'])
      assert.equal(isSequence(Buffer.from(hex, 'hex')), false, hex);
  });
});
