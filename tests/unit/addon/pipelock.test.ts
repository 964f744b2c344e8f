/** The sidecar with a scanner on a network: a stand-in that answers what pipelock was recorded to answer. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, suite, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { Mask } from '../../../contracts/mask.ts';
import type { PipelockScanner } from '../../../contracts/sidecar.ts';
import type { Unit } from '../../../addon/message.ts';
import { makeBudget } from '../../../addon/budget.ts';
import { SEAM_BYTES } from '../../../addon/limits.ts';
import { connectScanner } from '../../../addon/scan.ts';
import { openSink } from '../../../addon/sink.ts';
import { recordedAnswers } from '../support/answers.ts';
import { type Echo, makeEcho, talk } from './support/talker.ts';
import { denial, makeStandin, rawOf, type Standin } from '../support/standin.ts';
import {
  ask,
  eventually,
  host,
  KEY,
  makeCa,
  makeRig,
  makeUpstreamServer,
  readAll,
  type Rig,
  type TestUpstream,
} from './rig.ts';

const ca = makeCa();
const answers = recordedAnswers();
/** Recorded meanings that are a block to us. */
const BLOCKS = new Set(['block', 'unscannable', 'rate-limit', 'kill-switch']);

const KEY_IN_TEXT = ['AKIA', 'Q3EGRZPXV4T7KWJB'].join('');

const MASK: Mask = {
  name: 'pictures',
  hosts: [{ match: 'exact', host: 'a.test', ports: [443] }],
  places: ['picture.data'],
  hashes: false,
};

function scannerAt(standin: Standin): PipelockScanner {
  const sink = { address: '127.0.0.1', port: 0, dns_port: 0 };
  return {
    kind: 'pipelock',
    address: '127.0.0.1',
    port: standin.port,
    sink,
    body_bytes: 8_388_608,
    masks: [MASK],
  } as const;
}

suite('a sidecar with a scanner on a network', () => {
  let standin: Standin;
  let upstream: TestUpstream;
  let echo: Echo;
  let rig: Rig;
  before(async () => {
    standin = await makeStandin();
    echo = await makeEcho({ ca, host: 'a.test' });
    upstream = await makeUpstreamServer((_, response) => response.end('hello'), { ca, host: 'a.test' });
    rig = await makeRig({
      allow: [`a.test:${upstream.port}`, `a.test:${echo.port}`],
      config: { scanner: scannerAt(standin) },
      upstreamCa: ca,
      around: { deadline: () => 400 },
    });
    standin.sink = rig.sidecar.sinkPort ?? 0;
  });
  after(async () => {
    await rig[Symbol.asyncDispose]();
    await upstream[Symbol.asyncDispose]();
    await echo[Symbol.asyncDispose]();
    await standin[Symbol.asyncDispose]();
  });
  const talking = () => talk(rig, { host: 'a.test', port: echo.port });
  const send = (more: object = {}) =>
    ask(rig, { host: 'a.test', port: upstream.port, method: 'POST', body: '{"a":"b"}', ...more });
  /** Answers requests of the agent so, and the self-test as ever. */
  const answer = (own: Standin['answer']) => {
    standin.answer = (asked) => (asked.url.startsWith('http://a.test') ? own(asked) : undefined);
  };

  test('is ready once the scanner serves and finds', async () => {
    assert.equal(await rig.sidecar.scannerReady(), undefined);
  });

  test('sends what came back proven, and proves the fields that the scanner drops', async () => {
    answer(() => undefined);
    const fields = ['Via', 'Forwarded', 'X-Forwarded-For', 'Pragma', 'User-Agent', 'Signature'].map(
      (name) => [name, 'no-cache'] as const,
    );
    const { status, body } = await send({ fields, path: '/a%2Fb"?agent=x;y' });
    assert.deepEqual([status, body], [200, 'hello']);
    const asked = standin.asked.findLast(({ url }) => url.startsWith('http://a.test'));
    for (const name of ['Via', 'Pragma', 'User-Agent'])
      assert.ok(
        asked?.fields.some(([given]) => given === `Agent-Field-${name}`),
        name,
      );
    const seen = upstream.seen.at(-1);
    assert.equal(seen?.url, '/a%2Fb"?agent=x;y', 'what is sent is what the agent wrote');
    for (const [name] of fields)
      assert.ok(
        seen.fields.some(([given]) => given === name),
        name,
      );
  });

  for (const recorded of typeof answers === 'string' ? [] : answers)
    test(`${recorded.id} (${recorded.meaning}) is ${BLOCKS.has(recorded.meaning) ? 403 : 503}, and nothing is sent`, async () => {
      if (recorded.request.method === 'HEAD' && recorded.meaning !== 'allow') return; // a reply to HEAD has no body
      answer(() => rawOf(recorded));
      const before = upstream.seen.length;
      const { status } = await send();
      assert.equal(status, BLOCKS.has(recorded.meaning) ? 403 : 503);
      assert.equal(upstream.seen.length, before);
    });

  test('what is masked is sent as it is, shown to no scanner, and stands in the journal with its bytes', async () => {
    answer(() => undefined);
    const run = 'Zm9v'.repeat(50);
    const body = JSON.stringify({ picture: { data: run }, text: 'hello' });
    const fields = [['Content-Type', 'application/json']];
    assert.equal((await send({ body, fields })).status, 200);
    assert.equal(upstream.seen.at(-1)?.body.toString(), body);
    const asked = standin.asked.filter(({ url }) => url.startsWith('http://a.test')).slice(-2);
    assert.ok(asked.some((one) => one.body === body.replace(run, 'masked')));
    assert.ok(asked.every((one) => !one.body.includes(run)));
    const admitted = rig.journal().findLast(({ event }) => event === 'admitted');
    assert.deepEqual(admitted?.event === 'admitted' && admitted.masked, [{ mask: 'pictures', bytes: 200 }]);
    await send();
    const next = rig.journal().findLast(({ event }) => event === 'admitted');
    assert.ok(next?.event === 'admitted' && next.masked === undefined);
  });

  test('what is masked of the messages of a stream is in no part, nor in what two spell together, and is added up', async () => {
    answer(() => undefined);
    const asked = standin.asked.length;
    const run = 'Zm9v'.repeat(2 * SEAM_BYTES);
    const event = (text: string) => JSON.stringify({ text, picture: { data: run } });
    const talker = await talking();
    for (const text of ['one', 'two']) talker.say({ opcode: 1, payload: event(text) });
    await eventually(() => assert.deepEqual(talker.texts, [event('one'), event('two')]));
    talker.say({ opcode: 1, payload: event(KEY_IN_TEXT) });
    await eventually(() => assert.equal(talker.close?.[0], 1008));
    const shown = standin.asked.slice(asked).map(({ body }) => body);
    for (const text of ['one', 'two']) assert.ok(shown.includes(event(text).replace(run, 'masked')));
    assert.ok(
      shown.some((body) => body.includes('masked"}}{"text":"two","picture"')),
      'a seam',
    );
    assert.ok(shown.every((body) => !body.includes('Zm9v')));
    const closed = await eventually(() => {
      const line = rig.journal().findLast(({ event: name }) => name === 'closed');
      assert.ok(line?.event === 'closed' && line.outcome.kind === 'blocked');
      return line;
    });
    assert.deepEqual([closed.messages, closed.masked], [2, [{ mask: 'pictures', bytes: 2 * run.length }]]);
  });

  test('a key in what is masked of a message is a block that the sidecar finds by itself', async () => {
    answer(() => undefined);
    const data = `${'Zm9v'.repeat(20)}/${KEY_IN_TEXT}/`;
    const talker = await talking();
    talker.say({ opcode: 1, payload: JSON.stringify({ picture: { data } }) });
    await eventually(() => assert.equal(talker.close?.[0], 1008));
    assert.match(talker.close?.[1] ?? '', /^blocked: /);
    const closed = rig.journal().findLast(({ event }) => event === 'closed');
    assert.ok(closed?.event === 'closed' && closed.messages === 0 && closed.masked === undefined);
  });

  test('a key in what is masked is a block that the sidecar finds by itself', async () => {
    answer(() => undefined);
    const asked = standin.asked.length;
    const data = `${'Zm9v'.repeat(20)}/${['AKIA', 'Q3EGRZPXV4T7KWJB'].join('')}/`;
    const fields = [['Content-Type', 'application/json']];
    const blocked = await send({ body: JSON.stringify({ picture: { data } }), fields });
    assert.deepEqual([blocked.status, blocked.headers['x-bottle-outcome']], [403, 'blocked']);
    assert.equal(standin.asked.length, asked);
  });

  const unscannable: [what: string, more: object, status: number][] = [
    ['does not decode', { fields: [['Content-Encoding', 'gzip']], body: 'no gzip' }, 400],
    ['has a coding that is not known', { fields: [['Content-Encoding', 'lzma']], body: 'x' }, 400],
    ['becomes too large', { fields: [['Content-Encoding', 'gzip']], body: gzipSync(Buffer.alloc(9_000_000)) }, 413],
    ['decodes to too much', { body: gzipSync(Buffer.alloc(9_000_000)) }, 413],
  ];
  for (const [what, more, status] of unscannable)
    test(`a body that ${what} is refused with ${status}, and the journal says so`, async () => {
      answer(() => undefined);
      const before = upstream.seen.length;
      const refused = await send(more);
      assert.deepEqual([refused.status, refused.headers['x-bottle-outcome']], [status, 'refused']);
      const closed = rig.journal().findLast(({ event }) => event === 'closed');
      assert.equal(closed?.event === 'closed' && closed.outcome.kind, 'refused');
      assert.equal(upstream.seen.length, before);
    });

  test('a scanner that does not answer is a 503, and one that came back is tested before it is believed', async () => {
    answer(() => 'silence');
    assert.equal((await send()).status, 503);
    answer(() => undefined);
    standin.answer = (asked) => (asked.url.includes('self-test') ? denial('blocked: anything') : undefined);
    standin.restart();
    const refused = await send();
    assert.equal(refused.status, 503);
    assert.match(refused.body, /self-test/);
    standin.answer = () => undefined;
    assert.equal((await send()).status, 200);
  });

  test('nobody but the scanner reaches the sink, and it proves nothing that is no part', async () => {
    const stranger = connect({ port: standin.sink, host: '127.0.0.1', localAddress: '127.0.0.2' });
    stranger.on('error', () => undefined);
    stranger.write('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n');
    assert.equal(await readAll(stranger), '');
    const own = connect(standin.sink, '127.0.0.1');
    await once(own, 'connect');
    own.end('GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n');
    const answered = await readAll(own);
    assert.match(answered, /^HTTP\/1\.1 204 /);
    assert.doesNotMatch(answered, /x-bottle-receipt/i);
  });
});

suite('recorded answers', { skip: typeof answers === 'string' ? answers : false }, () => {
  test('are there', () => assert.ok(answers.length > 100));
});

suite('the self-test', () => {
  const cases: [what: string, answer: Standin['answer'], why: RegExp][] = [
    ['lets a body pass', ({ body }) => pass(body.includes('AKIA')), /a secret in a body: .*204 without a receipt/],
    [
      'blocks everything',
      ({ url }) => (url === '/health' ? undefined : denial('blocked: x')),
      /a harmless request was/,
    ],
    [
      'only finds in bodies',
      ({ fields }) => pass(fields.some(([, value]) => value.startsWith('sk-ant-'))),
      /a secret in a header field/,
    ],
    [
      'takes twelve keys for a phrase',
      ({ body }) => (body.startsWith('[') ? denial('blocked: request body contains secret: BIP-39') : undefined),
      /a dozen keys/,
    ],
  ];
  for (const [what, answer, why] of cases)
    test(`fails with a scanner that ${what}`, async () => {
      await using standin = await makeStandin();
      await using rig = await makeRig({ allow: [], config: { scanner: scannerAt(standin) } });
      standin.sink = rig.sidecar.sinkPort ?? 0;
      standin.answer = answer;
      assert.match((await rig.sidecar.scannerReady()) ?? '', why);
    });

  function pass(it: boolean) {
    return it ? { bytes: Buffer.from('HTTP/1.1 204 No Content\r\n\r\n'), close: false } : undefined;
  }
});

test('behind a scanner that hangs nobody waits for long', async () => {
  await using standin = await makeStandin();
  const sink = await openSink({ address: '127.0.0.1', port: 0, dnsPort: 0, scanner: '127.0.0.1', key: KEY });
  standin.sink = sink.port;
  const scanner = connectScanner({
    reach: { kind: 'tcp', address: '127.0.0.1', port: standin.port },
    limits: { reads: 'plain', bodyBytes: 1_000_000 },
    windowBytes: 1_000_000,
    key: KEY,
    budget: makeBudget(0),
    connections: 2,
    patienceMs: 1_000,
    deadline: () => 1_000,
  });
  const scan = () => scanner.scan('id', { method: 'GET', target: TARGET, path: '/x', fields: [] }, unit(), NEVER);
  assert.deepEqual(await scan(), { kind: 'allow' });
  standin.answer = () => 'silence';
  const causes = (await Promise.all([scan(), scan(), scan(), scan()])).map((result) =>
    result.kind === 'error' ? result.cause : result.kind,
  );
  const busy = 'the scanner was busy with others for too long';
  assert.deepEqual(causes.slice(2), [busy, busy], 'the two before still count, though they were given up');
  await scanner.close();
  await sink.close();
});

const NEVER = new AbortController().signal;

test('a scan that was given up still counts as busy, and a full queue is said at once', async () => {
  await using standin = await makeStandin();
  const sink = await openSink({ address: '127.0.0.1', port: 0, dnsPort: 0, scanner: '127.0.0.1', key: KEY });
  standin.sink = sink.port;
  const scanner = connectScanner({
    reach: { kind: 'tcp', address: '127.0.0.1', port: standin.port },
    limits: { reads: 'plain', bodyBytes: 1_000_000 },
    windowBytes: 1_000_000,
    key: KEY,
    budget: makeBudget(0),
    connections: 1,
    queue: 4, // the self-test's
  });
  const scan = (gone: AbortSignal) =>
    scanner.scan('id', { method: 'GET', target: TARGET, path: '/x', fields: [] }, unit(), gone);
  assert.deepEqual(await scan(new AbortController().signal), { kind: 'allow' });

  standin.answer = () => 'silence';
  const impatient = new AbortController();
  const count = standin.asked.length + 1;
  const first = scan(impatient.signal);
  await eventually(() => assert.equal(standin.asked.length, count));
  impatient.abort();
  assert.equal((await first).kind, 'error');
  const waiting = new AbortController();
  const others = Array.from({ length: 4 }, () => scan(waiting.signal));
  const late = await scan(new AbortController().signal);
  assert.deepEqual(late, { kind: 'error', cause: 'too many scans are waiting' });
  assert.equal(
    standin.asked.length,
    count,
    'nothing more is asked while the scanner is still at the one that was given up',
  );
  waiting.abort();
  assert.ok((await Promise.all(others)).every(({ kind }) => kind === 'error'));
  await scanner.close();
  await sink.close();
});

const TARGET = { scheme: 'https', host: host('a.test'), port: 443 } as const;

function unit(): Unit {
  return { kind: 'unit', size: 0, last: true, trailers: [], chunks: () => [], [Symbol.dispose]: () => undefined };
}
