import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressCheck } from '../../../addon/upstream/address.ts';
import { DialError, makeDial } from '../../../addon/upstream/dial.ts';
import { host, listenRaw } from './rig.ts';

function dialTo(addresses: string[], allow: string[], ports: number[] = []) {
  let resolved = 0;
  const dial = makeDial({
    check: addressCheck(allow),
    resolve: async () => {
      resolved += 1;
      return addresses;
    },
    extraRoots: [],
    self: [{ address: '127.0.0.1', ports }],
  });
  return { dial, resolutions: () => resolved };
}

test('a name is resolved once, and an address that was checked is dialled', async () => {
  await using server = await listenRaw(() => undefined);
  const { dial, resolutions } = dialTo(['127.0.0.2', '10.0.0.1', '127.0.0.1'], ['127.0.0.1']);
  const socket = await dial({ scheme: 'http', host: host('a.test'), port: server.port });
  assert.equal(socket.remoteAddress, '127.0.0.1');
  assert.equal(resolutions(), 1);
  socket.destroy();
});

test('a name all of whose addresses are refused is forbidden, and nothing is dialled', async () => {
  await using server = await listenRaw(() => undefined);
  const { dial } = dialTo(['127.0.0.1', '::ffff:127.0.0.1'], []);
  await assert.rejects(
    dial({ scheme: 'http', host: host('a.test'), port: server.port }),
    (error) => error instanceof DialError && error.kind === 'forbidden' && error.message.includes('allow_private'),
  );
  assert.equal(server.connections.length, 0);
});

test('an address as a target is checked without any resolution', async () => {
  const { dial, resolutions } = dialTo([], []);
  await assert.rejects(dial({ scheme: 'https', host: host('169.254.169.254'), port: 80 }), /metadata/);
  await assert.rejects(dial({ scheme: 'https', host: host('[::1]'), port: 80 }), /loopback/);
  assert.equal(resolutions(), 0);
});

test("the sidecar's own door is never dialled, whatever is allowed", async () => {
  await using server = await listenRaw(() => undefined);
  const { dial } = dialTo(['127.0.0.1'], ['127.0.0.0/8'], [server.port]);
  await assert.rejects(dial({ scheme: 'http', host: host('a.test'), port: server.port }), /sidecar itself/);
  assert.equal(server.connections.length, 0);
});

test('the next address is tried when one does not accept', async () => {
  await using server = await listenRaw(() => undefined);
  const { dial } = dialTo(['127.0.0.9', '127.0.0.1'], ['127.0.0.0/8']);
  const socket = await dial({ scheme: 'http', host: host('a.test'), port: server.port });
  socket.destroy();
});

test('an upstream that accepts and says nothing in TLS, or closes, fails', async () => {
  await using server = await listenRaw((socket) => socket.end());
  const { dial } = dialTo(['127.0.0.1'], ['127.0.0.0/8']);
  await assert.rejects(dial({ scheme: 'https', host: host('a.test'), port: server.port }), DialError);
});
