import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { late } from '../../../contracts/plan.ts';
import { bind } from '../../../src/bind.ts';
import { planLaunch } from '../../../src/plan.ts';
import { anyLoaded } from '../support/plans.ts';

suite('binding', () => {
  test('puts a value in the place of every reference, however deep', () => {
    const spec = { user: late('u'), dns: [late('a'), '192.0.2.1'], deep: { list: [{ x: late('a') }] } };
    assert.deepEqual(
      bind(
        spec,
        new Map([
          ['u', '1000'],
          ['a', '10.0.0.2'],
        ]),
      ),
      { user: '1000', dns: ['10.0.0.2', '192.0.2.1'], deep: { list: [{ x: '10.0.0.2' }] } },
    );
  });

  test('fails for a reference without a value, and names it', () => {
    assert.throws(() => bind({ a: late('subnet.agent') }, new Map()), /refers to subnet\.agent, which was never bound/);
  });

  test('takes an empty value for a value', () => {
    assert.deepEqual(bind({ a: late('x') }, new Map([['x', '']])), { a: '' });
  });

  test('does not look for references in a value: what a user has set is never read as one', () => {
    const value = JSON.stringify(late('y'));
    assert.deepEqual(bind({ a: late('x') }, new Map([['x', value]])), { a: value });
  });

  test('leaves alone what only looks like a reference', () => {
    for (const spec of [{ late: 1 }, { late: 'x', more: true }, { late: null }, { Late: 'x' }])
      assert.deepEqual(bind(spec, new Map([['x', 'y']])), spec);
  });

  test('does not change the plan', () => {
    const spec = Object.freeze({ a: Object.freeze(late('x')) });
    assert.deepEqual(bind(spec, new Map([['x', 'y']])), { a: 'y' });
    assert.deepEqual(spec, { a: late('x') });
  });

  test('leaves everything that is no reference as it is', () => {
    const tree = fc.jsonValue().filter((value) => !JSON.stringify(value).includes('"late"'));
    fc.assert(fc.property(tree, (value) => assert.deepEqual(bind(value, new Map()), value)));
  });

  test('needs for a plan exactly the names that are listed as late-bound', () => {
    fc.assert(
      fc.property(anyLoaded, (manifest) => {
        const { late_bound: names, ...plan } = planLaunch(manifest, { slug: 'x' });
        const values = new Map(Object.keys(names).map((name) => [name, `value of ${name}`]));
        assert.doesNotThrow(() => bind(plan, values));
        for (const name of values.keys()) {
          const fewer = new Map(values);
          fewer.delete(name);
          assert.throws(() => bind(plan, fewer), new RegExp(`refers to ${name.replace('.', '\\.')},`));
        }
      }),
      { numRuns: 30 },
    );
  });
});
