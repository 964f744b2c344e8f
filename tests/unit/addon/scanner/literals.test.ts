import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Literal, LiteralIndex } from '../../../../addon/scanner/literals.ts';
import { byteClass, eachRun } from '../../../../addon/decode/span.ts';

describe('the index of literals', () => {
  it('finds exactly what looking for one after the other finds', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', 'A', 'B', '-'), minLength: 3, maxLength: 6 });
    const literal = fc.record({ text, case: fc.constantFrom('exact', 'any') }) as fc.Arbitrary<Literal>;
    fc.assert(
      fc.property(
        fc.uniqueArray(literal, { maxLength: 8, selector: (one) => `${one.case} ${one.text}` }),
        fc.string({ unit: fc.constantFrom('a', 'b', 'A', 'B', '-'), maxLength: 80 }),
        (literals, haystack) => {
          const found: string[] = [];
          new LiteralIndex(literals).find(Buffer.from(haystack), (id, offset) => found.push(`${id} ${offset}`) > 0);
          const expected: string[] = [];
          for (const [id, one] of literals.entries())
            for (let at = 0; at + one.text.length <= haystack.length; at += 1) {
              const there = haystack.slice(at, at + one.text.length);
              if (one.case === 'any' ? there.toLowerCase() === one.text.toLowerCase() : there === one.text)
                expected.push(`${id} ${at}`);
            }
          assert.deepEqual(found.sort(), expected.sort());
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('eachRun', () => {
  it('finds exactly the maximal runs of the least length', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('a', 'b', ' '), maxLength: 60 }),
        fc.integer({ min: 1, max: 6 }),
        (text, least) => {
          const found: string[] = [];
          eachRun(Buffer.from(text), byteClass('ab'), least, (start, end) => void found.push(`${start} ${end}`));
          const expected = Array.from(text.matchAll(/[ab]+/g))
            .filter(([run]) => run.length >= least)
            .map((match) => `${match.index} ${match.index + match[0].length}`);
          assert.deepEqual(found, expected);
        },
      ),
      { numRuns: 500 },
    );
  });
});
