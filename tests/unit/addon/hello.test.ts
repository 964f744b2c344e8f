import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { test } from 'node:test';
import { connect } from 'node:tls';
import fc from 'fast-check';
import { type Hello, readHello } from '../../../addon/hello.ts';

/** The first bytes that Node's own TLS client sends. */
async function greeting(servername: string | undefined): Promise<Buffer> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const socket = connect({ port, host: '127.0.0.1', ...(servername === undefined ? {} : { servername }) });
  socket.on('error', () => undefined);
  const [raw] = await once(server, 'connection');
  const [bytes] = await once(raw, 'data');
  socket.destroy();
  raw.destroy();
  server.close();
  return bytes;
}

/** The same handshake in records of so many bytes. */
function inRecords(hello: Buffer, size: number): Buffer {
  const content = hello.subarray(5);
  const pieces: Buffer[] = [];
  for (let at = 0; at < content.length; at += size) {
    const piece = content.subarray(at, at + size);
    pieces.push(Buffer.from([0x16, 3, 1, piece.length >> 8, piece.length & 0xff]), piece);
  }
  return Buffer.concat(pieces);
}

test('reads the name that a real client asks for, and that another asks for none', async () => {
  assert.deepEqual(readHello(await greeting('pins.example')), { kind: 'hello', name: 'pins.example' });
  assert.deepEqual(readHello(await greeting(undefined)), { kind: 'hello', name: undefined });
});

test('the reading is the same however the handshake is cut into records, and waits for its end', async () => {
  const hello = await greeting('pins.example');
  for (const size of [1, 3, 4, 7, 100, hello.length]) {
    const bytes = inRecords(hello, size);
    assert.deepEqual(readHello(bytes), { kind: 'hello', name: 'pins.example' }, `records of ${size}`);
    assert.deepEqual(readHello(Buffer.concat([bytes, Buffer.from('whatever follows')])).kind, 'hello');
    for (let cut = 0; cut < bytes.length; cut += 13) assert.equal(readHello(bytes.subarray(0, cut)).kind, 'more');
  }
});

test('what is no ClientHello is malformed', async () => {
  const hello = await greeting('pins.example');
  const with_ = (at: number, value: number) => Buffer.concat([hello]).fill(value, at, at + 1);
  const wrong: [string, Buffer][] = [
    ['plain HTTP', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['a ServerHello', with_(5, 2)],
    ['an empty record', Buffer.from([0x16, 3, 1, 0, 0])],
    ['a record that is too long', Buffer.from([0x16, 3, 1, 0xff, 0xff])],
    ['a session id beyond the end', with_(43, 0xff)],
  ];
  for (const [what, bytes] of wrong) assert.equal(readHello(bytes).kind, 'malformed', what);
});

test('two names, and names of another kind, are malformed', () => {
  const one = (kind: number, name: string) => Buffer.concat([Buffer.from([kind, 0, name.length]), Buffer.from(name)]);
  const list = (...names: Buffer[]) => {
    const all = Buffer.concat(names);
    return Buffer.concat([Buffer.from([0, 0, 0, all.length + 2, 0, all.length]), all]);
  };
  const hello = (...extensions: Buffer[]) => {
    const all = Buffer.concat(extensions);
    const body = Buffer.concat([
      Buffer.from([3, 3]),
      Buffer.alloc(32),
      Buffer.from([0, 0, 2, 0x13, 1, 1, 0, 0, all.length]),
      all,
    ]);
    const message = Buffer.concat([Buffer.from([1, 0, 0, body.length]), body]);
    return Buffer.concat([Buffer.from([0x16, 3, 1, 0, message.length]), message]);
  };
  assert.deepEqual(readHello(hello(list(one(0, 'a.test')))), { kind: 'hello', name: 'a.test' });
  assert.equal(readHello(hello(list(one(0, 'a.test'), one(0, 'b.test')))).kind, 'malformed');
  assert.equal(readHello(hello(list(one(0, 'a.test')), list(one(0, 'b.test')))).kind, 'malformed');
  assert.equal(readHello(hello(list(one(1, 'a.test')))).kind, 'malformed');
});

test('no bytes at all make it throw', async () => {
  const hello = await greeting('pins.example');
  const kinds: Hello['kind'][] = ['more', 'hello', 'malformed'];
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(hello.length - 1), fc.nat(255), (noise, at, value) => {
      assert.ok(kinds.includes(readHello(Buffer.from(noise)).kind));
      assert.ok(kinds.includes(readHello(Buffer.concat([hello]).fill(value, at, at + 1)).kind));
    }),
  );
});
