import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sessionLabels, sessionOf } from '../../../../src/docker/labels.ts';

const session = {
  slug: 'x',
  owner: { machine_id: 'm', boot_id: 'b', pid_namespace: 'pid:[1]', pid: 7, start_time: '9' },
  started: '2030-01-01T00:00:00.000Z',
};

test('what is written into labels is read back from them', () => {
  assert.deepEqual(sessionOf(sessionLabels(session, 'bump')), session);
});

test('labels without a session are none of ours', () => {
  assert.equal(sessionOf({ 'bottle.home': 'x' }), undefined);
});

test('an owner that cannot be read has no machine, so it counts as foreign', () => {
  for (const owner of ['', '{', '[]', '{"pid":1}', '{"machine_id":"m"}', 'null']) {
    assert.equal(sessionOf({ 'bottle.session': 'x', 'bottle.owner': owner })?.owner.machine_id, '', owner);
  }
});
