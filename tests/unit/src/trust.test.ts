import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { suite, test } from 'node:test';
import { trustIn } from '../../../src/trust.ts';
import { makeFolder } from '../support/folder.ts';
import { builtIn, full } from '../support/plans.ts';

suite('a manifest', () => {
  test('is not known before it was confirmed', () => {
    using folder = makeFolder();
    assert.equal(trustIn(folder.at('state')).knows(full), false);
  });

  test('is known from then on, also to a later launch', () => {
    using folder = makeFolder();
    trustIn(folder.at('state')).confirm(full);
    assert.equal(trustIn(folder.at('state')).knows(full), true);
  });

  test('is not known any more when its content has changed', () => {
    using folder = makeFolder();
    const trust = trustIn(folder.path);
    trust.confirm(full);
    assert.equal(trust.knows({ ...full, contentHash: 'b'.repeat(64) }), false);
  });

  test('may be confirmed again', () => {
    using folder = makeFolder();
    const trust = trustIn(folder.path);
    trust.confirm(full);
    assert.doesNotThrow(() => trust.confirm(full));
  });

  test('needs no confirmation if it is the built-in default', () => {
    using folder = makeFolder();
    assert.equal(trustIn(folder.path).knows(builtIn), true);
  });
});

test("what was confirmed is the user's own to read and to write", () => {
  using folder = makeFolder();
  trustIn(folder.path).confirm(full);
  assert.equal(statSync(folder.at('trusted')).mode & 0o777, 0o700);
});
