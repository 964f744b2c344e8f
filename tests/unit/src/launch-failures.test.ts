import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { BUNDLE_FILE } from '../../../contracts/variables.ts';
import { launch } from '../../../src/launch.ts';
import { planLaunch } from '../../../src/plan.ts';
import type { Provisioner } from '../../../src/provision/provisioner.ts';
import { FakeBackend, type Script } from '../support/backend.ts';
import { launched, makeInput, never, secrets, settle } from '../support/launching.ts';
import { builtInPlan, full, fullPlan } from '../support/plans.ts';

suite('a provisioner that fails', () => {
  const failing = (need: Provisioner['need']): Provisioner => ({
    name: 'dotfiles',
    need,
    inspect: () => Promise.reject(new Error('no such file')),
  });

  test('is said and left out, if it is optional', async () => {
    const { input, session } = await launched({}, fullPlan(), { provisioners: [failing('optional')] });
    await using _ = session;
    assert.deepEqual(input.said, ['provision dotfiles: left out (provision dotfiles: no such file)']);
  });

  test('ends the launch, if it is essential', async () => {
    const backend = new FakeBackend();
    const input = makeInput({ secrets, provisioners: [failing('essential')] });
    await assert.rejects(launch(fullPlan(), backend, input, never), {
      name: 'LaunchError',
      message: 'provision dotfiles: no such file',
    });
    assert.deepEqual([...backend.alive], []);
  });

  for (const [file, title] of [
    [BUNDLE_FILE, 'without a bundle of roots'],
    ['/usr/sbin/update-ca-certificates', 'without update-ca-certificates'],
  ] as const) {
    test(`ends the launch of an image ${title}, and says what to install`, async () => {
      const backend = new FakeBackend({ files: { [file]: undefined } });
      await assert.rejects(launch(fullPlan(), backend, makeInput({ secrets }), never), {
        name: 'LaunchError',
        stage: 'trust',
        message: /has no \/.*Install the package ca-certificates/,
      });
      assert.deepEqual([...backend.alive], []);
      assert.equal(backend.container('agent').state, 'gone');
    });
  }

  test('is handed the variables that the agent will have: ours, the manifest’s, and the image’s where they differ', async () => {
    const found: Record<string, string>[] = [];
    const looking: Provisioner = {
      name: 'looking',
      need: 'essential',
      inspect: (_, env) => {
        found.push({ ...env });
        return Promise.resolve({ files: () => [] });
      },
    };
    const script = { env: { JAVA_HOME: '/opt/java', HTTPS_PROXY: 'http://elsewhere' } };
    const { backend, session } = await launched(script, fullPlan(), { provisioners: [looking] });
    await using _ = session;
    assert.deepEqual(found, [{ JAVA_HOME: '/opt/java', ...backend.container('agent').spec.env }]);
    assert.match(String(backend.container('agent').spec.env['HTTPS_PROXY']), /bump/);
  });

  test('puts its files behind those of the provisioners before it', async () => {
    const file = (path: string): Provisioner => ({
      name: path,
      need: 'optional',
      inspect: async () => {
        if (path === '/a') await settle();
        return { files: () => [{ path, content: '', mode: 0o644 }] };
      },
    });
    const { backend, session } = await launched({}, fullPlan(), { provisioners: [file('/a'), file('/b')] });
    await using _ = session;
    assert.deepEqual(
      backend.container('agent').placed.map(({ path }) => path),
      ['/a', '/b'],
    );
  });
});

suite('a container that does not come up', () => {
  const rows: [title: string, script: Script, message: RegExp][] = [
    ['because its ready line is no JSON', { ready: { gate: 'ready' } }, /^bottle-demo-gate: /],
    [
      'because its ready line lacks the certificate',
      { ready: { bump: '{"event":"ready","role":"bump"}' } },
      /^bottle-demo-bump: /,
    ],
    [
      'because it says that it is another',
      { ready: { scanner: '{"event":"ready","role":"gate"}' } },
      /^bottle-demo-scanner: .*said that it is gate/,
    ],
  ];
  for (const [title, script, message] of rows) {
    test(`ends the launch ${title}`, async () => {
      const backend = new FakeBackend(script);
      await assert.rejects(launch(fullPlan(), backend, makeInput({ secrets }), never), {
        name: 'LaunchError',
        message,
      });
      assert.deepEqual([...backend.alive], []);
      assert.equal(backend.calls.at(-1), 'sweep demo');
    });
  }

  test('is shown with the last lines of its log', async () => {
    const backend = new FakeBackend({
      started: (container) => {
        container.log = Array.from({ length: 20 }, (_, index) => `line ${index}`);
      },
      ready: { bump: '{}' },
    });
    await assert.rejects(
      launch(builtInPlan(), backend, makeInput({ secrets: { ANTHROPIC_API_KEY: 'x' } }), never),
      (error) => {
        assert.ok(error instanceof Error);
        const shown = error.message.split('\n').filter((line) => line.startsWith('  | '));
        assert.deepEqual([shown.length, shown.at(-1)], [10, '  | line 19']);
        return true;
      },
    );
  });

  test('is shown also where its log cannot be read', async () => {
    const backend = new FakeBackend({
      ready: { bump: '{}' },
      before: (call) => {
        if (call.startsWith('logs')) throw new Error('gone');
      },
    });
    await assert.rejects(
      launch(fullPlan(), backend, makeInput({ secrets }), never),
      /^LaunchError: bottle-demo-bump: .*its log cannot be read/s,
    );
  });
});

test('an environment that lacks a secret of the plan ends the launch before any container is made', async () => {
  const backend = new FakeBackend();
  await assert.rejects(launch(planLaunch(full, { slug: 'demo' }), backend, makeInput(), never), /env\.TOKEN/);
  assert.deepEqual([...backend.alive], []);
});
