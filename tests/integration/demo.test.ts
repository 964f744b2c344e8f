/** `npm run demo` as a newcomer sees it, without the set-up and the build that come first in its script: whoever runs tests has both. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { delimiter, dirname } from 'node:path';
import { before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { engine } from './support/world.ts';

const docker = await engine();
const skip = typeof docker === 'string' ? docker : false;
const root = fileURLToPath(new URL('../..', import.meta.url));

describe('npm run demo', { skip }, () => {
  let status: number | null;
  let stdout = '';
  let stderr = '';
  /** What is shown under each title, by the title's first words. */
  let scenes: Map<string, string>;
  before(() => {
    const [, main] = /^exec (node .+)$/m.exec(readFileSync(`${root}/scripts/demo.sh`, 'utf8')) ?? [];
    assert.ok(main, 'scripts/demo.sh ends with the program that shows it');
    const PATH = [dirname(process.execPath), process.env['PATH']].join(delimiter);
    const env = { ...process.env, PATH };
    ({ status, stdout, stderr } = spawnSync('sh', ['-c', `exec ${main}`], { cwd: root, env, encoding: 'utf8' }));
    scenes = new Map(
      stdout
        .split('\n■ ')
        .slice(1)
        .map((text) => [text.split(/[ ,:]/, 3).join(' '), text]),
    );
  });
  const shown = (title: string) => scenes.get(title) ?? assert.fail(`no scene “${title}” in ${stdout}`);

  it('ends with status 0, and says that it has shown all four scenes', () => {
    assert.equal(status, 0, `${stdout}\n${stderr}`);
    assert.equal(scenes.size, 4);
    for (const [title, text] of scenes) assert.match(text, /^ {2}✔ seen$/m, title);
    assert.match(stdout, /\nAll four seen\.\n$/);
    assert.doesNotMatch(stdout, /NOT seen/);
  });

  it('shows that there is no way out but the sidecar', () => {
    assert.match(shown('The agent has'), /^ {2}│ curl: \(7\)/m);
    assert.match(shown('The agent has'), /^ {2}│ curl: \(6\) Could not resolve host: raw\.githubusercontent\.com$/m);
  });

  it('shows the upstream’s own answer to what is allowed', () => {
    assert.match(shown('An HTTPS GET'), /^ {2}│ x-upstream: stand-in$/m);
    assert.match(shown('An HTTPS GET'), /^ {2}│ upstream says hello to GET \/hello$/m);
  });

  it('shows why a request with a credential is not sent, and that it was not', () => {
    assert.match(shown('An HTTPS POST'), /^ {2}│ x-bottle-outcome: blocked$/m);
    assert.match(shown('An HTTPS POST'), /blocked: request body contains secret: AWS/);
    assert.match(shown('Nothing is left'), /^ {2}│ requests to \/dlp-probe that reached the upstream: 0$/m);
  });

  it('leaves nothing behind', () => {
    assert.match(shown('Nothing is left'), /^ {2}│ containers, networks and volumes of the sessions: none$/m);
  });
});
