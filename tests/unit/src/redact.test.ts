import assert from 'node:assert/strict';
import { test } from 'node:test';
import { redact } from '../../../src/redact.ts';

const SECRET = 'ghp-CANARY-7f3a9c2e51';

test('of a URL no more than scheme and host is kept, in every member of a line', () => {
  const line = (members: object) => JSON.stringify({ level: 'warn', agent: 'a1', ...members });
  const rows: [object, object][] = [
    [{ url: `http://a.test/x?y=${SECRET}` }, { url: 'http://a.test/[redacted]' }],
    [{ url: 'http://a.test' }, { url: 'http://a.test/[redacted]' }],
    [{ url: `http://${SECRET}${'x'.repeat(40)}.a.test/` }, { url: 'http://[redacted]' }],
    [{ url: `http://user:${SECRET}@a.test/` }, { url: 'http://[redacted]' }],
    [{ error: `Post "http://a.test/${SECRET}": EOF` }, { error: 'Post "http://a.test/[redacted]": EOF' }],
    [
      { reason: `high entropy query key "${SECRET}" (4.9 > 4.5 threshold)` },
      { reason: 'high entropy query key "[redacted]" (4.9 > 4.5 threshold)' },
    ],
    [
      { reason: `SSRF check failed: DNS resolution error for ${SECRET}.a.test: lookup ${SECRET}.a.test: no such host` },
      { reason: 'SSRF check failed: DNS resolution error for [redacted] lookup [redacted] no such host' },
    ],
    [
      { reason: 'rate limit exceeded for registry.api.example.com' },
      { reason: 'rate limit exceeded for registry.api.example.com' },
    ],
    [{ reason: 'core DLP match: GitHub Token (critical)' }, { reason: 'core DLP match: GitHub Token (critical)' }],
    [
      { status_code: 204, patterns: ['AWS Access ID'] },
      { status_code: 204, patterns: ['AWS Access ID'] },
    ],
  ];
  for (const [given, expected] of rows) {
    assert.equal(redact(line(given)), line(expected));
    assert.equal(redact(redact(line(given))), line(expected), 'twice is once');
  }
});

test('a line that is no JSON loses its URLs, too', () => {
  assert.equal(redact(`fetching http://a.test/${SECRET} failed`), 'fetching http://a.test/[redacted] failed');
  assert.equal(redact('null'), 'null');
  assert.equal(redact('  Mode:   balanced'), '  Mode:   balanced');
});
