import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { connect, TLSSocket } from 'node:tls';
import { makeAuthority } from '../../../addon/authority.ts';
import { host } from './rig.ts';

const authority = makeAuthority('blue-fox');
const ca = new X509Certificate(authority.certificate);
const LONG = `${'a'.repeat(60)}.${'b'.repeat(60)}.example.test`;
const HOSTS = ['example.test', 'x.y.example.test', '127.0.0.1', '[2001:db8::1]', '[::1]', 'compose-name', LONG];
let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'bottle-test-'));
  writeFileSync(join(folder, 'ca.pem'), authority.certificate);
});
after(() => rmSync(folder, { recursive: true }));

test('the fingerprint is the SHA-256 of the certificate, as openssl prints it', () => {
  assert.equal(authority.fingerprint, createHash('sha256').update(ca.raw).digest('hex'));
  const printed = execFileSync('openssl', ['x509', '-noout', '-fingerprint', '-sha256'], {
    input: authority.certificate,
  });
  assert.equal(printed.toString().split('=')[1]?.trim().replaceAll(':', '').toLowerCase(), authority.fingerprint);
});

test('every authority has its own key, name and serial number', () => {
  const other = new X509Certificate(makeAuthority('blue-fox').certificate);
  assert.notEqual(other.serialNumber, ca.serialNumber);
  assert.notDeepEqual(other.publicKey.export({ format: 'jwk' }), ca.publicKey.export({ format: 'jwk' }));
  assert.equal(ca.subject, 'C=XX\nO=bottle\nCN=bottle mitm ca blue-fox');
  assert.equal(ca.serialNumber.length, 32);
});

test('the CA is a CA of one level, for 30 days and an hour back', () => {
  const text = execFileSync('openssl', ['x509', '-noout', '-text'], { input: authority.certificate }).toString();
  assert.match(text, /Basic Constraints: critical\s+CA:TRUE, pathlen:0/);
  assert.match(text, /Key Usage: critical\s+Certificate Sign, CRL Sign\n/);
  assert.match(text, /Subject Key Identifier/);
  assert.match(text, /prime256v1/);
  const [from, to] = [Date.parse(ca.validFrom), Date.parse(ca.validTo)];
  assert.equal(to - from, (30 * 24 + 1) * 3_600_000);
  assert.ok(from < Date.now() - 3_590_000 && from > Date.now() - 3_700_000);
});

test('a session whose CA is about to end is told so', () => {
  assert.ok(!authority.isEnding(new Date()));
  assert.ok(authority.isEnding(new Date(Date.now() + 29.5 * 24 * 3_600_000)));
});

test('leaves are accepted by openssl in strict mode, for their host only', () => {
  for (const name of HOSTS) {
    const leaf = join(folder, 'leaf.pem');
    writeFileSync(leaf, authority.leafFor(host(name)));
    const { kind, text } = host(name);
    const purpose = ['verify', '-x509_strict', '-purpose', 'sslserver', '-CAfile', join(folder, 'ca.pem')];
    const verify = (flag: string, value: string) => spawnSync('openssl', [...purpose, flag, value, leaf]);
    const flag = kind === 'name' ? '-verify_hostname' : '-verify_ip';
    const good = verify(flag, text);
    assert.equal(good.status, 0, `${name}: ${good.stderr.toString()}`);
    assert.notEqual(verify('-verify_hostname', 'evil.test').status, 0);
  }
});

test('a leaf is no CA, has a subject of its own and a key that is not the CA’s', () => {
  for (const name of HOSTS) {
    const pem = authority.leafFor(host(name));
    assert.ok(!pem.includes('\n\n'));
    const leaf = new X509Certificate(pem);
    assert.ok(!leaf.ca && leaf.verify(ca.publicKey) && leaf.checkIssued(ca));
    assert.notEqual(leaf.subject, ca.subject);
    const { text: named } = host(name);
    assert.equal(
      leaf.subject,
      named.length <= 64 ? `CN=${named}` : undefined,
      'a name that is too long is none at all',
    );
    assert.notDeepEqual(leaf.publicKey.export({ format: 'jwk' }), ca.publicKey.export({ format: 'jwk' }));
    const text = execFileSync('openssl', ['x509', '-noout', '-text'], { input: pem }).toString();
    assert.match(text, /TLS Web Server Authentication/);
    assert.match(text, /Authority Key Identifier/);
    assert.equal(/Subject Alternative Name: critical/.test(text), leaf.subject === undefined); // RFC 5280 section 4.1.2.6
  }
});

test('no length of a host breaks the PEM', () => {
  for (let length = 1; length <= 63; length += 1) {
    const pem = authority.leafFor(host(`${'a'.repeat(length)}.test`));
    assert.ok(!/\n\n/.test(pem) && pem.endsWith('-----END CERTIFICATE-----\n'));
    new X509Certificate(pem);
  }
});

test('Node accepts the handshake for names and addresses, in TLS 1.2 and 1.3', async () => {
  for (const name of HOSTS)
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const { kind, text } = host(name);
      const server = createServer((raw) => {
        const socket = new TLSSocket(raw, { isServer: true, secureContext: authority.contextFor(host(name)) });
        socket.on('error', () => undefined);
        socket.resume();
      }).listen(0, '127.0.0.1');
      await once(server, 'listening');
      const socket = connect({
        port: (server.address() as AddressInfo).port,
        host: '127.0.0.1',
        ca: authority.certificate,
        minVersion: version,
        maxVersion: version,
        ...(kind === 'name' ? { servername: text } : {}),
        checkServerIdentity: (_, certificate) =>
          kind === 'name' || certificate.subjectaltname?.includes('IP Address') ? undefined : new Error('no address'),
      });
      await once(socket, 'secureConnect');
      assert.equal(socket.getProtocol(), version);
      socket.destroy();
      server.close();
    }
});

test('contexts are kept for hosts that return, and bounded', () => {
  const first = authority.contextFor(host('kept.test'));
  assert.equal(authority.contextFor(host('kept.test')), first);
  for (let index = 0; index < 600; index += 1) authority.contextFor(host(`h${index}.test`));
  assert.notEqual(authority.contextFor(host('kept.test')), first);
});

const python = ['python3.14', 'python3.13', 'python3'].find((name) => {
  const found = spawnSync(name, ['-c', 'import ssl,sys; sys.exit(0 if sys.version_info >= (3,13) else 1)']);
  return found.status === 0;
});
test("Python's strict verification accepts it", { skip: python ? false : 'no Python 3.13 or later here' }, async () => {
  const server = createServer((raw) => {
    const socket = new TLSSocket(raw, { isServer: true, secureContext: authority.contextFor(host('py.test')) });
    socket.on('error', () => undefined);
    socket.resume();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const code = [
    'import socket, ssl, sys',
    'c = ssl.create_default_context(cafile=sys.argv[1])',
    'assert c.verify_flags & ssl.VERIFY_X509_STRICT',
    's = c.wrap_socket(socket.create_connection(("127.0.0.1", int(sys.argv[2]))), server_hostname="py.test")',
    'print(s.version())',
  ].join('\n');
  const { execFile } = await import('node:child_process');
  const { promisify } = await import('node:util');
  const { stdout } = await promisify(execFile)(python ?? '', ['-c', code, join(folder, 'ca.pem'), String(port)]);
  assert.match(stdout, /TLSv1\.3/);
  server.close();
});
