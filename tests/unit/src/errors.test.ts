import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { firstError, LaunchError, ManifestError } from '../../../src/errors.ts';

suite('what went wrong first', () => {
  const first = new Error('first');

  test('is the error itself, where nothing else went wrong', () => assert.equal(firstError(first), first));

  test('is found under every failure of the teardown after it', () => {
    const suppressed = new SuppressedError(new Error('third'), new SuppressedError(new Error('second'), first));
    assert.equal(firstError(suppressed), first);
  });

  test('may be anything', () => assert.equal(firstError(new SuppressedError(first, undefined)), undefined));
});

test('an error of a launch names its stage, and has each line of the log on a line of its own', () => {
  const cause = new Error('below');
  const error = new LaunchError('bottle-x-gate', 'ended with status 1', ['one', 'two'], { cause });
  assert.equal(error.message, 'bottle-x-gate: ended with status 1\n  | one\n  | two');
  assert.equal(error.stage, 'bottle-x-gate');
  assert.equal(error.cause, cause);
});

test('an error of a manifest keeps its problems as data', () => {
  const issues = [
    { path: '', message: 'is no object' },
    { path: 'egress.allow[0]', message: 'is a bare "*"' },
  ];
  const error = new ManifestError('bottle.yaml', issues);
  assert.deepEqual(error.issues, issues);
  assert.deepEqual(error.message.split('\n').slice(1), ['  is no object', '  egress.allow[0]: is a bare "*"']);
});
