import assert from 'node:assert/strict';
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, createServer as createTcpServer } from 'node:net';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { readyLineSchema, type SidecarConfig } from '../../../contracts/sidecar.ts';
import { freePort } from '../support/port.ts';
import { ask, KEY, readJournal, type Rig } from './rig.ts';
import { type EmbeddedScanner, startEmbedded } from './support/embedded.ts';

const MAIN = fileURLToPath(new URL('../../../addon/main.ts', import.meta.url));
const CANARY = 'CANARY7f3aSECRET';
/** What the scanner stops here. */
const SECRET = `AKIA${'Q3EGRZPY7WLN5TKD'}`;
let scanner: EmbeddedScanner;
before(async () => {
  scanner = await startEmbedded();
});
after(() => scanner[Symbol.dispose]());

async function config(): Promise<SidecarConfig> {
  return {
    version: 1,
    session: 'test',
    key: KEY.toString('base64'),
    listen: { address: '127.0.0.1', gate: '127.0.0.1', proxy_port: await freePort(), dns_port: await freePort() },
    own_names: [],
    policy: { rules: [{ match: 'exact', host: 'a.test', ports: [443] }], allow_private: [], unopened: [] },
    websockets: 'allow',
    upstream_ca: [],
    upstream_proxy: null,
    client_certificates: [],
    scanner: scanner.config,
    secrets: [],
    bodies: { limit_bytes: 1_000_000, unscanned: [] },
    journal: scanner.folder.at('journal.jsonl'),
  };
}

function run(): { child: ChildProcessWithoutNullStreams; output: () => string } {
  const child = spawn(process.execPath, ['--no-warnings', MAIN]);
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
  return { child, output: () => text };
}

async function started(given: SidecarConfig) {
  const { child, output } = run();
  const lines = createInterface({ input: child.stdout });
  child.stdin.write(`${JSON.stringify(given)}\n`);
  const [line] = (await once(lines, 'line')) as [string];
  return { child, output, ready: readyLineSchema.parse(JSON.parse(line)) };
}

test('it prints one ready line with its certificate, and ends with 0 when standard input ends', async () => {
  const { child, ready, output } = await started(await config());
  assert.ok(ready.role === 'bump');
  const certificate = new X509Certificate(ready.certificate);
  assert.equal(certificate.fingerprint256.replaceAll(':', '').toLowerCase(), ready.fingerprint);
  child.stdin.write('\n');
  child.stdin.end();
  const [status] = await once(child, 'exit');
  assert.equal(status, 0);
  assert.equal(output().split('\n').filter(Boolean).length, 1);
  assert.ok(!output().includes('PRIVATE'));
});

test('SIGTERM ends it with 0, and open tunnels with it', async () => {
  const given = await config();
  const { child } = await started(given);
  const socket = connect(given.listen.proxy_port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write('CONNECT a.test:443 HTTP/1.1\r\n\r\n');
  await once(socket, 'data');
  child.kill('SIGTERM');
  await Promise.all([once(child, 'exit').then(([status]) => assert.equal(status, 0)), once(socket, 'close')]);
});

test('a configuration that is none is one line on standard error and status 1, without its values', async () => {
  const taken = await config();
  const cases = ['not json', '{}', JSON.stringify({ ...taken, version: 2, key: CANARY }), ''];
  for (const line of cases) {
    const { child, output } = run();
    child.stdin.end(line === '' ? '' : `${line}\n`);
    const [status] = await once(child, 'exit');
    assert.equal(status, 1, line);
    assert.match(output(), /^bump: [^\n]+\n$/);
    assert.ok(!output().includes(CANARY));
  }
});

test('a port that is taken is said, with status 1', async () => {
  const given = await config();
  const server = createTcpServer().listen(given.listen.proxy_port, '127.0.0.1');
  await once(server, 'listening');
  const { child, output } = run();
  child.stdin.write(`${JSON.stringify(given)}\n`);
  const [status] = await once(child, 'exit');
  assert.equal(status, 1);
  assert.match(output(), /^bump: .*EADDRINUSE.*\n$/);
  server.close();
});

test('nothing of a request that was stopped gets into the journal, standard output or standard error', async () => {
  const given = await config();
  const { child, output, ready } = await started(given);
  assert.ok(ready.role === 'bump');
  const rig = {
    sidecar: { port: given.listen.proxy_port, authority: { certificate: ready.certificate } },
  } as unknown as Rig;
  const leaky = {
    path: `/${CANARY}/p?q=${CANARY}`,
    body: `${CANARY} ${SECRET}`,
    fields: [
      'Authorization',
      'Cookie',
      'User-Agent',
      'Content-Type',
      `X-${CANARY}`,
      'Referer',
      'Proxy-Authorization',
      'Origin',
    ].map((name) => [name, CANARY] as const),
  };
  const asked = { port: 443, method: 'POST', ...leaky };
  assert.equal((await ask(rig, { host: 'a.test', ...asked })).status, 403);
  assert.equal((await ask(rig, { host: 'other.test', ...asked })).status, 403);
  for (const field of ['Expect', 'Upgrade', 'Host', 'Transfer-Encoding', 'Content-Length'])
    await ask(rig, { host: 'a.test', ...asked, body: '', fields: [...leaky.fields, [field, CANARY]] }).catch(
      () => undefined,
    );
  await ask(rig, { host: 'a.test', ...asked, sni: `${CANARY}.test` });
  const raw = connect(given.listen.proxy_port, '127.0.0.1');
  raw.end(`GET http://${CANARY}@a.test/ HTTP/1.1\r\nHost: ${CANARY}!\r\nConnection: close\r\n\r\n`);
  await once(raw.resume(), 'close');
  child.stdin.end();
  await once(child, 'exit');
  const lines = readJournal(given.journal);
  assert.ok(lines.length >= 5);
  assert.ok(!readFileSync(given.journal, 'utf8').includes(CANARY) && !output().includes(CANARY));
});
