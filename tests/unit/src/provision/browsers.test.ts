import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { CERTIFICATE_FILE } from '../../../../contracts/variables.ts';
import { chromiumProvisioner, firefoxProvisioner, withCertificate } from '../../../../src/provision/browsers.ts';
import { certificatesIn } from '../../../../src/provision/pem.ts';
import type { Provisioner } from '../../../../src/provision/provisioner.ts';
import { imageOf } from '../../support/image.ts';
import { PEM } from '../../support/manifests.ts';

const context = { certificate: PEM, user: 'node', home: '/home/agent' };
const PLAIN = { policies: { Certificates: { Install: [CERTIFICATE_FILE] } } };

async function filesFor(provisioner: Provisioner, image: Record<string, string>, env: Record<string, string> = {}) {
  const { agent } = imageOf({ files: image });
  return (await provisioner.inspect(agent, env)).files(context);
}

suite('a browser of the Chromium family', () => {
  const rows: [title: string, path: string, folders: string[], env?: Record<string, string>][] = [
    ['Debian’s Chromium', '/usr/bin/chromium', ['/etc/chromium']],
    ['Chrome', '/opt/google/chrome', ['/etc/opt/chrome']],
    ['Edge', '/opt/microsoft/msedge', ['/etc/opt/edge']],
    ['what Playwright’s images have', '/ms-playwright', ['/etc/chromium', '/etc/opt/chrome_for_testing']],
    [
      'what Playwright has elsewhere',
      '/browsers',
      ['/etc/chromium', '/etc/opt/chrome_for_testing'],
      { PLAYWRIGHT_BROWSERS_PATH: '/browsers' },
    ],
  ];
  for (const [title, path, folders, env] of rows)
    test(`gets its policy: ${title}`, async () => {
      const files = await filesFor(chromiumProvisioner, { [path]: '' }, env);
      assert.deepEqual(
        files.map((file) => file.path),
        folders.flatMap((folder) => [
          folder,
          `${folder}/policies`,
          `${folder}/policies/managed`,
          `${folder}/policies/managed/bottle.json`,
        ]),
      );
      const policy = files.find(({ content }) => content !== undefined);
      const [der] = certificatesIn(PEM);
      assert.deepEqual(JSON.parse(String(policy?.content)), { CACertificates: [der?.toString('base64')] });
      assert.deepEqual([policy?.mode, policy?.uid, policy?.gid], [0o644, 0, 0]);
    });
});

suite('Firefox', () => {
  for (const path of ['/usr/bin/firefox', '/usr/bin/firefox-esr', '/usr/local/bin/firefox', '/opt/firefox'])
    test(`at ${path} gets its policy where it reads it`, async () => {
      const files = await filesFor(firefoxProvisioner, { [path]: '' });
      assert.deepEqual(
        files.map((file) => file.path),
        ['/etc/firefox', '/etc/firefox/policies', '/etc/firefox/policies/policies.json'],
      );
      assert.deepEqual(JSON.parse(String(files[2]?.content)), PLAIN);
      assert.equal(files[2]?.mode, 0o644);
    });

  const own = {
    policies: { DisableTelemetry: true, Certificates: { ImportEnterpriseRoots: true, Install: ['/a.crt'] } },
  };
  for (const path of ['/etc/firefox/policies/policies.json', '/usr/lib/firefox-esr/distribution/policies.json'])
    test(`keeps the policies that the image has at ${path}: it reads one file only`, async () => {
      const image = { '/usr/bin/firefox': '', [path]: JSON.stringify(own) };
      const files = await filesFor(firefoxProvisioner, image);
      assert.deepEqual(JSON.parse(String(files[2]?.content)), {
        policies: {
          DisableTelemetry: true,
          Certificates: { ImportEnterpriseRoots: true, Install: ['/a.crt', CERTIFICATE_FILE] },
        },
      });
    });

  test('gets a policy also where the image’s says nothing of certificates', () => {
    assert.deepEqual(JSON.parse(withCertificate('{}')), PLAIN);
    assert.deepEqual(JSON.parse(withCertificate('{"policies":{"Certificates":{"Install":"odd"}}}')), PLAIN);
  });

  for (const text of ['', '{', '[]', '1', 'null', '{"policies":[]}', '{"policies":{"Certificates":1}}'])
    test(`is left as it is, and that is said, where the image's policies are ${text || 'empty'}`, () => {
      assert.throws(() => withCertificate(text), { name: 'LaunchError', stage: 'firefox', message: /policies\.json/ });
    });
});

test('an image without a browser gets nothing, for a dozen questions to the engine', async () => {
  const { backend, agent } = imageOf({});
  for (const provisioner of [chromiumProvisioner, firefoxProvisioner]) {
    assert.equal(provisioner.need, 'optional');
    assert.deepEqual((await provisioner.inspect(agent, {})).files(context), []);
  }
  assert.deepEqual([backend.calls.length, backend.called(/^has /).length], [13, 13]);
});
