import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ClientHttp2Session, ClientHttp2Stream, ServerHttp2Stream } from 'node:http2';
import { suite, test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { SEAM_BYTES } from '../../../addon/limits.ts';
import { block, eventually, prove, type RigOptions } from './rig.ts';
import { answerOf, makeH2Upstream, openSession, type StreamAnswer } from './support/h2.ts';
import { bytesField, numberField } from './support/protobuf.ts';
import { makeWorld, placeOf, withSession } from './support/world.ts';

const HOST = 'grpc.example.test';
const LINE = 'blocked: request body contains secret: "x" 100%';
const PLACE = placeOf(HOST);

/** A sidecar that blocks what holds "SECRET", and an upstream behind it. */
async function world(handle: (stream: ServerHttp2Stream, list: string[]) => void, options: Partial<RigOptions> = {}) {
  const made = await makeWorld(PLACE, (place) => makeH2Upstream(handle, place), {
    scanner: (seen, response) => (seen.body.includes('SECRET') ? block(LINE) : prove)(seen, response),
    ...options,
  });
  return await withSession(made, PLACE);
}

function call(session: ClientHttp2Session, list: string[] = []): ClientHttp2Stream {
  const head = [':method', 'POST', ':path', '/echo.Echo/Call', 'content-type', 'application/grpc', 'te', 'trailers'];
  const stream = session.request([...head, ...list], { endStream: false });
  stream.on('error', () => undefined);
  return stream;
}

function message(text: string | Buffer, compress?: (bytes: Buffer) => Buffer): Buffer {
  const bytes = compress ? compress(Buffer.from(text)) : Buffer.from(text);
  const prefix = Buffer.alloc(5);
  prefix.writeUInt8(compress ? 1 : 0, 0);
  prefix.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([prefix, bytes]);
}

/** Answers with every message that came, and with trailers. */
function echo(stream: ServerHttp2Stream): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0', 'x-trailer': 'yes' }));
  stream.pipe(stream);
}

/** Status and message of a call, wherever they stand. */
function statusOf({ list, trailers }: StreamAnswer): [status: string | undefined, message: string] {
  const all = [...list, ...trailers];
  const value = (name: string) => all[all.indexOf(name) + 1];
  return [
    all.includes('grpc-status') ? value('grpc-status') : undefined,
    decodeURIComponent(value('grpc-message') ?? ''),
  ];
}

suite('a call goes through message by message', () => {
  test('a unary call: head, message, answer and trailers', async () => {
    await using at = await world(echo);
    const stream = call(at.session, ['grpc-timeout', '5S', 'x-meta', '1']);
    stream.end(message('hello'));
    const answer = await answerOf(stream);
    assert.deepEqual([answer.status, answer.body], [200, message('hello').toString()]);
    assert.deepEqual(answer.trailers, ['grpc-status', '0', 'x-trailer', 'yes']);
    const seen = at.upstream.seen[0] ?? [];
    for (const [name, value] of [
      ['grpc-timeout', '5S'],
      ['x-meta', '1'],
      ['te', 'trailers'],
    ] as const)
      assert.equal(seen[seen.indexOf(name) + 1], value);
    assert.ok(!seen.includes('content-length'));
    const scanned = at.rig.scanned.map(({ url, body }) => [new URL(url).pathname, body.toString()]);
    assert.deepEqual(scanned, [
      ['/echo.Echo/Call', ''],
      ['/', 'hello'],
    ]);
    const closed = at.rig.journal().findLast((line) => line.event === 'closed');
    assert.deepEqual(closed?.event === 'closed' && closed.outcome, { kind: 'forwarded', status: 200 });
  });

  test('a server may speak first', async () => {
    await using at = await world((stream) => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
      stream.write(message('first'));
      stream.once('data', (chunk: Buffer) => stream.end(chunk));
    });
    const stream = call(at.session);
    const [first] = (await once(stream, 'data')) as [Buffer];
    assert.equal(first.toString(), message('first').toString());
    stream.write(message('then'));
    const [second] = (await once(stream, 'data')) as [Buffer];
    assert.equal(second.toString(), message('then').toString());
    stream.end();
    await once(stream, 'close');
  });

  test('each message goes on when it has been scanned, and not before it is whole', async () => {
    const came: string[] = [];
    await using at = await world((stream) => {
      stream.respond({ ':status': 200 });
      stream.on('data', (chunk: Buffer) => came.push(chunk.toString()));
      stream.on('end', () => stream.end());
    });
    const stream = call(at.session);
    const [one, two] = [message('one'), message('two')];
    stream.write(Buffer.concat([one, two.subarray(0, 6)]));
    await eventually(() => assert.equal(came.join(''), one.toString()));
    stream.end(two.subarray(6));
    await answerOf(stream);
    assert.equal(came.join(''), one.toString() + two.toString());
  });

  test('what is compressed is scanned as what it is, and sent as it came', async () => {
    await using at = await world(echo);
    for (const [encoding, compress] of [
      ['gzip', (bytes: Buffer) => gzipSync(bytes)],
      ['zstd', (bytes: Buffer) => zstdCompressSync(bytes)],
    ] as const) {
      const good = call(at.session, ['grpc-encoding', encoding]);
      good.end(message('harmless', compress));
      assert.equal((await answerOf(good)).body, message('harmless', compress).toString());
      assert.ok(at.rig.scanned.some(({ body }) => body.toString() === 'harmless'));
      const bad = call(at.session, ['grpc-encoding', encoding]);
      bad.end(message('a SECRET', compress));
      assert.equal(statusOf(await answerOf(bad))[0], '7');
    }
  });

  test('Connect and gRPC-Web are read in the same way', async () => {
    await using at = await world(echo);
    for (const type of ['application/connect+json', 'application/grpc-web+proto']) {
      const stream = at.session.request([':method', 'POST', ':path', '/s', 'content-type', type], { endStream: false });
      stream.on('error', () => undefined);
      stream.write(message('{"a":1}'));
      const [chunk] = (await once(stream, 'data')) as [Buffer];
      assert.equal(chunk.toString(), message('{"a":1}').toString());
      stream.write(message('{"a":"SECRET"}'));
      const answer = await answerOf(stream);
      assert.equal(answer.reset, 2, type);
    }
    const types = at.rig.scanned.map(
      ({ fields }) => fields.find(([name]) => name === 'content-type' || name === 'Content-Type')?.[1],
    );
    assert.ok(types.includes('application/json'));
  });
});

suite('a refusal is a status that every client reads', () => {
  test('before anything was answered: in the head, which is all', async () => {
    const came: string[] = [];
    await using at = await world((stream) => void stream.on('data', (chunk: Buffer) => came.push(chunk.toString())));
    const stream = call(at.session);
    stream.end(message('a SECRET'));
    const answer = await answerOf(stream);
    const [status, text] = statusOf(answer);
    assert.deepEqual([answer.status, answer.body, answer.trailers.length, status], [200, '', 0, '7']);
    assert.ok(text.includes(LINE));
    assert.equal(answer.headers['x-bottle-outcome'], 'blocked');
    assert.deepEqual(came, []);
  });

  test('in the middle of a stream: in trailers, and the upstream’s stream is reset', async () => {
    const came: string[] = [];
    const codes: (number | undefined)[] = [];
    await using at = await world((stream) => {
      stream.once('close', () => codes.push(stream.rstCode));
      stream.on('data', (chunk: Buffer) => came.push(chunk.toString()));
      echo(stream);
    });
    const stream = call(at.session);
    stream.write(message('fine'));
    await once(stream, 'data');
    stream.write(message('a SECRET'));
    const answer = await answerOf(stream);
    assert.deepEqual(statusOf(answer), ['7', LINE]);
    assert.equal(answer.isWhole, true);
    await eventually(() => assert.deepEqual(codes, [8]));
    assert.equal(came.join(''), message('fine').toString());
  });

  const [before, after] = ['x'.repeat(2 * SEAM_BYTES) + 'a SEC', 'RET' + 'y'.repeat(2 * SEAM_BYTES)];
  const inTwo: [title: string, first: Buffer, second: Buffer][] = [
    ['as they are', message(before), message(after)],
    ['compressed', message(before, (bytes) => gzipSync(bytes)), message(after, (bytes) => gzipSync(bytes))],
    ['in a field of a protobuf', message(bytesField(1, before)), message(bytesField(1, after))],
    [
      'in a field that has others in front of it',
      message(Buffer.concat([bytesField(1, 'name'), bytesField(10, before)])),
      message(Buffer.concat([numberField(2, 70_000), bytesField(10, after)])),
    ],
    ['two messages deep', message(bytesField(1, bytesField(2, before))), message(bytesField(1, bytesField(2, after)))],
  ];
  for (const [title, first, second] of inTwo) {
    test(`what two messages spell together, ${title}`, async () => {
      const came: Buffer[] = [];
      await using at = await world((stream) => {
        stream.on('data', (chunk: Buffer) => came.push(chunk));
        stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
        stream.on('end', () => stream.end());
      });
      const stream = call(at.session, ['grpc-encoding', 'gzip']);
      stream.write(first);
      await eventually(() => assert.ok(Buffer.concat(came).equals(first)));
      stream.end(second);
      assert.deepEqual(statusOf(await answerOf(stream)), ['7', LINE]);
      assert.ok(Buffer.concat(came).equals(first));
    });
  }

  test('one character of it in each message', async () => {
    const came: Buffer[] = [];
    await using at = await world((stream) => {
      stream.on('data', (chunk: Buffer) => came.push(chunk));
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
      stream.on('end', () => stream.end());
    });
    const stream = call(at.session);
    for (const one of 'a SECRET') stream.write(message(bytesField(1, one)));
    stream.end();
    assert.equal(statusOf(await answerOf(stream))[0], '7');
    assert.ok(!Buffer.concat(came).includes('T'));
  });

  test('a host that is not allowed', async () => {
    await using at = await world(echo);
    const session = await openSession(at.rig, { host: 'other.test', port: at.upstream.port });
    const stream = call(session);
    stream.end(message('x'));
    const [status, text] = statusOf(await answerOf(stream));
    assert.equal(status, '7');
    assert.match(text, /egress\.allow/);
    session.close();
  });

  const broken: [title: string, bytes: Buffer, list: string[], status: string][] = [
    ['a message that is cut off', message('four').subarray(0, 7), [], '3'],
    ['a prefix that is cut off', message('four').subarray(0, 3), [], '3'],
    ['an unknown flag', Buffer.from([2, 0, 0, 0, 0]), [], '3'],
    ['a compressed message without a coding', message('x', (bytes) => gzipSync(bytes)), [], '3'],
    ['two codings', message('x', (bytes) => gzipSync(bytes)), ['grpc-encoding', 'gzip', 'grpc-encoding', 'br'], '3'],
    ['an unknown coding', message('x', (bytes) => bytes), ['grpc-encoding', 'snappy'], '3'],
    ['what is not what its coding says', message('x', (bytes) => bytes), ['grpc-encoding', 'gzip'], '3'],
    ['what becomes too large', message('x', () => gzipSync(Buffer.alloc(80_000_000))), ['grpc-encoding', 'gzip'], '3'],
    ['a message beyond the limit', Buffer.from([0, 0x7f, 0xff, 0xff, 0xff]), [], '8'],
  ];
  for (const [title, bytes, list, status] of broken) {
    test(title, async () => {
      const came: string[] = [];
      await using at = await world((stream) => void stream.on('data', (chunk: Buffer) => came.push(chunk.toString())));
      const stream = call(at.session, list);
      stream.end(bytes);
      assert.equal(statusOf(await answerOf(stream))[0], status);
      assert.deepEqual(came, []);
    });
  }

  test('an upstream that breaks off is UNAVAILABLE', async () => {
    await using at = await world((stream) => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.write(message('part'), () => stream.close(2));
    });
    const stream = call(at.session);
    stream.end(message('x'));
    const [status, text] = statusOf(await answerOf(stream));
    assert.equal(status, '14');
    assert.match(text, /INTERNAL_ERROR/);
  });

  test('messages that are held give their bytes back, whatever becomes of the call', async () => {
    await using at = await world(echo, { around: { budgetBytes: 3_000 } });
    for (let round = 0; round < 8; round += 1) {
      const stream = call(at.session);
      if (round % 2 === 0) stream.end(message('x'.repeat(2_000)));
      else {
        stream.write(message('y'.repeat(2_000)).subarray(0, 1_000));
        await eventually(() => assert.equal(stream.bufferSize, 0));
        stream.close(8);
      }
      const answer = await answerOf(stream);
      if (round % 2 === 0) assert.deepEqual(statusOf(answer)[0], '0');
    }
  });
});

test('a message that is refused before all of it was looked at gives its bytes back', async () => {
  const stored = (bytes: Buffer) => gzipSync(bytes, { level: 0 }); // what it says is legible in it as it is
  const padding = 'x'.repeat(2_000);
  await using at = await world(echo, { around: { budgetBytes: 3_000 } });
  for (const refused of [
    [message(`a SECRET${padding}`, stored)],
    [message('a SEC'), message(`RET${padding}`)],
    [message(padding, () => Buffer.from(padding))],
  ]) {
    const bad = call(at.session, ['grpc-encoding', 'gzip']);
    for (const one of refused) bad.write(one);
    assert.match(statusOf(await answerOf(bad))[0] ?? '', /^(7|3)$/);
    const good = call(at.session);
    good.end(message(padding));
    assert.equal(statusOf(await answerOf(good))[0], '0');
  }
});

test('a caller that cancels cancels the upstream', async () => {
  const codes: (number | undefined)[] = [];
  await using at = await world((stream) => {
    stream.once('close', () => codes.push(stream.rstCode));
    echo(stream);
  });
  const stream = call(at.session);
  stream.write(message('x'));
  await once(stream, 'data');
  stream.close(8);
  await eventually(() => assert.deepEqual(codes, [8]));
});
