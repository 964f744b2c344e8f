/** Secrets through the whole sidecar: real sockets on both sides. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Field } from '../../../addon/message.ts';
import type { BoundSecret } from '../../../contracts/secret.ts';
import { ask, eventually, makeCa, makeRig, makeUpstreamServer, openTunnel, type Rig } from './rig.ts';

const VALUE = 'sk-ant-api03-the-real-one-0123456789';
const PLACEHOLDER = 'sk-ant-api03-stands-in-for-it-987654';
const OWN: Field = ['x-api-key', PLACEHOLDER];
const ca = makeCa();

async function world(handle: Parameters<typeof makeUpstreamServer>[0]) {
  const upstream = await makeUpstreamServer(handle, { ca, host: 'api.test' });
  const secret: BoundSecret = {
    name: 'KEY',
    placeholder: PLACEHOLDER,
    value: VALUE,
    hosts: [{ match: 'exact', host: 'api.test', ports: [upstream.port], identity: 'bound', explicit: true }],
    places: [{ kind: 'header', name: 'x-api-key', prefix: '', suffix: '' }],
    headers: {},
  };
  const rig = await makeRig({
    allow: [`api.test:${upstream.port}`, `other.test:${upstream.port}`],
    upstreamCa: ca,
    config: { secrets: [secret] },
  });
  return {
    rig,
    upstream,
    at: { host: 'api.test', port: upstream.port },
    async [Symbol.asyncDispose]() {
      await rig[Symbol.asyncDispose]();
      await upstream[Symbol.asyncDispose]();
    },
  };
}

const record = (rig: Rig) => JSON.stringify(rig.journal());

test('the upstream gets the value, the scanner neither value nor placeholder', async () => {
  await using w = await world((_, response) => void response.end('ok'));
  const answer = await ask(w.rig, { ...w.at, method: 'POST', fields: [OWN], body: `quote ${PLACEHOLDER}` });
  assert.deepEqual([answer.status, answer.body], [200, 'ok']);
  assert.deepEqual(
    w.upstream.seen[0]?.fields.filter(([name]) => name === 'x-api-key'),
    [['x-api-key', VALUE]],
  );
  assert.equal(w.upstream.seen[0]?.body.toString(), `quote ${PLACEHOLDER}`);
  const scanned = JSON.stringify(w.rig.scanned) + w.rig.scanned.map(({ body }) => body.toString()).join('');
  assert.ok(!scanned.includes(VALUE) && !scanned.includes(PLACEHOLDER));
  assert.match(scanned, /quote placeholder-placeholder-/);
  assert.match(record(w.rig), /"placeholders":\["KEY"\]/);
  assert.ok(!record(w.rig).includes(VALUE));
});

test('a value is renewed while the sidecar serves', async () => {
  await using w = await world((_, response) => void response.end('ok'));
  w.rig.sidecar.renew({ secrets: { KEY: 'sk-ant-a-newer-one-0123456789' } });
  await ask(w.rig, { ...w.at, fields: [OWN] });
  assert.equal(w.upstream.seen[0]?.fields.find(([name]) => name === 'x-api-key')?.[1], 'sk-ant-a-newer-one-0123456789');
});

test('an answer that repeats the value is cut where it does, and recorded', async () => {
  await using w = await world((_, response) => {
    response.writeHead(200);
    response.write('begun ', () => response.end(VALUE));
  });
  const answer = await ask(w.rig, { ...w.at, fields: [OWN] });
  assert.ok(answer.broken && !answer.body.includes(VALUE));
  await eventually(() => assert.match(record(w.rig), /repeats the value of the secret KEY/));
});

test('one that repeats it in its head is told as a failure, at once', async () => {
  await using w = await world((_, response) => {
    response.writeHead(302, { location: `/?key=${VALUE}` });
    response.write('and it never ends');
  });
  const answer = await ask(w.rig, { ...w.at, fields: [OWN] });
  assert.equal(answer.status, 502);
  assert.ok(!JSON.stringify(answer).includes(VALUE));
});

test('an agent that leaves in the middle of a bound answer leaves nothing open', async () => {
  await using w = await world((_, response) => {
    response.writeHead(200);
    response.write('begun');
  });
  const socket = await openTunnel(w.rig, w.at);
  socket.write(`GET / HTTP/1.1\r\nHost: api.test:${w.at.port}\r\nx-api-key: ${PLACEHOLDER}\r\n\r\n`);
  await new Promise((resolve) => socket.once('data', resolve));
  socket.destroy();
  await eventually(() => assert.match(record(w.rig), /"event":"closed"/));
});

test('a long answer passes with the agent’s own speed', async () => {
  const long = Buffer.alloc(8_000_000, 'a long answer ');
  await using w = await world((_, response) => void response.end(long));
  const answer = await ask(w.rig, { ...w.at, fields: [OWN] });
  assert.ok(answer.body === long.toString());
});
