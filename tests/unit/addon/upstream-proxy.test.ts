import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { suite, test } from 'node:test';
import { type Rule, rulesOf } from '../../../contracts/policy.ts';
import { addressCheck } from '../../../addon/upstream/address.ts';
import type { DialOptions } from '../../../addon/upstream/dial.ts';
import type { Proxy } from '../../../addon/upstream/proxy.ts';
import { ask, host, makeCa, makeRig, makeUpstreamServer } from './rig.ts';
import {
  agentFor,
  headTo,
  onRequest,
  pass,
  type RawServer,
  rawServer,
  unitOf,
  upstreamOf,
} from './support/upstream.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const LOGIN = 'user:canary-pass';

/** A company's proxy on loopback: for it, every name is the upstream. */
async function companyProxy(upstream: number): Promise<RawServer & { readonly heads: string[] }> {
  const heads: string[] = [];
  const server = await rawServer((socket) => {
    onFirstHead(socket, (head) => {
      heads.push(head);
      const through = connect(upstream, '127.0.0.1');
      through.on('error', () => socket.destroy());
      socket.on('close', () => through.destroy());
      through.once('connect', () => {
        socket.write('HTTP/1.1 200 Connection established\r\nVia: 1.1 company\r\n\r\n');
        socket.pipe(through).pipe(socket);
      });
    });
  });
  return Object.assign(server, { heads });
}

function onFirstHead(socket: Socket, answer: (head: string) => void): void {
  let text = '';
  const take = (bytes: Buffer) => {
    text += bytes.toString('latin1');
    if (!text.includes('\r\n\r\n')) return;
    socket.off('data', take);
    answer(text);
  };
  socket.on('data', take);
}

/** Names resolve to nothing here: only the proxy knows them. */
function through(port: number, own: Partial<Proxy> = {}, dial: Partial<DialOptions> = {}) {
  const proxy: Proxy = { host: host('127.0.0.1'), port, credentials: LOGIN, direct: [], ...own };
  return upstreamOf({}, { proxy, check: addressCheck([]), resolve: async () => ['127.0.0.1'], ...dial });
}

suite('through a company’s proxy', () => {
  test('a request passes in a tunnel, with the proxy’s credentials for the proxy alone', async () => {
    let request = '';
    await using server = await rawServer((socket) =>
      onRequest(socket, (text) => {
        request = text;
        socket.write(OK);
      }),
    );
    await using proxy = await companyProxy(server.port);
    // Neither the proxy's address nor the target's may be dialled otherwise.
    using upstream = through(proxy.port);
    const { agent } = await pass(upstream, headTo(server.port));
    assert.equal(agent.body(), 'ok');
    const basic = Buffer.from(LOGIN).toString('base64');
    const place = `a.test:${server.port}`;
    assert.deepEqual(proxy.heads, [
      `CONNECT ${place} HTTP/1.1\r\nHost: ${place}\r\nProxy-Authorization: Basic ${basic}\r\n\r\n`,
    ]);
    assert.equal(request, `GET / HTTP/1.1\r\nHost: ${place}\r\n\r\n`);
  });

  test('a tunnel is kept for the next request', async () => {
    await using server = await rawServer((socket) => onRequest(socket, () => void socket.write(OK)));
    await using proxy = await companyProxy(server.port);
    using upstream = through(proxy.port, { credentials: undefined });
    for (let count = 0; count < 2; count += 1) await pass(upstream, headTo(server.port));
    assert.equal(proxy.heads.length, 1);
    assert.doesNotMatch(proxy.heads[0] ?? '', /authorization/i);
  });

  test('its own name is resolved here, and no target’s is', async () => {
    await using server = await rawServer((socket) => onRequest(socket, () => void socket.write(OK)));
    await using proxy = await companyProxy(server.port);
    const resolved: string[] = [];
    const resolve = async (name: string) => {
      resolved.push(name);
      return ['127.0.0.1'];
    };
    using upstream = through(proxy.port, { host: host('proxy.test') }, { resolve });
    assert.equal((await pass(upstream, headTo(server.port))).end.kind, 'relayed');
    assert.deepEqual(resolved, ['proxy.test']);
  });

  const direct: [title: string, rule: (port: number) => Rule[]][] = [
    ['by its name', () => rulesOf(['a.test'])],
    ['by its name and port', (port) => rulesOf([`a.test:${port}`])],
    ['by its suffix', () => rulesOf(['*.test'])],
  ];
  for (const [title, rules] of direct)
    test(`a host that goes without it, ${title}, is dialled directly, and its address is checked`, async () => {
      await using server = await rawServer((socket) => onRequest(socket, () => void socket.write(OK)));
      await using proxy = await companyProxy(server.port);
      using allowed = through(proxy.port, { direct: rules(server.port) }, { check: addressCheck(['127.0.0.1']) });
      assert.equal((await pass(allowed, headTo(server.port))).end.kind, 'relayed');
      using refused = through(proxy.port, { direct: rules(server.port) });
      assert.equal((await pass(refused, headTo(server.port))).end.kind, 'forbidden');
      assert.deepEqual(proxy.heads, []);
    });

  const literals: [name: string, why: RegExp][] = [
    ['127.0.0.1', /loopback/],
    ['169.254.169.254', /metadata/],
    ['10.1.2.3', /private/],
    ['[::1]', /loopback/],
    ['localhost', /localhost resolves to 127\.0\.0\.1, which is a loopback/],
    ['a.localhost', /loopback/],
  ];
  for (const [name, why] of literals)
    test(`${name} is not asked for: it is a private address whoever resolves it`, async () => {
      await using proxy = await companyProxy(1);
      using upstream = through(proxy.port);
      const { end } = await pass(upstream, headTo(443, { name }));
      assert.ok(end.kind === 'forbidden');
      assert.match(end.why, why);
      assert.equal(proxy.accepted.length, 0);
    });

  test('the sidecar itself is never reached as the proxy', async () => {
    await using proxy = await companyProxy(1);
    using upstream = through(proxy.port, {}, { self: [{ address: '127.0.0.1', ports: [proxy.port] }] });
    assert.equal((await pass(upstream, headTo(443))).end.kind, 'forbidden');
    assert.equal(proxy.accepted.length, 0);
  });

  const rows: [title: string, answer: string | Buffer, why: RegExp][] = [
    ['407', 'HTTP/1.1 407 Proxy Authentication Required\r\n\r\n', /asks for other credentials.*\(407\)/],
    ['403', 'HTTP/1.1 403 Forbidden\r\n\r\n', /does not let anybody reach this host \(403\)/],
    ['502', 'HTTP/1.0 502 Bad Gateway\r\n\r\n', /could not reach the host \(502\)/],
    ['504', 'HTTP/1.1 504 Gateway Timeout\r\n\r\n', /could not reach the host in time \(504\)/],
    ['something else', 'HTTP/1.1 302 Found\r\nLocation: http://a/\r\n\r\n', /makes no tunnel \(302\)/],
    ['garbage', '\x00\x01\r\n\r\n', /does not speak HTTP\/1\.1/],
    ['a head without end', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(70_000)}`, /answers without end/],
    ['a tunnel in which it speaks first', 'HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n', /says more than its answer/],
    ['nothing', '', /the company's proxy closed the connection/],
  ];
  for (const [title, answer, why] of rows)
    test(`an answer of ${title} is a failure with its reason, and without the credentials`, async () => {
      await using proxy = await rawServer((socket) => onFirstHead(socket, () => socket.end(answer)));
      using upstream = through(proxy.port);
      const { end, sent } = await pass(upstream, headTo(443, { scheme: 'https' }));
      assert.ok(end.kind === 'failed' && !end.started);
      assert.match(end.cause, why);
      assert.doesNotMatch(end.cause, /canary|Y2FuYXJ5/);
      assert.equal(sent, 0);
    });

  test('an agent that leaves while the proxy thinks ends the attempt', async () => {
    await using proxy = await rawServer((socket) => onFirstHead(socket, () => agent.leave()));
    using upstream = through(proxy.port);
    const head = headTo(443);
    const agent = agentFor(head);
    assert.equal((await pass(upstream, head, unitOf(), agent)).end.kind, 'gone');
    const [socket] = proxy.accepted;
    if (socket && !socket.closed) await once(socket.resume(), 'close');
  });
});

test('a session with a proxy of its own reaches TLS and plain upstreams through it, and tells its refusal as 502', async () => {
  const ca = makeCa();
  await using secure = await makeUpstreamServer((_, response) => response.end('secure'), { ca, host: 'a.test' });
  await using plain = await makeUpstreamServer((_, response) => response.end('plain'));
  await using toSecure = await companyProxy(secure.port);
  await using toPlain = await companyProxy(plain.port);
  await using refusing = await rawServer((socket) =>
    onFirstHead(socket, () => socket.end('HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n')),
  );
  const session = (port: number) =>
    makeRig({
      allow: ['a.test:443', 'a.test:80'],
      upstreamCa: ca,
      config: {
        policy: { rules: rulesOf(['a.test']), unopened: [], allow_private: [] },
        upstream_proxy: { host: '127.0.0.1', port, credentials: LOGIN, direct: [] },
      },
    });
  {
    await using rig = await session(toSecure.port);
    const answer = await ask(rig, { host: 'a.test', port: 443 });
    assert.deepEqual([answer.status, answer.body], [200, 'secure']);
    assert.match(toSecure.heads[0] ?? '', /^CONNECT a\.test:443 /);
  }
  {
    await using rig = await session(toPlain.port);
    const answer = await ask(rig, { host: 'a.test', port: 80, plain: true });
    assert.deepEqual([answer.status, answer.body], [200, 'plain']);
    assert.match(toPlain.heads[0] ?? '', /^CONNECT a\.test:80 /);
  }
  await using rig = await session(refusing.port);
  const answer = await ask(rig, { host: 'a.test', port: 443 });
  assert.equal(answer.status, 502);
  assert.match(answer.body, /the company's proxy asks for other credentials/);
  assert.doesNotMatch(JSON.stringify([answer, rig.journal()]), /canary|Y2FuYXJ5/);
});
