import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { suite, test } from 'node:test';
import { connectFirst, inTurns } from '../../../addon/upstream/connect.ts';
import { DialError } from '../../../addon/upstream/failure.ts';
import { makeResolve } from '../../../addon/upstream/resolve.ts';

const never = new AbortController().signal;

suite('the order of addresses', () => {
  test('has the families in turn, IPv4 first, and an end', () => {
    assert.deepEqual(inTurns(['1.1.1.1', '2.2.2.2', '3.3.3.3', '::1', '::2']), ['1.1.1.1', '::1', '2.2.2.2', '::2']);
    assert.deepEqual(inTurns(['::1', '::2']), ['::1', '::2']);
    assert.deepEqual(inTurns([]), []);
  });
});

suite('of several addresses', () => {
  test('one that says nothing costs the delay, and is dropped when another accepts', async () => {
    await using silent = await full('127.0.0.2');
    await using server = await listen('127.0.0.3', silent.port);
    const socket = await connectFirst(['127.0.0.2', '127.0.0.3'], silent.port, { gone: never, staggerMs: 5 });
    assert.equal(socket.remoteAddress, '127.0.0.3');
    socket.destroy();
    assert.equal(server.accepted.length, 1);
  });

  test('one that refuses does not cost the delay', async () => {
    await using server = await listen('127.0.0.3', 0);
    // The delay is longer than the test may last.
    const socket = await connectFirst(['127.0.0.2', '127.0.0.3'], server.port, { gone: never, staggerMs: 600_000 });
    assert.equal(socket.remoteAddress, '127.0.0.3');
    socket.destroy();
  });

  test('the losers are destroyed, also one that has accepted by then', async () => {
    await using first = await listen('127.0.0.2', 0);
    await using second = await listen('127.0.0.3', first.port);
    const socket = await connectFirst(['127.0.0.2', '127.0.0.3'], first.port, { gone: never, staggerMs: 0 });
    for (const accepted of [...first.accepted, ...second.accepted])
      if (accepted.remotePort !== socket.localPort) await ended(accepted);
    socket.destroy();
  });

  test('none that accepts: the reason of the last one', async () => {
    await assert.rejects(
      connectFirst(['127.0.0.2', '127.0.0.3'], 1, { gone: never }),
      (error) => error instanceof DialError && /no connection to 127\.0\.0\.3 \(ECONNREFUSED\)/.test(error.message),
    );
    await assert.rejects(connectFirst([], 1, { gone: never }), /there is no address/);
  });

  test('one that says nothing until the end is told as a time-out', async () => {
    await using silent = await full('127.0.0.2');
    await assert.rejects(
      connectFirst(['127.0.0.2'], silent.port, { gone: never, connectMs: 20 }),
      /timed out: no connection to 127\.0\.0\.2/,
    );
  });

  test('an agent that leaves ends the attempt', async () => {
    await using silent = await full('127.0.0.2');
    const leaving = new AbortController();
    const attempt = connectFirst(['127.0.0.2'], silent.port, { gone: leaving.signal });
    leaving.abort();
    await assert.rejects(attempt, /the agent left/);
    await assert.rejects(connectFirst(['127.0.0.2'], silent.port, { gone: leaving.signal }), /the agent left/);
  });
});

suite('a name', () => {
  const no = (code: string) => Promise.reject(Object.assign(new Error(code), { code }));
  const resolved = (four: Promise<string[]>, six: Promise<string[]>) =>
    makeResolve({ resolve4: () => four, resolve6: () => six })('a.test');

  test('has the addresses of both families', async () => {
    assert.deepEqual(await resolved(Promise.resolve(['1.1.1.1']), Promise.resolve(['::1'])), ['1.1.1.1', '::1']);
  });

  test('whose other family is not answered in time has those of the one', async () => {
    const unanswered = new Promise<string[]>(() => undefined);
    assert.deepEqual(await resolved(Promise.resolve(['1.1.1.1']), unanswered), ['1.1.1.1']);
    assert.deepEqual(await resolved(unanswered, Promise.resolve(['::1'])), ['::1']);
  });

  test('with addresses in one family is not failed by the other', async () => {
    assert.deepEqual(await resolved(no('ESERVFAIL'), Promise.resolve(['::1'])), ['::1']);
    assert.deepEqual(await resolved(Promise.resolve(['1.1.1.1']), no('ETIMEOUT')), ['1.1.1.1']);
  });

  const rows: [four: string, six: string, why: RegExp][] = [
    ['ENOTFOUND', 'ENODATA', /the name does not exist/],
    ['ETIMEOUT', 'ENODATA', /timed out: the name server did not answer/],
    ['ESERVFAIL', 'ENODATA', /could not be resolved \(ESERVFAIL\)/],
  ];
  for (const [four, six, why] of rows)
    test(`that is answered ${four} and ${six}`, async () => {
      await assert.rejects(
        resolved(no(four), no(six)),
        (error) => error instanceof DialError && why.test(error.message),
      );
    });
});

interface Listening extends AsyncDisposable {
  readonly port: number;
  readonly accepted: Socket[];
}

async function listen(address: string, port: number): Promise<Listening> {
  const accepted: Socket[] = [];
  const server = createServer((socket) => {
    socket.on('error', () => undefined).resume();
    accepted.push(socket);
  });
  await new Promise<void>((resolve) => server.listen(port, address, resolve));
  return { port: portOf(server), accepted, [Symbol.asyncDispose]: () => closed(server, accepted) };
}

/** A listener whose queue is full: the system answers nothing to a further connection. */
async function full(address: string): Promise<Listening> {
  const { Worker } = await import('node:worker_threads');
  const { connect } = await import('node:net');
  // Its thread listens, and then never again looks at its queue.
  const worker = new Worker(
    `const { createServer } = require('node:net');
     const { parentPort, workerData } = require('node:worker_threads');
     const server = createServer().listen({ port: 0, host: workerData, backlog: 1 }, () => {
       parentPort.postMessage(server.address().port);
       Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
     });`,
    { eval: true, workerData: address },
  );
  const [port] = (await once(worker, 'message')) as [number];
  const fillers = Array.from({ length: 8 }, () => connect(port, address).on('error', () => undefined));
  await Promise.all(fillers.slice(0, 2).map((socket) => once(socket, 'connect')));
  return {
    port,
    accepted: [],
    async [Symbol.asyncDispose]() {
      for (const socket of fillers) socket.destroy();
      await worker.terminate();
    },
  };
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address ? address.port : 0;
}

async function closed(server: Server, accepted: readonly Socket[]): Promise<void> {
  for (const socket of accepted) socket.destroy();
  await new Promise((resolve) => void server.close(resolve));
}

async function ended(socket: Socket): Promise<void> {
  if (!socket.closed) await once(socket, 'close');
}
