import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { ownCredentialSchema } from '../../../contracts/credential.ts';
import { parseHost } from '../../../contracts/host.ts';
import { OWN_CREDENTIALS } from '../../../src/builtin.ts';

/** The rule of the table: the whole value, nothing in front of it and nothing behind. */
function matches(shape: string, value: string): boolean {
  return new RegExp(`^(?:${shape})$`).test(value);
}

suite("every row of an agent's own credentials", () => {
  for (const [index, row] of OWN_CREDENTIALS.entries()) {
    const place = row.place.kind === 'header' ? row.place.name : `${row.place.path} ${row.place.field}`;
    test(`${index + 1}, ${row.issuer}, ${place}`, () => {
      ownCredentialSchema.parse(row);
      assert.doesNotThrow(() => new RegExp(row.shape), 'its shape compiles');
      assert.ok(!matches(row.shape, ''), 'an empty value is no credential');
      for (const anchor of ['^', '$'])
        assert.ok(!row.shape.replaceAll('[^', '').includes(anchor), 'the scanner anchors it, not the row');
      assert.ok(!/[\\\][*+}]\)[*+{]/.test(row.shape), 'no repetition inside a repetition');
      for (const host of row.hosts) {
        const parsed = parseHost(host);
        assert.ok(parsed.kind !== 'invalid', `${host} is a host`);
        assert.equal(parsed.text, host, 'in its canonical form');
      }
      if (row.place.kind === 'header') assert.equal(row.place.name, row.place.name.toLowerCase());
      else assert.ok(row.place.path.startsWith('/'));
    });
  }
});

suite('the shape covers the whole value, so that nothing rides along', () => {
  const key = `sk-ant-${'a'.repeat(40)}`;
  const row = OWN_CREDENTIALS.find(({ place }) => place.kind === 'header' && place.name === 'x-api-key');
  const rows: [title: string, value: string, matching: boolean][] = [
    ['the credential itself', key, true],
    ['text in front of it', `x ${key}`, false],
    ['text behind it', `${key} AKIAIOSFODNN7EXAMPLE`, false],
    ['a second line', `${key}\nmore`, false],
    ['a line break behind it', `${key}\n`, false],
    ['a credential that never ends', `sk-ant-${'a'.repeat(10_000)}`, false],
    ["another issuer's", `ghp_${'a'.repeat(36)}`, false],
  ];
  for (const [title, value, matching] of rows)
    test(`${title}: ${matching ? 'is covered' : 'is not'}`, () =>
      assert.equal(matches(row?.shape ?? '', value), matching));
});

test('only exact hosts stand in the table: a wildcard would make a credential free for whoever has a name under it', () => {
  assert.deepEqual(
    OWN_CREDENTIALS.flatMap(({ hosts }) => hosts).filter((host) => host.includes('*')),
    [],
  );
});
