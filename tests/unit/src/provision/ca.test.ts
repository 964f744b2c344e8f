import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { BUNDLE_FILE, CERTIFICATE_FILE } from '../../../../contracts/variables.ts';
import { caProvisioner, splice } from '../../../../src/provision/ca.ts';
import { imageOf } from '../../support/image.ts';
import { OTHER_PEM, PEM } from '../../support/manifests.ts';

const context = { certificate: PEM, user: 'node', home: '/home/agent' };
const image = (files: Record<string, string | undefined> = {}) => imageOf({ files }).agent;

suite('a bundle with the certificate spliced in', () => {
  const rows: [title: string, bundle: string, expected: string][] = [
    ['has it behind the roots', 'ROOTS\n', `ROOTS\n${PEM.trimEnd()}\n`],
    ['has it on a line of its own where the roots end without a break', 'ROOTS', `ROOTS\n${PEM.trimEnd()}\n`],
    ['is the certificate alone where there were no roots', '', `${PEM.trimEnd()}\n`],
  ];
  for (const [title, bundle, expected] of rows)
    test(title, () => assert.equal(splice(Buffer.from(bundle), PEM), expected));

  test('ends with one line break, whatever the certificate ends with', () => {
    for (const end of ['', '\n', '\n\n', '\r\n'])
      assert.equal(splice(Buffer.from('ROOTS\n'), PEM.trimEnd() + end), `ROOTS\n${PEM.trimEnd()}\n`);
  });

  test('keeps every root as it was', () => {
    const roots = `# comment\n${OTHER_PEM}\n`;
    assert.ok(splice(Buffer.from(roots), PEM).startsWith(roots));
  });

  test('begins with the bundle, whatever text is in it', () => {
    const ascii = fc.string({ unit: fc.constantFrom('a', 'b', '\n', '\r', ' ', '-', '='), maxLength: 60 });
    fc.assert(
      fc.property(ascii, (bundle) => {
        const spliced = splice(Buffer.from(bundle), PEM);
        assert.ok(spliced.startsWith(bundle));
        assert.match(spliced, /(^|\n)-----BEGIN CERTIFICATE-----\n/);
      }),
    );
  });
});

suite('trust', () => {
  test('is essential: without it nothing is launched', () => assert.equal(caProvisioner.need, 'essential'));

  test('is the certificate and the bundle, readable by all and writable by root alone', async () => {
    const ready = await caProvisioner.inspect(image(), {});
    assert.deepEqual(
      ready.files(context).map(({ path, mode, uid, gid }) => ({ path, mode, uid, gid })),
      [
        { path: '/usr/local/share/ca-certificates', mode: 0o755, uid: 0, gid: 0 },
        { path: CERTIFICATE_FILE, mode: 0o644, uid: 0, gid: 0 },
        { path: BUNDLE_FILE, mode: 0o644, uid: 0, gid: 0 },
      ],
    );
  });

  for (const file of [BUNDLE_FILE, '/usr/sbin/update-ca-certificates']) {
    test(`of an image without ${file} fails, and says what to install`, async () => {
      await assert.rejects(caProvisioner.inspect(image({ [file]: undefined }), {}), {
        name: 'LaunchError',
        code: 'BOTTLE_LAUNCH',
        stage: 'trust',
        message: `trust: the agent's image has no ${file}. Install the package ca-certificates in it (apt-get install ca-certificates)`,
      });
    });
  }

  test('may have an empty bundle: it is then the certificate alone', async () => {
    const ready = await caProvisioner.inspect(image({ [BUNDLE_FILE]: '' }), {});
    assert.equal(ready.files(context).find(({ path }) => path === BUNDLE_FILE)?.content, `${PEM.trimEnd()}\n`);
  });
});

suite('update-ca-certificates', () => {
  async function follow(result: { status: number; output: string }): Promise<void> {
    const { agent } = imageOf({ exec: () => result });
    await agent.start(new AbortController().signal);
    const ready = await caProvisioner.inspect(agent, {});
    await ready.follow?.(agent);
  }

  test('that succeeds says nothing', async () => {
    await assert.doesNotReject(follow({ status: 0, output: 'a warning' }));
  });

  test('that fails is an error with its last ten lines', async () => {
    const output = Array.from({ length: 30 }, (_, index) => `line ${index}`).join('\n');
    await assert.rejects(follow({ status: 2, output }), (error) => {
      assert.ok(error instanceof Error);
      const [first, ...log] = error.message.split('\n');
      assert.equal(first, 'trust: /usr/sbin/update-ca-certificates ended with status 2');
      assert.equal(log.length, 10);
      assert.equal(log.at(-1), '  | line 29');
      return true;
    });
  });
});
