import assert from 'node:assert/strict';
import { test } from 'node:test';
import { respond, type Unforwarded } from '../../../addon/respond.ts';
import { host } from './rig.ts';

const target = { scheme: 'https', host: host('a.test'), port: 443 } as const;

function told(outcome: Unforwarded, method = 'POST') {
  const { head, body } = respond(outcome, { id: 'e1', method, target });
  const field = (name: string) => head.fields.find(([given]) => given === name)?.[1];
  return { status: head.status, field, body: body.toString() };
}

test('every outcome has its status, and says which it is and of which exchange', () => {
  const rows: [Unforwarded, number][] = [
    [{ kind: 'denied', rule: 'no rule allows a.test' }, 403],
    [{ kind: 'blocked', finding: 'blocked: x' }, 403],
    [{ kind: 'refused', status: 413, reason: 'x' }, 413],
    [{ kind: 'refused', status: 421, reason: 'x' }, 421],
    [{ kind: 'failed', stage: 'scan', cause: 'x' }, 503],
    [{ kind: 'failed', stage: 'scan', cause: 'timed out: x' }, 503],
    [{ kind: 'failed', stage: 'internal', cause: 'x' }, 503],
    [{ kind: 'failed', stage: 'upstream', cause: 'x' }, 502],
    [{ kind: 'failed', stage: 'upstream', cause: 'timed out: no answer' }, 504],
  ];
  for (const [outcome, status] of rows) {
    const answer = told(outcome);
    assert.equal(answer.status, status);
    assert.equal(answer.field('x-bottle-outcome'), outcome.kind);
    assert.equal(answer.field('x-bottle-exchange'), 'e1');
    assert.equal(answer.field('content-type'), 'application/problem+json');
    assert.equal(answer.field('content-length'), String(Buffer.byteLength(answer.body)));
    const problem = JSON.parse(answer.body);
    assert.equal(problem.status, status);
    assert.ok(problem.type && problem.title && problem.detail);
  }
});

test('a denial names the line that would allow it, with the port where it is another', () => {
  const denied = { kind: 'denied', rule: 'no rule allows a.test' } as const;
  assert.ok(JSON.parse(told(denied).body).detail.includes('egress.allow: ["a.test"]'));
  const other = respond(denied, { id: 'e', method: 'GET', target: { ...target, host: host('[::1]'), port: 8443 } });
  assert.ok(JSON.parse(other.body.toString()).detail.includes('egress.allow: ["[::1]:8443"]'));
});

test('a refusal says what to do where its reason does not', () => {
  const detailOf = (outcome: Unforwarded): string => JSON.parse(told(outcome).body).detail;
  const refused = (status: number) => detailOf({ kind: 'refused', status, reason: 'x' });
  assert.match(refused(413), /^x\. Nothing was sent\. Send less at a time; egress\.body_limit/);
  assert.match(refused(421), /connection of its own/);
  for (const detail of [refused(503), detailOf({ kind: 'failed', stage: 'scan', cause: 'x' })])
    assert.match(detail, / Try again later\.$/);
  assert.equal(refused(400), 'x. Nothing was sent.');
});

test("the scanner's line stays word for word", () => {
  const finding = 'blocked: request body uses Content-Encoding "gzip"; compressed bodies cannot be scanned for secrets';
  assert.ok(JSON.parse(told({ kind: 'blocked', finding }).body).detail.includes(finding));
});

test('HEAD gets the fields and no body', () => {
  const answer = told({ kind: 'denied', rule: 'x' }, 'HEAD');
  assert.equal(answer.body, '');
  assert.notEqual(answer.field('content-length'), '0');
});
