import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { UPSTREAM_SILENCE_MS } from '../../../addon/limits.ts';
import type { Field } from '../../../addon/message.ts';
import type { UpstreamOptions } from '../../../addon/upstream/open.ts';
import { eventually } from './rig.ts';
import { agentFor, headTo, onRequest, pass, rawServer, unitOf, upstreamOf } from './support/upstream.ts';

/** Answers the first request of each connection with these bytes, then does `then`. */
const answering =
  (bytes: string | Buffer, then: (socket: Socket) => void = () => undefined) =>
  (socket: Socket) =>
    onRequest(socket, () => {
      socket.write(Buffer.from(bytes as string, 'latin1'));
      then(socket);
    });

const end = (socket: Socket): void => void socket.end();

async function answerTo(
  bytes: string | Buffer,
  then = end,
  own: Parameters<typeof headTo>[1] = {},
  options: UpstreamOptions = {},
) {
  await using server = await rawServer(answering(bytes, then));
  using upstream = upstreamOf(options);
  return await pass(upstream, headTo(server.port, own));
}

suite('a request', () => {
  async function written(head: Parameters<typeof headTo>[1], unit = unitOf()): Promise<string> {
    let text = '';
    await using server = await rawServer((socket) => {
      socket.on('data', (bytes: Buffer) => {
        text += bytes.toString('latin1');
        if (/\r\n\r\n$|END$/.test(text)) socket.end('HTTP/1.1 204 No Content\r\n\r\n');
      });
    });
    using upstream = upstreamOf();
    const { sent } = await pass(upstream, headTo(server.port, head), unit);
    assert.equal(sent, text.length);
    return text.replace(`:${server.port}`, ':PORT');
  }

  test('has Host first, then its fields with their case, order and duplicates', async () => {
    const fields: Field[] = [
      ['X-b', '1'],
      ['x-A', 'é\t"'],
      ['X-B', '2'],
      ['accept', ''],
    ];
    assert.equal(
      await written({ path: '/p?q=%20', fields }),
      'GET /p?q=%20 HTTP/1.1\r\nHost: a.test:PORT\r\nX-b: 1\r\nx-A: é\t"\r\nX-B: 2\r\naccept: \r\n\r\n',
    );
  });

  test('has its length announced, also of nothing where the method means a body', async () => {
    assert.match(await written({ method: 'POST' }, unitOf(['one', 'END'])), /\r\nContent-Length: 6\r\n\r\noneEND$/);
    assert.match(await written({ method: 'PUT' }), /\r\nContent-Length: 0\r\n\r\n$/);
    assert.doesNotMatch(await written({ method: 'DELETE' }), /Content-Length/);
  });

  test('with trailers is chunked, and announces them', async () => {
    const unit = unitOf(['one', '', 'three'], { trailers: [['X-Sum', 'END']] });
    assert.match(
      await written({ method: 'POST' }, unit),
      /\r\nTrailer: x-sum\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n5\r\nthree\r\n0\r\nX-Sum: END\r\n\r\n$/,
    );
  });

  test('of several units is chunked, and each is written as it comes', async () => {
    let text = '';
    await using server = await rawServer((socket) => {
      socket.on('data', (bytes: Buffer) => {
        text += bytes.toString('latin1');
      });
    });
    using upstream = upstreamOf();
    const head = headTo(server.port, { method: 'POST' });
    const agent = agentFor(head);
    using leg = await upstream.open(head, agent.gone);
    const relayed = leg.relay(agent);
    await leg.send(head, unitOf(['first'], { last: false }));
    await eventually(() => assert.match(text, /Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n$/));
    await leg.send(undefined, unitOf(['second'], { last: false }));
    await eventually(() => assert.match(text, /6\r\nsecond\r\n$/));
    server.accepted[0]?.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhe');
    await eventually(() => assert.equal(agent.body(), 'he'));
    await leg.send(undefined, unitOf([], { trailers: [['t', 'x']] }));
    await eventually(() => assert.match(text, /0\r\nt: x\r\n\r\n$/));
    server.accepted[0]?.write('re');
    assert.equal((await relayed).kind, 'relayed');
    assert.equal(agent.body(), 'here');
  });

  test('larger than what a connection takes waits for the upstream, and is counted as it goes', async () => {
    let socket: Socket | undefined;
    await using server = await rawServer((accepted) => {
      socket = accepted.pause();
    });
    using upstream = upstreamOf();
    const head = headTo(server.port, { method: 'POST' });
    const agent = agentFor(head);
    using leg = await upstream.open(head, agent.gone);
    const relayed = leg.relay(agent);
    const size = 32 * 1024 * 1024;
    let done = false;
    const sending = leg.send(head, unitOf([Buffer.alloc(size)])).then(() => {
      done = true;
    });
    await eventually(() => assert.ok(socket && leg.sent > 0));
    const early = leg.sent;
    assert.ok(early < size && !done);
    let left = size;
    socket?.on('data', (bytes: Buffer) => {
      left -= bytes.length;
      if (left < 0) socket?.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
    });
    socket?.resume();
    await sending;
    assert.equal((await relayed).kind, 'relayed');
    assert.ok(leg.sent > size);
  });

  test('whose chunks come one by one from elsewhere is sent as they come', async () => {
    async function* chunks() {
      yield Buffer.from('on');
      await new Promise(setImmediate);
      yield Buffer.from('eEND');
    }
    const unit = unitOf([], { size: 6, chunks: chunks as never });
    assert.match(await written({ method: 'POST' }, unit), /Content-Length: 6\r\n\r\noneEND$/);
  });
});

suite('an answer', () => {
  test('is passed on with its status, its text and its fields, but for those of the hop and any that look like ours', async () => {
    const { agent, end: ended } = await answerTo(
      'HTTP/1.1 418 I am a Teapot\r\nX-b: 1\r\nx-A: \xe9\r\nX-B: 2\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n' +
        'Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nX-Bottle-Outcome: forged\r\nContent-Length: 3\r\n\r\nabc',
    );
    assert.deepEqual(ended, { kind: 'relayed', status: 418, received: 3 });
    assert.deepEqual(agent.started, {
      status: 418,
      text: 'I am a Teapot',
      fields: [
        ['X-b', '1'],
        ['x-A', 'é'],
        ['X-B', '2'],
        ['Set-Cookie', 'a'],
        ['Set-Cookie', 'b'],
        ['Content-Length', '3'],
      ],
    });
    assert.equal(agent.body(), 'abc');
    assert.deepEqual(agent.trailers, []);
  });

  test('has its interim heads before it, without a length, which they may not have', async () => {
    const { agent } = await answerTo(
      'HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 9\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n',
    );
    assert.deepEqual(
      agent.informed.map(({ status, fields }) => [status, fields]),
      [
        [102, []],
        [103, [['Link', '</a>']]],
      ],
    );
    assert.equal(agent.started?.status, 204);
  });

  test('has its trailers behind it, but none that look like ours', async () => {
    const { agent } = await answerTo(
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nX-Sum: 1\r\nx-bottle-a: 1\r\n\r\n',
    );
    assert.equal(agent.body(), 'abc');
    assert.deepEqual(agent.trailers, [['X-Sum', '1']]);
  });

  const bodiless: [title: string, method: string, text: string][] = [
    ['to HEAD', 'HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n'],
    ['of 204', 'GET', 'HTTP/1.1 204 No Content\r\n\r\n'],
    ['of 304', 'GET', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n'],
    ['of no length', 'GET', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'],
  ];
  for (const [title, method, text] of bodiless)
    test(`${title} has no body, and the connection serves again`, async () => {
      await using server = await rawServer(answering(text));
      using upstream = upstreamOf();
      for (let count = 0; count < 2; count += 1) {
        const { agent, end: ended } = await pass(upstream, headTo(server.port, { method }));
        assert.equal(ended.kind, 'relayed');
        assert.equal(agent.body(), '');
      }
      assert.equal(server.accepted.length, 1);
    });

  test('without a length lasts until the upstream closes', async () => {
    const { agent, end: ended } = await answerTo('HTTP/1.0 200 OK\r\n\r\nto the end');
    assert.deepEqual(ended, { kind: 'relayed', status: 200, received: 10 });
    assert.equal(agent.body(), 'to the end');
  });

  test('that comes before the request was read is passed on, and ends the sending', async () => {
    await using server = await rawServer((socket) => {
      socket.once('data', () => {
        socket.pause();
        socket.write('HTTP/1.1 413 Content Too Large\r\nContent-Length: 4\r\nConnection: close\r\n\r\nmuch');
      });
    });
    using upstream = upstreamOf();
    const head = headTo(server.port, { method: 'POST' });
    const { agent, end: ended, sent } = await pass(upstream, head, unitOf([Buffer.alloc(32 * 1024 * 1024)]));
    assert.equal(ended.kind, 'relayed');
    assert.equal(agent.started?.status, 413);
    assert.ok(sent < 32 * 1024 * 1024);
  });

  test('that comes while the request is read passes side by side with it', async () => {
    const size = 16 * 1024 * 1024;
    await using server = await rawServer((socket) => {
      let left = size;
      socket.once('data', (first: Buffer) => {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
        const body = first.subarray(first.indexOf('\r\n\r\n') + 4);
        const echo = (bytes: Buffer) => {
          left -= bytes.length;
          if (!socket.write(bytes)) socket.pause();
        };
        echo(body);
        socket.on('data', echo).on('drain', () => socket.resume());
      });
    });
    using upstream = upstreamOf();
    const head = headTo(server.port, { method: 'PUT' });
    const { end: ended } = await pass(upstream, head, unitOf([Buffer.alloc(size, 'x')]));
    assert.deepEqual(ended, { kind: 'relayed', status: 200, received: size });
  });
});

suite('an answer that is not one is a failure, and the agent has no head of it:', () => {
  const rows: [title: string, bytes: string, why: RegExp][] = [
    ['garbage', '\x00\x01\x02garbage\r\n\r\n', /is not HTTP\/1\.1/],
    ['another protocol', 'SSH-2.0-OpenSSH_9.2\r\n', /is not HTTP\/1\.1/],
    ['nothing', '', /closed before the answer was complete/],
    ['half a head', 'HTTP/1.1 200 OK\r\nContent-', /closed before the answer was complete/],
    ['a head without end', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(70_000)}\r\n\r\n`, /larger than 65536 bytes/],
    ['a head with a bare LF', 'HTTP/1.1 200 OK\nContent-Length: 0\n\n', /is not HTTP\/1\.1/],
    ['a folded field', 'HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n', /folded/],
    [
      'a length and a coding',
      'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      /ambiguous: both transfer-encoding and content-length/,
    ],
    [
      'two lengths',
      'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd',
      /content-length is repeated/,
    ],
    ['a length that is none', 'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n', /not a number/],
    ['another coding', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n', /not exactly "chunked"/],
    ['an interim head without end', 'HTTP/1.1 102 Processing\r\n\r\n'.repeat(40), /interim answers without end/],
    [
      'a switch that nobody asked for',
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n',
      /not asked for/,
    ],
  ];
  for (const [title, bytes, why] of rows)
    test(title, async () => {
      const { agent, end: ended } = await answerTo(Buffer.from(bytes, 'latin1'));
      assert.ok(ended.kind === 'failed');
      assert.equal(ended.started, false);
      assert.match(ended.cause, why);
      assert.equal(agent.started, undefined);
    });
});

suite('an answer that breaks off is a failure that has started:', () => {
  const head = 'HTTP/1.1 200 OK\r\n';
  const rows: [title: string, bytes: string, then?: (socket: Socket) => void][] = [
    ['less than its length', `${head}Content-Length: 10\r\n\r\nabc`],
    ['no last chunk', `${head}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n`],
    ['half a chunk', `${head}Transfer-Encoding: chunked\r\n\r\n9\r\nabc`],
    ['trailers without end', `${head}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: 1\r\n`],
    ['a trailer that frames', `${head}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nContent-Length: 3\r\n\r\n`],
    ['junk in the place of a chunk’s size', `${head}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0x1\r\n`],
    ['a reset before the end', `${head}\r\nabc`, (socket) => void setImmediate(() => socket.resetAndDestroy())],
  ];
  for (const [title, bytes, then] of rows)
    test(title, async () => {
      const { agent, end: ended } = await answerTo(bytes, then);
      assert.ok(ended.kind === 'failed', ended.kind);
      assert.equal(ended.started, true);
      assert.equal(agent.body(), title === 'a reset before the end' ? agent.body() : 'abc');
      assert.equal(agent.trailers, undefined, 'it is never told as complete');
    });
});

suite('what stands behind an answer', () => {
  test('is no answer to the next request: the connection does not serve again', async () => {
    await using server = await rawServer(
      answering('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged'),
    );
    using upstream = upstreamOf();
    for (let count = 0; count < 2; count += 1)
      assert.equal((await pass(upstream, headTo(server.port))).agent.body(), 'ok');
    assert.equal(server.accepted.length, 2);
  });

  test('and comes later, ends the idle connection', async () => {
    await using server = await rawServer(answering('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'));
    using upstream = upstreamOf();
    await pass(upstream, headTo(server.port));
    const [first] = server.accepted;
    assert.ok(first);
    first.write('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged');
    await once(first, 'close');
    assert.equal((await pass(upstream, headTo(server.port))).agent.body(), 'ok');
  });
});

suite('time', () => {
  test('without a head ends as a time-out', async () => {
    await using server = await rawServer(() => undefined);
    using upstream = upstreamOf({ headMs: 20 });
    const { end: ended } = await pass(upstream, headTo(server.port));
    assert.ok(ended.kind === 'failed');
    assert.match(ended.cause, /^timed out: no answer$/);
  });

  test('a head that comes byte by byte is one while it comes', async () => {
    await using server = await rawServer((socket) =>
      onRequest(socket, () => {
        const text = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'.split('');
        const drip = setInterval(() => {
          const next = text.shift();
          if (next === undefined) clearInterval(drip);
          else socket.write(next);
        }, 2);
      }),
    );
    using upstream = upstreamOf({ headMs: 500 });
    assert.equal((await pass(upstream, headTo(server.port))).end.kind, 'relayed');
  });

  test('silence in the middle ends as a time-out', async () => {
    const { end: ended } = await answerTo('HTTP/1.1 200 OK\r\n\r\nabc', () => undefined, {}, { silenceMs: 20 });
    assert.ok(ended.kind === 'failed' && ended.started);
    assert.match(ended.cause, /^timed out: its answer stopped in the middle$/);
  });

  test('between two events may be long: each of them begins it anew, and the limit of the head is none of theirs', async () => {
    assert.ok(UPSTREAM_SILENCE_MS > 30 * 60_000, 'half an hour of silence is no reason to cut a stream');
    await using server = await rawServer((socket) =>
      onRequest(socket, () => {
        socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n');
        let events = 0;
        const stream = setInterval(() => {
          events += 1;
          socket.write(`data: ${events}\n\n`);
          if (events < 6) return;
          clearInterval(stream);
          socket.end();
        }, 250);
      }),
    );
    using upstream = upstreamOf({ headMs: 200, silenceMs: 1_000 }); // the stream lasts for 1.5 s
    const { end: ended } = await pass(upstream, headTo(server.port));
    assert.deepEqual(ended, { kind: 'relayed', status: 200, received: 54 });
  });

  test('in which the agent does not read does not count', async () => {
    const size = 8 * 1024 * 1024;
    await using server = await rawServer((socket) =>
      onRequest(socket, () => {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
        socket.end(Buffer.alloc(size));
      }),
    );
    using upstream = upstreamOf({ silenceMs: 500 });
    const head = headTo(server.port);
    const agent = agentFor(head);
    agent.take = () => false;
    const passing = pass(upstream, head, unitOf(), agent);
    await eventually(() => assert.ok(agent.pieces.length > 0));
    await new Promise((resolve) => setTimeout(resolve, 1_500)); // three times the limit
    agent.take = () => true;
    agent.onDrain?.();
    assert.deepEqual((await passing).end, { kind: 'relayed', status: 200, received: size });
  });
});

suite('a stream', () => {
  test('is passed on piece by piece, each as it arrives', async () => {
    let socket: Socket | undefined;
    await using server = await rawServer((accepted) => {
      socket = accepted;
      onRequest(accepted, () => accepted.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'));
    });
    using upstream = upstreamOf();
    const head = headTo(server.port);
    const agent = agentFor(head);
    const passing = pass(upstream, head, unitOf(), agent);
    await eventually(() => assert.ok(agent.started));
    for (const event of ['data: 1\n\n', 'data: 2\n\n', 'data: 3\n\n']) {
      const before = agent.pieces.length;
      socket?.write(`9\r\n${event}\r\n`);
      await eventually(() => assert.equal(agent.pieces[before]?.toString(), event));
    }
    socket?.write('0\r\n\r\n');
    assert.equal((await passing).end.kind, 'relayed');
  });

  test('whose agent leaves is cancelled at the upstream at once', async () => {
    await using server = await rawServer(answering('HTTP/1.1 200 OK\r\n\r\ndata: 1\n\n', () => undefined));
    using upstream = upstreamOf();
    const head = headTo(server.port);
    const agent = agentFor(head);
    const passing = pass(upstream, head, unitOf(), agent);
    await eventually(() => assert.ok(agent.pieces.length > 0));
    agent.leave();
    assert.deepEqual((await passing).end, { kind: 'gone', status: 200, received: 9 });
    await once(server.accepted[0] as Socket, 'close');
  });

  test('is held back while the agent does not take it', async () => {
    const size = 64 * 1024 * 1024;
    let written = 0;
    await using server = await rawServer((socket) =>
      onRequest(socket, () => {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
        const piece = Buffer.alloc(256 * 1024);
        const fill = () => {
          while (written < size) {
            written += piece.length;
            if (!socket.write(piece)) return;
          }
        };
        socket.on('drain', fill);
        fill();
      }),
    );
    using upstream = upstreamOf();
    const head = headTo(server.port);
    const agent = agentFor(head);
    let held = true;
    let received = 0;
    agent.write = (piece) => {
      received += piece.length;
      return !held;
    };
    const passing = pass(upstream, head, unitOf(), agent);
    await eventually(() => assert.ok(received > 0));
    const before = received;
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(received, before);
    assert.ok(written < size);
    held = false;
    agent.onDrain?.();
    assert.deepEqual((await passing).end, { kind: 'relayed', status: 200, received: size });
  });
});

// The pair of RFC 6455 section 1.3.
const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const ACCEPT = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=';

suite('a switch of protocol', () => {
  const SWITCH = `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Accept: ${ACCEPT}\r\n\r\n`;
  const upgrade = { upgrade: 'websocket', fields: [['Sec-WebSocket-Key', KEY]] } as const;

  test('is asked for anew, and from then on the bytes of both sides pass as they are', async () => {
    let text = '';
    await using server = await rawServer((socket) => {
      socket.on('data', (bytes: Buffer) => {
        text += bytes.toString('latin1');
        if (text.endsWith('\r\n\r\n')) socket.write(Buffer.from(`${SWITCH}\x81\x02hi`, 'latin1'));
        if (text.endsWith('bye')) socket.end(Buffer.from('\x88\x00', 'latin1'));
      });
    });
    using upstream = upstreamOf();
    const head = headTo(server.port, upgrade);
    const agent = agentFor(head);
    using leg = await upstream.open(head, agent.gone);
    const relayed = leg.relay(agent);
    await leg.send(head, unitOf([], { last: false }));
    await leg.send(undefined, unitOf([Buffer.from('\x81\x01a', 'latin1'), 'b'], { last: false }));
    await leg.send(undefined, unitOf(['bye']));
    assert.deepEqual(await relayed, { kind: 'relayed', status: 101, received: 6 });
    assert.equal(
      text.replace(`:${server.port}`, ''),
      `GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: ${KEY}\r\n\r\n\x81\x01abbye`,
    );
    assert.deepEqual(agent.started?.fields, [['Sec-WebSocket-Accept', ACCEPT]]);
    assert.equal(agent.body(), '\x81\x02hi\x88\x00');
    assert.deepEqual(agent.trailers, []);
  });

  test('that is refused is an answer, and nothing that was meant for the other protocol is written', async () => {
    let text = '';
    await using server = await rawServer((socket) => {
      socket.on('data', (bytes: Buffer) => {
        text += bytes.toString('latin1');
        if (text.endsWith('\r\n\r\n')) socket.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno');
      });
    });
    using upstream = upstreamOf();
    const head = headTo(server.port, upgrade);
    const agent = agentFor(head);
    using leg = await upstream.open(head, agent.gone);
    const relayed = leg.relay(agent);
    await leg.send(head, unitOf([], { last: false }));
    const message = leg.send(undefined, unitOf(['GET /forged HTTP/1.1\r\n\r\n'], { last: false }));
    assert.deepEqual(await relayed, { kind: 'relayed', status: 403, received: 2 });
    await message;
    await once(server.accepted[0] as Socket, 'close');
    assert.doesNotMatch(text, /forged/);
  });

  test('to another protocol than the one that was asked for is a failure', async () => {
    const { end: ended } = await answerTo(SWITCH.replace('WebSocket', 'h2c'), () => undefined, upgrade);
    assert.ok(ended.kind === 'failed' && !ended.started);
  });

  test('that breaks off is a failure that has started', async () => {
    const { end: ended } = await answerTo(
      SWITCH,
      (socket) => void setImmediate(() => socket.resetAndDestroy()),
      upgrade,
    );
    assert.ok(ended.kind === 'failed' && ended.started);
  });
});

test('an agent receives what the upstream sent, whatever its framing and its pieces', async () => {
  const pieces = fc.array(fc.uint8Array({ minLength: 1, maxLength: 400 }), { maxLength: 8 });
  const framing = fc.constantFrom('length', 'chunked', 'close');
  let answer = Buffer.alloc(0);
  let cuts: number[] = [];
  await using server = await rawServer((socket) =>
    onRequest(socket, () => {
      let at = 0;
      for (const cut of [...cuts, answer.length]) {
        socket.write(answer.subarray(at, cut));
        at = cut;
      }
      if (!answer.includes('Content-Length') && !answer.includes('chunked')) socket.end();
    }),
  );
  using upstream = upstreamOf();
  await fc.assert(
    fc.asyncProperty(pieces, framing, fc.array(fc.nat(3_000), { maxLength: 12 }), async (parts, kind, places) => {
      const body = Buffer.concat(parts);
      const head = {
        length: `Content-Length: ${body.length}\r\n`,
        chunked: 'Transfer-Encoding: chunked\r\n',
        close: '',
      }[kind];
      const chunked = parts.map((part) =>
        Buffer.concat([Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n')]),
      );
      answer = Buffer.concat([
        Buffer.from(`HTTP/1.1 200 OK\r\n${head}\r\n`),
        ...(kind === 'chunked' ? [...chunked, Buffer.from('0\r\n\r\n')] : [body]),
      ]);
      cuts = [...new Set(places.filter((place) => place < answer.length))].toSorted((a, b) => a - b);
      const { agent, end: ended } = await pass(upstream, headTo(server.port));
      assert.deepEqual(ended, { kind: 'relayed', status: 200, received: body.length });
      assert.ok(Buffer.concat(agent.pieces).equals(body));
      assert.deepEqual(agent.trailers, []);
    }),
    { numRuns: 200 },
  );
});
