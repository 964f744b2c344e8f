import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeLane } from '../../../addon/lane.ts';

const never = new AbortController().signal;

test('as many are inside as may be, the others wait in their order, and one too many is told so at once', async () => {
  const lane = makeLane(1, 2);
  const first = await lane.enter(never);
  assert.ok(typeof first === 'object');
  const order: string[] = [];
  const waiting = ['second', 'third'].map(async (name) => {
    const slot = await lane.enter(never);
    order.push(name);
    if (typeof slot === 'object') slot.leave();
  });
  assert.equal(await lane.enter(never), 'full');
  assert.deepEqual(order, []);
  first.leave();
  await Promise.all(waiting);
  assert.deepEqual(order, ['second', 'third']);
  assert.ok(typeof (await lane.enter(never)) === 'object', 'the place is free again');
});

test('whoever goes while waiting makes room, and never gets a place', async () => {
  const lane = makeLane(1, 1);
  const first = await lane.enter(never);
  const gone = new AbortController();
  const waiting = lane.enter(gone.signal);
  gone.abort();
  assert.equal(await waiting, 'gone');
  assert.equal(await lane.enter(gone.signal), 'gone');
  const next = lane.enter(never);
  assert.ok(typeof first === 'object');
  first.leave();
  assert.ok(typeof (await next) === 'object');
});

test('whoever waits in vain is told so, and makes room', async () => {
  const lane = makeLane(1, 1, 1);
  const first = await lane.enter(never);
  assert.equal(await lane.enter(never), 'late');
  assert.equal(await lane.enter(never), 'late', 'not full: the one before has gone');
  assert.ok(typeof first === 'object');
  first.leave();
  assert.ok(typeof (await lane.enter(never)) === 'object', 'its place went to nobody who had gone');
});
