import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { suite, test } from 'node:test';
import { UPSTREAM_IDLE_MS } from '../../../addon/limits.ts';
import type { Unit } from '../../../addon/message.ts';
import { DialError } from '../../../addon/upstream/failure.ts';
import { makeUpstream } from '../../../addon/upstream/open.ts';
import { eventually } from './rig.ts';
import { agentFor, headTo, onRequest, pass, rawServer, unitOf, upstreamOf } from './support/upstream.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const always = (answer: string) => (socket: Socket) => onRequest(socket, () => void socket.write(answer));

suite('a connection', () => {
  test('serves the next request to the same place, and to no other', async () => {
    await using server = await rawServer(always(OK));
    using upstream = upstreamOf();
    for (const name of ['a.test', 'a.test', 'b.test', 'a.test'])
      assert.equal((await pass(upstream, headTo(server.port, { name }))).agent.body(), 'ok');
    assert.equal(server.accepted.length, 2);
  });

  const ending: [title: string, answer: string][] = [
    ['says that it closes', 'HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 2\r\n\r\nok'],
    ['says so among other things', 'HTTP/1.1 200 OK\r\nConnection: x, close\r\nContent-Length: 2\r\n\r\nok'],
    ['speaks HTTP/1.0', 'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok'],
    ['keeps it for a second only', 'HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1\r\nContent-Length: 2\r\n\r\nok'],
  ];
  for (const [title, answer] of ending)
    test(`is not kept where the upstream ${title}`, async () => {
      await using server = await rawServer(always(answer));
      using upstream = upstreamOf();
      await pass(upstream, headTo(server.port));
      await pass(upstream, headTo(server.port));
      assert.equal(server.accepted.length, 2);
    });

  test('to an upstream of HTTP/1.0 that keeps it is kept', async () => {
    await using server = await rawServer(
      always('HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok'),
    );
    using upstream = upstreamOf();
    await pass(upstream, headTo(server.port));
    await pass(upstream, headTo(server.port));
    assert.equal(server.accepted.length, 1);
  });

  test('that is idle for too long is closed', async () => {
    await using server = await rawServer(always(OK));
    using upstream = upstreamOf({ idleMs: 10 });
    await pass(upstream, headTo(server.port));
    await closed(server.accepted[0]);
  });

  test('whose time passed while the machine slept, its timers with it, serves no more', async (t) => {
    await using server = await rawServer(always(OK));
    using upstream = upstreamOf();
    await pass(upstream, headTo(server.port));
    t.mock.timers.enable({ apis: ['Date'], now: Date.now() });
    t.mock.timers.tick(UPSTREAM_IDLE_MS + 1);
    await pass(upstream, headTo(server.port));
    assert.equal(server.accepted.length, 2);
    await pass(upstream, headTo(server.port));
    assert.equal(server.accepted.length, 2);
    await closed(server.accepted[0]);
  });

  test('is closed with the session', async () => {
    await using server = await rawServer(always(OK));
    const upstream = upstreamOf();
    await pass(upstream, headTo(server.port));
    upstream[Symbol.dispose]();
    await closed(server.accepted[0]);
    const { end } = await pass(upstream, headTo(server.port));
    assert.ok(end.kind === 'failed' && end.cause === 'the session ends');
  });
});

suite('a kept connection that the upstream closes exactly when the next request arrives', () => {
  /** The first request of a first connection is answered; whatever comes next on it finds it closed, or reset. */
  const closing = (how: 'end' | 'resetAndDestroy', seen: string[]) => (socket: Socket, index: number) => {
    let requests = 0;
    socket.on('data', (bytes: Buffer) => {
      requests += 1;
      seen.push(`${index}: ${bytes.toString('latin1').split(' ', 1).join('')}`);
      if (index === 0 && requests > 1) socket[how]();
      else socket.write(OK);
    });
  };

  for (const how of ['end', 'resetAndDestroy'] as const)
    for (const method of ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])
      test(`(${how}): ${method} is sent once more, over a new one`, async () => {
        const seen: string[] = [];
        await using server = await rawServer(closing(how, seen));
        using upstream = upstreamOf();
        const unit = () => unitOf(method === 'PUT' ? ['body'] : []);
        await pass(upstream, headTo(server.port, { method: 'GET' }));
        const { end } = await pass(upstream, headTo(server.port, { method }), unit());
        assert.equal(end.kind, 'relayed');
        assert.deepEqual(seen, ['0: GET', `0: ${method}`, `1: ${method}`]);
      });

  for (const method of ['POST', 'PATCH', 'LOCK'])
    test(`${method} is never sent twice: it may have been acted upon`, async () => {
      const seen: string[] = [];
      await using server = await rawServer(closing('end', seen));
      using upstream = upstreamOf();
      await pass(upstream, headTo(server.port));
      const { end, sent } = await pass(upstream, headTo(server.port, { method }), unitOf(['body']));
      assert.ok(end.kind === 'failed' && !end.started && sent > 0);
      assert.deepEqual(seen, ['0: GET', `0: ${method}`]);
    });

  test('is tried once more, and not for ever', async () => {
    await using server = await rawServer((socket, index) => {
      let requests = 0;
      socket.on('data', () => {
        requests += 1;
        if (index === 0 && requests === 1) socket.write(OK);
        else socket.end();
      });
    });
    using upstream = upstreamOf();
    await pass(upstream, headTo(server.port));
    const { end } = await pass(upstream, headTo(server.port));
    assert.equal(end.kind, 'failed');
    assert.equal(server.accepted.length, 2);
  });

  test('after the first byte of an answer is a failure', async () => {
    await using server = await rawServer((socket, index) => {
      let requests = 0;
      socket.on('data', () => {
        requests += 1;
        if (index === 0 && requests === 1) socket.write(OK);
        else socket.end('H');
      });
    });
    using upstream = upstreamOf();
    await pass(upstream, headTo(server.port));
    assert.equal((await pass(upstream, headTo(server.port))).end.kind, 'failed');
    assert.equal(server.accepted.length, 1);
  });

  test('in the middle of a large body that is still held is begun again from its first byte', async () => {
    const size = 8 * 1024 * 1024;
    let received = 0;
    await using server = await rawServer((socket, index) => {
      let requests = 0;
      let body = -1;
      socket.on('data', (bytes: Buffer) => {
        if (body < 0) {
          requests += 1;
          if (index === 0 && requests > 1) return void socket.resetAndDestroy();
          const head = bytes.indexOf('\r\n\r\n') + 4;
          if (requests === 1 && index === 0) return void socket.write(OK);
          body = bytes.length - head;
        } else body += bytes.length;
        received = body;
        if (body === size) socket.write(OK);
      });
    });
    using upstream = upstreamOf();
    await pass(upstream, headTo(server.port));
    const { end } = await pass(upstream, headTo(server.port, { method: 'PUT' }), unitOf([Buffer.alloc(size)]));
    assert.equal(end.kind, 'relayed');
    assert.equal(received, size);
  });

  test('of a stream of units is a failure: what is gone cannot be sent again', async () => {
    const seen: string[] = [];
    await using server = await rawServer(closing('end', seen));
    using upstream = upstreamOf();
    await pass(upstream, headTo(server.port));
    const { end } = await pass(upstream, headTo(server.port, { method: 'PUT' }), unitOf(['x'], { last: false }));
    assert.equal(end.kind, 'failed');
    assert.equal(server.accepted.length, 1);
  });

  test('a new connection that is closed is a failure at once', async () => {
    await using server = await rawServer((socket) => socket.on('data', () => socket.end()));
    using upstream = upstreamOf();
    assert.equal((await pass(upstream, headTo(server.port))).end.kind, 'failed');
    assert.equal(server.accepted.length, 1);
  });
});

suite('bounds', () => {
  test('to one place: whoever finds no connection waits for one to come free, in order', async () => {
    const answers: (() => void)[] = [];
    const paths: string[] = [];
    await using server = await rawServer((socket) =>
      onRequest(socket, (request) => {
        paths.push(request.split(' ')[1] ?? '');
        answers.push(() => socket.write(OK));
      }),
    );
    using upstream = upstreamOf({ perPlace: 2 });
    const passing = ['/1', '/2', '/3', '/4'].map((path) => pass(upstream, headTo(server.port, { path })));
    await eventually(() => assert.equal(answers.length, 2));
    assert.equal(server.accepted.length, 2);
    answers[0]?.();
    await eventually(() => assert.equal(paths[2], '/3'));
    answers[1]?.();
    await eventually(() => assert.equal(paths[3], '/4'));
    for (const answer of answers.slice(2)) answer();
    for (const { end } of await Promise.all(passing)) assert.equal(end.kind, 'relayed');
    assert.equal(server.accepted.length, 2);
  });

  test('to one place: a connection that breaks makes room as well', async () => {
    await using server = await rawServer((socket, index) =>
      onRequest(socket, () => void (index === 0 ? socket.destroy() : socket.write(OK))),
    );
    using upstream = upstreamOf({ perPlace: 1 });
    const both = [pass(upstream, headTo(server.port)), pass(upstream, headTo(server.port))];
    assert.deepEqual((await Promise.all(both)).map(({ end }) => end.kind).toSorted(), ['failed', 'relayed']);
  });

  test('in all: the connection that has been idle longest gives way', async () => {
    await using server = await rawServer(always(OK));
    using upstream = upstreamOf({ all: 2 });
    for (const name of ['a.test', 'b.test', 'c.test']) await pass(upstream, headTo(server.port, { name }));
    await closed(server.accepted[0]);
    await pass(upstream, headTo(server.port, { name: 'b.test' }));
    assert.equal(server.accepted.length, 3, 'the other was kept');
  });

  test('in all: one that comes free for another place gives way to whoever waits', async () => {
    let answer: (() => void) | undefined;
    await using server = await rawServer((socket) =>
      onRequest(socket, (request) => {
        if (request.includes('Host: a.test')) answer = () => socket.write(OK);
        else socket.write(OK);
      }),
    );
    using upstream = upstreamOf({ all: 1 });
    const first = pass(upstream, headTo(server.port));
    await eventually(() => assert.ok(answer));
    const second = pass(upstream, headTo(server.port, { name: 'b.test' }));
    answer?.();
    assert.equal((await first).end.kind, 'relayed');
    assert.equal((await second).end.kind, 'relayed');
  });

  test('of the queue: a request too many is told so', async () => {
    await using server = await rawServer(() => undefined);
    using upstream = upstreamOf({ perPlace: 1, queue: 1 });
    const head = headTo(server.port);
    const [held, waiting] = [agentFor(head), agentFor(head)];
    const passing = [held, waiting].map((agent) => pass(upstream, head, unitOf(), agent));
    await eventually(() => assert.equal(server.accepted.length, 1));
    const { end } = await pass(upstream, head);
    assert.ok(end.kind === 'failed' && /too many requests wait/.test(end.cause));
    waiting.leave();
    held.leave();
    assert.deepEqual(
      (await Promise.all(passing)).map((one) => one.end.kind),
      ['gone', 'gone'],
    );
  });

  test('an agent that leaves the queue leaves its place to the next', async () => {
    const answers: (() => void)[] = [];
    await using server = await rawServer((socket) => onRequest(socket, () => answers.push(() => socket.write(OK))));
    using upstream = upstreamOf({ perPlace: 1 });
    const head = headTo(server.port);
    const [leaving, staying] = [agentFor(head), agentFor(head)];
    const first = pass(upstream, head);
    await eventually(() => assert.equal(answers.length, 1));
    const gone = pass(upstream, head, unitOf(), leaving);
    const next = pass(upstream, head, unitOf(), staying);
    leaving.leave();
    assert.equal((await gone).end.kind, 'gone');
    answers[0]?.();
    await first;
    await eventually(() => assert.equal(answers.length, 2));
    answers[1]?.();
    assert.equal((await next).end.kind, 'relayed');
  });
});

suite('without a connection', () => {
  const failing = (error: unknown) =>
    makeUpstream(async () => {
      throw error;
    });

  test('the reason is told by the answer, and nothing was sent', async () => {
    using upstream = failing(new DialError('failed', 'why not'));
    const { end, sent } = await pass(upstream, headTo(1), unitOf(['x']));
    assert.deepEqual(end, { kind: 'failed', cause: 'why not', started: false, received: 0 });
    assert.equal(sent, 0);
  });

  test('because its address may not be dialled, that is told', async () => {
    using upstream = failing(new DialError('forbidden', 'private'));
    assert.deepEqual((await pass(upstream, headTo(1))).end, { kind: 'forbidden', why: 'private' });
  });

  test('because of a defect, its name is told and not what it says', async () => {
    using upstream = failing(new TypeError('canary'));
    const { end } = await pass(upstream, headTo(1));
    assert.ok(end.kind === 'failed' && end.cause === 'unexpected TypeError');
  });

  test('because the agent has left, nothing is dialled', async () => {
    using upstream = failing(new DialError('failed', 'dialled'));
    const head = headTo(1);
    const agent = agentFor(head);
    agent.leave();
    assert.deepEqual((await pass(upstream, head, unitOf(), agent)).end, {
      kind: 'gone',
      status: undefined,
      received: 0,
    });
  });
});

test('a body that cannot be read to its end is never told as complete: the connection is cut', async () => {
  await using server = await rawServer((socket) => socket.resume());
  using upstream = upstreamOf();
  const head = headTo(server.port, { method: 'POST' });
  const broken = function* (): Generator<Buffer> {
    yield Buffer.from('half');
    throw new Error('the spool is gone');
  };
  const unit: Unit = unitOf([], { size: 8, chunks: broken });
  await assert.rejects(pass(upstream, head, unit), /the spool is gone/);
  await closed(server.accepted[0]);
});

async function closed(socket: Socket | undefined): Promise<void> {
  assert.ok(socket);
  if (!socket.closed) await once(socket.resume(), 'close');
}
