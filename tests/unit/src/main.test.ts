import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { suite, test } from 'node:test';
import { type Folder, makeFolder } from '../support/folder.ts';
import { ROOT } from '../support/imports.ts';

/** Runs the program in a folder of its own; the engine is wherever `socket` says, by default nowhere. */
function bottle(folder: Folder, args: string[], socket = folder.at('absent.sock')): ChildProcess {
  folder.folder('project');
  return spawn(process.execPath, [join(ROOT, 'src/main.ts'), ...args], {
    cwd: folder.at('project'),
    env: { HOME: folder.path, DOCKER_HOST: `unix://${socket}` },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 60_000, // whatever happens, nothing is left running
    killSignal: 'SIGKILL',
  });
}

async function result(child: ChildProcess): Promise<{ status: number | null; out: string; err: string }> {
  assert.ok(child.stdout && child.stderr);
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { status: child.exitCode, out, err };
}

suite('the program', () => {
  test('prints its version, and ends with 0', async () => {
    using folder = makeFolder();
    const { version }: { version: string } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    assert.deepEqual(await result(bottle(folder, ['--version'])), { status: 0, out: `${version}\n`, err: '' });
  });

  test('prints a plan to standard output, and nothing else', async () => {
    using folder = makeFolder();
    const { status, out, err } = await result(bottle(folder, ['start', '--dry-run', '--name', 'mine']));
    assert.deepEqual([status, err], [0, '']);
    assert.match(out, /^session mine, from the built-in default\n/);
  });

  const failures: [title: string, args: string[], err: RegExp][] = [
    ['a wrong command line', ['start', '--format', 'json'], /^bottle: --format belongs to --dry-run.*\n$/],
    ['no command', [], /^bottle: no command given.*\n$/],
    [
      'a manifest that is not there',
      ['start', '-f', 'absent.yaml'],
      /^bottle: .*absent\.yaml .*\nbottle: {3}cannot be read/,
    ],
    ['an engine that is not there', ['ls'], /^bottle: engine cannot be reached: .*absent\.sock/],
  ];
  for (const [title, args, expected] of failures) {
    test(`ends with 125 for ${title}, and says it on standard error, once`, async () => {
      using folder = makeFolder();
      const { status, out, err } = await result(bottle(folder, args));
      assert.equal(status, 125, err);
      assert.equal(out, '');
      assert.match(err, expected);
      assert.doesNotMatch(err, /\n\s+at |defect of bottle/, 'without a stack');
    });
  }

  test('ends with 125 for a manifest that is not confirmed', async () => {
    using folder = makeFolder();
    folder.write('project/bottle.yaml', 'version: 1\n');
    const { status, err } = await result(bottle(folder, ['start']));
    assert.equal(status, 125);
    assert.match(err, /^bottle: \S+bottle\.yaml is not confirmed on this machine/);
  });

  test('ends with 130 when it is interrupted before the agent runs', async () => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      using folder = makeFolder();
      const asked = Promise.withResolvers<void>();
      // An engine that says that it is there, and then nothing.
      await using engine = createServer((request, response) => {
        if (request.url?.endsWith('/_ping')) response.setHeader('api-version', '1.43').end('OK');
        else if (request.url?.endsWith('/version')) response.end('{"ApiVersion":"1.43","Version":"24"}');
        else asked.resolve();
      }).listen(folder.at('engine.sock'));
      const child = bottle(folder, ['start'], folder.at('engine.sock'));
      const ended = result(child);
      await Promise.race([asked.promise, ended]);
      child.kill(signal);
      child.stderr?.on('data', () => engine.closeAllConnections());
      const { status, err } = await ended;
      assert.equal(status, 130, err);
      assert.match(err, /\nbottle: interrupted by SIG[A-Z]+\n$/);
    }
  });
});
