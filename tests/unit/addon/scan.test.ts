import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { scanHost } from '../../../addon/parts.ts';
import { scanDeadline } from '../../../addon/scan.ts';
import { parseHost } from '../../../contracts/host.ts';

describe('scan', () => {
  const rows: [host: string, seen: string][] = [
    ['api.example.com', 'api.example.com'],
    ['compose-web', 'compose-web'],
    ['172.16.0.9', 'ip-172-16-0-9.literal.invalid'],
    ['[2001:db8::1]', 'ip-2001-db8--1.literal.invalid'],
    ['[2001:db8::]', 'ip-2001-db8--0.literal.invalid'],
    ['[::1]', 'ip---1.literal.invalid'],
  ];
  for (const [host, seen] of rows) {
    it(`shows the scanner ${host} as ${seen}, which is a host name`, () => {
      const parsed = parseHost(host);
      assert.ok(parsed.kind !== 'invalid');
      assert.equal(scanHost(parsed), seen);
      assert.equal(parseHost(seen).kind, 'name');
    });
  }

  it('gives a scan three seconds and ten more for every megabyte', () => {
    assert.deepEqual([0, 1_000_000, 2_500_000].map(scanDeadline), [3_000, 13_000, 28_000]);
  });
});
