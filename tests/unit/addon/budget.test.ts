import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { gather, makeBudget } from '../../../addon/budget.ts';

test('a body is what was added, it never takes more than there is, and it gives everything back', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 50 })),
      fc.integer({ min: 0, max: 100 }),
      fc.integer({ min: 0, max: 2000 }),
      (pieces, expected, total) => {
        const budget = makeBudget(total);
        const body = gather(budget, expected);
        const taken = pieces.map((piece) => Buffer.from(piece));
        const whole = taken.every((piece) => {
          const added = body.add(piece);
          assert.ok(budget.used <= total);
          return added;
        });
        if (whole) assert.ok(body.bytes().equals(Buffer.concat(taken)));
        body.release();
        body.release();
        assert.equal(budget.used, 0);
      },
    ),
  );
});

test('a body that arrives whole is not copied', () => {
  const piece = Buffer.from('abc');
  const body = gather(makeBudget(3), 3);
  assert.ok(body.add(piece));
  assert.equal(body.bytes().buffer, piece.buffer);
});
