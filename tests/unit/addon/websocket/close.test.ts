import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Outcome } from '../../../../contracts/exchange.ts';
import { closeFrame } from '../../../../addon/websocket/close.ts';
import { Follower } from '../../../../addon/websocket/follow.ts';
import { frame } from './frames.ts';

function told(outcome: Outcome): [code: number, reason: string] | undefined {
  const bytes = closeFrame(outcome);
  if (!bytes) return undefined;
  assert.equal(bytes[0], 0x88);
  assert.equal(bytes[1], bytes.length - 2); // no mask: it is the server's side that speaks
  return [bytes.readUInt16BE(2), bytes.subarray(4).toString()];
}

test('a close says what became of the exchange', () => {
  const refused = (status: number): Outcome => ({ kind: 'refused', status, reason: 'why' });
  const failed = (stage: 'scan' | 'internal' | 'upstream'): Outcome => ({ kind: 'failed', stage, cause: 'why' });
  assert.deepEqual(told({ kind: 'blocked', finding: 'blocked: a key' }), [1008, 'blocked: a key']);
  assert.deepEqual(told({ kind: 'denied', rule: 'no rule' }), [1008, 'no rule']);
  assert.deepEqual(told(refused(400)), [1002, 'why']);
  assert.deepEqual(told(refused(413)), [1009, 'why']);
  assert.deepEqual(told(refused(422)), [1007, 'why']);
  assert.deepEqual(told(refused(503)), [1013, 'why']);
  assert.deepEqual(told(refused(408)), [1008, 'why']);
  assert.deepEqual(told(failed('scan')), [1011, 'why']);
  assert.deepEqual(told(failed('internal')), [1011, 'why']);
});

test('where the upstream broke off, nothing is said: no close came', () => {
  assert.equal(told({ kind: 'failed', stage: 'upstream', cause: 'why' }), undefined);
  assert.equal(told({ kind: 'forwarded', status: 101 }), undefined);
});

test('a reason has at most 123 bytes and no half character', () => {
  const [, long] = told({ kind: 'blocked', finding: 'x'.repeat(300) }) ?? [];
  assert.equal(long, 'x'.repeat(123));
  const [, euros] = told({ kind: 'blocked', finding: `x${'€'.repeat(60)}` }) ?? [];
  assert.equal(euros, `x${'€'.repeat(40)}`);
  const [, exact] = told({ kind: 'blocked', finding: '€'.repeat(60) }) ?? [];
  assert.equal(exact, '€'.repeat(41));
});

const server = (payload: string, more = {}) => frame({ opcode: 1, payload, key: undefined, ...more });

test('between two frames of the server, and nowhere else, a frame of ours may stand', () => {
  const wire = Buffer.concat([
    server('abc'),
    server('x'.repeat(200)),
    server(''),
    server('y'.repeat(70_000), { fin: false }),
  ]);
  const ends = [5, 5 + 204, 5 + 204 + 2, wire.length];
  const follower = new Follower();
  assert.ok(follower.isBetween);
  const between: number[] = [];
  for (let at = 0; at < wire.length; at += 1) {
    follower.follow(wire.subarray(at, at + 1));
    if (follower.isBetween) between.push(at + 1);
  }
  assert.deepEqual(between, ends);
  const whole = new Follower();
  whole.follow(wire);
  assert.ok(whole.isBetween);
});

test('behind the server’s close, or what is no frame, nothing is said any more', () => {
  const closed = new Follower();
  closed.follow(Buffer.concat([server('abc'), frame({ opcode: 8, payload: '', key: undefined })]));
  assert.ok(!closed.isBetween);
  const broken = new Follower();
  broken.follow(Buffer.from('817e0001', 'hex'));
  broken.follow(Buffer.from('61', 'hex'));
  assert.ok(!broken.isBetween);
});
