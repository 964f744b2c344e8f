import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { deflateSync, gzipSync } from 'node:zlib';
import type { OwnCredential } from '../../../../contracts/credential.ts';
import { answerOf } from '../../../../addon/scanner/answer.ts';
import { detect } from '../../../../addon/scanner/detect.ts';
import type { ScanRequest } from '../../../../addon/scanner/finding.ts';
import { HEX, made } from '../../../../addon/scanner/rules/rule.ts';
import { Work } from '../../../../addon/decode/work.ts';
import { WINDOW_BYTES } from '../../../../addon/limits.ts';
import { harmlessBodies, hostileBodies, randomBytes } from './support/bodies.ts';
import { request } from './support/requests.ts';

const SECRET = `ghp_${made(36)}`;

function verdict(given: Partial<ScanRequest>, own: readonly OwnCredential[] = []): string {
  const findings = detect(request(given), own);
  return findings.length > 0 ? answerOf(findings).line : 'allowed';
}

describe('what agents send all day', () => {
  it('passes: sources, lockfiles, diffs, pictures, signatures, ids and digests', () => {
    for (const [name, body] of harmlessBodies()) assert.equal(verdict({ body }), 'allowed', name);
  });

  it('passes: bytes of no text behind what reads like the name of a password, as in any large archive', () => {
    const noise = randomBytes(64 * 4_000, 'archive');
    const cut = Array.from({ length: 4_000 }, (_, at) => noise.subarray(at * 64, at * 64 + 64));
    const body = Buffer.concat(cut.flatMap((bytes) => [Buffer.from('\npwd='), bytes]));
    assert.equal(verdict({ body }), 'allowed');
    const found = Buffer.concat([body, Buffer.from('\npwd=Gr\u00fcn9-Wald77\n')]);
    assert.equal(verdict({ body: found }), 'blocked: request body contains secret: Password Assignment');
  });

  for (const url of [
    'https://npm.example.com/@types%2fnode',
    'https://npm.example.com/undici/-/undici-8.12.4.tgz',
    `https://files.example.org/packages/${made(2, HEX)}/${made(2, HEX)}/${made(60, HEX)}/requests-2.32.3-py3-none-any.whl`,
    'https://pip.example.org/simple/requests/',
    'https://go.example.org/golang.org/x/net/@v/v0.0.0-20210921155107-089bfa567519.zip',
    'https://crates.example.org/crates/serde/serde-1.0.210.crate',
    'https://maven.example.org/maven2/org/springframework/boot/spring-boot-starter-web/3.3.4/spring-boot-starter-web-3.3.4.RELEASE.jar',
    'https://deb.example.org/debian/pool/main/c/curl/curl_7.88.1-10+deb12u8_amd64.deb',
    `https://api.github.com/repos/nodejs/node/commits/${made(40, HEX)}`,
    `https://release-assets.githubusercontent.com/github-production-release-asset/1/2?sp=r&sv=2018-11-09&sr=b&se=2026-01-01T00%3A00%3A00Z&sig=${made(43)}%3D&jwt=${Buffer.from('{"typ":"JWT","alg":"HS256"}').toString('base64url')}.${made(200)}.${made(43)}`,
    `https://s3.us-east-1.amazonaws.com/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=${`AKIA${made(16, 'ABCDEFGH234567')}`}%2F20261122%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Signature=${made(64, HEX)}`,
    `https://d111111abcdef8.cloudfront.net/x?Expires=1&Signature=${made(342)}&Key-Pair-Id=${made(14)}`,
    `https://docs.google.com/document/d/${made(44)}/edit`,
    `https://a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d6-1234567890.us-east-1.elb.amazonaws.com/`,
    `https://${made(26, 'abcdefghijklmnopqrstuvwxyz234567')}.appsync-api.us-east-1.amazonaws.com/graphql`,
    'https://fluffy-space-guacamole-7v9x4p5q6r3wq2.github.dev/',
    'https://my-app-git-feature-abc123-team.vercel.app/',
    'https://o123456.ingest.us.sentry.io/api/42/envelope/',
    `https://api.example.com/graphql?extensions=%7B%22persistedQuery%22%3A%7B%22sha256Hash%22%3A%22${made(64, HEX)}%22%7D%7D`,
    'https://login.example.com/authorize?redirect_uri=https%3A%2F%2Fapp.example.com%2Fcb%3Fnext%3D%252Fhome&state=aB3dE6gH9jK2mN5pQ8sT1vW4yZ7&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
    'https://example.com/search?q=two%0Alines%20of%20text',
    'https://example.com:8443/a/../b'.replace('/../b', '/b'),
    'http://db:5432/status',
    'http://[2606:4700:4700::1111]/dns-query',
    'http://93.184.215.14/',
  ])
    it(`passes: ${url.slice(0, 100)}`, () => assert.equal(verdict({ method: 'GET', url }), 'allowed'));

  for (const [name, value] of [
    ['Authorization', 'Bearer mF_9.B5f-4.1JqM'],
    ['Authorization', `Bearer ${made(64)}`],
    ['Authorization', `Basic ${Buffer.from('user:correcthorse').toString('base64')}`],
    ['Cookie', `session=${made(64)}; _ga=GA1.2.1234567890.1234567890; csrftoken=${made(32)}; access_token=${made(40)}`],
    ['traceparent', `00-${made(32, HEX)}-${made(16, HEX)}-01`],
    ['If-None-Match', `W/"${made(32, HEX)}"`],
    ['Sec-WebSocket-Key', randomBytes(16, 'ws').toString('base64')],
    [
      'User-Agent',
      'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36',
    ],
    ['X-Pipelock-Agent', 'scan-7f3a9c2e51'],
  ] as const)
    it(`passes: ${name}: ${value.slice(0, 40)}`, () => assert.equal(verdict({ fields: [[name, value]] }), 'allowed'));
});

describe('what must not leave', () => {
  it('is found beside anything', () => {
    const picture = randomBytes(300_000, 'picture').toString('base64');
    assert.match(verdict({ body: Buffer.from(JSON.stringify({ picture, note: SECRET })) }), /GitHub Token/);
    assert.match(verdict({ body: Buffer.from(`{"a":${'['.repeat(50_000)}"${SECRET}"`) }), /GitHub Token/);
  });

  it('is found where two pieces of a large body meet', () => {
    const body = Buffer.alloc(9 * 1024 * 1024, '. ');
    body.write(SECRET, 8 * 1024 * 1024 - 17);
    assert.match(verdict({ body }), /GitHub Token/);
  });

  it('is found behind characters that nobody sees or that look like others', () => {
    const [head, tail] = [SECRET.slice(0, 10), SECRET.slice(10)];
    assert.match(verdict({ body: Buffer.from(`${head}\u200b${tail}`) }), /GitHub Token/);
    assert.match(verdict({ body: Buffer.from(`g\u04bbp_${SECRET.slice(4)}`.replace('p', '\u0440')) }), /GitHub Token/);
    const wide = Array.from({ length: SECRET.length }, (_, i) =>
      String.fromCodePoint(SECRET.charCodeAt(i) + 0xfee0),
    ).join('');
    assert.match(verdict({ body: Buffer.from(wide) }), /GitHub Token/);
  });

  it('is found in the second of two gzip members, and in a part of a multipart body', () => {
    const body = Buffer.concat([
      Buffer.from('--b\r\n\r\n'),
      gzipSync('nothing'),
      gzipSync(`a ${SECRET}`),
      Buffer.from('\r\n--b--'),
    ]);
    assert.match(verdict({ body }), /GitHub Token/);
  });

  it('is found in a body that is zlib and does not say so', () => {
    for (const level of [1, 6, 9])
      assert.match(verdict({ body: deflateSync(`{"a":"${SECRET}"}`, { level }) }), /GitHub Token/);
  });

  it('is found behind a single character of quoted-printable where the body says that it is', () => {
    const part = (name: string) =>
      `--b\r\nContent-Transfer-Encoding: ${name}\r\n\r\n=67${SECRET.slice(1, 20)}=\r\n${SECRET.slice(20)}\r\n--b--`;
    for (const name of ['quoted-printable', 'Quoted-Printable', 'QUOTED-PRINTABLE'])
      assert.match(verdict({ body: Buffer.from(part(name)) }), /GitHub Token/);
    assert.equal(verdict({ body: Buffer.from(part('binary')) }), 'allowed', 'elsewhere it is an assignment');
  });

  it('is found in the method', () => assert.match(verdict({ method: SECRET }), /GitHub Token/));

  it('is found in a host, in capitals or cut by dots', () => {
    assert.match(verdict({ url: `https://${SECRET.replace('_', '-')}.example.com/` }), /^blocked: /);
    assert.match(
      verdict({ url: `https://${Buffer.from(SECRET).toString('hex').slice(0, 62)}.evil.example.com/` }),
      /encoded data/,
    );
    assert.match(verdict({ url: `https://akiaiosf.odnn7examp1e.evil.example.com/` }), /^blocked: /);
  });

  it('is blocked unseen when it is compressed beyond the limit inside a body', () => {
    const bomb = gzipSync(Buffer.alloc(80 * 1024 * 1024)).toString('base64');
    assert.match(verdict({ body: Buffer.from(JSON.stringify({ bomb })) }), /decompresses to more than can be scanned/);
  });
});

describe('the URL itself', () => {
  for (const [url, expected] of [
    ['ftp://example.com/', /scheme not allowed/],
    ['no url', /invalid URL/],
    ['http:///x', /invalid URL/],
    ['http://example.com/%0d%0aSet-Cookie:%20a', /CRLF injection/],
    ['http://example.com/a/%2e%2e/b', /path traversal/],
    ['http://2130706433/', /core SSRF: 127\.0\.0\.1/],
    ['http://127.1/', /core SSRF: 127\.0\.0\.1/],
    ['http://[::1]/', /core SSRF: ::1/],
    ['http://[::ffff:7f00:1]/', /core SSRF: 127\.0\.0\.1/],
    ['http://[64:ff9b::a9fe:a9fe]/', /core SSRF: 169\.254\.169\.254/],
    ['http://localhost:3000/', /core SSRF/],
    ['http://metadata.google.internal/', /core SSRF/],
    ['http://10.0.0.1.nip.io/', /core SSRF: 10\.0\.0\.1/],
    ['http://192.168.1.1./', /core SSRF/],
    ['https://pastebin.com/api', /domain blocked/],
    ['https://x.y.webhook.site/', /domain blocked/],
    [`https://example.com/?d=${made(40)}`, /high entropy query param/],
  ] as const)
    it(`blocks ${url.slice(0, 60)}`, () => assert.match(verdict({ url, method: 'GET' }), expected));
});

describe('an agent’s own credential', () => {
  const own: OwnCredential[] = [
    {
      issuer: 'A',
      hosts: ['api.example.com'],
      place: { kind: 'header', name: 'Authorization' },
      shape: 'Bearer ghp_[A-Za-z0-9]{36}',
    },
    {
      issuer: 'A',
      hosts: ['api.example.com'],
      place: { kind: 'body', path: '/token', field: 'code' },
      shape: '[\\x21-\\x7e]{8,512}',
    },
  ];
  const url = 'https://api.example.com/token';

  it('passes in its header, whole, towards its host', () => {
    assert.equal(verdict({ url, fields: [['authorization', `Bearer ${SECRET}`]] }, own), 'allowed');
    assert.equal(
      verdict({ url: 'https://API.example.com/other', fields: [['AUTHORIZATION', `Bearer ${SECRET}`]] }, own),
      'allowed',
    );
  });

  it('is a finding with more around it, in another field, towards another host', () => {
    assert.match(verdict({ url, fields: [['authorization', `Bearer ${SECRET} `.concat('x')]] }, own), /^blocked/);
    assert.match(verdict({ url, fields: [['x-other', `Bearer ${SECRET}`]] }, own), /^blocked/);
    assert.match(
      verdict({ url: 'https://example.com/', fields: [['authorization', `Bearer ${SECRET}`]] }, own),
      /^blocked/,
    );
    assert.match(
      verdict({ url: 'https://api.example.com.evil.test/', fields: [['authorization', `Bearer ${SECRET}`]] }, own),
      /^blocked/,
    );
    assert.match(
      verdict(
        {
          url,
          fields: [
            ['authorization', `Bearer ${SECRET}`],
            ['authorization', SECRET],
          ],
        },
        own,
      ),
      /^blocked/,
    );
  });

  it('passes as a top-level member of a JSON or form body on its path', () => {
    assert.equal(verdict({ url, body: Buffer.from(`{"grant":"x", "code": "${SECRET}"}`) }, own), 'allowed');
    assert.equal(verdict({ url, body: Buffer.from(`grant=x&code=${SECRET}`) }, own), 'allowed');
    assert.equal(
      verdict({ url, fields: [['Content-Encoding', 'gzip']], body: gzipSync(`{"code":"${SECRET}"}`) }, own),
      'allowed',
    );
  });

  it('is a finding deeper in the body, in another member, on another path', () => {
    assert.match(verdict({ url, body: Buffer.from(`{"a":{"code":"${SECRET}"}}`) }, own), /^blocked/);
    assert.match(verdict({ url, body: Buffer.from(`{"a":["code","${SECRET}"]}`) }, own), /^blocked/);
    assert.match(verdict({ url, body: Buffer.from(`{"cod":"${SECRET}"}`) }, own), /^blocked/);
    assert.match(verdict({ url, body: Buffer.from(`{"code":"x1x1x1x1","code":"a b ${SECRET}"}`) }, own), /^blocked/);
    assert.match(
      verdict({ url: 'https://api.example.com/x', body: Buffer.from(`{"code":"${SECRET}"}`) }, own),
      /^blocked/,
    );
  });
});

describe('the work of one scan', () => {
  it('is bounded for bodies that are made to be slow', () => {
    const size = 1024 * 1024;
    for (const [name, body] of hostileBodies(size)) {
      const work = new Work();
      detect(request({ body }), [], work);
      // Eight layers of decoding at the most, each no longer than the text; windows as far as the budget.
      assert.ok(work.scannedBytes <= 10 * size, `${name}: ${work.scannedBytes} bytes scanned`);
      assert.ok(work.windowBytes <= 128 * size, `${name}: ${work.windowBytes} bytes in windows`);
      assert.ok(work.inflations <= 65, `${name}: ${work.inflations} inflations`);
    }
  });

  it('is about two passes over source code in JSON', () => {
    for (const [name, body] of harmlessBodies()) {
      const work = new Work();
      detect(request({ body }), [], work);
      assert.ok(work.scannedBytes <= 4 * body.length + 8192, `${name}: ${work.scannedBytes} of ${body.length}`);
    }
  });

  it('is enough for a window full of numbers, as a table of them has', () => {
    const body = Buffer.from(Array.from({ length: WINDOW_BYTES / 10 }, (_, at) => `${101_000_000 + at}\n`).join(''));
    assert.deepEqual(detect(request({ body }), []), []);
  });

  it('ends in a block when it is too much', () => {
    const work = new Work();
    work.scan(1e12);
    assert.deepEqual(detect(request({ body: Buffer.from('x') }), [], work)[0]?.kind, 'unscannable');
  });
});
