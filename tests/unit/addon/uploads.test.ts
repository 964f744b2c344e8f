import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readlinkSync } from 'node:fs';
import { createServer, request as httpRequest } from 'node:http';
import { dirname } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import { brotliCompressSync, constants, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { BODY_BYTES, WINDOW_BYTES } from '../../../addon/limits.ts';
import { NONCE_FIELD, PART_FIELD } from '../../../addon/receipt.ts';
import type { BoundSecret } from '../../../contracts/secret.ts';
import {
  ask,
  block,
  eventually,
  listenRaw,
  makeCa,
  makeRig,
  makeUpstreamServer,
  openTunnel,
  prove,
  type Rig,
  type RigOptions,
  type TestUpstream,
} from './rig.ts';
import { type EmbeddedScanner, startEmbedded } from './support/embedded.ts';
import { PLACEHOLDER, SECRET, VALUE } from './support/token.ts';

const HOST = 'upload.example.test';
const MIB = 1024 ** 2;
/** Just too large to be scanned as one. */
const LARGE = BODY_BYTES + 3 * MIB;
const CREDENTIAL = `AKIA${'Q3EGRZPY7WLN5TKD'}`;

const ca = makeCa();
let scanner: EmbeddedScanner;
let upstream: TestUpstream;

before(async () => {
  scanner = await startEmbedded();
  upstream = await makeUpstreamServer((seen, response) => response.end(String(seen.body.length)), { ca, host: HOST });
});
after(async () => {
  await upstream[Symbol.asyncDispose]();
  scanner[Symbol.dispose]();
});

/** A scanner that knows one credential, and is quick. */
const finds: NonNullable<RigOptions['scanner']> = (seen, response) => {
  const inHead = seen.fields.some(([, value]) => value.includes(CREDENTIAL));
  if (inHead) block('blocked: request header contains secret: Test')(seen, response);
  else if (seen.body.includes(CREDENTIAL)) block('blocked: request body contains secret: Test')(seen, response);
  else prove(seen, response);
};

function rigWith(more: Partial<RigOptions> = {}): Promise<Rig> {
  return makeRig({ allow: [`${HOST}:${upstream.port}`], upstreamCa: ca, scanner: finds, ...more });
}

/** With the embedded scanner itself. */
function realRig(config: RigOptions['config'] = {}): Promise<Rig> {
  return rigWith({ config: { scanner: scanner.config, ...config } });
}

/** The same every time, and cheap to look at. */
const FILLER = Buffer.alloc(
  LARGE,
  createHash('shake256', { outputLength: 1009 }).update('f').digest('hex').slice(0, 64),
);

function large(text: string, at: number, size = LARGE): Buffer {
  const body = Buffer.from(FILLER.subarray(0, size));
  body.write(` ${text} `, at);
  return body;
}

function put(rig: Rig, body: Buffer, fields: readonly (readonly [string, string])[] = []) {
  return ask(rig, { host: HOST, port: upstream.port, method: 'PUT', path: '/file', body, fields });
}

function lastSent(): Buffer | undefined {
  return upstream.seen.at(-1)?.body;
}

/** Files without a name that this process has open beside the rig's journal. */
function heldFiles(rig: Rig): number {
  const beside = dirname(rig.journalFile);
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      const path = readlinkSync(`/proc/self/fd/${fd}`);
      return path.startsWith(beside) && path.endsWith('(deleted)');
    } catch {
      return false; // the descriptor of the listing itself
    }
  }).length;
}

test('a large body arrives unchanged, and its file is gone', async () => {
  await using rig = await realRig();
  const body = randomBytes(LARGE);
  const answer = await put(rig, body);
  assert.deepEqual([answer.status, answer.body], [200, String(LARGE)]);
  assert.ok(lastSent()?.equals(body));
  await eventually(() => assert.equal(heldFiles(rig), 0));
  const [admitted, closed] = rig.journal();
  assert.ok(admitted?.event === 'admitted' && closed?.event === 'closed');
  assert.equal(admitted.body_bytes, LARGE);
  assert.equal(admitted.unscanned_bytes, undefined);
  assert.ok(closed.sent_bytes > LARGE);
});

test('a body of 300 MB and of unknown length arrives unchanged, and all of it was scanned', async () => {
  const total = 300_000_000;
  const content = randomBytes(1_000_000);
  const arrived = createHash('sha1');
  const sink = createServer((request, response) => {
    request.on('data', (piece: Buffer) => void arrived.update(piece));
    request.on('end', () => response.end('thanks'));
  });
  await using raw = await listenRaw((socket) => sink.emit('connection', socket), { ca, host: HOST });
  let scannedBytes = 0;
  const nonces = new Set<string>();
  const places: string[] = [];
  await using rig = await rigWith({
    allow: [`${HOST}:${raw.port}`],
    scanner(seen, response) {
      prove(seen, response);
      scannedBytes += seen.body.length;
      for (const [name, value] of seen.fields) {
        if (name === NONCE_FIELD) nonces.add(value);
        if (name === PART_FIELD) places.push(value);
      }
      seen.body = Buffer.of(); // or all of it would stay
    },
  });
  const socket = await openTunnel(rig, { host: HOST, port: raw.port });
  const request = httpRequest({
    createConnection: () => socket,
    method: 'POST',
    headers: { host: `${HOST}:${raw.port}` },
  });
  const response = once(request, 'response');
  const sent = createHash('sha1');
  function* pieces() {
    for (let at = 0; at < total; at += content.length) {
      sent.update(content);
      yield content;
    }
  }
  Readable.from(pieces(), { objectMode: false }).pipe(request);
  assert.equal((await response)[0].statusCode, 200);
  socket.destroy();
  assert.equal(arrived.digest('hex'), sent.digest('hex'));
  assert.ok(scannedBytes > total);
  assert.equal(nonces.size, 1);
  assert.deepEqual(
    places,
    places.map((_, index) => `${index}/*`),
  );
});

for (const [where, at] of [
  ['at the beginning', 0],
  ['across the end of a window', WINDOW_BYTES - 10],
  ['at the end', LARGE - CREDENTIAL.length - 2],
] as const)
  test(`a credential ${where} of a large body is blocked, and nothing is sent`, async () => {
    await using rig = await (at === 0 ? realRig() : rigWith());
    const before = upstream.seen.length;
    const answer = await put(rig, large(CREDENTIAL, at));
    assert.equal(answer.status, 403);
    assert.match(JSON.parse(answer.body).detail, /^blocked: request body contains secret: /);
    assert.equal(upstream.seen.length, before);
    assert.equal(
      rig.journal().some(({ event }) => event === 'admitted'),
      false,
    );
    await eventually(() => assert.equal(heldFiles(rig), 0));
  });

const CODED: readonly (readonly [string, (plain: Buffer) => Buffer])[] = [
  ['gzip', (plain) => gzipSync(plain, { level: 1 })],
  ['deflate', (plain) => deflateSync(plain, { level: 1 })],
  ['br', (plain) => brotliCompressSync(plain, { params: { [constants.BROTLI_PARAM_QUALITY]: 0 } })],
  ['zstd, gzip', (plain) => gzipSync(zstdCompressSync(plain), { level: 0 })],
];
for (const [coding, compress] of CODED)
  test(`a large body in ${coding} is scanned as what it decodes to, and sent as it came`, async () => {
    await using rig = await rigWith();
    const fields = [['Content-Encoding', coding]] as const;
    const plain = randomBytes(LARGE);
    const harmless = compress(plain);
    assert.ok(harmless.length > BODY_BYTES);
    assert.equal((await put(rig, harmless, fields)).status, 200);
    assert.ok(lastSent()?.equals(harmless));
    const secret = Buffer.concat([plain, Buffer.from('0'.repeat(10_000)), Buffer.from(CREDENTIAL)]);
    assert.equal((await put(rig, compress(secret), fields)).headers['x-bottle-outcome'], 'blocked');
    assert.equal((await put(rig, plain, fields)).status, 400, 'not what it says');
  });

test('an archive that is short itself and becomes too much for one look is looked at in windows', async () => {
  await using rig = await realRig();
  const plain = Buffer.concat([FILLER, FILLER, FILLER]);
  assert.equal((await put(rig, gzipSync(Buffer.concat([plain, randomBytes(3 * MIB)]), { level: 1 }))).status, 200);
  const secret = Buffer.concat([plain, Buffer.from(`\nkey=${CREDENTIAL}\n`), randomBytes(3 * MIB)]);
  const answer = await put(rig, gzipSync(secret, { level: 1 }));
  assert.match(answer.body, /blocked: request body contains secret: AWS/);
});

test('the head of a large request is scanned as any other', async () => {
  await using rig = await rigWith();
  const answer = await put(rig, randomBytes(LARGE), [['X-Note', CREDENTIAL]]);
  assert.equal(answer.status, 403);
  assert.match(JSON.parse(answer.body).detail, /header/);
});

test('a body over the limit is answered 413, whether its length is announced or not', async () => {
  await using rig = await rigWith({ config: { bodies: { limit_bytes: 34 * MIB, unscanned: [] } } });
  assert.equal((await put(rig, FILLER)).status, 413);
  assert.equal((await put(rig, FILLER, [['Transfer-Encoding', 'chunked']])).status, 413);
  assert.equal((await put(rig, FILLER.subarray(0, 34 * MIB), [['Transfer-Encoding', 'chunked']])).status, 200);
  await eventually(() => assert.equal(heldFiles(rig), 0));
});

test('a scanner that fails in the middle of a large body means 503, and nothing is sent', async () => {
  let asked = 0;
  const before = upstream.seen.length;
  await using rig = await rigWith({
    scanner(seen, response) {
      asked += 1;
      if (asked === 5) response.writeHead(204).end();
      else prove(seen, response);
    },
  });
  const answer = await put(rig, FILLER);
  assert.deepEqual([answer.status, answer.headers['x-bottle-outcome']], [503, 'failed']);
  assert.equal(asked, 5);
  assert.equal(upstream.seen.length, before);
});

test('an agent that leaves in the middle of a large body leaves nothing behind', async () => {
  await using rig = await rigWith();
  const socket = await openTunnel(rig, { host: HOST, port: upstream.port });
  socket.write(`PUT / HTTP/1.1\r\nHost: ${HOST}:${upstream.port}\r\nContent-Length: ${LARGE}\r\n\r\n`);
  socket.write(FILLER.subarray(0, MIB));
  await eventually(() => assert.equal(heldFiles(rig), 1));
  socket.destroy();
  await eventually(() => assert.equal(heldFiles(rig), 0));
});

test('an upstream that answers before it has read a large body is heard', async () => {
  const hasty = createServer((_, response) => void response.writeHead(507).end('no room')); // and reads no more of it
  await using raw = await listenRaw((socket) => hasty.emit('connection', socket), { ca, host: HOST });
  await using rig = await rigWith({ allow: [`${HOST}:${raw.port}`], scanner: prove });
  const answer = await ask(rig, { host: HOST, port: raw.port, method: 'PUT', body: FILLER });
  assert.deepEqual([answer.status, answer.body], [507, 'no room']);
  await eventually(() => assert.equal(heldFiles(rig), 0));
});

test('the value of a secret is found in a large body, also where two windows meet', async () => {
  await using rig = await rigWith({ scanner: prove, config: { secrets: [SECRET] } });
  const spelled = [VALUE, Buffer.from(VALUE).toString('hex'), encodeURIComponent(VALUE)];
  for (const [index, text] of spelled.entries()) {
    const answer = await put(rig, large(text, WINDOW_BYTES - 5 - index * 20));
    assert.equal(answer.status, 403);
    assert.match(JSON.parse(answer.body).detail, /holds the value of the secret TOKEN/);
  }
});

test('a placeholder in a large body reaches the upstream, not the scanner, and is recorded', async () => {
  await using rig = await realRig({ secrets: [SECRET] });
  const body = large(PLACEHOLDER, WINDOW_BYTES - 30);
  assert.equal((await put(rig, body)).status, 200, 'half of it, at the end of a window, is no finding either');
  assert.ok(lastSent()?.equals(body));
  const [admitted] = rig.journal();
  assert.ok(admitted?.event === 'admitted');
  assert.deepEqual(admitted.placeholders, ['TOKEN']);
});

test('towards a bound host a large multipart body is searched for the credentials of others, large JSON and forms are refused', async () => {
  const hosts: BoundSecret['hosts'] = [
    { match: 'exact', host: HOST, ports: [upstream.port], explicit: true, identity: 'bound' },
  ];
  await using rig = await rigWith({ scanner: prove, config: { secrets: [{ ...SECRET, hosts }] } });
  const own = ['Authorization', `Bearer ${PLACEHOLDER}`] as const;
  const part = (name: string) => `\r\n--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\nsomebody\r\n--b\r\n`;
  const multipart = [own, ['Content-Type', 'multipart/form-data; boundary=b']] as const;
  assert.equal((await put(rig, large(part('note'), WINDOW_BYTES - 20), multipart)).status, 200);
  const foreign = await put(rig, large(part('access_token'), WINDOW_BYTES - 20), multipart);
  assert.match(foreign.body, /the form field access_token holds a credential other than/);
  assert.equal((await put(rig, FILLER, [own])).status, 200);
  const json = Buffer.from(FILLER);
  json.write('{"');
  assert.match((await put(rig, json, [own])).body, /a form or JSON of this size/);
  const form = [own, ['Content-Type', 'application/x-www-form-urlencoded']] as const;
  assert.match((await put(rig, FILLER, form)).body, /a form or JSON of this size/);
});

test('bodies over the size of an unscanned host pass unasked and are recorded; all else is scanned as ever', async () => {
  const bodies: number[] = [];
  const rule = { match: 'exact', host: HOST, ports: [upstream.port], over_bytes: MIB } as const;
  const options = {
    config: { secrets: [SECRET], bodies: { limit_bytes: 2 * MIB, unscanned: [{ ...rule, ports: [...rule.ports] }] } },
  };
  await using rig = await rigWith({
    ...options,
    scanner(seen, response) {
      bodies.push(seen.body.length);
      prove(seen, response);
    },
  });
  assert.equal((await put(rig, FILLER.subarray(0, MIB))).status, 200);
  assert.deepEqual(bodies, [MIB]);
  for (const size of [MIB + 1, LARGE - 1]) {
    assert.equal((await put(rig, FILLER.subarray(0, size))).status, 200);
    assert.ok(lastSent()?.equals(FILLER.subarray(0, size)));
  }
  assert.deepEqual(bodies, [MIB, 0, 0], 'the heads alone');
  const unscanned = rig.journal().flatMap((line) => (line.event === 'admitted' ? [line.unscanned_bytes] : []));
  assert.deepEqual(unscanned, [undefined, MIB + 1, LARGE - 1]);
  for (const size of [2 * MIB, LARGE]) {
    const answer = await put(rig, large(VALUE, 1_500_000, size));
    assert.match(answer.body, /holds the value of the secret TOKEN/);
  }
  await using real = await realRig(options.config);
  assert.equal((await put(real, large(CREDENTIAL, 1_000, 2 * MIB))).status, 200);
  assert.equal((await put(real, large(CREDENTIAL, 1_000, MIB))).status, 403);
  assert.equal((await put(real, FILLER.subarray(0, 2 * MIB), [['X-Note', CREDENTIAL]])).status, 403);
});
