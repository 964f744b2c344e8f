import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import type { Client, Received } from '../../../../addon/message.ts';
import { eventually, readAll } from '../rig.ts';
import { answer, dial, dialTls, dialTunnel, echo, makeDoor, textOf, unitOf } from './door.ts';

const GET = 'GET / HTTP/1.1\r\nHost: a.test\r\n';
const POST = 'POST / HTTP/1.1\r\nHost: a.test\r\n';
const CLOSE = 'Connection: close\r\n';

/** All that comes until `end` is in it, which is left on the connection no longer. */
async function until(socket: Socket, end: string): Promise<string> {
  let text = '';
  await eventually(() => {
    text += (socket.read() as Buffer | null)?.toString('latin1') ?? '';
    assert.ok(text.includes(end), text);
  });
  return text;
}

/** Far more is written than the buffers of two sockets hold, and not all of it is taken. */
async function stuck(socket: Socket): Promise<void> {
  let taken = 0;
  const pieces = 64;
  for (let count = 0; count < pieces; count += 1) {
    socket.write(Buffer.alloc(1 << 20), () => {
      taken += 1;
    });
  }
  for (let before = -1; before !== taken; ) {
    before = taken;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.ok(taken < pieces, 'all of it was taken');
  socket.destroy();
}

// --- answers -------------------------------------------------------------------------------------------------------------

test('an answer keeps its reason phrase, case, order, duplicates and Latin-1, and its length where it had one', async () => {
  using door = await makeDoor({
    serve(client) {
      client.start({
        status: 299,
        text: 'Tr\xe8s bien',
        fields: [
          ['X-b', '\xff'],
          ['Content-LENGTH', '4'],
          ['x-B', ''],
        ],
      });
      client.write(Buffer.from('ab'));
      client.write(Buffer.from('cd'));
      client.finish([]);
    },
  });
  const text = await readAll(await dialTunnel(door, `${GET}${CLOSE}\r\n`));
  assert.equal(
    text,
    'HTTP/1.1 299 Tr\xe8s bien\r\nX-b: \xff\r\nContent-LENGTH: 4\r\nx-B: \r\nConnection: close\r\n\r\nabcd',
  );
});

test('an answer without a length is chunked for HTTP/1.1, with its trailers, and ends with the connection for HTTP/1.0', async () => {
  using door = await makeDoor({
    serve(client) {
      client.start({ status: 200, text: '', fields: [['Trailer', 'X-T']] });
      client.write(Buffer.from('0123456789abcdef'));
      client.write(Buffer.alloc(0));
      client.write(Buffer.from('x'));
      client.finish([['X-T', 'v']]);
    },
  });
  const chunked = await dialTunnel(door, `${GET}\r\n`);
  assert.equal(
    await until(chunked, '\r\nX-T: v\r\n\r\n'),
    'HTTP/1.1 200 \r\nTrailer: X-T\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n0123456789abcdef\r\n1\r\nx\r\n0\r\nX-T: v\r\n\r\n',
  );
  chunked.destroy();
  const old = await dialTunnel(door, 'GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
  assert.equal(await readAll(old), 'HTTP/1.1 200 \r\nTrailer: X-T\r\nConnection: close\r\n\r\n0123456789abcdefx');
});

test('HTTP/1.0 is kept alive only if it asks for it', async () => {
  using door = await makeDoor();
  const kept = await dialTunnel(door, 'GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
  assert.match(await until(kept, '\r\n\r\n'), /Connection: keep-alive/);
  kept.write('GET / HTTP/1.0\r\n\r\n');
  assert.match(await readAll(kept), /^HTTP\/1\.1 200 [^]*Connection: close/);
});

test('to HEAD and with 204 and 304 nothing follows the head', async () => {
  using door = await makeDoor({
    serve(client) {
      const status = Number(client.head.path.slice(1));
      client.start({ status, text: 'x', fields: [['Content-Length', '5']] });
      client.finish([]);
    },
  });
  const head = (path: string, method = 'GET') => `${method} ${path} HTTP/1.1\r\nHost: a.test\r\n`;
  const text = await readAll(
    await dialTunnel(
      door,
      `${head('/200', 'HEAD')}\r\n${head('/204')}\r\n${head('/304')}\r\n${head('/304', 'HEAD')}${CLOSE}\r\n`,
    ),
  );
  assert.equal(
    text,
    'HTTP/1.1 200 x\r\nContent-Length: 5\r\n\r\nHTTP/1.1 204 x\r\n\r\nHTTP/1.1 304 x\r\nContent-Length: 5\r\n\r\nHTTP/1.1 304 x\r\nContent-Length: 5\r\nConnection: close\r\n\r\n',
  );
});

test('interim answers pass as they come, to HTTP/1.1 only, and 100 is nobody else’s to say', async () => {
  let served: Client | undefined;
  using door = await makeDoor({
    serve(client) {
      served = client;
      for (const status of [100, 101, 102, 103, 199])
        client.inform({ status, text: 'I', fields: [['Link', `<${status}>`]] });
    },
  });
  const socket = await dialTunnel(door, `${GET}\r\n`);
  const text = await until(socket, '<199>\r\n\r\n'); // while there is no final one
  assert.deepEqual(text.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 102', 'HTTP/1.1 103', 'HTTP/1.1 199']);
  answer(served as Client, 200);
  assert.match(await until(socket, '\r\n\r\n'), /^HTTP\/1\.1 200 /);
  socket.destroy();
  const old = await dialTunnel(door, 'GET / HTTP/1.0\r\n\r\n');
  await eventually(() => assert.equal(door.clients.length, 2));
  answer(served as Client, 200);
  assert.match(await readAll(old), /^HTTP\/1\.1 200 /);
});

test('an answer that is shorter or longer than it announced is broken, and never followed by another', async () => {
  for (const body of ['abc', 'abcdefgh']) {
    using door = await makeDoor({
      serve(client) {
        client.start({ status: 200, text: '', fields: [['Content-Length', '5']] });
        client.write(Buffer.from(body));
        client.finish([]);
      },
    });
    const text = await readAll(await dialTunnel(door, `${GET}\r\n${GET}\r\n`));
    const [, sent = ''] = text.split('\r\n\r\n');
    assert.ok(sent.length < 5, text);
    assert.equal(text.match(/HTTP\/1\.1 200/g)?.length, 1);
  }
});

test('a final head that is none, or that holds a line break, is never written', async () => {
  using door = await makeDoor({
    serve(client) {
      for (const status of [100, 101, 103]) assert.throws(() => client.start({ status, text: '', fields: [] }));
      assert.throws(() => client.start({ status: 200, text: '', fields: [['X', 'a\r\nY: b']] }));
      answer(client, 200);
    },
  });
  const text = await readAll(await dialTunnel(door, `${GET}${CLOSE}\r\n`));
  assert.equal(text, 'HTTP/1.1 200 Told\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
});

test('what is written to an agent that does not read says wait, and goes on when it has read', async () => {
  const drained = Promise.withResolvers<void>();
  using door = await makeDoor({
    serve(client) {
      client.start({ status: 200, text: '', fields: [] });
      client.onDrain = () => drained.resolve();
      let count = 0;
      while (client.write(Buffer.alloc(100_000))) count += 1;
      assert.ok(count < 1000);
    },
  });
  const socket = await dialTunnel(door, `${GET}\r\n`);
  socket.resume();
  await drained.promise;
  socket.destroy();
});

// --- requests ------------------------------------------------------------------------------------------------------------

test('trailers of a request are carried in its unit', async () => {
  const received = Promise.withResolvers<Received | undefined>();
  using door = await makeDoor({ serve: (client) => received.resolve(unitOf(client)) });
  const chunks = '2\r\nhi\r\n0\r\nX-T: \xe9\r\nx-t: b\r\n\r\n';
  const socket = await dialTunnel(door, `${POST}Transfer-Encoding: chunked\r\n\r\n${chunks}`);
  const unit = await received.promise;
  assert.ok(unit?.kind === 'unit' && unit.last && textOf(unit) === 'hi');
  assert.deepEqual(unit.trailers, [
    ['X-T', '\xe9'],
    ['x-t', 'b'],
  ]);
  socket.destroy();
});

test('OPTIONS * is a request like any other', async () => {
  using door = await makeDoor();
  const text = await readAll(await dialTunnel(door, `OPTIONS * HTTP/1.1\r\nHost: a.test\r\n${CLOSE}\r\n`));
  assert.match(text, /^HTTP\/1\.1 200 /);
  assert.equal(door.clients[0]?.head.path, '*');
});

test('a body that nobody asked for is read off the wire, and the next request is found behind it', async () => {
  using door = await makeDoor({ serve: (client) => answer(client, 403) });
  const socket = await dialTunnel(door, `${POST}Content-Length: 100000\r\n\r\n`);
  assert.match(await until(socket, '\r\n\r\n'), /403(?![^]*close)/);
  socket.write(Buffer.alloc(100_000, 'GET / HTTP/1.1\r\n\r\n'));
  socket.write(`${GET}${CLOSE}\r\n`);
  assert.match(await readAll(socket), /^HTTP\/1\.1 403 /);
  assert.deepEqual(
    door.clients.map(({ head }) => head.method),
    ['POST', 'GET'],
  );
});

test('100 is said when the body is asked for, and only to an agent that waits for it', async () => {
  let go: (() => void) | undefined;
  using door = await makeDoor({
    serve(client) {
      go = () => echo(client);
    },
  });
  const waiting = await dialTunnel(door, `${POST}Expect: 100-continue\r\nContent-Length: 2\r\n\r\n`);
  await eventually(() => assert.ok(go));
  assert.equal(waiting.read(), null);
  go?.();
  assert.equal(await until(waiting, '\r\n\r\n'), 'HTTP/1.1 100 Continue\r\n\r\n');
  waiting.write('hi');
  assert.match(await until(waiting, 'hi'), /^HTTP\/1\.1 200 (?![^]*close)/);
  waiting.write(`${POST}Expect: 100-continue\r\nContent-Length: 2\r\n${CLOSE}\r\nho`); // it does not wait after all
  await eventually(() => assert.equal(door.clients.length, 2));
  go?.();
  assert.match(await readAll(waiting), /^(HTTP\/1\.1 100 Continue\r\n\r\n)?HTTP\/1\.1 200 [^]*ho$/);
});

test('an agent that was never told to go on gets an answer and an end', async () => {
  using door = await makeDoor({ serve: (client) => answer(client, 403) });
  const socket = await dialTunnel(door, `${POST}Expect: 100-continue\r\nContent-Length: 2\r\n\r\n`);
  assert.match(await readAll(socket), /^HTTP\/1\.1 403 [^]*Connection: close/);
});

test('chunk junk in a body that is being dropped ends the connection, and nothing behind it is a request', async () => {
  using door = await makeDoor({ serve: (client) => answer(client, 403) });
  const socket = await dialTunnel(door, `${POST}Transfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n${GET}\r\n`);
  await readAll(socket);
  assert.equal(door.clients.length, 1);
});

test('a request whose end cannot be told is answered, and nothing behind it is a request', async () => {
  using door = await makeDoor({ serve: (client) => answer(client, client.refusal?.status ?? 200) });
  for (const framing of [
    'Content-Length: 3\r\nTransfer-Encoding: chunked\r\n',
    'Content-Length: 3\r\nContent-Length: 3\r\n',
    'Content-Length: 3, 3\r\n',
    'Transfer-Encoding: gzip, chunked\r\n',
  ]) {
    const before = door.clients.length;
    const text = await readAll(await dialTunnel(door, `${POST}${framing}\r\n0\r\n\r\n${GET}\r\n`));
    assert.match(text, /^HTTP\/1\.1 400 [^]*Connection: close/);
    assert.equal(door.clients.length, before + 1, framing);
  }
});

// --- one request at a time -----------------------------------------------------------------------------------------------

test('pipelined requests wait for the answer before them, and a CONNECT behind one does too', async () => {
  const waiting: Client[] = [];
  using door = await makeDoor({ serve: (client) => void waiting.push(client) });
  const at = 'http://a.test/';
  const socket = await dial(
    door,
    `GET ${at}1 HTTP/1.1\r\nHost: a.test\r\n\r\nGET ${at}2 HTTP/1.1\r\nHost: a.test\r\n\r\nCONNECT a.test:80 HTTP/1.1\r\n\r\n${GET}${CLOSE}\r\n`,
  );
  const all = readAll(socket);
  for (const count of [1, 2, 3]) {
    await eventually(() => assert.equal(waiting.length, count));
    const client = waiting.at(-1) as Client;
    assert.equal(client.head.path, count === 3 ? '/' : `/${count}`); // the last is inside the tunnel
    answer(client, 200, [['X-Count', String(count)]]);
  }
  assert.deepEqual((await all).match(/X-Count: \d|established/g), [
    'X-Count: 1',
    'X-Count: 2',
    'established',
    'X-Count: 3',
  ]);
});

test('of what is pipelined no more than a bounded amount is taken', async () => {
  using door = await makeDoor({ serve: () => undefined });
  const socket = await dialTunnel(door, `${GET}\r\n`);
  await stuck(socket);
});

test('a thousand pipelined requests are answered', async () => {
  using door = await makeDoor();
  const text = await readAll(await dialTunnel(door, `${`${GET}\r\n`.repeat(999)}${GET}${CLOSE}\r\n`));
  assert.equal(text.match(/HTTP\/1\.1 200/g)?.length, 1000);
});

// --- ends ----------------------------------------------------------------------------------------------------------------

test('an agent that leaves, ends its side or resets while it is answered is gone', async () => {
  for (const leave of [
    (socket: Socket) => socket.destroy(),
    (socket: Socket) => socket.end(),
    (socket: Socket) => socket.resetAndDestroy(),
  ]) {
    using door = await makeDoor({ serve: () => undefined });
    const socket = await dialTunnel(door, `${GET}\r\n`);
    const client = await eventually(() => {
      assert.ok(door.clients[0]);
      return door.clients[0];
    });
    assert.equal(client.gone.aborted, false);
    leave(socket);
    await eventually(() => assert.equal(client.gone.aborted, true));
    socket.destroy();
  }
});

test('an agent that leaves, ends its side or resets in the middle of its body is gone, and its bytes are given back', async () => {
  for (const leave of [
    (socket: Socket) => socket.destroy(),
    (socket: Socket) => socket.end(),
    (socket: Socket) => socket.resetAndDestroy(),
  ]) {
    const received: unknown[] = [];
    using door = await makeDoor({
      serve: (client) => void unitOf(client).then((unit) => received.push(unit?.kind)),
    });
    const socket = await dialTunnel(door, `${POST}Content-Length: 10\r\n\r\nhalf`);
    await eventually(() => assert.ok(door.clients[0]));
    leave(socket);
    await eventually(() => assert.deepEqual(received, ['gone']));
    assert.equal(door.clients[0]?.gone.aborted, true);
    socket.destroy();
  }
});

test('an agent that has its answer is not gone', async () => {
  using door = await makeDoor();
  await readAll(await dialTunnel(door, `${GET}${CLOSE}\r\n`));
  assert.equal(door.clients[0]?.gone.aborted, false);
});

// --- tunnels -------------------------------------------------------------------------------------------------------------

test('h2 is chosen only where somebody serves it', async () => {
  using without = await makeDoor();
  const h1 = await dialTls(without, ['h2', 'http/1.1']);
  assert.equal(h1.alpnProtocol, 'http/1.1');
  h1.destroy();
  const old = await dialTls(without, ['http/1.0']);
  assert.equal(old.alpnProtocol, 'http/1.0');
  old.destroy();
  const taken: string[] = [];
  using door = await makeDoor({
    h2(socket, { target, sni }, preferred) {
      taken.push(`${socket.alpnProtocol} ${target.scheme} ${target.host.text} ${sni}, first ${preferred}`);
      socket.destroy();
    },
  });
  const h2 = await dialTls(door, ['h2', 'http/1.1']);
  assert.equal(h2.alpnProtocol, 'h2');
  await eventually(() => assert.deepEqual(taken, ['h2 https a.test a.test, first h2']));
  const last = await dialTls(door, ['http/1.1', 'h2']);
  assert.equal(last.alpnProtocol, 'h2');
  await eventually(() => assert.equal(taken[1], 'h2 https a.test a.test, first http/1.1'));
  await assert.rejects(dialTls(door, ['h3', 'smtp']), /no application protocol|disconnected/i);
  const both = await dialTls(door, ['http/1.1']);
  both.write(`${GET}${CLOSE}\r\n`);
  assert.match(await readAll(both), /^HTTP\/1\.1 200 /);
});

test('a CONNECT with a body or a repeated field is refused and recorded', async () => {
  using door = await makeDoor();
  for (const field of ['Content-Length: 3', 'Transfer-Encoding: chunked', 'Host: a.test\r\nHost: a.test']) {
    const text = await readAll(await dial(door, `CONNECT a.test:443 HTTP/1.1\r\n${field}\r\n\r\nabc`));
    assert.match(text, /^HTTP\/1\.1 400 [^]*Connection: close\r\n\r\n\w/);
  }
  assert.deepEqual(door.recorded, ['CONNECT 400', 'CONNECT 400', 'CONNECT 400']);
});

// --- switches of protocol ------------------------------------------------------------------------------------------------

const SWITCH = `${GET}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n`;

test('a request to switch is a stream: an empty first unit, and then the bytes behind it', async () => {
  const heard: string[] = [];
  const served = Promise.withResolvers<Client>();
  using door = await makeDoor({
    serve: served.resolve,
    switches: new Map([
      [
        'websocket',
        (plain, bytes) => {
          void (async () => {
            for await (const piece of bytes) heard.push(piece.toString());
            heard.push('end');
          })();
          return plain;
        },
      ],
    ]),
  });
  const socket = await dialTunnel(door, `${SWITCH}early`);
  const client = await served.promise;
  assert.equal(client.head.upgrade, 'websocket');
  assert.ok(client.head.fields.some(([name]) => name === 'Sec-WebSocket-Key'));
  const unit = await unitOf(client);
  assert.ok(unit?.kind === 'unit' && !unit.last && textOf(unit) === '');
  client.start({ status: 101, text: 'Switching', fields: [['Sec-WebSocket-Accept', 'y']] });
  client.write(Buffer.from('raw'));
  assert.equal(
    await until(socket, 'raw'),
    'HTTP/1.1 101 Switching\r\nSec-WebSocket-Accept: y\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nraw',
  );
  await eventually(() => assert.deepEqual(heard, ['early']));
  socket.write('late');
  await eventually(() => assert.deepEqual(heard, ['early', 'late']));
  socket.end();
  await eventually(() => assert.deepEqual(heard, ['early', 'late', 'end']));
  assert.equal(client.gone.aborted, false, 'it has said its last, and may hear more');
  client.write(Buffer.from('bye'));
  client.finish([]);
  assert.equal(await readAll(socket), 'bye');
});

test('a switch that is answered with anything but 101 is an answer like any other, and the last', async () => {
  using door = await makeDoor({
    serve: (client) => answer(client, 403),
    switches: new Map([['websocket', (plain) => plain]]),
  });
  const socket = await dialTunnel(door, SWITCH);
  assert.match(await readAll(socket), /^HTTP\/1\.1 403 [^]*Connection: close/);
});

test('bytes behind a switch that nobody reads are not taken without end', async () => {
  using door = await makeDoor({ serve: () => undefined, switches: new Map([['websocket', (plain) => plain]]) });
  const socket = await dialTunnel(door, SWITCH);
  await stuck(socket);
});
