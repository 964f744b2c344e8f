import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { buildContext, findPackage, packageRoot } from '../../../../src/docker/package.ts';

const compiled = existsSync(join(packageRoot, 'dist/addon/main.js'));

test('the root of the package is found from where this module lies', () => {
  assert.ok(existsSync(join(packageRoot, 'package.json')));
});

test("the agent's image is made of its Dockerfile alone", () => {
  assert.deepEqual(
    buildContext('agent', 'Dockerfile.agent').files.map(({ path }) => path),
    ['Dockerfile'],
  );
});

test("the sidecar's context has its code and three packages, and no launcher", {
  skip: !compiled && 'not compiled',
}, () => {
  const { files, digest } = buildContext('sidecar', 'Dockerfile.sidecar');
  const paths = files.map(({ path }) => path);
  for (const wanted of [
    'app/addon/main.js',
    'app/addon/gate/gate.sh',
    'app/contracts/sidecar.js',
    'app/package.json',
  ]) {
    assert.ok(paths.includes(wanted), wanted);
  }
  for (const name of ['zod', 'undici', 'node-forge']) {
    assert.ok(paths.includes(`app/node_modules/${name}/package.json`), name);
  }
  assert.deepEqual(
    paths.filter((path) => path.startsWith('app/src') || path.endsWith('.ts')),
    [],
  );
  assert.equal(buildContext('sidecar', 'Dockerfile.sidecar').digest, digest);
});

test('a package that is not installed is named', () => {
  assert.throws(() => findPackage('no-such-package-of-ours'), /package is missing: no-such-package-of-ours/);
});
