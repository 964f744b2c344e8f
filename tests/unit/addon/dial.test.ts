import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressCheck } from '../../../addon/upstream/address.ts';
import { makeDial } from '../../../addon/upstream/dial.ts';
import { DialError } from '../../../addon/upstream/failure.ts';
import { host, listenRaw } from './rig.ts';

const WISH = { alpn: ['http/1.1'], gone: new AbortController().signal } as const;

/** `answers`: what the name server says to each question in turn; its last answer is repeated. */
function dialTo(answers: string[][], allow: string[], ports: number[] = []) {
  let resolved = 0;
  const dial = makeDial({
    check: addressCheck(allow),
    resolve: async () => {
      resolved += 1;
      return answers[Math.min(resolved, answers.length) - 1] ?? [];
    },
    extraRoots: [],
    certificates: [],
    self: [{ address: '127.0.0.1', ports }],
    connectMs: 2_000,
    staggerMs: 20,
  });
  return { dial, resolutions: () => resolved };
}

test('a name is resolved once, and an address that was checked is dialled', async () => {
  await using server = await listenRaw(() => undefined);
  const { dial, resolutions } = dialTo([['127.0.0.2', '10.0.0.1', '127.0.0.1']], ['127.0.0.1']);
  const { socket } = await dial({ scheme: 'http', host: host('a.test'), port: server.port }, WISH);
  assert.equal(socket.remoteAddress, '127.0.0.1');
  assert.equal(resolutions(), 1);
  socket.destroy();
});

test('a name server that answers differently the second time changes nothing: the first answer is checked and dialled', async () => {
  await using server = await listenRaw(() => undefined);
  // The address that is allowed first, a forbidden one from then on: what a rebinding name server does.
  const { dial, resolutions } = dialTo([['127.0.0.1'], ['127.0.0.66']], ['127.0.0.1']);
  const target = { scheme: 'http', host: host('rebind.test'), port: server.port } as const;
  const { socket } = await dial(target, WISH);
  assert.equal(socket.remoteAddress, '127.0.0.1');
  assert.equal(resolutions(), 1);
  socket.destroy();
  // The next connection asks again, and is refused what it is told then.
  await assert.rejects(dial(target, WISH), (error) => error instanceof DialError && error.kind === 'forbidden');
  assert.equal(resolutions(), 2);
  assert.equal(server.connections.length, 1);
});

test('a name all of whose addresses are refused is forbidden, and nothing is dialled', async () => {
  await using server = await listenRaw(() => undefined);
  const { dial } = dialTo([['127.0.0.1', '::ffff:127.0.0.1']], []);
  await assert.rejects(
    dial({ scheme: 'http', host: host('a.test'), port: server.port }, WISH),
    (error) => error instanceof DialError && error.kind === 'forbidden' && error.message.includes('allow_private'),
  );
  assert.equal(server.connections.length, 0);
});

test('an address as a target is checked without any resolution', async () => {
  const { dial, resolutions } = dialTo([[]], []);
  await assert.rejects(dial({ scheme: 'https', host: host('169.254.169.254'), port: 80 }, WISH), /metadata/);
  await assert.rejects(dial({ scheme: 'https', host: host('[::1]'), port: 80 }, WISH), /loopback/);
  assert.equal(resolutions(), 0);
});

test("the sidecar's own door is never dialled, whatever is allowed", async () => {
  await using server = await listenRaw(() => undefined);
  const { dial } = dialTo([['127.0.0.1']], ['127.0.0.0/8'], [server.port]);
  await assert.rejects(dial({ scheme: 'http', host: host('a.test'), port: server.port }, WISH), /sidecar itself/);
  assert.equal(server.connections.length, 0);
});

test('the next address is tried when one does not accept', async () => {
  await using server = await listenRaw(() => undefined);
  const { dial } = dialTo([['127.0.0.9', '127.0.0.1']], ['127.0.0.0/8']);
  const { socket } = await dial({ scheme: 'http', host: host('a.test'), port: server.port }, WISH);
  socket.destroy();
});

test('an upstream that accepts and says nothing in TLS, or closes, fails', async () => {
  await using server = await listenRaw((socket) => socket.end());
  const { dial } = dialTo([['127.0.0.1']], ['127.0.0.0/8']);
  await assert.rejects(dial({ scheme: 'https', host: host('a.test'), port: server.port }, WISH), DialError);
});

test('an agent that leaves during the handshake leaves no connection behind', async () => {
  await using server = await listenRaw(() => leaving.abort());
  const leaving = new AbortController();
  const { dial } = dialTo([['127.0.0.1']], ['127.0.0.0/8']);
  await assert.rejects(
    dial({ scheme: 'https', host: host('a.test'), port: server.port }, { ...WISH, gone: leaving.signal }),
    /the agent left/,
  );
  const [connection] = server.connections;
  assert.ok(connection);
  if (!connection.closed) await new Promise((resolve) => connection.resume().once('close', resolve));
});
