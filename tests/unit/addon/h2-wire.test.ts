import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { CLIENT_STREAMS, CLIENT_WINDOW, UPSTREAM_SESSION_WINDOW } from '../../../addon/limits.ts';
import { listenRaw, makeRig, openTunnel, prove, readHead, type Rig, type TestUpstream } from './rig.ts';
import {
  askStream,
  code,
  END_HEADERS,
  END_STREAM,
  FRAME,
  type Frame,
  frame,
  H2,
  hpack,
  makeH2Upstream,
  openSession,
  Wire,
} from './support/h2.ts';
import { hello, makeWorld, placeOf, type World } from './support/world.ts';

const HOST = 'api.example.test';
const PLACE = placeOf(HOST);
const { ca } = PLACE;
let world: World<TestUpstream>;
let upstream: TestUpstream;
let rig: Rig;
let port: number;

before(async () => {
  world = await makeWorld(PLACE, hello);
  ({ upstream, rig, port } = world);
});
after(() => world[Symbol.asyncDispose]());

async function openWire(behind = rig, to = port): Promise<Wire> {
  return new Wire(await openTunnel(behind, { host: HOST, port: to, alpn: H2 }));
}

type List = (readonly [string, string])[];

function head(more: List = [], authority: string | undefined = `${HOST}:${port}`, method = 'GET'): Buffer {
  const named: List = authority === '' ? [] : [[':authority', authority]];
  return hpack([[':method', method], [':scheme', 'https'], [':path', '/'], ...named, ...more]);
}

/** The whole body of an answer. */
async function bodyOf(wire: Wire, id: number): Promise<string> {
  await wire.find((frame) => frame.id === id && frame.type === FRAME.data && (frame.flags & END_STREAM) !== 0);
  const pieces = wire.frames.filter((frame) => frame.id === id && frame.type === FRAME.data);
  return Buffer.concat(pieces.map(({ payload }) => payload)).toString();
}

/** The error with which its first stream was reset. */
async function resetOf(wire: Wire): Promise<number | undefined> {
  const reset = await wire.find((frame) => frame.type === FRAME.reset && frame.id === 1);
  return reset?.payload.readUInt32BE(0);
}

/** The error that the session ends with; it must end. */
async function endOf(wire: Wire): Promise<number | undefined> {
  const goaway = await wire.find((frame) => frame.type === FRAME.goaway);
  await wire.find(() => false);
  return goaway?.payload.readUInt32BE(4);
}

/** Bytes that may come on all streams together before any are taken (RFC 9113 section 6.9.2), as said before the first frame of `then`. */
async function sessionWindowOf(wire: Wire, then: number): Promise<number> {
  await wire.find(({ type }) => type === then);
  const update = wire.frames.find(({ type, id }) => type === FRAME.window && id === 0);
  return 65_535 + (update?.payload.readUInt32BE(0) ?? 0);
}

suite('the window of a whole connection', () => {
  test('towards the agent is what the sockets hold, so that no write of a client is put off', async () => {
    const wire = await openWire();
    wire.send(FRAME.ping, 0, 0, '12345678');
    assert.equal(await sessionWindowOf(wire, FRAME.ping), CLIENT_WINDOW);
    wire.socket.destroy();
  });

  test('towards an upstream is wide from its beginning', async () => {
    const opened = Promise.withResolvers<number>();
    await using behind = await makeH2Upstream(() => undefined, {
      ca,
      host: HOST,
      wire: (wire) => void sessionWindowOf(wire, FRAME.headers).then(opened.resolve),
    });
    await using own = await makeRig({ allow: [`${HOST}:${behind.port}`], upstreamCa: ca });
    const session = await openSession(own, { host: HOST, port: behind.port });
    const answered = askStream(session);
    assert.equal(await opened.promise, UPSTREAM_SESSION_WINDOW);
    session.destroy();
    await answered;
  });
});

suite('what is wrong with one stream ends that stream alone', () => {
  const rows: [title: string, fields: List, authority?: string][] = [
    ['an upper-case name', [['X-A', '1']]],
    ['connection', [['connection', 'close']]],
    ['keep-alive', [['keep-alive', '1']]],
    ['proxy-connection', [['proxy-connection', '1']]],
    ['transfer-encoding', [['transfer-encoding', 'chunked']]],
    ['upgrade', [['upgrade', 'websocket']]],
    ['te other than trailers', [['te', 'gzip']]],
    [
      'a pseudo-field behind others',
      [
        ['x-a', '1'],
        [':path', '/2'],
      ],
    ],
    ['an unknown pseudo-field', [[':x', '1']]],
    ['a second :path', [[':path', '/2']]],
    ['no host at all', [], ''],
    [
      'two hosts',
      [
        ['host', 'a'],
        ['host', 'a'],
      ],
      '',
    ],
    ['user information in :authority', [], `me@${HOST}:1`],
    ['more than 1000 fields', Array.from({ length: 1_010 }, () => ['a', 'b'] as const)],
  ];
  for (const [title, fields, authority] of rows) {
    test(title, async () => {
      const wire = await openWire();
      const seen = upstream.seen.length;
      const block = head(fields, authority);
      const size = 16_384;
      const count = Math.ceil(block.length / size);
      for (let at = 0; at < count; at += 1) {
        const last = at === count - 1 ? END_HEADERS : 0;
        const piece = block.subarray(at * size, (at + 1) * size);
        wire.send(at === 0 ? FRAME.headers : FRAME.continuation, at === 0 ? last | END_STREAM : last, 1, piece);
      }
      assert.ok((await resetOf(wire)) !== undefined, 'it was not reset');
      assert.equal(upstream.seen.length, seen);
      wire.send(FRAME.headers, END_HEADERS | END_STREAM, 3, head());
      assert.equal(await bodyOf(wire, 3), 'hello');
      wire.socket.destroy();
    });
  }

  test('a body shorter than was announced', async () => {
    const wire = await openWire();
    const seen = upstream.seen.length;
    wire.send(FRAME.headers, END_HEADERS, 1, head([['content-length', '5']], undefined, 'POST'));
    wire.send(FRAME.data, END_STREAM, 1, 'four');
    assert.equal(await resetOf(wire), 1);
    assert.equal(upstream.seen.length, seen);
    wire.socket.destroy();
  });

  test('a value with a line break or NUL is left out, for the scan as for the upstream', async () => {
    const wire = await openWire();
    const fields: List = [
      ['x-a', '1\r\nx-b: 2'],
      ['x-c', '1\0'],
      ['x-d', 'kept'],
    ];
    wire.send(FRAME.headers, END_HEADERS | END_STREAM, 1, head(fields));
    assert.equal(await bodyOf(wire, 1), 'hello');
    for (const seen of [upstream.seen.at(-1), rig.scanned.at(-1)])
      assert.deepEqual(
        seen?.fields.filter(([name]) => /^x-[a-d]$/.test(name)),
        [['x-d', 'kept']],
      );
    wire.socket.destroy();
  });

  test('a host without :authority is judged like one', async () => {
    const wire = await openWire();
    wire.send(FRAME.headers, END_HEADERS | END_STREAM, 1, head([['host', `${HOST}:${port}`]], ''));
    assert.equal(await bodyOf(wire, 1), 'hello');
    wire.send(FRAME.headers, END_HEADERS | END_STREAM, 3, head([['host', 'other.test']], ''));
    assert.match(await bodyOf(wire, 3), /"status":421/);
    wire.socket.destroy();
  });
});

test('more than 64 KB of fields are 431', async () => {
  const wire = await openWire();
  for (const [id, count] of [
    [1, 30],
    [3, 22],
  ] as const) {
    const block = head(Array.from({ length: count }, (_, at) => [`x-${at}`, 'v'.repeat(2_500)] as const));
    for (let at = 0; at < block.length; at += 16_384) {
      const last = at + 16_384 >= block.length ? END_HEADERS : 0;
      const piece = block.subarray(at, at + 16_384);
      wire.send(at === 0 ? FRAME.headers : FRAME.continuation, at === 0 ? last | END_STREAM : last, id, piece);
    }
  }
  assert.match(await bodyOf(wire, 1), /"status":431/);
  assert.equal(await bodyOf(wire, 3), 'hello');
  wire.socket.destroy();
});

test('PING after PING holds up no other session', async () => {
  const [wire, other] = [await openWire(), await openWire()];
  wire.socket.pause(); // its answers stay where they are: then nothing more of it is read
  wire.sendAll(Array.from({ length: 200_000 }, () => [FRAME.ping, 0, 0, Buffer.alloc(8)] as const));
  for (const id of [1, 3, 5]) {
    other.send(FRAME.headers, END_HEADERS | END_STREAM, id, head());
    assert.equal(await bodyOf(other, id), 'hello');
  }
  wire.socket.destroy();
  other.socket.destroy();
});

suite('a flood ends its session, and no other', () => {
  async function ends(flood: (wire: Wire) => void, behind = rig): Promise<number | undefined> {
    const [wire, other] = [await openWire(behind), await openWire(behind)];
    flood(wire);
    const end = await endOf(wire);
    other.send(FRAME.headers, END_HEADERS | END_STREAM, 1, head());
    assert.equal(await bodyOf(other, 1), 'hello');
    other.socket.destroy();
    return end;
  }
  type Sent = [type: number, flags: number, id: number, payload?: Buffer | string];

  test('streams that are opened and reset at once (CVE-2023-44487)', async () => {
    const frames: Sent[] = [];
    for (let id = 1; id < 4_000; id += 2)
      frames.push([FRAME.headers, END_HEADERS | END_STREAM, id, head()], [FRAME.reset, 0, id, code(8)]);
    await ends((wire) => wire.sendAll(frames));
  });

  test('resets that the agent makes the sidecar send (CVE-2025-8671)', async () => {
    const frames: Sent[] = [];
    for (let id = 1; id < 8_000; id += 2)
      frames.push([FRAME.headers, END_HEADERS | END_STREAM, id, head()], [FRAME.window, 0, id, code(0)]);
    await ends((wire) => wire.sendAll(frames));
  });

  test('CONTINUATION without end (CVE-2024-27316)', async () => {
    const frames: Sent[] = [[FRAME.headers, END_STREAM, 1, head()]];
    for (let at = 0; at < 100; at += 1) frames.push([FRAME.continuation, 0, 1, hpack([[`x-${at}`, '1']])]);
    await ends((wire) => wire.sendAll(frames));
  });

  test('a head that becomes far larger than what is sent of it', async () => {
    // One long value in the table, and then one byte for each repetition (RFC 7541 section 6.1).
    const long = Buffer.concat([Buffer.from([0x40]), hpack([['x-long', 'v'.repeat(3_000)]]).subarray(1)]);
    const bomb = Buffer.concat([head(), long, Buffer.alloc(10_000, 0x80 | 62)]);
    const wire = await openWire();
    wire.send(FRAME.headers, END_HEADERS | END_STREAM, 1, bomb);
    const told = await wire.find(({ type }) => type === FRAME.reset || type === FRAME.goaway);
    assert.ok(told, 'it was taken');
    wire.socket.destroy();
  });

  test('SETTINGS whose answers are not read', async () => {
    const frames = frame(FRAME.settings, 0, 0);
    await ends((wire) => {
      wire.socket.pause();
      wire.socket.write(Buffer.concat(Array.from({ length: 800_000 }, () => frames)), () => wire.socket.resume());
    });
  });

  test('more settings in one frame than there are', async () => {
    await ends((wire) =>
      wire.send(
        FRAME.settings,
        0,
        0,
        Buffer.concat(Array.from({ length: 100 }, () => Buffer.from([0, 3, 0, 0, 0, 1]))),
      ),
    );
  });

  test('more streams at once than are offered', async () => {
    const seen = new Set<string>();
    await using own = await makeRig({
      allow: [`${HOST}:${port}`],
      upstreamCa: ca,
      // The flood's are never answered; the other session's is.
      scanner: (request, response) => {
        if (request.fields.some(([name]) => name === 'x-flood')) seen.add(request.url);
        else prove(request, response);
      },
    });
    const wire = await openWire(own);
    await wire.find(({ type }) => type === FRAME.settings);
    const frames: Sent[] = [];
    for (let id = 1; id < 2 * CLIENT_STREAMS + 4; id += 2)
      frames.push([FRAME.headers, END_HEADERS | END_STREAM, id, head([['x-flood', '1']])]);
    wire.sendAll(frames);
    await endOf(wire);
    const other = await openWire(own);
    other.send(FRAME.headers, END_HEADERS | END_STREAM, 1, head());
    assert.equal(await bodyOf(other, 1), 'hello');
    other.socket.destroy();
  });
});

test('what came of a truncated answer is passed on, and its stream is never ended', async () => {
  await using broken = await listenRaw(
    (socket) => {
      void readHead(socket).then(() =>
        socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\npart\r\n', () =>
          setImmediate(() => socket.destroy()),
        ),
      );
    },
    { ca, host: HOST },
  );
  await using own = await makeRig({ allow: [`${HOST}:${broken.port}`], upstreamCa: ca });
  const wire = await openWire(own, broken.port);
  wire.send(FRAME.headers, END_HEADERS | END_STREAM, 1, head([], `${HOST}:${broken.port}`));
  assert.equal(await resetOf(wire), 2);
  const of = (type: number) => wire.frames.filter((frame: Frame) => frame.id === 1 && frame.type === type);
  assert.equal(Buffer.concat(of(FRAME.data).map(({ payload }) => payload)).toString(), 'part');
  assert.ok([...of(FRAME.headers), ...of(FRAME.data)].every(({ flags }) => (flags & END_STREAM) === 0));
  wire.socket.destroy();
});
