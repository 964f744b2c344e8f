import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ServerHttp2Stream } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import { suite, test } from 'node:test';
import { ask, eventually, openTunnel, type RigOptions } from './rig.ts';
import {
  answerOf,
  askStream,
  END_HEADERS,
  END_STREAM,
  code,
  FRAME,
  hpack,
  makeH2Upstream,
  openSession,
  request,
  type Wire,
} from './support/h2.ts';
import { makeWorld, placeOf } from './support/world.ts';

const HOST = 'api.example.test';
const PLACE = placeOf(HOST);

async function world(
  handle: (stream: ServerHttp2Stream, list: string[]) => void,
  options: Partial<RigOptions> & {
    settings?: object;
    wire?: (wire: Wire) => void;
    other?: (socket: TLSSocket) => void;
  } = {},
) {
  const { settings, wire, other, ...rest } = options;
  const how = { ...(settings ? { settings } : {}), ...(wire ? { wire } : {}), ...(other ? { other } : {}) };
  return await makeWorld(PLACE, (place) => makeH2Upstream(handle, { ...place, ...how }), rest);
}

const hello = (stream: ServerHttp2Stream) => {
  stream.respond([':status', '200', 'x-b', '1', 'x-a', '2', 'x-b', '3'], { sendDate: false } as object);
  stream.end('hello');
};

suite('an upstream that offers HTTP/2 is spoken to in it', () => {
  test('by an agent that speaks HTTP/1.1', async () => {
    await using at = await world(hello);
    const answer = await ask(at.rig, {
      host: HOST,
      port: at.port,
      method: 'POST',
      path: '/a?b',
      fields: [
        ['X-B', '1'],
        ['X-A', '2'],
        ['x-b', '3'],
      ],
      body: 'text',
    });
    assert.deepEqual([answer.status, answer.statusMessage, answer.body], [200, 'OK', 'hello']);
    assert.deepEqual(answer.rawHeaders.slice(0, 6), ['x-b', '1', 'x-a', '2', 'x-b', '3']);
    assert.deepEqual(at.upstream.seen[0], [
      ':method',
      'POST',
      ':scheme',
      'https',
      ':authority',
      `${HOST}:${at.port}`,
      ':path',
      '/a?b',
      'x-b',
      '1',
      'x-a',
      '2',
      'x-b',
      '3',
      'content-length',
      '4',
    ]);
  });

  test('by an agent that speaks HTTP/2, many streams over one connection', async () => {
    await using at = await world(hello);
    const session = await openSession(at.rig, { host: HOST, port: at.port });
    const answers = await Promise.all(Array.from({ length: 64 }, () => askStream(session)));
    session.close();
    assert.ok(answers.every(({ body }) => body === 'hello'));
    assert.equal(at.upstream.sessions.length, 1);
  });

  test('and one that does not is spoken to in HTTP/1.1', async () => {
    await using at = await world(hello, {
      other: (socket) => {
        socket.once('data', () => socket.end('HTTP/1.1 200 Fine\r\ncontent-length: 2\r\n\r\nh1'));
      },
    });
    at.upstream.protocols = ['http/1.1'];
    const session = await openSession(at.rig, { host: HOST, port: at.port });
    assert.equal((await askStream(session)).body, 'h1');
    session.close();
    assert.equal(at.upstream.sessions.length, 0);
  });

  test('trailers pass in both directions, and interim answers', async () => {
    await using at = await world((stream) => {
      stream.additionalHeaders({ ':status': 103, link: '</x>' });
      stream.respond({ ':status': 200 }, { waitForTrailers: true });
      stream.once('wantTrailers', () => stream.sendTrailers({ 'x-sum': '7' }));
      stream.once('trailers', (trailers) => stream.end(String(trailers['x-check'])));
      stream.resume();
    });
    const session = await openSession(at.rig, { host: HOST, port: at.port });
    const answer = await askStream(session, { method: 'POST', body: 'x', trailers: { 'x-check': '42' } });
    session.close();
    assert.deepEqual([answer.body, answer.trailers], ['42', ['x-sum', '7']]);
    assert.deepEqual(
      answer.interim.map(({ status }) => status),
      [103],
    );
  });

  test('answers without a body end with their head', async () => {
    await using at = await world((stream) => stream.respond({ ':status': 204 }, { endStream: true }));
    const session = await openSession(at.rig, { host: HOST, port: at.port });
    const stream = request(session);
    const [, flags] = (await once(stream, 'response')) as [unknown, number];
    assert.equal(flags & END_STREAM, 1);
    assert.equal((await ask(at.rig, { host: HOST, port: at.port, method: 'HEAD' })).status, 204);
    session.close();
  });

  test('64 large answers at once arrive whole, one connection on either side', async () => {
    const text = Buffer.alloc(1024 * 1024, 'abcdefgh');
    await using at = await world((stream) => {
      stream.respond({ ':status': 200 });
      stream.end(text);
    });
    const session = await openSession(at.rig, { host: HOST, port: at.port });
    const answers = await Promise.all(Array.from({ length: 64 }, () => askStream(session)));
    session.close();
    assert.ok(answers.every(({ body, isWhole }) => body.length === text.length && isWhole));
    assert.equal(at.upstream.sessions.length, 1);
    assert.ok(at.rig.journal().every((line) => line.event !== 'closed' || line.outcome.kind === 'forwarded'));
  });

  test('large bodies arrive whole both ways, at a slow reader too', async () => {
    const text = Buffer.alloc(9 * 1024 * 1024, 'abcdefgh');
    await using at = await world((stream) => {
      stream.respond({ ':status': 200 });
      stream.pipe(stream);
    });
    const session = await openSession(at.rig, { host: HOST, port: at.port });
    const stream = request(session, { method: 'POST', body: text });
    const whole = answerOf(stream);
    await once(stream, 'response');
    stream.pause();
    const beside = await askStream(session, { method: 'POST', body: 'small' });
    assert.equal(beside.body, 'small');
    stream.resume();
    assert.ok((await whole).body === text.toString());
    session.close();
  });
});

suite('an end is told as what it is', () => {
  test('a stream that the upstream resets in its answer is a broken answer', async () => {
    for (const reset of [2, 8]) {
      await using at = await world((stream) => {
        stream.respond({ ':status': 200 }, { waitForTrailers: true });
        stream.write('part', () => stream.close(reset));
      });
      const answer = await ask(at.rig, { host: HOST, port: at.port });
      assert.deepEqual([answer.body, answer.broken], ['part', true]);
    }
  });

  test('also one whose connection ends', async () => {
    const endings: ((wire: Wire) => void)[] = [
      (wire) => wire.socket.end(),
      (wire) => wire.socket.destroy(),
      (wire) => wire.send(FRAME.goaway, 0, 0, Buffer.concat([code(1), code(2)])),
    ];
    for (const end of endings) {
      await using at = await world(hello, {
        wire: (wire) => {
          void wire
            .find(({ type }) => type === FRAME.headers)
            .then(() => {
              wire.send(FRAME.headers, END_HEADERS, 1, hpack([[':status', '200']]));
              wire.send(FRAME.data, 0, 1, 'part');
              setTimeout(() => end(wire), 20);
            });
        },
      });
      const session = await openSession(at.rig, { host: HOST, port: at.port });
      const answer = await askStream(session);
      session.close();
      assert.deepEqual([answer.status, answer.body, answer.reset], [200, 'part', 2]);
    }
  });

  test('a reset without an error is an end, unless the length shows that something is missing', async () => {
    for (const [length, broken] of [
      [undefined, false],
      ['4', false],
      ['5', true],
    ] as const) {
      await using at = await world(hello, {
        wire: (wire) => {
          void wire
            .find(({ type }) => type === FRAME.headers)
            .then(() => {
              const counted = length === undefined ? [] : [['content-length', length] as const];
              wire.send(FRAME.headers, END_HEADERS, 1, hpack([[':status', '200'], ...counted]));
              wire.send(FRAME.data, 0, 1, 'full');
              wire.send(FRAME.reset, 0, 1, code(0));
            });
        },
      });
      const answer = await ask(at.rig, { host: HOST, port: at.port });
      assert.deepEqual([answer.status, answer.body, answer.broken], [200, 'full', broken]);
    }
  });

  test('one that it resets before it answers is 502 with the name of its error', async () => {
    await using at = await world((stream) => stream.close(2));
    const answer = await ask(at.rig, { host: HOST, port: at.port });
    assert.equal(answer.status, 502);
    assert.match(answer.body, /INTERNAL_ERROR/);
  });

  test('an agent that leaves cancels the stream and leaves the connection', async () => {
    const codes: (number | undefined)[] = [];
    await using at = await world((stream, list) => {
      if (list.includes('/other')) return hello(stream);
      stream.respond({ ':status': 200 });
      stream.write('x');
      stream.once('close', () => codes.push(stream.rstCode));
    });
    const session = await openSession(at.rig, { host: HOST, port: at.port });
    const stream = request(session);
    await once(stream, 'data');
    stream.close(8);
    await eventually(() => assert.deepEqual(codes, [8]));
    assert.equal((await askStream(session, { path: '/other' })).body, 'hello');
    session.close();
    assert.equal(at.upstream.sessions.length, 1);
  });

  test('an agent that speaks HTTP/1.1 and leaves cancels it too', async () => {
    const codes: (number | undefined)[] = [];
    await using at = await world((stream) => {
      stream.respond({ ':status': 200 });
      stream.write('x');
      stream.once('close', () => codes.push(stream.rstCode));
    });
    const socket = await openTunnel(at.rig, { host: HOST, port: at.port });
    socket.write(`GET / HTTP/1.1\r\nHost: ${HOST}:${at.port}\r\n\r\n`);
    await once(socket, 'data');
    socket.destroy();
    await eventually(() => assert.deepEqual(codes, [8]));
  });
});

suite('what the upstream did nothing with is sent once more', () => {
  test('a stream that it refuses', async () => {
    let refused = 0;
    await using at = await world((stream) => {
      if (refused++ === 0) stream.close(7);
      else hello(stream);
    });
    const answer = await ask(at.rig, { host: HOST, port: at.port, method: 'POST', body: 'once' });
    assert.equal(answer.body, 'hello');
    assert.equal(at.upstream.sessions.length, 2);
  });

  test('but no more than that', async () => {
    await using at = await world((stream) => stream.close(7));
    const answer = await ask(at.rig, { host: HOST, port: at.port });
    assert.equal(answer.status, 502);
    assert.match(answer.body, /REFUSED_STREAM/);
    assert.equal(at.upstream.seen.length, 2);
  });

  test('streams above the last of a GOAWAY, and none that it may have acted upon', async () => {
    for (const [last, sessions] of [
      [0, 2],
      [1, 1],
    ] as const) {
      let first = true;
      await using at = await world(hello, {
        wire: (wire) => {
          void wire
            .find(({ type }) => type === FRAME.headers)
            .then(() => {
              if (first) wire.send(FRAME.goaway, 0, 0, Buffer.concat([code(last), code(2)]));
              else wire.sendAll([[FRAME.headers, END_HEADERS | END_STREAM, 1, hpack([[':status', '204']])]]);
              first = false;
            });
        },
      });
      const answer = await ask(at.rig, { host: HOST, port: at.port, method: 'POST', body: 'x' });
      assert.equal(answer.status, last === 0 ? 204 : 502);
      assert.equal(at.upstream.accepted, sessions);
    }
  });

  test('a connection that said goodbye takes no other request', async () => {
    await using at = await world(hello);
    assert.equal((await ask(at.rig, { host: HOST, port: at.port })).body, 'hello');
    at.upstream.sessions[0]?.close();
    assert.equal((await ask(at.rig, { host: HOST, port: at.port })).body, 'hello');
    assert.equal(at.upstream.sessions.length, 2);
  });

  test('an upstream that allows one stream at a time gets another connection for the next', async () => {
    const held: ServerHttp2Stream[] = [];
    await using at = await world((stream) => void held.push(stream), { settings: { maxConcurrentStreams: 1 } });
    const session = await openSession(at.rig, { host: HOST, port: at.port });
    const first = askStream(session);
    await eventually(() => assert.equal(held.length, 1));
    const second = askStream(session);
    await eventually(() => assert.equal(held.length, 2));
    for (const stream of held) hello(stream);
    assert.deepEqual([(await first).body, (await second).body], ['hello', 'hello']);
    assert.equal(at.upstream.sessions.length, 2);
    session.close();
  });
});
