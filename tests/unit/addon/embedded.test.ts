import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { detect } from '../../../addon/scanner/detect.ts';
import type { ScanRequest } from '../../../addon/scanner/finding.ts';
import { createScanner } from '../../../addon/scanner/serve.ts';
import { ask, KEY, makeRig, makeUpstreamServer, type Rig, type TestUpstream } from './rig.ts';
import { type EmbeddedScanner, startEmbedded } from './support/embedded.ts';
import { hello, makeWorld, placeOf, type World } from './support/world.ts';

/** The sidecar and the embedded scanner together: the contract between them, without a stand-in. */
const HOST = 'api.example.test';
const PLACE = placeOf(HOST);
let scanner: EmbeddedScanner;
let world: World<TestUpstream>;
let upstream: TestUpstream;
let rig: Rig;

before(async () => {
  scanner = await startEmbedded();
  world = await makeWorld(PLACE, hello, { config: { scanner: scanner.config } });
  ({ upstream, rig } = world);
});
after(async () => {
  await world[Symbol.asyncDispose]();
  scanner[Symbol.dispose]();
});

test('a harmless request is proven and forwarded', async () => {
  const body = JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'hello' }] });
  const answer = await ask(rig, {
    host: HOST,
    port: upstream.port,
    method: 'POST',
    path: '/v1/messages?beta=true',
    body,
  });
  assert.deepEqual([answer.status, answer.body], [200, 'hello']);
});

test('the sidecar is ready once the scanner has passed its test', async () => {
  assert.equal(await rig.sidecar.scannerReady(), undefined);
});

test('a scanner that lets something pass is not ready, and the part of the test that failed is named', async () => {
  const rows: [misses: (request: ScanRequest) => boolean, why: RegExp][] = [
    [({ body }) => body.includes('AKIA'), /^failed its self-test: a secret in a body was let pass$/],
    [({ fields }) => fields.some(([name]) => name === 'X-Note'), /: a secret in a header field was let pass$/],
    [({ url }) => url.includes('ghp_'), /: a secret in a URL was let pass$/],
    [
      () => true,
      /: a secret in a body was let pass; a secret in a header .* let pass; a secret in a URL was let pass$/,
    ],
  ];
  for (const [at, [misses, why]] of rows.entries()) {
    const socket = scanner.folder.at(`blind-${at}.sock`);
    const blind: typeof detect = (request, own) => (misses(request) ? [] : detect(request, own));
    const broken = createScanner({ key: KEY, own: [], log: () => undefined, detect: blind }).listen(socket);
    await once(broken, 'listening');
    await using own = await makeRig({ allow: [`${HOST}:9`], config: { scanner: { kind: 'embedded', socket } } });
    assert.match((await own.sidecar.scannerReady()) ?? '', why);
    const answer = await ask(own, { host: HOST, port: 9, plain: true, method: 'POST', body: 'hello' });
    assert.deepEqual([answer.status, answer.headers['x-bottle-outcome']], [503, 'failed']);
    assert.match(answer.body, /failed its self-test/);
    broken.closeAllConnections();
    broken.close();
  }
});

test('a scanner that comes later is waited for', async () => {
  const socket = scanner.folder.at('late.sock');
  await using own = await makeRig({ allow: [], config: { scanner: { kind: 'embedded', socket } } });
  const ready = own.sidecar.scannerReady();
  const late = createScanner({ key: KEY, own: [], log: () => undefined });
  setTimeout(() => late.listen(socket), 50);
  assert.equal(await ready, undefined);
  late.closeAllConnections();
  late.close();
});

test('what the scanner cannot read is refused, with the scanner’s reason', async () => {
  const send = (fields: [string, string][], body: string | Buffer) =>
    ask(rig, { host: HOST, port: upstream.port, method: 'POST', fields, body });
  for (const [body, status, reason] of [
    ['no gzip', 400, /does not decode/],
    [gzipSync(Buffer.alloc(80 * 1024 * 1024)), 413, /decompresses to more than can be scanned/],
  ] as const) {
    const answer = await send([['Content-Encoding', 'gzip']], body);
    assert.deepEqual([answer.status, answer.headers['x-bottle-outcome']], [status, 'refused']);
    assert.match(answer.body, reason);
  }
});

test('a credential in a body is blocked with the line of the scanner', async () => {
  const seen = upstream.seen.length;
  const body = `key=AKIA${'Q3EGRZPY7WLN5TKD'}`;
  const answer = await ask(rig, { host: HOST, port: upstream.port, method: 'POST', body });
  assert.equal(answer.status, 403);
  assert.equal(answer.headers['x-bottle-outcome'], 'blocked');
  assert.match(JSON.parse(answer.body).detail, /^blocked: request body contains secret: /);
  assert.equal(upstream.seen.length, seen);
});

test('both agree about every request that the sidecar lets through: proven or blocked, never "could not tell"', async () => {
  const latin1 = fc.string({
    unit: fc.integer({ min: 0x20, max: 0xff }).map((code) => (code === 0x7f ? '~' : String.fromCharCode(code))),
  });
  const name = fc.constantFrom(
    'X-A',
    'x-a',
    'Accept',
    'User-Agent',
    'Cookie',
    'Content-Type',
    'Referer',
    'Accept-Encoding',
  );
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS', 'PROPFIND'),
      fc.uniqueArray(
        fc.tuple(
          name,
          latin1.map((value) => value.trim()),
        ),
        {
          selector: ([field]) => (field === 'Content-Type' ? field : Math.random()),
        },
      ),
      fc.webPath().map((path) => path || '/'),
      fc.uint8Array({ maxLength: 2000 }),
      async (method, fields, path, body) => {
        const sent = method === 'GET' || method === 'HEAD' ? {} : { body: Buffer.from(body) };
        const answer = await ask(rig, { host: HOST, port: upstream.port, method, path, fields, ...sent });
        assert.ok(
          answer.status === 200 || ['blocked', 'refused'].includes(String(answer.headers['x-bottle-outcome'])),
          JSON.stringify(answer),
        );
      },
    ),
    { numRuns: 200 },
  );
});

test('a head as large as the sidecar takes is not too large for the scanner', async () => {
  const fields = [['X-Long', 'the quick brown fox '.repeat(2500)]] as const;
  assert.equal((await ask(rig, { host: HOST, port: upstream.port, fields })).status, 200);
});

test('a private address that the manifest names passes the scanner; one that it does not never gets there', async () => {
  await using own = await makeUpstreamServer((_, response) => response.end('private'));
  const scan = scanner.config;
  const target = { host: '127.0.0.1', port: own.port, plain: true };
  await using named = await makeRig({ allow: [`127.0.0.1:${own.port}`], config: { scanner: scan } });
  assert.equal((await ask(named, target)).body, 'private');
  const rules = [{ match: 'exact' as const, host: '127.0.0.1', ports: [own.port] }];
  await using unnamed = await makeRig({
    allow: [],
    config: { scanner: scan, policy: { rules, allow_private: [], unopened: [] } },
  });
  const refused = await ask(unnamed, target);
  assert.equal(refused.headers['x-bottle-outcome'], 'denied');
  assert.match(refused.body, /allow_private/);
});

test('no address is a finding by its look', async () => {
  const addresses = ['2606:4700:4700::1111', '2a00:1450:4001:82f:aaaa:bbbb:cccc:200e', '2001:4860:4860::8888'];
  for (const address of addresses) {
    const scan = scanner.config;
    await using own = await makeRig({
      allow: [`[${address}]:9`],
      config: { scanner: scan },
      around: { connectMs: 50 },
    });
    const answer = await ask(own, { host: `[${address}]`, port: 9, plain: true });
    assert.equal(answer.headers['x-bottle-outcome'], 'failed', answer.body);
    assert.ok(answer.status === 502 || answer.status === 504);
  }
});
