/** WebSockets that an agent opens on a stream of HTTP/2 (RFC 8441); what becomes of their messages is told by the tests of HTTP/1.1's. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2';
import { after, before, suite, test } from 'node:test';
import type { Authority } from '../../../addon/authority.ts';
import { CLIENT_WINDOW } from '../../../addon/limits.ts';
import { ask, eventually, makeCa, makeRig, openTunnel, prove, type Rig, type RigOptions } from './rig.ts';
import {
  answerOf,
  askStream,
  code,
  END_HEADERS,
  END_STREAM,
  FRAME,
  H2,
  hpack,
  openSession,
  Wire,
} from './support/h2.ts';
import { type Echo, type EchoOptions, makeEcho, served, Talker } from './support/talker.ts';
import { deflater, frame, type Written } from './websocket/frames.ts';

const HOST = 'ws.example.test';
const [TEXT, BINARY, CLOSE, PING, PONG] = [1, 2, 8, 9, 10];
const SECRET = 'AKIAIOSFODNN7EXAMPLE';
const FOUND = 'blocked: request body contains secret: AWS Access ID';
const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
/** Of a reset. */
const [PROTOCOL_ERROR, CANCEL, ENHANCE_YOUR_CALM] = [1, 8, 11];
/** Bytes of one write. */
const PIECE = 64 * 1024;

/** Finds the secret in whatever it is shown. */
const finding: NonNullable<RigOptions['scanner']> = (seen, response) => {
  const shown = [seen.url, ...seen.fields.flat(), seen.body.toString('latin1')].join('\n');
  if (!shown.includes(SECRET)) return prove(seen, response);
  response.writeHead(403, { 'content-type': 'text/plain; charset=utf-8' }).end(`${FOUND}\n`);
};

let ca: Authority;
before(() => {
  ca = makeCa();
});

interface Own extends AsyncDisposable {
  upstream: Echo;
  rig: Rig;
  session: ClientHttp2Session;
  /** Fields are names and values in turn; a pseudo-field takes the place of the usual one. */
  open(fields?: string[], endStream?: boolean): Promise<Opened>;
}

interface Opened {
  talker: Talker;
  stream: ClientHttp2Stream;
  status: number;
  headers: IncomingHttpHeaders;
}

async function own(options: EchoOptions = {}, more: Partial<RigOptions> = {}): Promise<Own> {
  const upstream = await makeEcho({ ca, host: HOST }, options);
  const rig = await makeRig({ allow: [`${HOST}:${upstream.port}`], upstreamCa: ca, scanner: finding, ...more });
  const session = await openSession(rig, { host: HOST, port: upstream.port });
  await once(session, 'remoteSettings');
  return {
    upstream,
    rig,
    session,
    open: (fields, endStream) =>
      open(session, [':authority', `${HOST}:${upstream.port}`, ...(fields ?? [])], endStream),
    async [Symbol.asyncDispose]() {
      session.destroy();
      await rig[Symbol.asyncDispose]();
      await upstream[Symbol.asyncDispose]();
    },
  };
}

async function open(session: ClientHttp2Session, given: string[], endStream = false): Promise<Opened> {
  const list = new Map([
    [':method', 'CONNECT'],
    [':protocol', 'websocket'],
    [':scheme', 'https'],
    [':path', '/'],
  ]);
  for (let at = 0; at + 1 < given.length; at += 2) list.set(given[at] ?? '', given[at + 1] ?? '');
  if (!list.has('sec-websocket-version')) list.set('sec-websocket-version', '13');
  const stream = session.request([...list].flat(), { endStream });
  stream.on('error', () => undefined);
  stream.once('end', () => stream.end()); // as its clients do
  const [headers] = (await once(stream, 'response')) as [IncomingHttpHeaders];
  return { talker: new Talker(stream, ''), stream, status: Number(headers[':status']), headers };
}

const text = (payload: string): Written => ({ opcode: TEXT, payload });

async function closed(talker: Talker): Promise<void> {
  await eventually(() => assert.ok(talker.isOver));
}

async function outcomeOf({ rig }: Own) {
  return await eventually(() => {
    const line = rig.journal().findLast(({ event }) => event === 'closed');
    assert.ok(line?.event === 'closed');
    return line;
  });
}

suite('a WebSocket on a stream', () => {
  test('is offered, opened, and echoed message by message, each scanned by itself', async () => {
    await using alone = await own();
    assert.equal(alone.session.remoteSettings.enableConnectProtocol, true);
    const { talker, status, headers } = await alone.open([':path', '/chat?a=1', 'origin', 'https://a.test']);
    assert.equal(status, 200);
    assert.deepEqual(
      Object.keys(headers).filter((name) => /^(connection|upgrade|sec-|content-length|transfer)/.test(name)),
      [],
    );
    talker.say(text('{"hello":1}'), { opcode: BINARY, payload: Buffer.from([0, 1]) }, { opcode: PING, payload: 'p' });
    await eventually(() => assert.equal(talker.came.length, 3));
    assert.deepEqual(
      talker.came.map(({ opcode, payload }) => [opcode, payload.toString('latin1')]),
      [
        [TEXT, '{"hello":1}'],
        [BINARY, '\0\x01'],
        [PONG, 'p'],
      ],
    );
    assert.deepEqual(
      alone.rig.scanned.map(({ method, url, body }) => [method, new URL(url).pathname, body.toString('latin1')]),
      [
        ['GET', '/chat', ''],
        ['POST', '/', '{"hello":1}'],
        ['POST', '/', '\0\x01'],
        ['POST', '/', 'p'],
      ],
    );
    talker.say({ opcode: CLOSE, payload: Buffer.from([3, 232]) });
    await closed(talker);
    assert.equal(talker.close?.[0], 1000);
    const { outcome, messages, method } = await outcomeOf(alone);
    assert.deepEqual([outcome, messages, method], [{ kind: 'forwarded', status: 101 }, 4, 'GET']);
  });

  test('reaches an upstream as the request of HTTP/1.1 that it means, with a key of ours', async () => {
    await using alone = await own();
    await alone.open([':path', '/chat', 'origin', 'https://a.test']);
    await alone.open();
    const [first = '', second = ''] = alone.upstream.heads;
    const lines = first.split('\r\n');
    assert.equal(lines[0], 'GET /chat HTTP/1.1');
    for (const line of [`Host: ${HOST}:${alone.upstream.port}`, 'Connection: Upgrade', 'Upgrade: websocket'])
      assert.ok(lines.includes(line), line);
    assert.match(first, /^origin: https:\/\/a\.test\r$/m);
    assert.match(first, /^sec-websocket-version: 13\r$/m);
    const [one, two] = [first, second].map((head) => /^sec-websocket-key: (\S+)\r$/m.exec(head)?.[1] ?? '');
    assert.equal(Buffer.from(one ?? '', 'base64').length, 16);
    assert.notEqual(one, two);
  });

  test('an agent that sends a key all the same gets its answer', async () => {
    await using alone = await own();
    const { status, headers } = await alone.open(['sec-websocket-key', KEY]);
    assert.deepEqual([status, headers['sec-websocket-accept']], [200, 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=']);
    assert.match(alone.upstream.heads[0] ?? '', new RegExp(`^sec-websocket-key: ${KEY}\r$`, 'm'));
  });

  test('shares its connection with requests and with others like it', async () => {
    await using alone = await own({ fields: () => [] });
    const all = await Promise.all(Array.from({ length: 20 }, () => alone.open()));
    for (const [at, { talker }] of all.entries()) talker.say(text(`message ${at}`));
    await eventually(() => {
      for (const [at, { talker }] of all.entries()) assert.deepEqual(talker.texts, [`message ${at}`]);
    });
    assert.equal(alone.upstream.heads.length, 20);
  });

  test('a compressed message is scanned as what it is and reaches the server inflated', async () => {
    await using alone = await own({ fields: () => ['Sec-WebSocket-Extensions: permessage-deflate'] });
    const { talker, headers } = await alone.open(['sec-websocket-extensions', 'permessage-deflate']);
    assert.equal(headers['sec-websocket-extensions'], 'permessage-deflate');
    const deflate = deflater('kept');
    for (const said of ['hello hello hello', 'hello hello again'])
      talker.say({ opcode: TEXT, rsv: 4, payload: await deflate(Buffer.from(said)) });
    await eventually(() => assert.deepEqual(talker.texts, ['hello hello hello', 'hello hello again']));
    assert.ok(alone.upstream.came.every(({ rsv }) => rsv === 0));
  });

  test('a sub-protocol that was offered reaches the other side', async () => {
    await using alone = await own({ fields: () => ['Sec-WebSocket-Protocol: v2'] });
    const { status, headers } = await alone.open(['sec-websocket-protocol', 'v1, v2']);
    assert.deepEqual([status, headers['sec-websocket-protocol']], [200, 'v2']);
    assert.match(alone.upstream.heads[0] ?? '', /^sec-websocket-protocol: v1, v2\r$/m);
  });

  test('messages that are sent before the answer wait for it', async () => {
    await using alone = await own();
    const wire = new Wire(await openTunnel(alone.rig, { host: HOST, port: alone.upstream.port, alpn: H2 }));
    wire.sendAll([
      [FRAME.headers, END_HEADERS, 1, hpack(extended(alone.upstream.port))],
      [FRAME.data, 0, 1, frame(text('early'))],
    ]);
    const data = await wire.find(({ type, id }) => type === FRAME.data && id === 1);
    assert.deepEqual(data?.payload, served(TEXT, 'early'));
    assert.equal(alone.upstream.came[0]?.payload.toString(), 'early');
    wire.socket.destroy();
  });
});

const [before10, after10] = [SECRET.slice(0, 10), SECRET.slice(10)];
const SENT: [what: string, frames: Written[] | (() => Promise<Written[]>)][] = [
  ['a text', [text(`the key is ${SECRET}.`)]],
  ['two messages', [text(before10), text(after10)]],
  ['a ping', [{ opcode: PING, payload: SECRET }]],
  [
    'a compressed message',
    async () => [{ opcode: TEXT, rsv: 4, payload: await deflater('kept')(Buffer.from(`${SECRET} `.repeat(9))) }],
  ],
];
suite('a secret is stopped, the agent is told why and its stream ends, in', () => {
  for (const [what, frames] of SENT)
    test(what, async () => {
      await using alone = await own({ fields: () => ['Sec-WebSocket-Extensions: permessage-deflate'] });
      const { talker, stream } = await alone.open(['sec-websocket-extensions', 'permessage-deflate']);
      const end = answerOf(stream);
      talker.say(...(typeof frames === 'function' ? await frames() : frames));
      const { isWhole, reset } = await end;
      assert.deepEqual([talker.close, isWhole, reset], [[1008, FOUND], true, 0]);
      await eventually(() => assert.equal(alone.upstream.over.length, 1));
      const came = Buffer.concat(alone.upstream.came.map(({ payload }) => payload)).toString('latin1');
      assert.ok(!came.includes(SECRET));
      const { outcome, messages } = await outcomeOf(alone);
      assert.deepEqual(outcome, { kind: 'blocked', finding: FOUND });
      assert.equal(messages, alone.upstream.came.length);
    });
});

test('a secret in the handshake’s path or fields is answered 403, and the upstream hears nothing', async () => {
  await using alone = await own();
  for (const fields of [
    [':path', `/?key=${SECRET}`],
    ['x-key', SECRET],
  ]) {
    const { status, headers } = await alone.open(fields);
    assert.deepEqual([status, headers['x-bottle-outcome']], [403, 'blocked']);
  }
  assert.equal(alone.upstream.heads.length, 0);
});

test('in the middle of a frame of the server nothing can be said: the stream is cancelled', async () => {
  await using alone = await own({ greeting: served(TEXT, 'welcome').subarray(0, 4) });
  const { talker, stream } = await alone.open();
  const end = answerOf(stream);
  talker.say(text(SECRET));
  assert.equal((await end).reset, CANCEL);
  assert.equal(talker.close, undefined);
});

suite('an end is told as what it is', () => {
  test('an agent that ends its side is told of, and the upstream’s connection ends', async () => {
    await using alone = await own();
    const { talker, stream } = await alone.open();
    const end = answerOf(stream);
    talker.say(text('hello'));
    await eventually(() => assert.deepEqual(talker.texts, ['hello']));
    stream.end();
    assert.ok((await end).isWhole);
    await eventually(() => assert.equal(alone.upstream.over.length, 1));
    assert.deepEqual(alone.upstream.came.at(-1)?.payload, Buffer.from([3, 233]));
    assert.deepEqual((await outcomeOf(alone)).outcome, { kind: 'forwarded', status: 101 });
  });

  test('also one that never had anything to say', async () => {
    await using alone = await own();
    const { talker, status } = await alone.open([], true);
    assert.equal(status, 200);
    await closed(talker);
    assert.deepEqual(alone.upstream.came.at(-1)?.payload, Buffer.from([3, 233]));
  });

  test('a stream that the agent resets ends the upstream’s connection, and no other stream', async () => {
    await using alone = await own();
    const [one, other] = [await alone.open(), await alone.open()];
    one.stream.close(CANCEL);
    await eventually(() => assert.equal(alone.upstream.over.length, 1));
    assert.deepEqual((await outcomeOf(alone)).outcome, { kind: 'forwarded', status: 101 });
    other.talker.say(text('still here'));
    await eventually(() => assert.deepEqual(other.talker.texts, ['still here']));
  });

  test('an upstream that ends its side ends the stream, one whose connection breaks resets it', async () => {
    await using alone = await own();
    const [one, other] = [await alone.open(), await alone.open()];
    const [ended, broken] = [answerOf(one.stream), answerOf(other.stream)];
    alone.upstream.sockets[0]?.end(served(CLOSE, Buffer.from([3, 232])));
    const { isWhole, reset } = await ended;
    assert.deepEqual([one.talker.close?.[0], isWhole, reset], [1000, true, 0]);
    alone.upstream.connections[1]?.resetAndDestroy();
    assert.equal((await broken).reset, CANCEL);
  });
});

suite('neither side is read faster than the other reads', () => {
  test('while a message is scanned the agent can send a window, and little more', async () => {
    const held: (() => void)[] = [];
    let isHeld = true;
    await using alone = await own(
      { speak: () => undefined },
      {
        scanner: (seen, response) => {
          if (isHeld && seen.method === 'POST') held.push(() => prove(seen, response));
          else prove(seen, response);
        },
      },
    );
    const { stream } = await alone.open();
    stream.write(frame(text('first')));
    await eventually(() => assert.equal(held.length, 1));
    const size = 4 * CLIENT_WINDOW;
    const bytes = frame({ opcode: BINARY, payload: Buffer.alloc(size) });
    let left = 0;
    function writeOn(): void {
      const piece = bytes.subarray(left, left + PIECE);
      if (piece.length === 0) return;
      stream.write(piece, () => {
        left += piece.length;
        writeOn();
      });
    }
    writeOn();
    await eventually(() => assert.ok(left >= CLIENT_WINDOW - 2 * PIECE, String(left)));
    for (let turns = 0; turns < 50; turns += 1)
      await new Promise((resolve) => alone.session.ping((_error, ...told) => resolve(told)));
    assert.ok(left < 2 * CLIENT_WINDOW, String(left));
    assert.equal(alone.upstream.came.length, 0);
    isHeld = false;
    held[0]?.();
    await eventually(() => assert.equal(alone.upstream.came[1]?.payload.length, size));
  });

  test('an agent that does not read holds up its server, and gets everything when it does', async () => {
    const large = served(BINARY, Buffer.alloc(32 * 1024 * 1024, 'abc'));
    let isOut = false;
    await using alone = await own({ speak: (socket) => void socket.write(large, () => (isOut = true)) });
    const { talker, stream } = await alone.open();
    stream.pause();
    talker.say(text('go'));
    const other = await alone.open();
    assert.equal(other.status, 200);
    await eventually(() => assert.equal(alone.upstream.came.length, 1));
    assert.ok(!isOut);
    const sizes: number[] = [];
    stream.on('data', (chunk: Buffer) => sizes.push(chunk.length)).resume();
    await eventually(() =>
      assert.equal(
        sizes.reduce((sum, size) => sum + size, 0),
        large.length,
      ),
    );
    assert.ok(isOut);
  });

  test('a message that is too large is told by 1009 before it has come', async () => {
    await using alone = await own({}, { around: { messageBytes: 1_000 } });
    const { talker } = await alone.open();
    talker.socket.write(frame({ opcode: BINARY, payload: Buffer.alloc(2_000) }).subarray(0, 100));
    await closed(talker);
    assert.equal(talker.close?.[0], 1009);
    assert.equal(alone.upstream.came.length, 0);
  });

  test('what waits behind a message is counted, and where there is no memory for it the stream is reset', async () => {
    const held: (() => void)[] = [];
    await using alone = await own(
      {},
      {
        around: { budgetBytes: 10_000 },
        scanner: (seen, response) =>
          seen.method === 'POST' ? held.push(() => prove(seen, response)) : prove(seen, response),
      },
    );
    const { talker, stream } = await alone.open();
    const end = answerOf(stream);
    talker.say(text('first'));
    await eventually(() => assert.equal(held.length, 1));
    talker.say({ opcode: BINARY, payload: Buffer.alloc(20_000) });
    assert.equal((await end).reset, ENHANCE_YOUR_CALM);
    held[0]?.();
    const { talker: next } = await alone.open(); // it was given back
    next.say(text('next'));
    await eventually(() => {
      for (const proceed of held.splice(0)) proceed();
      assert.deepEqual(next.texts, ['next']);
    });
  });
});

suite('a handshake is judged like any request', () => {
  test('an upstream that refuses is relayed as it answers, and the connection goes on', async () => {
    await using alone = await own({ answer: 'HTTP/1.1 403 No\r\nX-Why: none\r\nContent-Length: 3\r\n\r\nno!' });
    const { stream, status, headers } = await alone.open();
    const { body, isWhole } = await answerOf(stream);
    assert.deepEqual([status, headers['x-why'], body, isWhole], [403, 'none', 'no!', true]);
    assert.equal((await alone.open()).status, 403);
  });

  test('an answer that does not fit the key is 502', async () => {
    await using alone = await own({ fields: () => ['Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo='] });
    const { status, headers } = await alone.open();
    assert.deepEqual([status, headers['x-bottle-outcome']], [502, 'failed']);
  });

  test('a host that is not allowed is told so', async () => {
    await using alone = await own();
    const session = await openSession(alone.rig, { host: 'other.test', port: 443 });
    await once(session, 'remoteSettings');
    const { stream, status, headers } = await open(session, [':authority', 'other.test']);
    assert.deepEqual([status, headers['x-bottle-outcome']], [403, 'denied']);
    assert.match((await answerOf(stream)).body, /egress\.allow/);
    session.destroy();
  });

  const rows: [title: string, fields: string[], status: number, why: RegExp][] = [
    ['another :authority than the tunnel’s', [':authority', 'other.test'], 421, /another host/],
    ['another :protocol', [':protocol', 'connect-udp'], 501, /websocket alone/],
    ['a :protocol in another case', [':protocol', 'WebSocket'], 501, /websocket alone/],
    ['another version', ['sec-websocket-version', '8'], 400, /version/],
    ['a key that is none', ['sec-websocket-key', 'abc'], 400, /sec-websocket-key/],
    ['a body’s length', ['content-length', '5'], 426, /switch/],
    [':scheme http', [':scheme', 'http'], 400, /scheme/],
  ];
  for (const [title, fields, expected, why] of rows)
    test(`${title} is ${expected}`, async () => {
      await using alone = await own();
      const { stream, status } = await alone.open(fields);
      assert.equal(status, expected);
      assert.match((await answerOf(stream)).body, why);
      assert.equal(alone.upstream.heads.length, 0);
    });
});

type List = (readonly [string, string])[];

function extended(port: number): List {
  return [
    [':method', 'CONNECT'],
    [':protocol', 'websocket'],
    [':scheme', 'https'],
    [':path', '/'],
    [':authority', `${HOST}:${port}`],
    ['sec-websocket-version', '13'],
  ];
}

suite('what is no handshake is reset, and its connection goes on', () => {
  let echo: Echo;
  let rig: Rig;
  before(async () => {
    echo = await makeEcho({ ca, host: HOST });
    rig = await makeRig({ allow: [`${HOST}:${echo.port}`], upstreamCa: ca });
  });
  after(async () => {
    await rig[Symbol.asyncDispose]();
    await echo[Symbol.asyncDispose]();
  });

  const without = (list: List, name: string) => list.filter(([given]) => given !== name);
  const rows: [title: string, list: (list: List) => List][] = [
    ['a CONNECT without :protocol that has a path', (list) => without(list, ':protocol')],
    [':protocol on another method', (list) => [[':method', 'GET'], ...without(list, ':method')]],
    [':protocol without :authority', (list) => without(list, ':authority')],
    [':protocol without :path', (list) => without(list, ':path')],
    [':path *', (list) => list.map(([name, value]) => [name, name === ':path' ? '*' : value] as const)],
    [':protocol twice', (list) => [[':protocol', 'websocket'], ...list]],
    ['an Upgrade beside it', (list) => [...list, ['upgrade', 'websocket']]],
  ];
  for (const [title, change] of rows)
    test(title, async () => {
      const wire = new Wire(await openTunnel(rig, { host: HOST, port: echo.port, alpn: H2 }));
      wire.send(FRAME.headers, END_HEADERS, 1, hpack(change(extended(echo.port))));
      const answer = await wire.find(({ type, id }) => id === 1 && (type === FRAME.reset || type === FRAME.headers));
      assert.deepEqual([answer?.type, answer?.payload], [FRAME.reset, code(PROTOCOL_ERROR)]);
      assert.equal(echo.heads.length, 0);
      wire.send(FRAME.ping, 0, 0, Buffer.alloc(8));
      assert.ok(await wire.find(({ type }) => type === FRAME.ping));
      wire.socket.destroy();
    });

  test('a CONNECT without :protocol is answered with a refusal', async () => {
    const session = await openSession(rig, { host: HOST, port: echo.port });
    const stream = session.request([':method', 'CONNECT', ':authority', `${HOST}:${echo.port}`]);
    stream.on('error', () => undefined);
    const answer = await answerOf(stream);
    assert.equal(answer.status, 400);
    session.destroy();
  });
});

test('an agent that names HTTP/2 last, as Node 26 does, is not offered WebSockets over it', async () => {
  await using alone = await own();
  const last = { host: HOST, port: alone.upstream.port, alpn: ['http/1.1', 'h2'] };
  const session = await openSession(alone.rig, last);
  const [settings] = (await once(session, 'remoteSettings')) as [{ enableConnectProtocol?: boolean }];
  assert.equal(settings.enableConnectProtocol, false);
  session.destroy();
});

suite('where the manifest refuses WebSockets', () => {
  const refusing = () => own({}, { config: { websockets: 'refuse' } });

  test('they are not offered, and requests are served', async () => {
    await using alone = await refusing();
    assert.equal(alone.session.remoteSettings.enableConnectProtocol, false);
    const { status } = await askStream(alone.session, { path: '/' });
    assert.equal(status, 502); // its server knows nothing but WebSockets
    assert.equal((await ask(alone.rig, { host: 'other.test', port: 443 })).status, 403);
  });

  test('a stream that asks for one all the same is reset', async () => {
    await using alone = await refusing();
    const wire = new Wire(await openTunnel(alone.rig, { host: HOST, port: alone.upstream.port, alpn: H2 }));
    wire.send(FRAME.headers, END_HEADERS | END_STREAM, 1, hpack(extended(alone.upstream.port)));
    const reset = await wire.find(({ type }) => type === FRAME.reset);
    assert.deepEqual([reset?.id, reset?.payload], [1, code(PROTOCOL_ERROR)]);
    assert.equal(alone.upstream.heads.length, 0);
    wire.socket.destroy();
  });
});
