import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { hostInUrl, parseHost } from '../../../contracts/host.ts';
import {
  formatRule,
  parseRule,
  policySchema,
  type Rule,
  ruleCoversHost,
  ruleSchema,
} from '../../../contracts/policy.ts';
import { hosts } from '../support/arbitrary.ts';

const rules: [title: string, text: string, rule: Rule][] = [
  ['a host is that host on 443 and 80', 'api.example', { match: 'exact', host: 'api.example', ports: [443, 80] }],
  ['a host with a port is that port only', 'api.example:8443', { match: 'exact', host: 'api.example', ports: [8443] }],
  ['a wildcard is a suffix', '*.example.com', { match: 'suffix', host: 'example.com', ports: [443, 80] }],
  ['a wildcard may name a port', '*.example.com:22', { match: 'suffix', host: 'example.com', ports: [22] }],
  ['a host is folded to lower case', 'API.Example', { match: 'exact', host: 'api.example', ports: [443, 80] }],
  ['an IPv4 address is a host', '192.0.2.1:80', { match: 'exact', host: '192.0.2.1', ports: [80] }],
  ['an IPv6 address stands in brackets', '[2001:DB8::1]:8443', { match: 'exact', host: '2001:db8::1', ports: [8443] }],
  ['a compose service is a host', 'db:5432', { match: 'exact', host: 'db', ports: [5432] }],
];

suite('a rule', () => {
  for (const [title, text, rule] of rules) test(title, () => assert.deepEqual(parseRule(text), rule));

  const refused: [title: string, text: string, why: RegExp][] = [
    ['a bare "*"', '*', /bare "\*"/],
    ['a bare "*" with a port', '*:443', /bare "\*"/],
    ['"*.*"', '*.*', /bare|bad label/],
    ['nothing', '', /is empty/],
    ['"*." without a suffix', '*.', /is empty/],
    ['a wildcard inside a name', 'api.*.example', /bad label/],
    ['a wildcard that is part of a label', '*api.example', /bad label/],
    ['a wildcard in front of an IPv4 address', '*.192.0.2.1', /in front of an address/],
    ['a wildcard in front of an IPv6 address', '*.[::1]', /in front of an address/],
    ['port 0', 'api.example:0', /1–65535/],
    ['port 65536', 'api.example:65536', /1–65535/],
    ['a port that is no number', 'api.example:https', /is not a host/],
    ['an empty port', 'api.example:', /is not a host/],
    ['a URL', 'https://api.example', /is not a host/],
    ['a path', 'api.example/v1', /bad label/],
    ['a space', 'api.example ', /printable ASCII/],
    ['a line break at the end', 'api.example\n', /is not a host|printable ASCII/],
    ['IPv6 without brackets', '2001:db8::1', /is not a host/],
    ['an address in octal', '0177.0.0.1', /another form/],
  ];
  for (const [title, text, why] of refused) {
    test(`is not made of ${title}`, () => {
      const rule = parseRule(text);
      assert.ok('kind' in rule, `it was read as ${JSON.stringify(rule)}`);
      assert.match(rule.why, why);
    });
  }

  const anyRule = fc
    .tuple(hosts, fc.boolean(), fc.option(fc.integer({ min: 1, max: 65_535 })))
    .map(
      ([host, wildcard, port]) =>
        `${wildcard && host.kind === 'name' ? '*.' : ''}${hostInUrl(host)}${port === null ? '' : `:${port}`}`,
    );

  test('is written as it was read: canonical text in, the same text out', () => {
    fc.assert(
      fc.property(anyRule, (text) => {
        const rule = parseRule(text);
        assert.ok(!('kind' in rule));
        assert.equal(formatRule(rule), text);
      }),
    );
  });

  test('is read as it was written, and follows its schema', () => {
    fc.assert(
      fc.property(anyRule, (text) => {
        const rule = parseRule(text);
        assert.ok(!('kind' in rule));
        assert.deepEqual(parseRule(formatRule(ruleSchema.parse(rule))), rule);
      }),
    );
  });

  test('is a rule or a reason for every text, never an exception', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const rule = parseRule(text);
        return 'kind' in rule ? rule.why !== '' : ruleSchema.safeParse(rule).success;
      }),
    );
  });
});

suite('a rule covers', () => {
  const rows: [rule: string, host: string, covers: boolean][] = [
    ['example.com', 'example.com', true],
    ['example.com', 'EXAMPLE.COM', true],
    ['example.com', 'api.example.com', false],
    ['example.com', 'example.com.evil.test', false],
    ['*.example.com', 'api.example.com', true],
    ['*.example.com', 'a.b.c.example.com', true],
    ['*.example.com', 'example.com', false],
    ['*.example.com', 'evilexample.com', false],
    ['*.example.com', 'example.com.evil.test', false],
    ['*.com', 'example.com', true],
    ['192.0.2.1', '192.0.2.1', true],
    ['192.0.2.1', '192.0.2.10', false],
    ['[2001:db8::1]', '[2001:db8:0::1]', true],
    ['[2001:db8::1]', '[2001:db8::2]', false],
  ];
  for (const [text, name, covers] of rows) {
    test(`"${text}" ${covers ? 'covers' : 'does not cover'} ${name}`, () => {
      const rule = parseRule(text);
      const host = parseHost(name);
      assert.ok(!('kind' in rule) && host.kind !== 'invalid');
      assert.equal(ruleCoversHost(rule, host), covers);
    });
  }

  test('under a wildcard, no address, whatever its text', () => {
    fc.assert(
      fc.property(hosts, (host) => {
        if (host.kind === 'name') return;
        const suffix = host.text.split('.').slice(1).join('.') || host.text;
        assert.equal(ruleCoversHost({ match: 'suffix', host: suffix, ports: [443] }, host), false);
      }),
    );
  });

  test('under *.x, never x itself, and always a label in front of it', () => {
    const named = hosts.filter((host) => host.kind === 'name' && host.text.length < 200);
    fc.assert(
      fc.property(named, (host) => {
        const rule: Rule = { match: 'suffix', host: host.text, ports: [443] };
        assert.equal(ruleCoversHost(rule, host), false);
        assert.equal(ruleCoversHost(rule, { kind: 'name', text: `a.${host.text}` }), true);
      }),
    );
  });
});

test('a policy without rules is a policy: nothing is allowed', () => {
  const nothing = { rules: [], allow_private: [], unopened: [] };
  assert.deepEqual(policySchema.parse(nothing), nothing);
});

test('a rule without ports is no rule', () => {
  assert.equal(ruleSchema.safeParse({ match: 'exact', host: 'a.example', ports: [] }).success, false);
});
