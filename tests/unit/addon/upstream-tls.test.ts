import assert from 'node:assert/strict';
import { createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net';
import { suite, test } from 'node:test';
import { createServer, type TlsOptions, type TLSSocket } from 'node:tls';
import { parseRule, type Rule } from '../../../contracts/policy.ts';
import { tlsProblem } from '../../../addon/upstream/tls.ts';
import type { DialOptions } from '../../../addon/upstream/dial.ts';
import { certified } from '../support/certified.ts';
import { headTo, onRequest, pass, upstreamOf } from './support/upstream.ts';

const root = certified({ host: 'upstream', isCa: true });
const good = certified({ issuer: root });
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

interface Secured extends AsyncDisposable {
  readonly port: number;
  readonly accepted: TLSSocket[];
  readonly reused: boolean[];
  /** Common names of what the clients showed. */
  readonly shown: unknown[];
}

async function secured(options: TlsOptions, answer = OK): Promise<Secured> {
  const accepted: TLSSocket[] = [];
  const reused: boolean[] = [];
  const shown: unknown[] = [];
  const server = createServer({ ...good, ...options }, (socket) => {
    socket.on('error', () => undefined);
    accepted.push(socket);
    reused.push(Boolean(socket.isSessionReused()));
    shown.push(socket.getPeerCertificate().subject?.CN);
    onRequest(socket, () => void socket.write(answer));
  });
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    accepted,
    reused,
    shown,
    async [Symbol.asyncDispose]() {
      for (const socket of accepted) socket.destroy();
      await new Promise((resolve) => void server.close(resolve));
    },
  };
}

async function passTo(options: TlsOptions, dial: Partial<DialOptions> = {}) {
  await using server = await secured(options);
  using upstream = upstreamOf({}, { extraRoots: [root.cert], ...dial });
  return await pass(upstream, headTo(server.port, { scheme: 'https' }));
}

suite('an upstream whose certificate is refused is told with the check that failed:', () => {
  const rows: [title: string, options: TlsOptions, why: RegExp][] = [
    ['it has expired', certified({ issuer: root, from: -3, until: -1 }), /it has expired \(CERT_HAS_EXPIRED\)/],
    ['it is not valid yet', certified({ issuer: root, from: 1, until: 2 }), /not valid yet \(CERT_NOT_YET_VALID\)/],
    ['it is for another host', certified({ issuer: root, host: 'b.test' }), /for another host \(ERR_TLS_CERT_ALTNAME/],
    ['it is self-signed', certified(), /self-signed \(DEPTH_ZERO_SELF_SIGNED_CERT\)/],
    [
      'its issuer is unknown',
      certified({ issuer: certified({ host: 'other', isCa: true }) }),
      /issuer is not known; a company root goes into egress\.upstream_ca/,
    ],
    [
      'its root is unknown, and sent along',
      (() => {
        const other = certified({ host: 'other', isCa: true });
        const leaf = certified({ issuer: other });
        return { ...leaf, cert: leaf.cert + other.cert };
      })(),
      /root is not known; a company root goes into egress\.upstream_ca \(SELF_SIGNED_CERT_IN_CHAIN\)/,
    ],
  ];
  for (const [title, options, why] of rows)
    test(title, async () => {
      const { end, sent } = await passTo(options);
      assert.ok(end.kind === 'failed' && !end.started);
      assert.match(end.cause, /^its certificate was not accepted: /);
      assert.match(end.cause, why);
      assert.equal(sent, 0);
    });

  test('it is for a name, and the target is an address', async () => {
    await using server = await secured({});
    using upstream = upstreamOf({}, { extraRoots: [root.cert] });
    const { end } = await pass(upstream, headTo(server.port, { scheme: 'https', name: '127.0.0.1' }));
    assert.ok(end.kind === 'failed' && /for another host/.test(end.cause));
  });
});

suite('an upstream', () => {
  test('with a certificate of a root that the manifest names is spoken to', async () => {
    assert.equal((await passTo({})).agent.body(), 'ok');
  });

  test('that speaks nothing newer than TLS 1.1 is not spoken to', async () => {
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    const { end } = await passTo(old);
    assert.ok(end.kind === 'failed');
    assert.match(end.cause, /it speaks nothing newer than TLS 1\.1/);
  });

  test('that speaks TLS 1.2 is', async () => {
    assert.equal((await passTo({ maxVersion: 'TLSv1.2' })).agent.body(), 'ok');
  });

  test('that speaks no TLS is told so', async () => {
    const server = createTcpServer((socket: Socket) => {
      socket.on('error', () => undefined).once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    using upstream = upstreamOf();
    const { port } = server.address() as AddressInfo;
    const { end } = await pass(upstream, headTo(port, { scheme: 'https' }));
    await new Promise((resolve) => void server.close(resolve));
    assert.ok(end.kind === 'failed');
    assert.match(end.cause, /what it answers is not TLS/);
  });

  test('is told the name of the host; for a switch of protocol it is offered HTTP/1.1 alone', async () => {
    let offered: string[] = [];
    const refusal = 'HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n';
    await using server = await secured(
      {
        ALPNCallback: ({ protocols }) => {
          offered = protocols;
          return 'http/1.1';
        },
      },
      refusal,
    );
    using upstream = upstreamOf({}, { extraRoots: [root.cert] });
    const { agent } = await pass(upstream, headTo(server.port, { scheme: 'https', upgrade: 'websocket' }));
    assert.equal(agent.started?.status, 403);
    assert.deepEqual(offered, ['http/1.1']);
    assert.equal(server.accepted[0]?.servername, 'a.test');
  });

  for (const version of ['TLSv1.2', 'TLSv1.3'] as const)
    test(`that is connected to a second time resumes its session (${version})`, async () => {
      const closing = `HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok`;
      await using server = await secured({ maxVersion: version }, closing);
      using upstream = upstreamOf({}, { extraRoots: [root.cert] });
      for (let count = 0; count < 2; count += 1) await pass(upstream, headTo(server.port, { scheme: 'https' }));
      assert.deepEqual(server.reused, [false, true]);
    });
});

suite('an upstream that asks for a certificate', () => {
  const clients = certified({ host: 'clients', isCa: true });
  const mine = certified({ host: 'me', issuer: clients });
  const asking = { requestCert: true, rejectUnauthorized: true, ca: clients.cert };
  const rule = (text: string) => parseRule(text) as Rule;

  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    test(`is shown the one of its host (${maxVersion})`, async () => {
      await using server = await secured({ ...asking, maxVersion });
      for (const host of ['a.test', `a.test:${server.port}`, '*.test']) {
        using upstream = upstreamOf({}, { extraRoots: [root.cert], certificates: [{ host: rule(host), ...mine }] });
        assert.equal((await pass(upstream, headTo(server.port, { scheme: 'https' }))).agent.body(), 'ok', host);
      }
      assert.deepEqual(server.shown, ['me', 'me', 'me']);
    });

    test(`is not shown that of another host (${maxVersion})`, async () => {
      const certificates = [
        { host: rule('b.test'), ...mine },
        { host: rule('a.test:1'), ...mine },
      ];
      const { end } = await passTo({ ...asking, maxVersion }, { certificates });
      assert.ok(end.kind === 'failed' && !end.started);
    });
  }

  // OpenSSL's own words: Node's server closes without any.
  const rows: [code: string, why: RegExp][] = [
    ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', /asks for a client certificate; one goes into egress\.client_/],
    ['ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE', /wants a client certificate \(egress\.client_certificates\)/],
    ['ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE', /does not accept the client certificate/],
    ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', /does not know the issuer of the client certificate/],
    ['ERR_TLS_CERT_ALTNAME_FORMAT', /^its certificate was not accepted \(ERR_TLS_CERT_ALTNAME_FORMAT\)$/],
  ];
  for (const [code, why] of rows)
    test(`and says ${code}`, () => {
      assert.match(tlsProblem(code) ?? '', why);
    });

  test('is not taken for one by a connection that was reset', () => {
    assert.equal(tlsProblem('ECONNRESET'), undefined);
  });

  test('and does not know its issuer refuses it', async () => {
    const certificates = [{ host: rule('a.test'), ...certified({ host: 'me' }) }];
    const { end } = await passTo(asking, { certificates });
    assert.ok(end.kind === 'failed' && !end.started);
  });
});
