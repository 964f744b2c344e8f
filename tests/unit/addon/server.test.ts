import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { RECEIPT_FIELD } from '../../../addon/receipt.ts';
import {
  ask,
  askOver,
  block,
  connectProxy,
  eventually,
  listenRaw,
  makeRig,
  makeUpstreamServer,
  openTunnel,
  proofOf,
  prove,
  readAll,
  readHead,
  type Rig,
  type RigOptions,
  type TestUpstream,
} from './rig.ts';
import { hello, makeWorld, placeOf, type World } from './support/world.ts';

const HOST = 'api.example.test';
const MIB = 1024 * 1024;
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

/** Nothing of what `act` does reaches the upstream. */
async function unseen<T>(act: () => Promise<T>): Promise<T> {
  const [requests, connections] = [shared.seen.length, shared.connections.length];
  const result = await act();
  assert.equal(shared.seen.length, requests, 'the upstream saw a request');
  assert.equal(shared.connections.length, connections, 'the upstream was dialled');
  return result;
}

/** Writes bytes into a new tunnel and reads until the other side ends. */
async function talk(text: string, how: { sni?: string; plain?: boolean } = {}): Promise<string> {
  const socket = await openTunnel(rig, { host: HOST, port, ...how });
  const all = readAll(socket);
  socket.write(text);
  return await all;
}

async function talkToProxy(text: string): Promise<string> {
  const socket = await connectProxy(rig);
  const all = readAll(socket);
  socket.write(text);
  return await all;
}

const AT = () => `Host: ${HOST}:${port}\r\nConnection: close\r\n`;

// --- the way through -----------------------------------------------------------------------------------------------------

test('a request in a tunnel is opened, scanned, recorded and answered by the upstream', async () => {
  await using own = await rigWith({});
  const seen = shared.seen.length;
  const answer = await ask(own, { host: HOST, port, path: '/a?b=c', method: 'POST', body: 'body' });
  assert.equal(answer.status, 200);
  assert.equal(answer.body, 'hello');
  assert.equal(shared.seen.length, seen + 1);
  assert.equal(shared.seen.at(-1)?.body.toString(), 'body');
  assert.equal(own.scanned[0]?.url, `http://${HOST}/a?b=c`);
  const [admitted, closed] = await eventually(() => {
    const lines = own.journal();
    assert.equal(lines.length, 2);
    return lines;
  });
  assert.ok(admitted?.event === 'admitted' && admitted.path === '/a' && admitted.body_bytes === 4);
  assert.ok(closed?.event === 'closed' && closed.received_bytes === 5 && closed.sent_bytes > 4);
  assert.equal(closed.id, admitted.id);
  assert.deepEqual(closed.outcome, { kind: 'forwarded', status: 200 });
});

test('many requests over one tunnel use one connection to the upstream', async () => {
  const socket = await openTunnel(rig, { host: HOST, port });
  const connections = shared.connections.length;
  for (let round = 0; round < 5; round += 1) {
    socket.write(`GET /${round} HTTP/1.1\r\nHost: ${HOST}:${port}\r\n\r\n`);
    const head = await readHead(socket);
    assert.match(head, /^HTTP\/1\.1 200/);
    await eventually(() => assert.ok(String(socket.read() ?? '').includes('hello')));
  }
  socket.destroy();
  assert.ok(shared.connections.length <= connections + 1);
});

test('pipelined requests are answered in order', async () => {
  const text = await talk(`GET /1 HTTP/1.1\r\nHost: ${HOST}:${port}\r\n\r\nTRACE / HTTP/1.1\r\n${AT()}\r\n`);
  assert.ok(text.indexOf('hello') > 0 && text.indexOf('405') > text.indexOf('hello'), text);
});

test('plain HTTP inside a tunnel is served as plain HTTP to that target', async () => {
  await using upstream = await makeUpstreamServer((_, response) => response.end('plain'));
  await using own = await makeRig({ allow: [`${HOST}:${upstream.port}`] });
  const answer = await ask(own, { host: HOST, port: upstream.port, plain: true });
  assert.equal(answer.body, 'plain');
  assert.ok(own.journal().some((line) => line.event === 'admitted' && line.scheme === 'http'));
});

test('an absolute-form request outside a tunnel goes through the same exchange', async () => {
  await using upstream = await makeUpstreamServer((_, response) => response.end('absolute'));
  await using own = await makeRig({ allow: [`${HOST}:${upstream.port}`] });
  const socket = await connectProxy(own);
  const at = `${HOST}:${upstream.port}`;
  socket.write(`GET http://${at}/x?y HTTP/1.1\r\nHost: ${at}\r\nProxy-Connection: close\r\nConnection: close\r\n\r\n`);
  const text = await readAll(socket);
  assert.ok(text.startsWith('HTTP/1.1 200') && text.includes('absolute'), text);
  assert.equal(upstream.seen[0]?.url, '/x?y');
  assert.equal(own.scanned.length, 1);
});

test('CONNECT over HTTP/1.0 without Host works', async () => {
  const socket = await connectProxy(rig);
  socket.write(`CONNECT ${HOST}:${port} HTTP/1.0\r\n\r\n`);
  assert.match(await readHead(socket), /^HTTP\/1\.[01] 200/);
  socket.destroy();
});

test('bytes that come together with the CONNECT are not lost', async () => {
  await using upstream = await makeUpstreamServer((_, response) => response.end('early'));
  await using own = await makeRig({ allow: [`${HOST}:${upstream.port}`] });
  const socket = await connectProxy(own);
  const at = `${HOST}:${upstream.port}`;
  socket.write(
    `CONNECT ${at} HTTP/1.1\r\nHost: ${at}\r\n\r\nGET /e HTTP/1.1\r\nHost: ${at}\r\nConnection: close\r\n\r\n`,
  );
  const text = await readAll(socket);
  assert.ok(text.includes('early'), text);
});

test('a client hello that arrives byte by byte is still a client hello', async () => {
  const socket = await connectProxy(rig);
  socket.write(`CONNECT ${HOST}:${port} HTTP/1.1\r\nHost: ${HOST}:${port}\r\n\r\n`);
  await readHead(socket);
  const { Duplex } = await import('node:stream');
  const { connect } = await import('node:tls');
  const slow = new Duplex({
    read() {},
    write(chunk: Buffer, _, done) {
      const bytes = [...chunk];
      const next = () => {
        const byte = bytes.shift();
        if (byte === undefined) return done();
        socket.write(Buffer.from([byte]), () => setImmediate(next));
      };
      next();
    },
  });
  socket.on('data', (chunk) => slow.push(chunk));
  const secure = connect({ socket: slow, servername: HOST, ca: rig.sidecar.authority.certificate });
  await once(secure, 'secureConnect');
  const answer = await askOver(secure, { host: HOST, port });
  assert.equal(answer.status, 200);
  socket.destroy();
});

test('field case, order and duplicates, and the bytes of values, arrive as they were sent', async () => {
  const fields = [
    ['X-First', 'a'],
    ['x-SECOND', 'caf\u00e9 \u00ff'],
    ['X-First', 'b'],
    ['Accept', '*/*'],
    ['Cookie', 'a=b'],
    ['Cookie', 'c=d'],
  ] as const;
  const answer = await ask(rig, { host: HOST, port, method: 'PUT', fields, body: 'x' });
  assert.equal(answer.status, 200);
  const arrived = shared.seen.at(-1)?.fields.filter(([name]) => !/^(host|connection|content-length)$/i.test(name));
  assert.deepEqual(arrived, fields);
});

test('fields of the hop, those that Connection names and those of the scan call go neither to the scanner nor upstream', async () => {
  const answer = await ask(rig, {
    host: HOST,
    port,
    fields: [
      ['Connection', 'keep-alive, X-Named'],
      ['X-Named', 'canary'],
      ['Proxy-Authorization', 'Basic canary'],
      ['X-Bottle-Nonce', 'canary'],
      ['X-Pipelock-Agent', 'canary'],
      ['TE', 'trailers'],
      ['Keep-Alive', 'canary'],
      ['X-Kept', 'yes'],
    ],
  });
  assert.equal(answer.status, 200);
  for (const seen of [shared.seen.at(-1), rig.scanned.at(-1)]) {
    assert.ok(!JSON.stringify(seen?.fields).includes('canary'), JSON.stringify(seen?.fields));
    assert.ok(seen?.fields.some(([name]) => name === 'X-Kept'));
  }
  const agent = rig.scanned.at(-1)?.fields.find(([name]) => name === 'X-Pipelock-Agent')?.[1];
  assert.ok(rig.journal().some((line) => line.event === 'admitted' && line.id === agent));
});

test('status text, field case, duplicates and trailers of an answer arrive as they were sent', async () => {
  await using upstream = await listenRaw(
    (socket) => {
      socket.once('data', () => {
        socket.write(
          'HTTP/1.1 299 Very Fine\r\nX-A: 1\r\nx-a: 2\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nTrailer: X-T\r\n',
        );
        socket.write('Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: end\r\n\r\n');
      });
    },
    { ca, host: HOST },
  );
  await using own = await rigWith({ allow: [`${HOST}:${upstream.port}`] });
  const answer = await ask(own, { host: HOST, port: upstream.port });
  assert.equal(answer.statusMessage, 'Very Fine');
  assert.deepEqual(answer.rawHeaders.slice(0, 8), ['X-A', '1', 'x-a', '2', 'Set-Cookie', 'a', 'Set-Cookie', 'b']);
  assert.deepEqual(answer.trailers, ['X-T', 'end']);
  assert.equal(answer.body, 'abc');
});

test('an answer without a body, to HEAD, and with 204 or 304 keeps the connection usable', async () => {
  await using upstream = await makeUpstreamServer(
    (seen, response) => {
      if (seen.url === '/head') response.writeHead(200, { 'content-length': '5' }).end();
      else response.writeHead(Number(seen.url.slice(1))).end();
    },
    { ca, host: HOST },
  );
  await using own = await rigWith({ allow: [`${HOST}:${upstream.port}`] });
  const socket = await openTunnel(own, { host: HOST, port: upstream.port });
  const at = `Host: ${HOST}:${upstream.port}\r\n`;
  socket.write(`HEAD /head HTTP/1.1\r\n${at}\r\n`);
  assert.match(await readHead(socket), /200 OK[^]*content-length: 5/i);
  for (const status of [204, 304]) {
    socket.write(`GET /${status} HTTP/1.1\r\n${at}\r\n`);
    assert.match(await readHead(socket), new RegExp(`^HTTP/1.1 ${status}`));
  }
  socket.destroy();
});

test('103 is passed on as what it is', async () => {
  await using upstream = await listenRaw(
    (socket) => {
      socket.once('data', () => {
        socket.write('HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload; as=style\r\n\r\n');
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      });
    },
    { ca, host: HOST },
  );
  await using own = await rigWith({ allow: [`${HOST}:${upstream.port}`] });
  const socket = await openTunnel(own, { host: HOST, port: upstream.port });
  socket.write(`GET / HTTP/1.1\r\nHost: ${HOST}:${upstream.port}\r\nConnection: close\r\n\r\n`);
  const text = await readAll(socket);
  assert.match(text, /^HTTP\/1\.1 103 [^]*a\.css[^]*HTTP\/1\.1 200 OK[^]*ok$/);
});

test('the chunks of an event stream arrive as they come', async () => {
  let push: ((event: string) => void) | undefined;
  await using upstream = await makeUpstreamServer(
    (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.flushHeaders();
      push = (event) => void response.write(event);
    },
    { ca, host: HOST },
  );
  await using own = await rigWith({ allow: [`${HOST}:${upstream.port}`] });
  const socket = await openTunnel(own, { host: HOST, port: upstream.port });
  socket.write(`GET / HTTP/1.1\r\nHost: ${HOST}:${upstream.port}\r\n\r\n`);
  assert.match(await readHead(socket), /text\/event-stream/); // before any event
  for (const event of ['data: 1\n\n', 'data: 2\n\n', 'data: 3\n\n']) {
    push?.(event); // the next is sent only when this one has arrived
    let text = '';
    await eventually(() => {
      text += String(socket.read() ?? '');
      assert.ok(text.includes(event));
    });
  }
  socket.destroy();
});

test('a large answer arrives whole at a slow reader', async () => {
  const size = 8 * 1024 * 1024;
  await using upstream = await makeUpstreamServer((_, response) => response.end(Buffer.alloc(size, 'x')), {
    ca,
    host: HOST,
  });
  await using own = await rigWith({ allow: [`${HOST}:${upstream.port}`] });
  const socket = await openTunnel(own, { host: HOST, port: upstream.port });
  socket.write(`GET / HTTP/1.1\r\nHost: ${HOST}:${upstream.port}\r\n\r\n`);
  await readHead(socket);
  let received = 0;
  for await (const chunk of socket) {
    received += (chunk as Buffer).length;
    if (received >= size) break;
    await new Promise(setImmediate);
  }
  assert.ok(received >= size);
});

test('a body is scanned and sent byte for byte, also without a length', async () => {
  const body = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 7) & 0xff));
  const fields = [['Transfer-Encoding', 'chunked']] as const;
  const answer = await ask(rig, { host: HOST, port, method: 'POST', body, fields });
  assert.equal(answer.status, 200);
  assert.ok(shared.seen.at(-1)?.body.equals(body));
  assert.ok(rig.scanned.at(-1)?.body.equals(body));
});

test('addresses, other ports and single-label names can be targets', async () => {
  for (const [host, shown] of [
    ['127.0.0.1', 'ip-127-0-0-1.literal.invalid'],
    ['compose-service', 'compose-service'],
  ] as const) {
    await using upstream = await makeUpstreamServer((_, response) => response.end('there'), { ca, host });
    await using own = await rigWith({ allow: [`${host}:${upstream.port}`] });
    const answer = await ask(own, { host, port: upstream.port, path: '/p' });
    assert.equal(answer.body, 'there');
    assert.equal(own.scanned[0]?.url, `http://${shown}/p`);
    assert.ok(own.journal().some((line) => line.event === 'admitted' && line.port === upstream.port));
  }
});

// --- policy --------------------------------------------------------------------------------------------------------------

test('a host that the policy refuses is told so inside TLS, and nothing of it is resolved', async () => {
  let resolved = 0;
  const around = {
    resolve: async () => {
      resolved += 1;
      return ['127.0.0.1'];
    },
  };
  await using own = await rigWith({ around });
  const answer = await ask(own, { host: 'other.test', port: 443, method: 'POST', body: 'secret' });
  assert.equal(answer.status, 403);
  assert.equal(answer.headers['x-bottle-outcome'], 'denied');
  assert.equal(answer.headers['content-type'], 'application/problem+json');
  assert.ok(JSON.parse(answer.body).detail.includes('egress.allow: ["other.test"]'));
  assert.equal(resolved, 0);
  assert.equal(own.scanned.length, 0);
  const [line] = own.journal();
  assert.ok(line?.event === 'closed' && line.outcome.kind === 'denied' && line.sent_bytes === 0);
  assert.equal(line.id, answer.headers['x-bottle-exchange']);
});

test('a CONNECT to a port of no rule, to ourselves or to nonsense is answered 403 with the reason', async () => {
  for (const target of [
    `${HOST}:22`,
    'bottle-test-bump:443',
    `127.0.0.1:${rig.sidecar.port}`,
    HOST,
    `${HOST}:0`,
    `${HOST}:70000`,
    `user@${HOST}:443`,
    '0x7f.1:443',
    `${HOST}.:443`,
    '[::1:443',
  ]) {
    const text = await talkToProxy(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`);
    assert.match(text, /^HTTP\/1\.1 403 Forbidden\r\n/, target);
    assert.match(text, /x-bottle-outcome: (refused|denied)/, target);
    assert.ok((text.split('\r\n\r\n')[1] ?? '').length > 10, text);
  }
  assert.ok(rig.journal().some((line) => line.event === 'closed' && line.method === 'CONNECT'));
});

test('a plain request to the sidecar itself is refused as a loop or as no page of ours', async () => {
  const loop = await talkToProxy(
    `GET http://bottle-test-bump/ HTTP/1.1\r\nHost: bottle-test-bump\r\nConnection: close\r\n\r\n`,
  );
  assert.match(loop, /^HTTP\/1\.1 403 [^]*sidecar itself/);
  assert.match(await talkToProxy('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'), /^HTTP\/1\.1 400 /);
});

test('a name that resolves to a private address is refused, naming allow_private', async () => {
  await using own = await rigWith({
    config: { policy: { rules: [{ match: 'exact', host: HOST, ports: [443] }], allow_private: [], unopened: [] } },
    around: { resolve: async () => ['10.1.2.3'] },
  });
  const answer = await ask(own, { host: HOST, port: 443 });
  assert.equal(answer.status, 403);
  assert.match(answer.body, /allow_private/);
  const closed = await eventually(() => {
    const line = own.journal().find((one) => one.event === 'closed');
    assert.ok(line);
    return line;
  });
  assert.ok(closed.sent_bytes === 0 && closed.outcome.kind === 'denied');
});

// --- misdirection and ambiguity ------------------------------------------------------------------------------------------

test('a server name or a Host of another host is 421 for every request inside', async () => {
  await unseen(async () => {
    assert.match(await talk(`GET / HTTP/1.1\r\n${AT()}\r\n`, { sni: 'evil.test' }), /^HTTP\/1\.1 421 /);
    for (const host of ['evil.test', `${HOST}:1`, `evil.test:${port}`])
      assert.match(
        await talk(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`),
        /^HTTP\/1\.1 421 /,
        host,
      );
  });
});

test('what two parsers could read differently is refused with an answer', async () => {
  const cases: [string, RegExp][] = [
    [`GET / HTTP/1.1\r\nConnection: close\r\n\r\n`, /^HTTP\/1\.1 400 /],
    [`GET / HTTP/1.1\r\nHost: ${HOST}\r\n${AT()}\r\n`, /^HTTP\/1\.1 400 /],
    [`POST / HTTP/1.1\r\n${AT()}Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n`, /^HTTP\/1\.1 400 /],
    [`POST / HTTP/1.1\r\n${AT()}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`, /^HTTP\/1\.1 400 /],
    [`POST / HTTP/1.1\r\n${AT()}Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc`, /^HTTP\/1\.1 400 /],
    [`POST / HTTP/1.1\r\n${AT()}Content-Length: 1\r\nContent-Length: 3\r\n\r\nabc`, /^HTTP\/1\.1 400 /],
    [
      `POST / HTTP/1.1\r\n${AT()}Content-Type: a/b\r\nContent-Type: c/d\r\nContent-Length: 0\r\n\r\n`,
      /^HTTP\/1\.1 400 /,
    ],
    [`GET https://evil.test/ HTTP/1.1\r\n${AT()}\r\n`, /^HTTP\/1\.1 400 /],
    [`GET http://user@evil.test/ HTTP/1.1\r\n${AT()}\r\n`, /^HTTP\/1\.1 400 /],
    [`GET /a#b HTTP/1.1\r\n${AT()}\r\n`, /^HTTP\/1\.1 400 /],
    [`GET * HTTP/1.1\r\n${AT()}\r\n`, /^HTTP\/1\.1 400 /],
    [`GET / HTTP/1.1\r\n${AT()}X : y\r\n\r\n`, /^HTTP\/1\.1 400 /],
    [`GET / HTTP/1.1\r\n${AT()}X: a\r\n b\r\n\r\n`, /^HTTP\/1\.1 400 /],
    [`GET / HTTP/1.1\r\n${AT()}X: a\0b\r\n\r\n`, /^HTTP\/1\.1 400 /],
    [`GET / HTTP/1.1\r\n${AT()}X: a\x7fb\r\n\r\n`, /^HTTP\/1\.1 400 /],
    [`POST / HTTP/1.1\r\n${AT()}Transfer-Encoding: chunked\r\n\r\n1\r\na\r\nzz\r\n`, /^HTTP\/1\.1 400 /],
    [`POST / HTTP/1.1\r\n${AT()}Transfer-Encoding: chunked\r\n\r\nzz\r\n`, /^HTTP\/1\.1 400 /],
    [`GET / HTTP/2.5\r\n${AT()}\r\n`, /^HTTP\/1\.1 400 /],
    [`\x00\x01garbage\r\n\r\n`, /^HTTP\/1\.1 400 /],
    [`TRACE / HTTP/1.1\r\n${AT()}\r\n`, /^HTTP\/1\.1 405 /],
    [`CONNECT other.test:443 HTTP/1.1\r\n${AT()}\r\n`, /^HTTP\/1\.1 403 /],
    [
      `GET / HTTP/1.1\r\nHost: ${HOST}:${port}\r\nConnection: Upgrade, close\r\nUpgrade: chat\r\n\r\n`,
      /^HTTP\/1\.1 426 /,
    ],
    [
      `GET / HTTP/1.1\r\nHost: ${HOST}:${port}\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n`,
      /^HTTP\/1\.1 400 [^]*version of the WebSocket/,
    ],
    [`POST / HTTP/1.1\r\n${AT()}Expect: tea\r\nContent-Length: 0\r\n\r\n`, /^HTTP\/1\.1 417 /],
    [`GET / HTTP/1.1\r\n${AT()}${'X: y\r\n'.repeat(600)}\r\n`, /^HTTP\/1\.1 431 /],
    [`GET / HTTP/1.1\r\n${AT()}X: ${'y'.repeat(70_000)}\r\n\r\n`, /^HTTP\/1\.1 431 /],
    [
      `POST / HTTP/1.1\r\n${AT()}Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nAuthorization: b\r\n\r\n`,
      /^HTTP\/1\.1 400 [^]*trailers/,
    ],
  ];
  await unseen(async () => {
    for (const [text, expected] of cases) {
      const answer = await talk(text);
      assert.match(answer, expected, JSON.stringify(text.slice(0, 150)));
      assert.match(answer, /x-bottle-outcome: refused/);
    }
  });
});

test('a tunnel that is answered outside TLS says the same', async () => {
  assert.match(
    await talk(`GET / HTTP/1.1\r\nHost: evil.test\r\nConnection: close\r\n\r\n`, { plain: true }),
    /^HTTP\/1\.1 421 /,
  );
  assert.match(await talk(`nonsense\r\n\r\n`, { plain: true }), /^HTTP\/1\.1 400 /);
});

// --- bodies --------------------------------------------------------------------------------------------------------------

test('a body beyond the limit is 413, at once if it is announced', async () => {
  await using own = await rigWith({ config: { bodies: { limit_bytes: 1000, unscanned: [] } } });
  const announced = await openTunnel(own, { host: HOST, port });
  announced.write(`POST / HTTP/1.1\r\nHost: ${HOST}:${port}\r\nContent-Length: 1001\r\n\r\n`); // no byte of it is sent
  assert.match(await readHead(announced), /^HTTP\/1\.1 413 /);
  announced.destroy();
  const fields = [['Transfer-Encoding', 'chunked']] as const;
  const answer = await ask(own, { host: HOST, port, method: 'POST', body: Buffer.alloc(50_000), fields });
  assert.equal(answer.status, 413);
  assert.equal((await ask(own, { host: HOST, port, method: 'POST', body: Buffer.alloc(1000) })).status, 200);
  assert.equal(own.scanned.length, 1);
});

test('bodies beyond the one budget are 503, and the budget comes back', async () => {
  await using own = await rigWith({ around: { budgetBytes: 1000 } });
  const held = await openTunnel(own, { host: HOST, port });
  held.write(`POST / HTTP/1.1\r\nHost: ${HOST}:${port}\r\nContent-Length: 900\r\n\r\nsome`);
  await eventually(async () => {
    const answer = await ask(own, { host: HOST, port, method: 'POST', body: Buffer.alloc(200) });
    assert.equal(answer.status, 503);
    assert.equal(answer.headers['x-bottle-outcome'], 'refused');
  });
  held.destroy();
  await eventually(async () => {
    assert.equal((await ask(own, { host: HOST, port, method: 'POST', body: Buffer.alloc(900) })).status, 200);
  });
});

test('100 is sent only after the policy has allowed', async () => {
  const allowed = await openTunnel(rig, { host: HOST, port });
  allowed.write(`POST / HTTP/1.1\r\n${AT()}Expect: 100-continue\r\nContent-Length: 2\r\n\r\n`);
  assert.match(await readHead(allowed), /^HTTP\/1\.1 100 /);
  allowed.write('hi');
  assert.match(await readHead(allowed), /^HTTP\/1\.1 200 /);
  assert.ok(!shared.seen.at(-1)?.fields.some(([name]) => name.toLowerCase() === 'expect'));
  allowed.destroy();
  const denied = await openTunnel(rig, { host: 'other.test', port: 443 });
  denied.write('POST / HTTP/1.1\r\nHost: other.test\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n');
  assert.match(await readHead(denied), /^HTTP\/1\.1 403 [^]*connection: close/i);
  denied.destroy();
});

// --- the scanner ---------------------------------------------------------------------------------------------------------

test('what the scanner blocks is answered with its line and never sent', async () => {
  const line = 'blocked: request body contains secret: AWS Access ID';
  await using own = await rigWith({ scanner: block(line) });
  await unseen(async () => {
    const answer = await ask(own, { host: HOST, port, method: 'POST', body: 'AKIA' });
    assert.equal(answer.status, 403);
    assert.equal(answer.headers['x-bottle-outcome'], 'blocked');
    assert.ok(JSON.parse(answer.body).detail.includes(line));
    const head = await ask(own, { host: HOST, port, method: 'HEAD' });
    assert.deepEqual([head.status, head.body], [403, '']);
  });
});

test('whatever else the scanner does is 503, and the upstream sees nothing', async () => {
  let first: string | undefined;
  const scanners: Record<string, NonNullable<RigOptions['scanner']>> = {
    '204 without a receipt': (_, response) => response.writeHead(204).end(),
    'a receipt of another request': (seen, response) => {
      first ??= proofOf(seen);
      const foreign = seen.url.endsWith('/warm') ? first : proofOf({ ...seen, body: Buffer.from('other') });
      response.writeHead(204, { [RECEIPT_FIELD]: foreign }).end();
    },
    '200 with a receipt': (seen, response) => response.writeHead(200, { [RECEIPT_FIELD]: proofOf(seen) }).end(),
    '502': (_, response) => response.writeHead(502).end('forward proxy fetch failed'),
    '403 that is not plain text': (_, response) =>
      response.writeHead(403, { 'content-type': 'text/html' }).end('blocked: x'),
    '403 that says it could not read': block('blocked: error reading request body: unexpected EOF'),
    'nonsense on the wire': (_, response) => void response.socket?.end('nonsense\r\n\r\n'),
    'closing without an answer': (_, response) => void response.socket?.destroy(),
    'closing in the middle of its reply': (_, response) => {
      response.writeHead(403, { 'content-type': 'text/plain', 'content-length': '100' });
      response.write('blocked: ');
      setImmediate(() => response.socket?.destroy());
    },
    'an endless reply': (_, response) => {
      response.writeHead(403, { 'content-type': 'text/plain' });
      response.end(Buffer.alloc(100_000, 'x'));
    },
    'no reply in time': () => undefined,
  };
  for (const [what, scanner] of Object.entries(scanners)) {
    await using own = await rigWith({
      scanner,
      around: { deadline: () => (what.startsWith('no reply') ? 50 : 30_000) },
    });
    await unseen(async () => {
      const answer = await ask(own, { host: HOST, port, method: 'POST', body: 'x' });
      assert.equal(answer.status, 503, what);
      assert.equal(answer.headers['x-bottle-outcome'], 'failed', what);
      const [line] = own.journal();
      assert.ok(line?.event === 'closed' && line.outcome.kind === 'failed' && line.outcome.stage === 'scan', what);
    });
  }
});

test('a scanner that is not there is 503', async () => {
  await using own = await rigWith({ config: { scanner: { kind: 'embedded', socket: '/nonexistent/scanner.sock' } } });
  const answer = await unseen(() => ask(own, { host: HOST, port }));
  assert.equal(answer.status, 503);
});

test("an upstream's own 403 that reads like a block is passed on as what it is", async () => {
  await using upstream = await makeUpstreamServer(
    (_, response) => response.writeHead(403, { 'content-type': 'text/plain; charset=utf-8' }).end('blocked: by me\n'),
    { ca, host: HOST },
  );
  await using own = await rigWith({ allow: [`${HOST}:${upstream.port}`] });
  const answer = await ask(own, { host: HOST, port: upstream.port });
  assert.deepEqual([answer.status, answer.body], [403, 'blocked: by me\n']);
  assert.equal(answer.headers['x-bottle-outcome'], undefined);
  await eventually(() =>
    assert.ok(own.journal().some((line) => line.event === 'closed' && line.outcome.kind === 'forwarded')),
  );
});

// --- the upstream --------------------------------------------------------------------------------------------------------

test('an upstream whose certificate is of an unknown CA, or for another host, is 502 that says which check failed', async () => {
  await using own = await makeRig({ allow: [`${HOST}:${port}`] });
  const unknown = await ask(own, { host: HOST, port });
  assert.equal(unknown.status, 502);
  assert.match(unknown.body, /certificate was not accepted[^]*upstream_ca/);
  await using other = await rigWith({ allow: [`wrong.test:${port}`] });
  const wrong = await ask(other, { host: 'wrong.test', port });
  assert.equal(wrong.status, 502);
  assert.match(wrong.body, /another host/);
  assert.equal(
    shared.seen.some((seen) => JSON.stringify(seen.fields).includes('wrong.test')),
    false,
  );
});

test('an upstream that is not there is 502, one that does not resolve too', async () => {
  await using gone = await makeUpstreamServer(() => undefined);
  await gone[Symbol.asyncDispose]();
  await using own = await rigWith({ allow: [`${HOST}:${gone.port}`] });
  const answer = await ask(own, { host: HOST, port: gone.port });
  assert.equal(answer.status, 502);
  assert.match(answer.body, /ECONNREFUSED/);
});

test('an upstream that talks nonsense is 502', async () => {
  await using upstream = await listenRaw((socket) => socket.once('data', () => socket.end('SSH-2.0-x\r\n')), {
    ca,
    host: HOST,
  });
  await using own = await rigWith({ allow: [`${HOST}:${upstream.port}`] });
  assert.equal((await ask(own, { host: HOST, port: upstream.port })).status, 502);
});

test('a truncated answer stays truncated, whichever way it is framed', async () => {
  for (const head of ['Content-Length: 100', 'Transfer-Encoding: chunked']) {
    const part = head.startsWith('C') ? 'half' : '4\r\nhalf\r\n';
    await using upstream = await listenRaw(
      (socket) => {
        socket.once('data', () => {
          socket.write(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n${part}`);
          setTimeout(() => socket.destroy(), 20);
        });
      },
      { ca, host: HOST },
    );
    await using own = await rigWith({ allow: [`${HOST}:${upstream.port}`] });
    const answer = await ask(own, { host: HOST, port: upstream.port });
    assert.deepEqual([answer.status, answer.body, answer.broken], [200, 'half', true], head);
    await eventually(() => {
      const closed = own.journal().find((line) => line.event === 'closed');
      assert.ok(
        closed?.outcome.kind === 'failed' && closed.outcome.stage === 'upstream' && closed.received_bytes === 4,
      );
    });
  }
});

test('a truncated answer to HTTP/1.0 does not look complete', async () => {
  await using upstream = await listenRaw((socket) => {
    socket.once('data', () => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n');
      setTimeout(() => socket.destroy(), 20);
    });
  });
  await using own = await makeRig({ allow: [`${HOST}:${upstream.port}`] });
  const request = `GET / HTTP/1.0\r\nHost: ${HOST}:${upstream.port}\r\n\r\n`;
  const plain = await openTunnel(own, { host: HOST, port: upstream.port, plain: true });
  const reset = new Promise<boolean>((resolve) => {
    plain.on('error', () => resolve(true));
    plain.on('close', () => resolve(false));
  });
  plain.resume().write(request);
  assert.ok(await reset);
});

test('what was under way when the sidecar is stopped is recorded', async () => {
  await using upstream = await makeUpstreamServer((_, response) => void response.writeHead(200).write('first'), {
    ca,
    host: HOST,
  });
  await using own = await rigWith({ allow: [`${HOST}:${upstream.port}`] });
  const socket = await openTunnel(own, { host: HOST, port: upstream.port });
  socket.write(`GET / HTTP/1.1\r\nHost: ${HOST}:${upstream.port}\r\n\r\n`);
  await readHead(socket);
  await own.sidecar.close();
  assert.ok(own.journal().some((line) => line.event === 'closed' && line.received_bytes === 5));
});

test('a failure after sending says that the request had been sent', async () => {
  await using upstream = await listenRaw((socket) => socket.once('data', () => socket.destroy()), { ca, host: HOST });
  await using own = await rigWith({ allow: [`${HOST}:${upstream.port}`] });
  const answer = await ask(own, { host: HOST, port: upstream.port });
  assert.equal(answer.status, 502);
  assert.match(answer.body, /had been sent/);
});

test('an agent that leaves cancels the upstream', async () => {
  let closed = false;
  await using upstream = await makeUpstreamServer(
    (_, response) => {
      response.on('close', () => {
        closed = true;
      });
      response.writeHead(200).write('first');
    },
    { ca, host: HOST },
  );
  await using own = await rigWith({ allow: [`${HOST}:${upstream.port}`] });
  const socket = await openTunnel(own, { host: HOST, port: upstream.port });
  socket.write(`GET / HTTP/1.1\r\nHost: ${HOST}:${upstream.port}\r\n\r\n`);
  await readHead(socket);
  socket.destroy();
  await eventually(() => assert.ok(closed));
  await eventually(() => assert.ok(own.journal().some((line) => line.event === 'closed')));
});

test('an agent that leaves during the scan sends nothing', async () => {
  let release: (() => void) | undefined;
  await using own = await rigWith({
    scanner: (seen, response) => {
      release = () => prove(seen, response);
    },
  });
  await unseen(async () => {
    const socket = await openTunnel(own, { host: HOST, port });
    socket.write(`GET / HTTP/1.1\r\nHost: ${HOST}:${port}\r\n\r\n`);
    await eventually(() => assert.ok(release));
    socket.destroy();
    await eventually(() => assert.ok(own.journal().some((line) => line.event === 'closed')));
    release?.();
  });
});

// --- connections ---------------------------------------------------------------------------------------------------------

test('connections that are reset at any moment harm nobody', async () => {
  const parts = ['', 'CONN', `CONNECT ${HOST}:${port} HTTP/1.1\r\n`, `CONNECT ${HOST}:${port} HTTP/1.1\r\n\r\n`];
  for (const part of [...parts, `${parts[3]}\x16`, `${parts[3]}\x16\x03\x01\x02`, `${parts[3]}GET /`]) {
    const socket = await connectProxy(rig);
    if (part) await new Promise<void>((resolve) => void socket.write(part, () => resolve()));
    socket.resetAndDestroy();
  }
  assert.equal((await ask(rig, { host: HOST, port })).status, 200);
});

test('a tunnel that is opened and closed without a byte is nothing to report', async () => {
  await using own = await rigWith({});
  const socket = await connectProxy(own);
  socket.write(`CONNECT ${HOST}:${port} HTTP/1.1\r\n\r\n`);
  await readHead(socket);
  socket.end();
  await once(socket, 'close');
  assert.deepEqual(own.journal(), []);
});

test('a head that does not come in time is answered 408, an unused tunnel is closed in silence', async () => {
  await using own = await rigWith({ around: { headMs: 1_000 } });
  const slow = await openTunnel(own, { host: HOST, port });
  slow.write('GET / HTTP/1.1\r\nHost: ');
  assert.match(await readHead(slow), /^HTTP\/1\.1 408 [^]*x-bottle-outcome: refused/);
  const unused = await openTunnel(own, { host: HOST, port });
  assert.equal(await readAll(unused), '');
  assert.equal(own.journal().length, 1);
});

test('a body that does not come in time is answered 408', async () => {
  await using own = await rigWith({ around: { headMs: 1_000 } });
  const slow = await openTunnel(own, { host: HOST, port });
  slow.write(`POST / HTTP/1.1\r\nHost: ${HOST}:${port}\r\nContent-Length: 10\r\n\r\nhalf`);
  assert.match(await readHead(slow), /^HTTP\/1\.1 408 /);
  slow.destroy();
});

test('what follows a good request and is none does not harm its answer', async () => {
  const text = await talk(`GET / HTTP/1.1\r\nHost: ${HOST}:${port}\r\n\r\n\x00\x01\x02\r\n\r\n`);
  assert.match(text, /^HTTP\/1\.1 200 [^]*hello/);
});

test('a large body counts against the budget until the upstream has taken it', async () => {
  let held: Socket | undefined;
  await using upstream = await listenRaw(
    (socket) => {
      held = socket; // it reads nothing
    },
    { ca, host: HOST },
  );
  const around = { budgetBytes: 24 * MIB };
  await using own = await rigWith({ allow: [`${HOST}:${upstream.port}`], around });
  const request = { host: HOST, port: upstream.port, method: 'POST', body: Buffer.alloc(16 * MIB) };
  const first = ask(own, request);
  await eventually(() => assert.ok(held));
  assert.equal((await ask(own, request)).status, 503);
  let left = 16 * MIB;
  held?.on('data', (bytes: Buffer) => {
    left -= bytes.length;
    if (left <= 0) held?.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone');
  });
  assert.equal((await first).status, 200);
});

test('half a request and then an end is answered 400', async () => {
  const socket = await connectProxy(rig);
  const all = readAll(socket);
  socket.end('GET http://');
  assert.match(await all, /^HTTP\/1\.1 400 /);
});

test('only the gate may connect', async () => {
  await using own = await rigWith({
    config: { listen: { address: '127.0.0.1', gate: '127.0.0.2', proxy_port: 0, dns_port: 0 } },
  });
  const socket = await connectProxy(own);
  const all = readAll(socket);
  socket.write(`CONNECT ${HOST}:${port} HTTP/1.1\r\n\r\n`);
  assert.equal(await all, '');
});

test('without a heartbeat tunnels are cut and everything is 503 until the next one', async () => {
  await using own = await rigWith({ around: { lostMs: 2_000 } });
  own.sidecar.beat();
  const tunnel = await openTunnel(own, { host: HOST, port });
  await once(tunnel, 'close');
  await unseen(async () => {
    const socket = await connectProxy(own);
    socket.write(`CONNECT ${HOST}:${port} HTTP/1.1\r\n\r\n`);
    assert.match(await readHead(socket), /^HTTP\/1\.1 503 /);
    socket.destroy();
    const plain = await connectProxy(own);
    plain.write(`GET http://${HOST}:${port}/ HTTP/1.1\r\nHost: ${HOST}:${port}\r\n\r\n`);
    assert.match(await readHead(plain), /^HTTP\/1\.1 503 /);
    plain.destroy();
  });
  await eventually(async () => {
    own.sidecar.beat();
    assert.equal((await ask(own, { host: HOST, port })).status, 200);
  });
});
