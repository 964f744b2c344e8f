import assert from 'node:assert/strict';
import { test } from 'node:test';
import { candidates, hostAddress } from '../../../../src/docker/subnets.ts';

test('candidates are different /29s of one private pool', () => {
  const found = candidates(500, 0);
  assert.equal(new Set(found).size, 500);
  for (const subnet of found) {
    const [, last] = /^10\.213\.\d{1,3}\.(\d{1,3})\/29$/.exec(subnet) ?? assert.fail(subnet);
    assert.equal(Number(last) % 8, 0);
  }
});

test('every subnet of the pool is reached, from wherever the search begins', () => {
  assert.ok(candidates(10_000, 4711).length > 8000);
  assert.equal(new Set(candidates(10_000, 4711)).size, candidates(10_000, 4711).length);
});

test('host addresses count from 1 and end before the broadcast address', () => {
  assert.equal(hostAddress('10.213.3.8/29', 1), '10.213.3.9');
  assert.equal(hostAddress('10.213.3.8/29', 6), '10.213.3.14');
  assert.equal(hostAddress('10.213.255.248/29', 6), '10.213.255.254');
  for (const n of [0, 7, 1.5]) assert.throws(() => hostAddress('10.213.3.8/29', n), RangeError);
});
