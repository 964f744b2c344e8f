import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { journalLineSchema, outcomeSchema } from '../../../contracts/exchange.ts';
import { readyLineSchema } from '../../../contracts/sidecar.ts';
import { admitted, closed, repeated } from '../support/journal.ts';

suite('an outcome', () => {
  const rows: [title: string, value: object, valid: boolean][] = [
    ['forwarded has the status', { kind: 'forwarded', status: 200 }, true],
    ['forwarded without a status is none', { kind: 'forwarded' }, false],
    ['denied has the rule', { kind: 'denied', rule: 'no rule' }, true],
    ['blocked has the finding', { kind: 'blocked', finding: 'blocked: x' }, true],
    ['blocked without a finding is none', { kind: 'blocked' }, false],
    ['refused has status and reason', { kind: 'refused', status: 413, reason: 'too large' }, true],
    ['failed has stage and cause', { kind: 'failed', stage: 'scan', cause: 'no receipt' }, true],
    ['failed of an unknown stage is none', { kind: 'failed', stage: 'policy', cause: '' }, false],
    ['of an unknown kind is none', { kind: 'allowed' }, false],
  ];
  for (const [title, value, valid] of rows)
    test(title, () => assert.equal(outcomeSchema.safeParse(value).success, valid));
});

suite('a line of the journal', () => {
  test('is admitted, closed or repeated', () => {
    for (const line of [admitted(), closed(), repeated()]) assert.deepEqual(journalLineSchema.parse(line), line);
  });

  test('keeps no field that is not named: what a header or a body held cannot ride along', () => {
    const line = journalLineSchema.parse({ ...closed(), headers: { authorization: 'canary' }, query: 'canary' });
    assert.doesNotMatch(JSON.stringify(line), /canary/);
  });

  for (const [title, line] of [
    ['an unknown event', { ...closed(), event: 'opened' }],
    ['a time that is none', { ...closed(), at: 'yesterday' }],
    ['a scheme that is neither http nor https', { ...closed(), scheme: 'ftp' }],
    ['a repetition of nothing', { ...repeated(), count: 0 }],
  ] as const)
    test(`is refused for ${title}`, () => assert.equal(journalLineSchema.safeParse(line).success, false));
});

suite('a ready line', () => {
  const bump = { event: 'ready', role: 'bump', certificate: 'PEM', fingerprint: 'a'.repeat(64) };
  const rows: [title: string, value: object, valid: boolean][] = [
    ['of the sidecar carries the certificate and its fingerprint', bump, true],
    ['of the gate is its role alone', { event: 'ready', role: 'gate' }, true],
    ['of the scanner is its role alone', { event: 'ready', role: 'scanner' }, true],
    ['of the sidecar without a certificate is none', { event: 'ready', role: 'bump' }, false],
    ['with a fingerprint in upper case is none', { ...bump, fingerprint: 'A'.repeat(64) }, false],
    ['with half a fingerprint is none', { ...bump, fingerprint: 'a'.repeat(32) }, false],
    ['of the agent is none', { event: 'ready', role: 'agent' }, false],
    ['of another event is none', { event: 'started', role: 'gate' }, false],
  ];
  for (const [title, value, valid] of rows)
    test(title, () => assert.equal(readyLineSchema.safeParse(value).success, valid));
});
