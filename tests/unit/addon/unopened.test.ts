import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { DialError } from '../../../addon/upstream/failure.ts';
import { ask, type Ask, eventually, listenRaw, makeCa, makeRig, makeUpstreamServer, type Rig } from './rig.ts';

const HOST = 'pins.test';

async function world(extra: Partial<Parameters<typeof makeRig>[0]> = {}) {
  const ca = makeCa();
  const upstream = await makeUpstreamServer((_, response) => response.end('hello'), { ca, host: HOST });
  const named = `${HOST}:${upstream.port}`;
  const rig = await makeRig({ allow: [named], unopened: [named], upstreamCa: ca, ...extra });
  return { ca, upstream, rig, port: upstream.port };
}

/** A tunnel as `ask` opens it, but with bytes of our own inside. */
async function rawTunnel(rig: Rig, port: number): Promise<Socket> {
  const socket = connectTcp(rig.sidecar.port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write(`CONNECT ${HOST}:${port} HTTP/1.1\r\nHost: ${HOST}:${port}\r\n\r\n`);
  const [answer] = await once(socket, 'data');
  assert.match(String(answer), /^HTTP\/1\.1 200/);
  return socket;
}

test('the agent sees the certificate of the upstream itself, and nothing is scanned', async () => {
  const { ca, upstream, rig, port } = await world();
  await using _ = upstream;
  await using __ = rig;
  const raw = await rawTunnel(rig, port);
  const tls = connectTls({ socket: raw, servername: HOST, ca: ca.certificate });
  await once(tls, 'secureConnect');
  tls.write(`GET / HTTP/1.1\r\nHost: ${HOST}\r\nX-Key: secret\r\nConnection: close\r\n\r\n`);
  let text = '';
  for await (const chunk of tls) text += chunk;
  assert.match(text, /hello$/);
  assert.equal(rig.scanned.length, 0);
  await eventually(() => {
    const [admitted, closed] = rig.journal();
    assert.ok(admitted?.event === 'admitted' && closed?.event === 'closed');
    assert.deepEqual([admitted.method, admitted.host, closed.outcome], ['CONNECT', HOST, { kind: 'passed' }]);
    assert.equal(admitted.id, closed.id);
    assert.ok(closed.sent_bytes > 200 && closed.received_bytes > 200);
  });
});

test('a ClientHello for another host ends with an alert, and nothing is dialled', async () => {
  const { upstream, rig, port } = await world();
  await using _ = upstream;
  await using __ = rig;
  const raw = await rawTunnel(rig, port);
  const tls = connectTls({ socket: raw, servername: 'other.test', rejectUnauthorized: false });
  const [error] = await once(tls, 'error');
  assert.match(String(error), /unrecognized name/i);
  assert.equal(upstream.connections.length, 0);
  await eventually(() => {
    const [closed] = rig.journal();
    assert.ok(closed?.event === 'closed' && closed.outcome.kind === 'refused');
    assert.deepEqual([closed.outcome.status, closed.sent_bytes], [421, 0]);
  });
});

test('a ClientHello without a name goes to the host of the CONNECT', async () => {
  const { ca, upstream, rig, port } = await world();
  await using _ = upstream;
  await using __ = rig;
  const raw = await rawTunnel(rig, port);
  const tls = connectTls({ socket: raw, ca: ca.certificate, checkServerIdentity: () => undefined });
  await once(tls, 'secureConnect');
  assert.equal(upstream.connections.length, 1);
  tls.destroy();
  raw.destroy();
});

test('what is no TLS in such a tunnel is opened and scanned like any request', async () => {
  const plain = await makeUpstreamServer((_, response) => response.end('plain'));
  await using _ = plain;
  const named = `${HOST}:${plain.port}`;
  await using rig = await makeRig({ allow: [named], unopened: [named] });
  const request: Ask = { host: HOST, port: plain.port, plain: true };
  assert.equal((await ask(rig, request)).body, 'plain');
  assert.equal(rig.scanned.length, 1);
});

test('bytes that only look like TLS at first are refused, and nothing is dialled', async () => {
  const { upstream, rig, port } = await world();
  await using _ = upstream;
  await using __ = rig;
  const raw = await rawTunnel(rig, port);
  raw.write(Buffer.from([0x16, 3, 1, 0, 4, 2, 0, 0, 0]));
  const [alert] = await once(raw, 'data');
  assert.equal(alert[0], 0x15);
  await eventually(() =>
    assert.ok(rig.journal().some((line) => line.event === 'closed' && line.outcome.kind === 'refused')),
  );
  assert.equal(upstream.connections.length, 0);
  raw.destroy();
});

test('policy still holds: a host that is only listed as unopened is opened, and told no inside', async () => {
  const { upstream, rig, port } = await world({ allow: [] });
  await using _ = upstream;
  await using __ = rig;
  // A port that no rule allows is not even tunnelled; so the usual one.
  const answer = await ask(rig, { host: 'denied.test', port: 443 });
  assert.equal(answer.status, 403);
  assert.equal(upstream.connections.length, 0);
  assert.ok(port > 0);
});

test('an address that may not be dialled is denied, and one that does not answer is a failure: both end with an alert', async () => {
  for (const [resolve, kind] of [
    [async () => ['10.0.0.1'], 'denied'],
    [() => Promise.reject(new DialError('failed', 'the name does not exist')), 'failed'],
  ] as const) {
    const { upstream, rig, port } = await world({ around: { resolve } });
    await using _ = upstream;
    await using __ = rig;
    const raw = await rawTunnel(rig, port);
    const tls = connectTls({ socket: raw, servername: HOST, rejectUnauthorized: false });
    const [error] = await once(tls, 'error');
    assert.match(String(error), /alert internal error|disconnected/i);
    await eventually(() => {
      const closed = rig.journal().find((line) => line.event === 'closed');
      assert.equal(closed?.event === 'closed' && closed.outcome.kind, kind);
    });
  }
});

test('when the agent goes, so does the upstream, and the other way round', async () => {
  const silent = await listenRaw(() => undefined);
  await using _ = silent;
  const named = `${HOST}:${silent.port}`;
  await using rig = await makeRig({ allow: [named], unopened: [named] });
  for (const side of ['agent', 'upstream'] as const) {
    const before = silent.connections.length;
    const raw = await rawTunnel(rig, silent.port);
    const tls = connectTls({ socket: raw, servername: HOST });
    tls.on('error', () => undefined);
    await eventually(() => assert.equal(silent.connections.length, before + 1));
    const far = silent.connections[before] as Socket;
    far.resume();
    const other = side === 'agent' ? far : raw;
    const gone = once(other, 'close');
    (side === 'agent' ? raw : far).destroy();
    await gone;
  }
});

test('a cut by the sidecar ends it', async () => {
  const silent = await listenRaw(() => undefined);
  await using _ = silent;
  const named = `${HOST}:${silent.port}`;
  await using rig = await makeRig({ allow: [named], unopened: [named] });
  const raw = await rawTunnel(rig, silent.port);
  connectTls({ socket: raw, servername: HOST }).on('error', () => undefined);
  await eventually(() => assert.equal(silent.connections.length, 1));
  silent.connections[0]?.resume();
  const gone = Promise.all([once(raw, 'close'), once(silent.connections[0] as Socket, 'close')]);
  await rig.sidecar.close();
  await gone;
  assert.ok(rig.journal().some((line) => line.event === 'closed' && line.outcome.kind === 'passed'));
});
