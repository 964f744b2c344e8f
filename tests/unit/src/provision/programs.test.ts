import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { programPaths } from '../../../../src/provision/programs.ts';

suite('a program is looked for', () => {
  test('in the usual folders', () => {
    assert.deepEqual(programPaths(['java'], {}), ['/usr/bin/java', '/usr/local/bin/java']);
  });

  test('and in what else the image’s PATH names, each folder once', () => {
    const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/java/openjdk/bin:/usr/bin';
    assert.deepEqual(programPaths(['a', 'b'], { PATH }), [
      '/usr/bin/a',
      '/usr/bin/b',
      '/usr/local/bin/a',
      '/usr/local/bin/b',
      '/opt/java/openjdk/bin/a',
      '/opt/java/openjdk/bin/b',
    ]);
  });

  test('in no folder that depends on where one stands', () => {
    assert.deepEqual(programPaths(['a'], { PATH: '.::bin:~/bin' }), ['/usr/bin/a', '/usr/local/bin/a']);
  });

  test('nowhere, if it has no name', () => assert.deepEqual(programPaths([], {}), []));
});
