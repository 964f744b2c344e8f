import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import type { Authority } from '../../../addon/authority.ts';
import { SEAM_BYTES } from '../../../addon/limits.ts';
import type { BoundSecret } from '../../../contracts/secret.ts';
import { ask, eventually, makeCa, makeRig, prove, type Rig, type RigOptions } from './rig.ts';
import { type Echo, type EchoOptions, makeEcho, served, talk, type Talker } from './support/talker.ts';
import { deflater, frame, type Written } from './websocket/frames.ts';

const HOST = 'ws.example.test';
const [CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG] = [0, 1, 2, 8, 9, 10];
const SECRET = 'AKIAIOSFODNN7EXAMPLE';
const FOUND = 'blocked: request body contains secret: AWS Access ID';

/** Finds the secret in whatever it is shown. */
const finding: NonNullable<RigOptions['scanner']> = (seen, response) => {
  const shown = [seen.url, ...seen.fields.flat(), seen.body.toString('latin1')].join('\n');
  if (!shown.includes(SECRET)) return prove(seen, response);
  response.writeHead(403, { 'content-type': 'text/plain; charset=utf-8' }).end(`${FOUND}\n`);
};

let ca: Authority;
let echo: Echo;
let rig: Rig;
before(async () => {
  ca = makeCa();
  echo = await makeEcho({ ca, host: HOST });
  rig = await makeRig({ allow: [`${HOST}:${echo.port}`], upstreamCa: ca, scanner: finding });
});
after(async () => {
  await rig[Symbol.asyncDispose]();
  await echo[Symbol.asyncDispose]();
});

/** A rig and an upstream of their own. */
async function own(options: EchoOptions = {}, more: Partial<RigOptions> = {}) {
  const upstream = await makeEcho({ ca, host: HOST }, options);
  const allow = [`${HOST}:${upstream.port}`];
  const sidecar = await makeRig({ allow, upstreamCa: ca, scanner: finding, ...more });
  return {
    upstream,
    rig: sidecar,
    talk: (fields: string[] = []) => talk(sidecar, { host: HOST, port: upstream.port, fields }),
    async [Symbol.asyncDispose]() {
      await sidecar[Symbol.asyncDispose]();
      await upstream[Symbol.asyncDispose]();
    },
  };
}

const open = (path = '/', fields: string[] = []) => talk(rig, { host: HOST, port: echo.port, path, fields });
const text = (payload: string): Written => ({ opcode: TEXT, payload });

async function closed(talker: Talker): Promise<void> {
  await eventually(() => assert.ok(talker.isOver));
}

test('messages are echoed, and each was scanned by itself under its type', async () => {
  const from = rig.scanned.length;
  const talker = await open('/chat');
  assert.match(talker.head, /^HTTP\/1\.1 101 /);
  assert.match(talker.head, /sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=/i);
  talker.say(text('{"hello":1}'), { opcode: BINARY, payload: Buffer.from([0, 1, 2]) }, { opcode: PING, payload: 'p' });
  await eventually(() => assert.equal(talker.came.length, 3));
  assert.deepEqual(
    talker.came.map(({ opcode, payload }) => [opcode, payload.toString('latin1')]),
    [
      [TEXT, '{"hello":1}'],
      [BINARY, '\0\x01\x02'],
      [PONG, 'p'],
    ],
  );
  assert.ok(echo.came.slice(-3).every(({ masked }) => masked));
  const asked = rig.scanned.slice(from);
  assert.deepEqual(
    asked.map(({ method, url, body }) => [method, new URL(url).pathname, body.toString('latin1')]),
    [
      ['GET', '/chat', ''],
      ['POST', '/', '{"hello":1}'],
      ['POST', '/', '\0\x01\x02'],
      ['POST', '/', 'p'],
    ],
  );
  const types = asked.map(({ fields }) => fields.find(([name]) => name === 'Content-Type')?.[1]);
  assert.deepEqual(types, [undefined, 'application/json', 'application/octet-stream', 'text/plain']);
  assert.ok(asked[0]?.fields.some(([name]) => name === 'Sec-WebSocket-Key'));
  talker.say({ opcode: CLOSE, payload: Buffer.from([3, 232]) });
  await closed(talker);
  assert.equal(talker.close?.[0], 1000);
});

test('the journal has one exchange with its bytes and the messages that were sent', async () => {
  await using alone = await own();
  const talker = await alone.talk();
  talker.say(text('one'), text('two'));
  await eventually(() => assert.deepEqual(talker.texts, ['one', 'two']));
  talker.say({ opcode: CLOSE, payload: '' });
  await closed(talker);
  const line = await eventually(() => {
    const found = alone.rig.journal().find(({ event }) => event === 'closed');
    assert.ok(found?.event === 'closed');
    return found;
  });
  assert.deepEqual(line.outcome, { kind: 'forwarded', status: 101 });
  assert.equal(line.messages, 3);
  assert.equal(line.received_bytes, 2 * 5 + 2);
  assert.equal(line.sent_bytes, (alone.upstream.heads[0]?.length ?? 0) + 2 * 9 + 6);
  assert.equal(alone.rig.journal().filter(({ event }) => event === 'admitted').length, 1);
});

const [before10, after10] = [SECRET.slice(0, 10), SECRET.slice(10)];
const SENT: [what: string, frames: Written[] | (() => Promise<Written[]>)][] = [
  ['a text', [text(`the key is ${SECRET}.`)]],
  ['a binary message', [{ opcode: BINARY, payload: `\0\xff${SECRET}` }]],
  [
    'the fragments of a message',
    [
      { opcode: TEXT, payload: before10, fin: false },
      { opcode: CONTINUATION, payload: after10 },
    ],
  ],
  [
    'a compressed message',
    async () => [{ opcode: TEXT, rsv: 4, payload: await deflater('kept')(Buffer.from(`${SECRET} `.repeat(9))) }],
  ],
  [
    'a compressed message that refers to the one before',
    async () => {
      const deflate = deflater('kept');
      const first: Written = { opcode: TEXT, rsv: 4, payload: await deflate(Buffer.from(`${SECRET.slice(1)} first`)) };
      const second = await deflate(Buffer.from(`A${SECRET.slice(1)} first`));
      assert.ok(second.length < 10);
      return [first, { opcode: TEXT, rsv: 4, payload: second }];
    },
  ],
  ['two messages', [text(before10), text(after10)]],
  [
    'two messages with others between them',
    [text(before10), { opcode: PING, payload: 'p' }, { opcode: BINARY, payload: 'b' }, text(after10)],
  ],
  ['one character a message', SECRET.split('').map(text)],
  [
    'two messages that are longer than the window',
    [text('x'.repeat(2 * SEAM_BYTES) + before10), text(after10 + 'y'.repeat(2 * SEAM_BYTES))],
  ],
  ['a ping', [{ opcode: PING, payload: SECRET }]],
  [
    'two pings',
    [
      { opcode: PING, payload: before10 },
      { opcode: PONG, payload: after10 },
    ],
  ],
  ['the reason of a close', [{ opcode: CLOSE, payload: Buffer.concat([Buffer.from([3, 232]), Buffer.from(SECRET)]) }]],
];
suite('a secret is stopped, and the agent is told why, in', () => {
  for (const [what, frames] of SENT)
    test(what, async () => {
      await using alone = await own({ fields: () => ['Sec-WebSocket-Extensions: permessage-deflate'] });
      const talker = await alone.talk(['Sec-WebSocket-Extensions: permessage-deflate']);
      talker.say(...(typeof frames === 'function' ? await frames() : frames));
      await closed(talker);
      assert.deepEqual(talker.close, [1008, FOUND]);
      await eventually(() => assert.equal(alone.upstream.over.length, 1));
      assert.ok(
        !Buffer.concat(alone.upstream.came.map(({ payload }) => payload))
          .toString('latin1')
          .includes(SECRET),
      );
      const line = await eventually(() => {
        const found = alone.rig.journal().find(({ event }) => event === 'closed');
        assert.ok(found?.event === 'closed');
        return found;
      });
      assert.deepEqual(line.outcome, { kind: 'blocked', finding: FOUND });
      assert.equal(line.messages, alone.upstream.came.length);
    });
});

test('a secret in the handshake’s URL or fields is answered 403, and the upstream hears nothing', async () => {
  const asked = echo.heads.length;
  for (const talker of [await open(`/?key=${SECRET}`), await open('/', [`X-Key: ${SECRET}`])]) {
    assert.match(talker.head, /^HTTP\/1\.1 403 /);
    assert.match(talker.head, /x-bottle-outcome: blocked/);
  }
  assert.equal(echo.heads.length, asked);
});

test('what the server says passes at once, before the agent has said anything, and while its message is scanned', async () => {
  const held: (() => void)[] = [];
  const greeting = served(TEXT, 'welcome');
  await using alone = await own(
    { greeting },
    {
      scanner: (seen, response) =>
        seen.body.includes('slow') ? held.push(() => prove(seen, response)) : prove(seen, response),
    },
  );
  const talker = await alone.talk();
  await eventually(() => assert.deepEqual(talker.texts, ['welcome']));
  talker.say(text('slow'));
  await eventually(() => assert.equal(held.length, 1));
  alone.upstream.sockets[0]?.write(served(TEXT, 'meanwhile'));
  await eventually(() => assert.deepEqual(talker.texts, ['welcome', 'meanwhile']));
  assert.equal(alone.upstream.came.length, 0);
  held[0]?.();
  await eventually(() => assert.deepEqual(talker.texts, ['welcome', 'meanwhile', 'slow']));
});

test('what the server says reaches the agent byte for byte, whatever it is', async () => {
  const bytes = Buffer.concat([
    served(TEXT, 'a', { fin: false }),
    served(PING, 'p'),
    served(CONTINUATION, 'b'),
    served(BINARY, 'x'.repeat(70_000)),
    Buffer.from('fffe00', 'hex'),
  ]);
  await using alone = await own({ greeting: bytes });
  const talker = await alone.talk();
  const seen: Buffer[] = [];
  talker.socket.on('data', (chunk: Buffer) => seen.push(chunk));
  await eventually(() => assert.ok(Buffer.concat(seen).equals(bytes)));
});

test('in the middle of a frame of the server nothing can be said: the connection breaks', async () => {
  await using alone = await own({ greeting: served(TEXT, 'welcome').subarray(0, 4) });
  const talker = await alone.talk();
  talker.say(text(SECRET));
  await closed(talker);
  assert.equal(talker.close, undefined);
});

test('a compressed message reaches the server inflated, and is scanned as it does', async () => {
  await using alone = await own({ fields: () => ['Sec-WebSocket-Extensions: permessage-deflate'] });
  const talker = await alone.talk(['Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits']);
  const deflate = deflater('kept');
  for (const said of ['hello hello hello', 'hello hello again'])
    talker.say({ opcode: TEXT, rsv: 4, payload: await deflate(Buffer.from(said)) });
  await eventually(() => assert.deepEqual(talker.texts, ['hello hello hello', 'hello hello again']));
  assert.ok(alone.upstream.came.every(({ rsv }) => rsv === 0));
  assert.match(
    alone.upstream.heads[0] ?? '',
    /^sec-websocket-extensions: permessage-deflate; client_max_window_bits\r$/im,
  );
});

const ENDED: [what: string, bytes: Buffer, code: number][] = [
  ['a frame without a mask', served(TEXT, 'x'), 1002],
  ['a reserved opcode', frame({ opcode: 3, payload: '' }), 1002],
  ['compression that was not agreed upon', frame({ opcode: TEXT, rsv: 4, payload: '' }), 1002],
  ['a text that is not UTF-8', frame({ opcode: TEXT, payload: Buffer.from([0xff]) }), 1007],
  ['a message that is too large', frame({ opcode: BINARY, payload: Buffer.alloc(2_000) }), 1009],
];
suite('the agent is told what it did wrong by', () => {
  for (const [what, bytes, code] of ENDED)
    test(`${code} for ${what}`, async () => {
      await using alone = await own({}, { around: { bodyBytes: 1_000 } });
      const talker = await alone.talk();
      talker.socket.write(bytes);
      await closed(talker);
      assert.equal(talker.close?.[0], code);
      await eventually(() => assert.equal(alone.upstream.over.length, 1));
      assert.equal(alone.upstream.came.length, 0);
    });
});

test('1013 while there is no memory for a message, 1011 if it cannot be scanned', async () => {
  await using full = await own({}, { around: { budgetBytes: 1_000 } });
  const one = await full.talk();
  one.say({ opcode: BINARY, payload: Buffer.alloc(2_000) });
  await closed(one);
  assert.equal(one.close?.[0], 1013);
  await using mute = await own(
    {},
    { scanner: (seen, response) => (seen.method === 'POST' ? response.writeHead(204).end() : prove(seen, response)) },
  );
  const two = await mute.talk();
  two.say(text('hello'));
  await closed(two);
  assert.equal(two.close?.[0], 1011);
  assert.equal(mute.upstream.came.length, 0);
});

test('an agent that leaves without a word is told of, and the upstream’s connection ends', async () => {
  await using alone = await own();
  const talker = await alone.talk();
  talker.say(text('hello'));
  await eventually(() => assert.deepEqual(talker.texts, ['hello']));
  talker.socket.end();
  await eventually(() => assert.equal(alone.upstream.over.length, 1));
  assert.deepEqual(alone.upstream.came.at(-1)?.payload, Buffer.from([3, 233]));
  await closed(talker);
  await eventually(() => {
    const line = alone.rig.journal().at(-1);
    assert.ok(line?.event === 'closed');
    assert.deepEqual(line.outcome, { kind: 'forwarded', status: 101 });
  });
});

test('an agent’s connection that breaks ends the upstream’s, and the other way round', async () => {
  await using alone = await own();
  const talker = await alone.talk();
  talker.socket.destroy();
  await eventually(() => assert.equal(alone.upstream.over.length, 1));
  await eventually(() => {
    const line = alone.rig.journal().at(-1);
    assert.ok(line?.event === 'closed');
    assert.deepEqual(line.outcome, { kind: 'forwarded', status: 101 });
  });
  const other = await alone.talk();
  alone.upstream.sockets[1]?.destroy();
  await closed(other);
  assert.equal(other.close, undefined);
});

test('an upstream that does not switch is relayed as it answers', async () => {
  await using alone = await own({ answer: 'HTTP/1.1 401 Who\r\nX-Why: none\r\nContent-Length: 4\r\n\r\nwho?' });
  const talker = await alone.talk();
  assert.match(talker.head, /^HTTP\/1\.1 401 Who\r\n[^]*X-Why: none\r\n/);
  await closed(talker);
});

const WRONG: [what: string, fields: string[]][] = [
  ['another accept', ['Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOp=']],
  ['another protocol', ['Upgrade: h2c']],
  ['no Upgrade among the options', ['Connection: keep-alive']],
  ['an extension that was not offered', ['Sec-WebSocket-Extensions: permessage-deflate']],
  ['a sub-protocol that was not offered', ['Sec-WebSocket-Protocol: chat']],
];
suite('the agent gets 502 for a 101 with', () => {
  for (const [what, fields] of WRONG)
    test(what, async () => {
      await using alone = await own({ fields: () => fields });
      const talker = await alone.talk();
      assert.match(talker.head, /^HTTP\/1\.1 502 /);
      assert.match(talker.head, /x-bottle-outcome: failed/);
      await eventually(() => assert.equal(alone.upstream.over.length, 1));
    });
});

test('a sub-protocol that was offered, and no extension that we do not read, reach the other side', async () => {
  await using alone = await own({ fields: () => ['Sec-WebSocket-Protocol: v2'] });
  const talker = await alone.talk([
    'Sec-WebSocket-Protocol: v1, v2',
    'Sec-WebSocket-Extensions: x-webkit-deflate-frame',
  ]);
  assert.match(talker.head, /^HTTP\/1\.1 101 [^]*sec-websocket-protocol: v2\r\n/i);
  assert.match(alone.upstream.heads[0] ?? '', /sec-websocket-protocol: v1, v2\r\n/i);
  assert.doesNotMatch(alone.upstream.heads[0] ?? '', /extensions/i);
});

test('where the manifest refuses WebSockets the answer is 426 at once, and plain requests go on', async () => {
  await using alone = await own(
    { answer: 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok' },
    { config: { websockets: 'refuse' } },
  );
  const talker = await alone.talk();
  assert.match(talker.head, /^HTTP\/1\.1 426 /);
  assert.equal(alone.upstream.connections.length, 0);
  assert.equal((await ask(alone.rig, { host: HOST, port: alone.upstream.port })).body, 'ok');
});

test('a host that a secret is bound to is offered no compression, gets the value, and cannot send it back', async () => {
  const secret: BoundSecret = {
    name: 'KEY',
    placeholder: 'sk-ant-api03-stands-in-for-it-987654',
    value: 'sk-ant-api03-the-real-one-0123456789',
    hosts: [{ match: 'exact', host: HOST, ports: [443], identity: 'bound', explicit: false }],
    places: [{ kind: 'header', name: 'x-api-key', prefix: '', suffix: '' }],
    headers: {},
  };
  const upstream = await makeEcho(
    { ca, host: HOST },
    { speak: (socket) => socket.write(served(TEXT, `it is ${secret.value}`)) },
  );
  const bound = { ...secret, hosts: secret.hosts.map((rule) => ({ ...rule, ports: [upstream.port] })) };
  const allow = [`${HOST}:${upstream.port}`];
  const sidecar = await makeRig({ allow, upstreamCa: ca, config: { secrets: [bound] } });
  try {
    const fields = ['Sec-WebSocket-Extensions: permessage-deflate', `X-Api-Key: ${secret.placeholder}`];
    const talker = await talk(sidecar, { host: HOST, port: upstream.port, fields });
    assert.match(talker.head, /^HTTP\/1\.1 101 /);
    assert.match(upstream.heads[0] ?? '', new RegExp(`x-api-key: ${secret.value}\r\n`, 'i'));
    assert.doesNotMatch(upstream.heads[0] ?? '', /extensions/i);
    talker.say(text('what is my key?'));
    await closed(talker);
    assert.deepEqual(talker.texts, []);
    const own = await talk(sidecar, { host: HOST, port: upstream.port, fields });
    own.say(text(`my key is ${secret.value}`));
    await closed(own);
    assert.equal(own.close?.[0], 1008);
    assert.equal(upstream.came.length, 1);
  } finally {
    await sidecar[Symbol.asyncDispose]();
    await upstream[Symbol.asyncDispose]();
  }
});

test('large messages both ways arrive whole, and memory for them is given back', async () => {
  await using alone = await own({}, { around: { budgetBytes: 3 * 1024 * 1024 } });
  const talker = await alone.talk();
  const payload = Buffer.alloc(2 * 1024 * 1024, 'the quick brown fox ');
  for (let round = 1; round <= 3; round += 1) {
    talker.say({ opcode: BINARY, payload });
    await eventually(() => assert.equal(talker.came.length, round));
    assert.ok(talker.came[round - 1]?.payload.equals(payload));
  }
});
