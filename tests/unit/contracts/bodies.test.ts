import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { bodyLimit, formatBytes, formatUnscanned, readBodies, unscannedOver } from '../../../contracts/bodies.ts';
import { parseHost } from '../../../contracts/host.ts';
import { manifestSchema } from '../../../contracts/manifest.ts';

const MIB = 1024 ** 2;
const GIB = 1024 * MIB;

function host(text: string) {
  const parsed = parseHost(text);
  assert.ok(parsed.kind !== 'invalid');
  return parsed;
}

suite('the largest body', () => {
  const read = (scanner: 'embedded' | 'pipelock', limit?: string) =>
    readBodies({ scanner, limit, unscanned: [{ host: 'up.example:8443', over: '64m' }] });

  test('is what the scanner can be asked about, unless the manifest says so', () => {
    assert.equal(read('embedded').limit_bytes, 2 * GIB);
    assert.equal(read('pipelock').limit_bytes, 8 * MIB);
    assert.equal(read('pipelock', '1.5g').limit_bytes, 1.5 * GIB);
  });

  test('is 2 GiB at least towards an unscanned host, on its port', () => {
    const bodies = read('pipelock');
    assert.equal(bodyLimit(bodies, host('up.example'), 8443), 2 * GIB);
    assert.equal(bodyLimit(bodies, host('up.example'), 443), 8 * MIB);
    assert.equal(bodyLimit(bodies, host('a.up.example'), 8443), 8 * MIB);
    assert.equal(bodyLimit(read('embedded', '3g'), host('up.example'), 8443), 3 * GIB);
    assert.equal(unscannedOver(bodies, host('up.example'), 8443), 64 * MIB);
    assert.equal(unscannedOver(bodies, host('up.example'), 443), undefined);
  });

  test('is told as people say it', () => {
    assert.deepEqual(read('embedded').unscanned.map(formatUnscanned), [
      'bodies over 64 MiB to up.example:8443 pass UNSCANNED',
    ]);
    assert.deepEqual([17, 1024, 1.5 * GIB, 123.4 * MIB].map(formatBytes), ['17 bytes', '1 KiB', '1.5 GiB', '123 MiB']);
  });
});

suite('a manifest is refused for', () => {
  const rows: [title: string, egress: object, message: RegExp][] = [
    ['a limit without a unit', { body_limit: '100' }, /^egress\.body_limit: must be a number with k, m or g/],
    ['a limit that is too small', { body_limit: '100k' }, /must be between 1m and 64g/],
    ['a limit that is too large', { body_limit: '65g' }, /must be between 1m and 64g/],
    ['an unscanned host without a size', { unscanned: [{ host: 'up.example' }] }, /^egress\.unscanned\.0\.over: /],
    ['many unscanned hosts at once', { unscanned: [{ host: '*.example', over: '1m' }] }, /must be one host/],
    ['an unscanned host that is none', { unscanned: [{ host: 'a b', over: '1m' }] }, /allowed: host, host:port/],
    [
      'an unscanned host that is not allowed',
      { unscanned: [{ host: 'x.test', over: '1m' }] },
      /is not in egress\.allow/,
    ],
  ];
  for (const [title, egress, message] of rows)
    test(title, () => {
      const { error } = manifestSchema.safeParse({ version: 1, egress: { allow: ['up.example'], ...egress } });
      assert.match(error?.issues.map((one) => `${one.path.join('.')}: ${one.message}`).join('\n') ?? '', message);
    });
});
