/** What `git push` sends, through the sidecar and the embedded scanner itself. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Server } from 'node:http';
import { after, before, test } from 'node:test';
import { constants, gzipSync } from 'node:zlib';
import type { Authority } from '../../../addon/authority.ts';
import { BODY_BYTES } from '../../../addon/limits.ts';
import { createScanner } from '../../../addon/scanner/serve.ts';
import type { BoundSecret } from '../../../contracts/secret.ts';
import { makeFolder } from '../support/folder.ts';
import { ask, KEY, makeCa, makeRig, makeUpstreamServer, type Rig, type RigOptions, type TestUpstream } from './rig.ts';
import { BLOB, COMMANDS, delta, object, OFFSET, pack, packHead, PUSH, random, swallowed } from './support/packs.ts';
import { PLACEHOLDER, SECRET, VALUE } from './support/token.ts';

const HOST = 'git.example.test';
const MIB = 1024 ** 2;
const CREDENTIAL = `AKIA${'Q3EGRZPY7WLN5TKD'}`;

const folder = makeFolder();
let ca: Authority;
let scanner: Server;
let upstream: TestUpstream;
let rig: Rig;

before(async () => {
  ca = makeCa();
  scanner = createScanner({ key: KEY, own: [], log: () => undefined }).listen(folder.at('scanner.sock'));
  await once(scanner, 'listening');
  upstream = await makeUpstreamServer((seen, response) => response.end(String(seen.body.length)), { ca, host: HOST });
  rig = await rigWith();
});
after(async () => {
  await rig[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
  scanner.closeAllConnections();
  scanner.close();
  folder[Symbol.dispose]();
});

function rigWith(config: RigOptions['config'] = {}): Promise<Rig> {
  return makeRig({
    allow: [`${HOST}:${upstream.port}`],
    upstreamCa: ca,
    config: { scanner: { kind: 'embedded', socket: folder.at('scanner.sock') }, ...config },
  });
}

type Fields = readonly (readonly [string, string])[];

function push(body: Buffer, { to = rig, type = PUSH, fields = [] as Fields } = {}) {
  const all = [['Content-Type', type], ...fields] as const;
  return ask(to, {
    host: HOST,
    port: upstream.port,
    method: 'POST',
    path: '/a.git/git-receive-pack',
    body,
    fields: all,
  });
}

/** The same every time, and cheap to look at. */
function code(bytes: number): Buffer {
  const lines = Array.from({ length: 1_000 }, (_, at) => `  return wait(${at % 10}); // and so on and on\n`);
  return Buffer.alloc(bytes, lines.join(''));
}

/** Takes up so much room in a push. */
function picture(bytes: number): Buffer {
  return object(BLOB, code(bytes), undefined, 0);
}

const LARGE = picture(BODY_BYTES);
const HIDING = object(BLOB, Buffer.from(`${code(3_000).toString()}\nkey = ${CREDENTIAL}\n`));
/** As it is, in gzip: what is the same all over becomes too little. */
const zip = (body: Buffer) => gzipSync(body, { level: constants.Z_NO_COMPRESSION });
const BLOCKED = /blocked: request body contains secret: AWS/;

test('a large push passes unchanged, and with a secret in a file of it does not', async () => {
  const harmless = Buffer.concat([COMMANDS, pack(LARGE, object(BLOB, code(5_000)))]);
  assert.equal((await push(harmless)).status, 200);
  assert.ok(upstream.seen.at(-1)?.body.equals(harmless));
  const before = upstream.seen.length;
  for (const body of [
    Buffer.concat([COMMANDS, pack(LARGE, HIDING)]),
    Buffer.concat([COMMANDS, pack(LARGE, object(OFFSET, delta('so', ` ${CREDENTIAL} `), Buffer.of(5)))]),
    Buffer.concat([swallowed(HIDING), LARGE]),
  ]) {
    const answer = await push(body);
    assert.equal(answer.status, 403);
    assert.match(answer.body, BLOCKED);
  }
  assert.equal(upstream.seen.length, before);
  const tar = Buffer.concat([pack(LARGE, HIDING), random(1_000, 'tar')]);
  assert.match((await push(tar, { type: 'application/x-tar' })).body, BLOCKED, 'under any type');
});

test('a secret behind an object of 100 MB is found', async () => {
  const body = Buffer.concat([COMMANDS, pack(picture(100 * MIB), HIDING)]);
  assert.match((await push(body)).body, BLOCKED);
});

test('a push of 150,000 objects passes, and with a secret in the last it does not', async () => {
  const some = Array.from({ length: 500 }, (_, at) => object(BLOB, Buffer.from(`line ${at}\n`)));
  const objects = Buffer.concat(Array.from({ length: 150_000 }, (_, at) => some[at % some.length] as Buffer));
  assert.equal((await push(Buffer.concat([COMMANDS, packHead(150_000), objects, random(20, 'sum')]))).status, 200);
  const answer = await push(Buffer.concat([COMMANDS, packHead(150_001), objects, HIDING, random(20, 'sum')]));
  assert.match(answer.body, BLOCKED);
});

test('a push that is short itself and becomes 70 MiB of text passes, and with a secret at its end it does not', async () => {
  const files = Array<Buffer>(35).fill(object(BLOB, code(2 * MIB), undefined, 1));
  const harmless = Buffer.concat([COMMANDS, pack(...files)]);
  assert.ok(harmless.length < MIB);
  assert.equal((await push(harmless)).status, 200);
  const secret = Buffer.concat([COMMANDS, pack(...files, HIDING)]);
  assert.match((await push(secret)).body, BLOCKED);
  const fields = [['Content-Encoding', 'gzip']] as const;
  assert.match((await push(zip(secret), { fields })).body, BLOCKED);
});

test('a large push in gzip is opened', async () => {
  const fields = [['Content-Encoding', 'gzip']] as const;
  assert.equal((await push(zip(Buffer.concat([COMMANDS, pack(LARGE)])), { fields })).status, 200);
  assert.match((await push(zip(Buffer.concat([COMMANDS, pack(LARGE, HIDING)])), { fields })).body, BLOCKED);
});

test('a large push that cannot be read to its end is refused, another body that looks like one is not', async () => {
  const body = Buffer.concat([COMMANDS, pack(LARGE, object(BLOB, random(1_000, 'end'))).subarray(0, -100)]);
  const answer = await push(body);
  assert.deepEqual([answer.status, answer.headers['x-bottle-outcome']], [400, 'refused']);
  assert.match(answer.body, /git objects that cannot be read/);
  assert.equal((await push(body, { type: 'application/x-tar' })).status, 200);
});

test('the value of a secret is found in the objects of a push of any size, a placeholder is let pass and recorded', async () => {
  await using bound = await rigWith({ secrets: [SECRET] });
  for (const pictures of [[], [LARGE]]) {
    const made = (text: string) =>
      Buffer.concat([COMMANDS, pack(...pictures, object(BLOB, Buffer.from(`a ${text} b\n`)))]);
    for (const text of [VALUE, Buffer.from(VALUE).toString('hex')]) {
      const answer = await push(made(text), { to: bound });
      assert.match(answer.body, /holds the value of the secret TOKEN/);
    }
    const zipped = await push(zip(made(VALUE)), { to: bound, fields: [['Content-Encoding', 'gzip']] });
    assert.match(zipped.body, /holds the value of the secret TOKEN/);
    assert.equal((await push(made(PLACEHOLDER), { to: bound })).status, 200);
    const admitted = bound.journal().findLast((line) => line.event === 'admitted');
    assert.ok(admitted?.event === 'admitted');
    assert.deepEqual(admitted.placeholders, ['TOKEN']);
  }
});

test('a file of JSON is none of the request, so that a push to a bound host may begin with it', async () => {
  const hosts: BoundSecret['hosts'] = [
    { match: 'exact', host: HOST, ports: [upstream.port], explicit: true, identity: 'bound' },
  ];
  await using bound = await rigWith({ secrets: [{ ...SECRET, hosts }] });
  const body = Buffer.concat([COMMANDS, pack(object(BLOB, Buffer.from('{"name":"a","token":"b"}')))]);
  const fields = [['Authorization', `Bearer ${PLACEHOLDER}`]] as const;
  assert.equal((await push(body, { to: bound, fields })).status, 200);
});
