/** The package as a user gets it: packed, installed elsewhere, run. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { engine } from './support/world.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));
const docker = await engine();

describe('the package', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bottle-package-'));
  const state = mkdtempSync(join(tmpdir(), 'bottle-package-state-')); // bottle refuses to mount a folder that holds its records
  const bin = join(folder, 'node_modules/.bin/bottle');
  const env = { ...process.env, XDG_STATE_HOME: state };
  after(() => {
    for (const made of [folder, state]) rmSync(made, { recursive: true, force: true });
  });

  it('installs from its tarball into another folder and runs from there', async () => {
    const { stdout } = await run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder], {
      cwd: root,
    });
    writeFileSync(join(folder, 'package.json'), '{ "name": "user", "private": true }');
    await run('npm', ['install', '--silent', '--no-audit', '--no-fund', '--omit=dev', join(folder, stdout.trim())], {
      cwd: folder,
    });
    const version = await run(bin, ['--version'], { env });
    assert.match(version.stdout, /^\d+\.\d+\.\d+\n$/);
    const plan = await run(bin, ['start', '--dry-run', '--format', 'json', '--name', 'packed'], { cwd: folder, env });
    assert.equal(JSON.parse(plan.stdout).session, 'packed');
    await run(bin, ['init'], { cwd: folder, env });
  });

  it('builds its images from what is in the tarball, and runs an agent', {
    skip: typeof docker === 'string' ? docker : false,
  }, async () => {
    writeFileSync(
      join(folder, 'bottle.yaml'),
      'version: 1\nagent: { home: fresh, command: [echo, from the package] }\n',
    );
    const { stdout } = await run(bin, ['start', '--trust'], { cwd: folder, env });
    assert.equal(stdout, 'from the package\n');
  });

  it('says in one sentence which Node it needs, where that is too old', async () => {
    const old = join(folder, 'old.mjs');
    // The version is what the entry looks at first; an older Node itself is not to be had everywhere.
    writeFileSync(old, `Object.defineProperty(process.versions, 'node', { value: '20.1.0' });`);
    const failure = await run(process.execPath, ['--import', old, join(root, 'bin/bottle.js'), '--version']).catch(
      (error: unknown) => error,
    );
    assert.ok(failure instanceof Error && 'code' in failure && 'stderr' in failure);
    assert.equal(failure.code, 125);
    assert.match(String(failure.stderr), /^bottle needs Node 24 or later[^\n]*\n$/);
  });
});
