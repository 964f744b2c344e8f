import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decide, isTunnelPort } from '../../../addon/policy.ts';
import { parseRule, type Policy, type Rule } from '../../../contracts/policy.ts';
import { host } from './rig.ts';

const policy: Policy = {
  rules: ['a.test', '*.b.test', 'c.test:8443', '192.0.2.1'].map((text) => parseRule(text) as Rule),
  allow_private: [],
  unopened: [],
};

function allowed(name: string, port = 443): boolean {
  return decide(policy, { scheme: 'https', host: host(name), port }).kind === 'allow';
}

test('nothing is allowed without a rule', () => {
  const target = { scheme: 'https', host: host('a.test'), port: 443 } as const;
  assert.equal(decide({ rules: [], allow_private: [], unopened: [] }, target).kind, 'deny');
});

test('a rule covers its host, a suffix one or more labels in front of it, on its ports', () => {
  for (const name of ['a.test', 'x.b.test', 'y.x.b.test', '192.0.2.1'])
    assert.ok(allowed(name) && allowed(name, 80), name);
  for (const name of ['b.test', 'xb.test', 'a.test.evil', 'xa.test', 'c.test', '192.0.2.10'])
    assert.ok(!allowed(name), name);
  assert.ok(allowed('c.test', 8443) && !allowed('a.test', 8443));
});

test('a refusal says whether the host or only its port is missing', () => {
  const deny = (name: string, port: number) => decide(policy, { scheme: 'https', host: host(name), port });
  assert.deepEqual(deny('evil.test', 443), { kind: 'deny', why: 'no rule allows evil.test' });
  assert.deepEqual(deny('c.test', 443), { kind: 'deny', why: 'no rule allows port 443 of c.test' });
});

test('a tunnel is opened to the ports of rules and to those of the web, so that a refusal can be told inside it', () => {
  for (const port of [443, 80, 8443]) assert.ok(isTunnelPort(policy, port));
  for (const port of [22, 25, 8080]) assert.ok(!isTunnelPort(policy, port));
  assert.ok(isTunnelPort({ rules: [], allow_private: [], unopened: [] }, 443));
});
