import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, suite, test } from 'node:test';
import {
  ask,
  block,
  eventually,
  listenRaw,
  makeRig,
  makeUpstreamServer,
  openTunnel,
  proofOf,
  prove,
  readHead,
  type Rig,
  type RigOptions,
  type TestUpstream,
} from './rig.ts';
import { RECEIPT_FIELD } from '../../../addon/receipt.ts';
import { answerOf, askStream, H2, openSession, request, sessionOver } from './support/h2.ts';
import { hello, makeWorld, placeOf, withSession, type World } from './support/world.ts';

const HOST = 'api.example.test';
const PLACE = placeOf(HOST);
const { ca } = PLACE;
let world: World<TestUpstream>;
let shared: TestUpstream;
let rig: Rig;
let port: number;

before(async () => {
  world = await makeWorld(PLACE, hello);
  ({ upstream: shared, rig, port } = world);
});
after(() => world[Symbol.asyncDispose]());

const rigWith = (options: Partial<RigOptions>) => world.rigWith(options);

/** An upstream of its own for one test, and a sidecar that allows it. */
async function serving(handle: Parameters<typeof makeUpstreamServer>[0]) {
  return await withSession(await makeWorld(PLACE, (place) => makeUpstreamServer(handle, place)), PLACE);
}

function detail(body: string): string {
  return (JSON.parse(body) as { detail: string }).detail;
}

suite('a stream is a request like any other', () => {
  test('it is opened, scanned, recorded and answered by the upstream', async () => {
    const session = await openSession(rig, { host: HOST, port });
    const answer = await askStream(session, { method: 'POST', path: '/a?b', body: 'text' });
    session.close();
    assert.deepEqual([answer.status, answer.body, answer.reset], [200, 'hello', 0]);
    const scanned = rig.scanned.at(-1);
    assert.deepEqual([scanned?.method, scanned?.url, scanned?.body.toString()], ['POST', `http://${HOST}/a?b`, 'text']);
    assert.equal(shared.seen.at(-1)?.body.toString(), 'text');
    const [admitted, closed] = rig.journal().slice(-2);
    assert.deepEqual([admitted?.event, closed?.event], ['admitted', 'closed']);
  });

  test('an agent that offers only HTTP/1.1, or nothing, gets HTTP/1.1', async () => {
    assert.equal((await ask(rig, { host: HOST, port })).body, 'hello');
  });

  test('64 streams at once are 64 exchanges', async () => {
    const session = await openSession(rig, { host: HOST, port });
    const answers = await Promise.all(
      Array.from({ length: 64 }, (_, at) => askStream(session, { path: `/many/${at}` })),
    );
    session.close();
    assert.ok(answers.every(({ body }) => body === 'hello'));
    const paths = new Set(shared.seen.map(({ url }) => url).filter((url) => url.startsWith('/many/')));
    assert.equal(paths.size, 64);
  });

  test('order and duplicates of fields arrive as they were sent, and the crumbs of a cookie as one field', async () => {
    const session = await openSession(rig, { host: HOST, port });
    const list = ['x-b', '1', 'cookie', 'a=1', 'x-a', '2', 'x-b', 'caf\xe9', 'cookie', 'b=2; c=3', 'x-c', ''];
    await askStream(session, { list });
    session.close();
    const expected = ['x-b:1', 'cookie:a=1; b=2; c=3', 'x-a:2', 'x-b:caf\xe9', 'x-c:'];
    const seen = shared.seen.at(-1)?.fields.map(([name, value]) => `${name}:${value}`) ?? [];
    assert.deepEqual(
      seen.filter((field) => /^(x-|cookie)/.test(field)),
      expected,
    );
  });

  test('fields and duplicates of an answer arrive in their order, lower-case, without those of its hop', async () => {
    await using at = await serving((_, response) => {
      response.sendDate = false;
      response.writeHead(200, [
        'X-B',
        '1',
        'Set-Cookie',
        'a',
        'X-A',
        '2',
        'Set-Cookie',
        'b',
        'Keep-Alive',
        'timeout=5',
      ]);
      response.end('x');
    });
    const { list } = await askStream(at.session);
    assert.deepEqual(list.slice(0, 8), ['x-b', '1', 'set-cookie', 'a', 'x-a', '2', 'set-cookie', 'b']);
    assert.ok(!list.includes('keep-alive') && !list.includes('connection') && !list.includes('transfer-encoding'));
  });

  test('answers without a body end with their head', async () => {
    await using at = await serving((seen, response) => {
      if (seen.url === '/204') response.writeHead(204);
      else if (seen.url === '/304') response.writeHead(304, { etag: '"x"' });
      else response.setHeader('content-length', '11');
      response.end();
    });
    for (const [method, path, status] of [
      ['HEAD', '/', 200],
      ['GET', '/204', 204],
      ['GET', '/304', 304],
    ] as const) {
      const stream = request(at.session, { method, path });
      const flags = once(stream, 'response').then(([, given]) => Number(given));
      const answer = await answerOf(stream);
      assert.deepEqual([answer.status, answer.body, answer.reset, (await flags) & 1], [status, '', 0, 1], path);
    }
  });

  test('interim answers and trailers are passed on', async () => {
    await using at = await serving((_, response) => {
      response.writeEarlyHints({ link: '</a.css>; rel=preload' });
      response.writeHead(200, { trailer: 'x-sum' });
      response.write('text');
      response.addTrailers({ 'x-sum': '7' });
      response.end();
    });
    const answer = await askStream(at.session);
    assert.deepEqual(answer.interim, [{ status: 103, list: ['link', '</a.css>; rel=preload'] }]);
    assert.deepEqual([answer.body, answer.trailers], ['text', ['x-sum', '7']]);
  });

  test('the chunks of an event stream arrive as they come', async () => {
    const events: (() => void)[] = [];
    await using at = await serving((_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.flushHeaders();
      events.push(
        () => response.write('data: 1\n\n'),
        () => response.end('data: 2\n\n'),
      );
    });
    const stream = request(at.session);
    await once(stream, 'response');
    for (const expected of ['data: 1\n\n', 'data: 2\n\n']) {
      events.shift()?.();
      const [chunk] = (await once(stream, 'data')) as [Buffer];
      assert.equal(chunk.toString(), expected);
    }
  });

  test('a large answer arrives whole at a slow reader, and holds up no other stream', async () => {
    const text = Buffer.alloc(8 * 1024 * 1024, 'abcdefgh');
    await using at = await serving((seen, response) => response.end(seen.url === '/large' ? text : 'small'));
    const large = request(at.session, { path: '/large' });
    const whole = answerOf(large);
    await once(large, 'response');
    large.pause();
    assert.equal((await askStream(at.session)).body, 'small');
    large.resume();
    assert.ok((await whole).body === text.toString());
  });

  test('100 is sent only after the policy has allowed', async () => {
    const session = await openSession(rig, { host: HOST, port });
    const stream = request(session, {
      method: 'POST',
      list: [':method', 'POST', ':path', '/', 'expect', '100-continue'],
      trailers: {},
    });
    const answer = await answerOf(stream);
    session.close();
    assert.deepEqual([answer.interim.map(({ status }) => status), answer.status], [[100], 200]);
    const denied = await openSession(rig, { host: 'other.test', port });
    const no = await askStream(denied, {
      method: 'POST',
      list: [':method', 'POST', ':path', '/', 'expect', '100-continue'],
      body: 'x',
    });
    denied.close();
    assert.deepEqual([no.interim, no.status], [[], 403]);
  });
});

suite('what is asked for is what was judged', () => {
  const cases: [title: string, list: string[], status: number, why: RegExp][] = [
    ['another :authority', [':authority', 'other.test'], 421, /another host/],
    ['another port', [':authority', `${HOST}:444`], 421, /another host/],
    [':authority and host that differ', [':authority', `${HOST}:PORT`, 'host', 'other.test'], 400, /not the same/],
    [
      'another host where :authority is right',
      [':authority', 'other.test', 'host', `${HOST}:PORT`],
      400,
      /not the same/,
    ],
    ['another scheme', [':scheme', 'http', ':authority', `${HOST}:PORT`], 400, /scheme/],
    [
      'a repeated content-type',
      [':authority', `${HOST}:PORT`, 'content-type', 'a/b', 'content-type', 'c/d'],
      400,
      /repeated/,
    ],
    ['TRACE', [':method', 'TRACE', ':authority', `${HOST}:PORT`], 405, /TRACE/],
  ];
  for (const [title, given, status, why] of cases) {
    test(`${title} is ${status}, on a connection that goes on`, async () => {
      const session = await openSession(rig, { host: HOST, port });
      const before = shared.seen.length;
      const list = given.map((part) => part.replace('PORT', String(port)));
      const pseudo = [':method', 'GET', ':scheme', 'https', ':path', '/'];
      for (let at = 0; at < pseudo.length; at += 2)
        if (!list.includes(pseudo[at] ?? '')) list.unshift(pseudo[at] ?? '', pseudo[at + 1] ?? '');
      const answer = await askStream(session, { list });
      assert.equal(answer.status, status);
      assert.match(detail(answer.body), why);
      assert.equal(shared.seen.length, before);
      assert.equal((await askStream(session)).body, 'hello');
      session.close();
    });
  }

  test('a server name of another host is 421 on every stream', async () => {
    const session = await openSession(rig, { host: HOST, port, sni: 'other.test' });
    for (const path of ['/', '/2']) assert.equal((await askStream(session, { path })).status, 421);
    session.close();
  });

  test('more than 500 fields are 431', async () => {
    const session = await openSession(rig, { host: HOST, port });
    const fields = (count: number, value: string) =>
      Array.from({ length: count }, (_, at) => [`x-${at}`, value]).flat();
    assert.equal((await askStream(session, { list: fields(510, '1') })).status, 431);
    session.close();
  });

  test('what the scanner blocks is answered with its line, and the stream beside it goes on', async () => {
    const line = 'blocked: request body contains secret: x';
    await using own = await rigWith({
      scanner: (seen, response) => (seen.body.includes('secret') ? block(line) : prove)(seen, response),
    });
    const session = await openSession(own, { host: HOST, port });
    const [bad, good] = await Promise.all([
      askStream(session, { method: 'POST', body: 'a secret' }),
      askStream(session, { method: 'POST', body: 'none' }),
    ]);
    session.close();
    assert.deepEqual([bad.status, good.status], [403, 200]);
    assert.match(detail(bad.body), /blocked: request body contains secret/);
  });

  test('a body beyond the limit is 413, at once if it is announced', async () => {
    await using own = await rigWith({ config: { bodies: { limit_bytes: 1_000, unscanned: [] } } });
    const session = await openSession(own, { host: HOST, port });
    const announced = request(session, {
      list: [':method', 'POST', ':path', '/', 'content-length', '1001'],
      trailers: {},
    });
    assert.equal((await answerOf(announced)).status, 413);
    assert.equal((await askStream(session, { method: 'POST', body: 'x'.repeat(300_000) })).status, 413);
    assert.equal((await askStream(session, { method: 'POST', body: 'x'.repeat(1_000) })).status, 200);
    session.close();
  });

  test('bodies beyond the one budget are 503, and the budget comes back', async () => {
    const held: (() => void)[] = [];
    await using own = await rigWith({
      around: { budgetBytes: 1_000 },
      scanner: (seen, response) =>
        void held.push(() => response.writeHead(204, { [RECEIPT_FIELD]: proofOf(seen) }).end()),
    });
    const session = await openSession(own, { host: HOST, port });
    const first = askStream(session, { method: 'POST', body: 'x'.repeat(800) });
    await eventually(() => assert.equal(held.length, 1));
    assert.equal((await askStream(session, { method: 'POST', body: 'x'.repeat(800) })).status, 503);
    held.shift()?.();
    assert.equal((await first).status, 200);
    const second = askStream(session, { method: 'POST', body: 'x'.repeat(800) });
    await eventually(() => assert.equal(held.length, 1));
    held.shift()?.();
    assert.equal((await second).status, 200);
    session.close();
  });
});

suite('an end is told as what it is', () => {
  test('a truncated answer is reset with INTERNAL_ERROR, whichever way it is framed', async () => {
    for (const head of ['content-length: 100', 'transfer-encoding: chunked']) {
      await using upstream = await listenRaw(
        (socket) => {
          void readHead(socket).then(() => {
            const body = head.startsWith('content') ? 'part' : '4\r\npart\r\n';
            socket.write(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n${body}`, () => setImmediate(() => socket.destroy()));
          });
        },
        { ca, host: HOST },
      );
      await using own = await makeRig({ allow: [`${HOST}:${upstream.port}`], upstreamCa: ca });
      const session = await openSession(own, { host: HOST, port: upstream.port });
      const answer = await askStream(session);
      assert.deepEqual([answer.status, answer.body, answer.reset], [200, 'part', 2], head);
      session.close();
    }
  });

  test('a stream that the agent resets cancels the upstream, and no other stream', async () => {
    const left: string[] = [];
    await using at = await serving((seen, response) => {
      if (seen.url === '/other') return void response.end('other');
      response.once('close', () => left.push(seen.url));
      response.writeHead(200).write('x');
    });
    const stream = request(at.session, { path: '/slow' });
    await once(stream, 'data');
    stream.close(8);
    await eventually(() => assert.deepEqual(left, ['/slow']));
    assert.equal((await askStream(at.session, { path: '/other' })).body, 'other');
  });

  test('an agent whose connection ends, in whichever way, cancels the upstream', async () => {
    const left: string[] = [];
    await using at = await serving((seen, response) => {
      response.once('close', () => left.push(seen.url));
      response.writeHead(200).write('x');
    });
    for (const how of ['end', 'destroy'] as const) {
      const socket = await openTunnel(at.rig, { host: HOST, port: at.upstream.port, alpn: H2 });
      const session = sessionOver(socket, { host: HOST, port: at.upstream.port });
      const stream = request(session, { path: `/${how}` });
      await once(stream, 'data');
      socket[how]();
      await eventually(() => assert.equal(left.at(-1), `/${how}`));
      session.destroy();
    }
  });

  test('an agent that leaves in the middle of its body sends nothing', async () => {
    const before = shared.seen.length;
    for (const code of [0, 8]) {
      const session = await openSession(rig, { host: HOST, port });
      const stream = session.request([':method', 'POST', ':path', '/half'], { waitForTrailers: true });
      stream.on('error', () => undefined);
      stream.write('half of it');
      await eventually(() => assert.equal(stream.bufferSize, 0));
      stream.close(code);
      await once(stream, 'close');
      assert.equal((await askStream(session)).body, 'hello');
      session.close();
    }
    assert.deepEqual(
      shared.seen.slice(before).map(({ url }) => url),
      ['/', '/'],
    );
  });

  test('without a heartbeat sessions say goodbye, and a new one is told why nothing is served', async () => {
    await using own = await rigWith({ around: { lostMs: 2_000 } });
    const session = await openSession(own, { host: HOST, port });
    const goodbye = once(session, 'goaway');
    assert.equal((await askStream(session)).status, 200);
    assert.equal((await goodbye)[0], 0);
    await assert.rejects(openSession(own, { host: HOST, port }), /503/);
  });
});
