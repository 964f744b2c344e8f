/** What the linter of the public certificate authorities says of our certificates. It is a Go program, built from its module. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { makeAuthority } from '../../addon/authority.ts';
import { parseHost } from '../../contracts/host.ts';

/** go.mod names its tool in a way that Go has had since 1.24. */
const GO_MINOR = 24;
const PUBLIC = ['api.anthropic.com', 'x.y.example.org', '8.8.8.8', '[2606:4700:4700::1111]'];
const LONG = `${'a'.repeat(60)}.${'b'.repeat(60)}.example.com`;

/** Hosts that no public authority may certify, and ours must: what the linter says of them is about the host. */
const PRIVATE: readonly [host: string, errors: string[]][] = [
  ['10.0.0.7', ['e_ext_san_contains_reserved_ip', 'e_subject_contains_reserved_ip']],
  ['[fd00::7]', ['e_ext_san_contains_reserved_ip', 'e_subject_contains_reserved_ip']],
  ['compose-name', ['e_dnsname_not_valid_tld']],
  ['service.internal', ['e_dnsname_not_valid_tld']],
];

describe('zlint', { skip: whyNot() }, () => {
  const authority = makeAuthority('blue-fox');
  const folder = mkdtempSync(join(tmpdir(), 'bottle-zlint-'));
  before(() => {
    const cwd = fileURLToPath(new URL('../zlint', import.meta.url));
    execFileSync('go', ['build', '-o', join(folder, 'zlint'), 'github.com/zmap/zlint/v3/cmd/zlint'], { cwd });
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const leaf = (name: string): string => {
    const host = parseHost(name);
    if (host.kind === 'invalid') throw new Error(name);
    return authority.leafFor(host);
  };
  /** Names of the lints that end so, with none left out. */
  const lint = (pem: string, results: readonly string[] = ['error', 'fatal']): string[] => {
    const file = join(folder, 'certificate.pem');
    writeFileSync(file, pem);
    const output = execFileSync(join(folder, 'zlint'), [file], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const all = Object.entries(JSON.parse(output) as Record<string, { result: string }>);
    assert.ok(all.length > 300, `it ran ${all.length} lints`);
    return all.flatMap(([name, { result }]) => (results.includes(result) ? [name] : [])).toSorted();
  };

  it('finds no error in the CA', () => assert.deepEqual(lint(authority.certificate), []));

  for (const host of [...PUBLIC, LONG])
    it(`finds no error in the leaf of ${host.slice(0, 30)}`, () => assert.deepEqual(lint(leaf(host)), []));

  for (const [host, errors] of PRIVATE)
    it(`finds nothing in the leaf of ${host} but what its host is`, () => assert.deepEqual(lint(leaf(host)), errors));

  it('finds what is wrong: a certificate as openssl makes it by default has errors', () => {
    const args = ['req', '-x509', '-newkey', 'rsa:1024', '-nodes', '-subj', '/CN=a_b', '-days', '4000', '-keyout', '-'];
    const made = execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    const pem = /-----BEGIN CERTIFICATE-----[^]*/.exec(made)?.[0] ?? '';
    assert.notDeepEqual(lint(pem), []);
  });
});

function whyNot(): string | false {
  const { stdout, error } = spawnSync('go', ['env', 'GOVERSION'], { encoding: 'utf8' });
  if (error) return 'Go is not installed, and the linter is a Go program';
  const minor = Number(/^go1\.(\d+)/.exec(stdout)?.[1]);
  return minor >= GO_MINOR ? false : `the linter’s module needs Go 1.${GO_MINOR}, here is ${stdout.trim()}`;
}
