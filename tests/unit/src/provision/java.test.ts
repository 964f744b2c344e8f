import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { BUNDLE_FILE, clientVariables, TRUST_STORE_FILE } from '../../../../contracts/variables.ts';
import { oid } from '../../../../src/provision/der.ts';
import { javaProvisioner, trustStore } from '../../../../src/provision/java.ts';
import { certificatesIn } from '../../../../src/provision/pem.ts';
import { imageOf } from '../../support/image.ts';
import { OTHER_PEM, PEM } from '../../support/manifests.ts';

const context = { certificate: PEM, user: 'node', home: '/home/agent' };
const both = certificatesIn(PEM + OTHER_PEM);

suite('an image with a JDK', () => {
  const rows: [where: string, path: string, env: Record<string, string>][] = [
    ['among its programs', '/usr/bin/java', {}],
    ['where distributions keep it', '/usr/lib/jvm', {}],
    ['where official images keep it', '/opt/java', {}],
    ['where its variable says', '/home/java/bin/java', { JAVA_HOME: '/home/java' }],
    ['where its PATH leads', '/sdk/bin/java', { PATH: '/bin:/sdk/bin' }],
  ];
  for (const [where, path, env] of rows)
    test(`${where} gets a store of its roots and the CA, readable by all`, async () => {
      const { agent } = imageOf({ files: { [path]: '', [BUNDLE_FILE]: `# roots\n${OTHER_PEM}` } });
      const files = (await javaProvisioner.inspect(agent, env)).files(context);
      assert.deepEqual(
        files.map(({ path: file, mode, uid, gid }) => ({ file, mode, uid, gid })),
        [
          { file: '/etc/bottle', mode: 0o755, uid: 0, gid: 0 },
          { file: TRUST_STORE_FILE, mode: 0o644, uid: 0, gid: 0 },
        ],
      );
      assert.deepEqual(files[1]?.content, trustStore(certificatesIn(OTHER_PEM + PEM)));
    });
});

test('an image without a JDK gets nothing, for four questions to the engine', async () => {
  const { backend, agent } = imageOf({});
  assert.deepEqual((await javaProvisioner.inspect(agent, { JAVA_HOME: 'relative' })).files(context), []);
  assert.equal(backend.calls.length, 4);
  assert.equal(backend.called(/^has /).length, 4);
});

test('an image whose JDK cannot be looked for is left without: nothing else depends on it', () => {
  assert.equal(javaProvisioner.need, 'optional');
});

test('the variable names the store, and that it is PKCS12', () => {
  const { JAVA_TOOL_OPTIONS: options = '' } = clientVariables({ host: 'bump', port: 1 });
  assert.match(
    options,
    / -Djavax\.net\.ssl\.trustStore=\/etc\/bottle\/trust\.p12 -Djavax\.net\.ssl\.trustStoreType=PKCS12$/,
  );
});

suite('a trust store', () => {
  test('has in every bag the attribute without which Java passes over it', () => {
    const text = trustStore(both).toString('latin1');
    const attribute = oid('2.16.840.1.113894.746875.1.1').toString('latin1');
    assert.equal(text.split(attribute).length - 1, both.length);
  });

  test('is read by openssl as these certificates', () => {
    const args = ['pkcs12', '-nomacver', '-nokeys', '-passin', 'pass:'];
    const pem = execFileSync('openssl', args, { input: trustStore(both), stdio: ['pipe', 'pipe', 'ignore'] });
    assert.deepEqual(certificatesIn(pem.toString()), both);
  });

  const skip = spawnSync('keytool', ['-help']).error ? 'there is no JDK on this machine' : false;
  test('is read by Java as these certificates, with any password; without the attribute as none', { skip }, (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'bottle-java-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'trust.p12');
    const list = (store: Buffer, password: string): string => {
      writeFileSync(file, store);
      const args = ['-J-Duser.language=en', '-list', '-rfc', '-storetype', 'PKCS12', '-keystore', file];
      return execFileSync('keytool', [...args, '-storepass', password], {
        stdio: ['ignore', 'pipe', 'ignore'],
      }).toString();
    };
    for (const password of ['changeit', 'another']) {
      const found = certificatesIn(list(trustStore(both), password)).map((der) => der.toString('hex'));
      assert.deepEqual(found.toSorted(), both.map((der) => der.toString('hex')).toSorted());
    }
    const other = Buffer.from(trustStore(both));
    const attribute = oid('2.16.840.1.113894.746875.1.1');
    for (let at = other.indexOf(attribute); at >= 0; at = other.indexOf(attribute))
      other[at + attribute.length - 1] = 2;
    assert.match(list(other, 'changeit'), /contains 0 entries/);
  });
});
