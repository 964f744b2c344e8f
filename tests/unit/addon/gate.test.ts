/** The gate's script with stand-ins for the programs that set rules: what it reads, what it writes, when it refuses. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

const script = join(import.meta.dirname, '../../../addon/gate/gate.sh');
const tools = mkdtempSync(join(tmpdir(), 'bottle-gate-'));
after(() => rmSync(tools, { recursive: true }));

function tool(name: string, text: string): void {
  writeFileSync(join(tools, name), `#!/bin/sh\n${text}\n`);
  chmodSync(join(tools, name), 0o755);
}

tool('iptables-restore', '[ "$*" = --noflush ] && cat');
tool('ip6tables-restore', '[ "$*" = --noflush ] && cat');
tool('setpriv', 'echo "setpriv $*"');

function gate(input: string): { status: number | null; stdout: string; stderr: string } {
  return spawnSync('sh', [script], { input, encoding: 'utf8', env: { PATH: `${tools}:/usr/bin:/bin` } });
}

const config = { version: 1, sidecar: '10.213.0.2', proxy_port: 8080, dns_port: 53 };

test("only the sidecar's proxy and resolver are allowed, the rest is refused, and the policies drop", () => {
  const { status, stdout } = gate(`${JSON.stringify(config)}\n`);
  assert.equal(status, 0);
  const ipv4 = stdout.slice(0, stdout.indexOf('COMMIT'));
  assert.deepEqual(
    ipv4.split('\n').filter((line) => line.startsWith('-A OUTPUT') && line.endsWith('-j ACCEPT')),
    [
      '-A OUTPUT -o lo -j ACCEPT',
      '-A OUTPUT -d 10.213.0.2 -p tcp --dport 8080 -j ACCEPT',
      '-A OUTPUT -d 10.213.0.2 -p udp --dport 53 -j ACCEPT',
      '-A OUTPUT -d 10.213.0.2 -p tcp --dport 53 -j ACCEPT',
    ],
  );
  for (const chain of ['INPUT', 'FORWARD', 'OUTPUT']) assert.ok(stdout.includes(`:${chain} DROP [0:0]`));
  assert.ok(stdout.includes('-A OUTPUT -p tcp -j REJECT --reject-with tcp-reset\n-A OUTPUT -j REJECT'));
});

test('every privilege is given up before it can say ready', () => {
  const { stdout } = gate(`${JSON.stringify(config)}\n`);
  const last = stdout.slice(stdout.indexOf('setpriv'));
  for (const flag of ['--reuid 65534', '--regid 65534', '--clear-groups', '--bounding-set -all', '--no-new-privs']) {
    assert.ok(last.includes(flag), flag);
  }
  assert.ok(!stdout.slice(0, stdout.indexOf('setpriv')).includes('ready'));
});

test('the order of the members does not matter, nor do further ones', () => {
  const { dns_port, ...rest } = config;
  const { stdout } = gate(`${JSON.stringify({ dns_port, more: 'x', ...rest })}\n`);
  assert.ok(stdout.includes('-A OUTPUT -d 10.213.0.2 -p udp --dport 53 -j ACCEPT'));
});

test('a configuration of any other form sets no rule and ends with status 2', () => {
  const wrong: unknown[] = [
    { ...config, version: 2 },
    { ...config, sidecar: '10.213.0.256' },
    { ...config, sidecar: '10.213.0.2/24' },
    { ...config, sidecar: 'bump' },
    { ...config, sidecar: '10.213.0.2 -j ACCEPT' },
    { ...config, proxy_port: 0 },
    { ...config, proxy_port: 65536 },
    { ...config, dns_port: '53;' },
    { version: 1, sidecar: '10.213.0.2', proxy_port: 8080 },
    [],
  ];
  for (const value of wrong) {
    const { status, stdout, stderr } = gate(`${JSON.stringify(value)}\n`);
    assert.equal(status, 2, JSON.stringify(value));
    assert.equal(stdout, '');
    assert.match(stderr, /^gate: configuration cannot be read/);
  }
  assert.equal(gate('').status, 2);
});

test('a rule that cannot be set ends it before it is ready', () => {
  tool('iptables-restore', 'exit 4');
  const { status, stdout } = gate(`${JSON.stringify(config)}\n`);
  assert.notEqual(status, 0);
  assert.ok(!stdout.includes('setpriv'));
});
