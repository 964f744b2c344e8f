import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { currentOwner, ownerState } from '../../../../src/docker/owner.ts';

const me = currentOwner();

test('this process lives', () => {
  assert.equal(ownerState(me, me), 'alive');
});

test('an owner whose pid belongs to nobody is dead', async () => {
  const child = spawn(process.execPath, ['-e', '']);
  await once(child, 'exit');
  assert.equal(ownerState({ ...me, pid: child.pid ?? 0 }, me), 'dead');
});

test('an owner whose pid was taken by another process is dead', { skip: me.start_time === '' && 'no /proc' }, () => {
  assert.equal(ownerState({ ...me, start_time: '1' }, me), 'dead');
});

test('no owner survives a reboot', () => {
  assert.equal(ownerState({ ...me, boot_id: 'before' }, me), 'dead');
});

test('another machine, another pid namespace and an unreadable owner are foreign: nothing is known of them', () => {
  assert.equal(ownerState({ ...me, machine_id: 'other' }, me), 'foreign');
  assert.equal(ownerState({ ...me, pid_namespace: 'pid:[1]' }, me), 'foreign');
  assert.equal(ownerState({ ...me, machine_id: '' }, { ...me, machine_id: '' }), 'foreign');
});

test('without /proc, whether the process takes a signal decides', () => {
  const elsewhere = { ...me, start_time: '' };
  assert.equal(ownerState(elsewhere, elsewhere), 'alive');
  assert.equal(ownerState({ ...elsewhere, pid: 0x3fffffff }, elsewhere), 'dead');
});

test('the machine id itself is not given away', async () => {
  const { readFile } = await import('node:fs/promises');
  const id = (await readFile('/etc/machine-id', 'utf8').catch(() => '')).trim();
  if (id !== '') assert.ok(!me.machine_id.includes(id));
  assert.match(me.machine_id, /^[0-9a-f]{32}$/);
});
