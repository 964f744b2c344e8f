import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RECEIPT_FIELD } from '../../../addon/receipt.ts';
import { type Reply, sanitise, verdictOf } from '../../../addon/verdict.ts';

const EXPECTED = 'a'.repeat(64);
const KILLED = '{"error":"kill_switch_active","message":"Emergency deny-all active"}\n';

function reply(
  status: number,
  body = '',
  fields: [string, string][] = [['Content-Type', 'text/plain; charset=utf-8']],
): Reply {
  return { status, fields, body: Buffer.from(body), bodiless: false };
}

test('only 204 with exactly the expected receipt is an allow', () => {
  const proven: [string, string][] = [['X-Bottle-Receipt', EXPECTED]];
  assert.equal(verdictOf(reply(204, '', proven), EXPECTED).kind, 'allow');
  for (const [status, fields] of [
    [204, []],
    [204, [[RECEIPT_FIELD, 'b'.repeat(64)]]],
    [204, [[RECEIPT_FIELD, EXPECTED.slice(1)]]],
    [204, [[RECEIPT_FIELD, '']]],
    [204, [...proven, ...proven]],
    [200, proven],
    [205, proven],
    [304, proven],
    [502, proven],
  ] as [number, [string, string][]][])
    assert.equal(verdictOf(reply(status, '', fields), EXPECTED).kind, 'error', `${status} ${JSON.stringify(fields)}`);
});

test('what a scanner says of itself is a block, an error in disguise or unknown', () => {
  const rows: [number, string, 'block' | 'error'][] = [
    [403, 'blocked: request body contains secret: AWS Access ID, AWS Access ID', 'block'],
    [403, 'blocked: request header contains secret', 'block'],
    [403, 'blocked: domain blocked: a.test matches a.test', 'block'],
    [
      403,
      'blocked: request body uses Content-Encoding "gzip"; compressed bodies cannot be scanned for secrets',
      'block',
    ],
    [403, 'blocked: invalid JSON body', 'block'],
    [403, 'blocked: SSRF blocked: a.test resolves to internal IP 10.0.0.1', 'block'],
    [403, 'blocked: session escalation level critical', 'block'],
    [403, 'airlock: airlock: drain tier blocks all traffic', 'block'],
    [403, 'session anomaly: 2 new domains in 5m window (threshold: 2)', 'block'],
    [403, 'blocked by request policy: x', 'block'],
    [403, 'blocked: a2a: A2A-Extensions header contains blocked URI', 'block'],
    [403, 'blocked: a2a: header finding', 'block'],
    [403, 'airlock: airlock: hard tier blocks write methods on forward proxy', 'block'],
    [403, 'blocked: high entropy path segment (4.95 > 4.50 threshold) (escalated)', 'block'],
    [403, 'blocked: external_publish_after_untrusted_external_exposure', 'block'],
    [403, 'blocked: request body contains secret: AWS Access ID (escalated)', 'block'],
    [403, 'blocked: request body exceeds max_body_bytes (8388608)', 'block'],
    [403, 'blocked: invalid application/x-www-form-urlencoded body', 'block'],
    [403, 'blocked: multipart/form-data missing boundary', 'block'],
    [403, 'blocked: multipart body exceeds 100 parts limit', 'block'],
    [403, 'blocked: multipart filename exceeds 256 bytes', 'block'],
    [403, 'blocked: error reading multipart part: unexpected EOF', 'block'],
    [403, 'blocked: multipart parse error: x', 'block'],
    [403, 'blocked: redaction blocked request: non_json_body', 'block'],
    [403, 'blocked: redaction blocked request: duplicate_object_key', 'block'],
    [403, 'blocked: address poisoning detected: x', 'block'],
    [403, 'blocked: cross-request entropy budget exceeded', 'block'],
    [403, 'blocked: cross-request secret detected: AWS Access ID', 'block'],
    [403, 'blocked: redirect blocked: domain blocked: a.test matches a.test', 'block'],
    [403, 'blocked: invalid URL', 'block'],
    [403, 'blocked: scheme "ftp" not allowed: only http and https', 'block'],
    [403, 'blocked: CRLF injection sequence in URL', 'block'],
    [403, 'blocked: double-encoded CRLF injection sequence in URL', 'block'],
    [403, 'blocked: encoded CR or LF in URL', 'block'],
    [403, 'blocked: raw CRLF bytes in URL', 'block'],
    [403, 'blocked: path traversal sequence in URL', 'block'],
    [403, 'blocked: domain not in allowlist: a.test', 'block'],
    [403, 'blocked: core SSRF: a.test is a private/internal IP address', 'block'],
    [403, 'blocked: core DLP match: GitHub Token (critical)', 'block'],
    [403, 'blocked: DLP match: JWT Token (high)', 'block'],
    [403, 'blocked: environment variable leak detected (hex-encoded)', 'block'],
    [403, 'blocked: known secret leak detected (base64-encoded)', 'block'],
    [403, 'blocked: DLP match: BIP-39 Seed Phrase (critical)', 'block'],
    [403, 'blocked: high entropy query key "k" (5.00 > 4.50 threshold)', 'block'],
    [403, 'blocked: high entropy query param "k" (5.00 > 4.50 threshold)', 'block'],
    [403, 'blocked: high entropy subdomain label "l" (4.50 > 4.00 threshold)', 'block'],
    [403, 'blocked: SSRF blocked: a.test decodes to internal IP 10.0.0.1', 'block'],
    [403, 'blocked: URL length 20000 exceeds maximum 16384', 'block'],
    [403, 'blocked: data budget exceeded for a.test', 'block'],
    [429, 'blocked: rate limit exceeded for a.test', 'block'],
    [429, 'blocked: budget of requests is spent', 'block'],
    [403, 'blocked: redaction error: x', 'error'],
    [403, 'blocked: redaction runtime unavailable during reload', 'error'],
    [403, 'blocked: mediation envelope signing failed', 'error'],
    [403, 'blocked: a2a: response finding', 'error'],
    [403, 'blocked: response body exceeds browser shield size limit', 'error'],
    [403, 'blocked: error reading request body: read tcp 10.0.0.1:1: i/o timeout', 'error'],
    [403, 'blocked: error reading request body: invalid byte in chunk length', 'error'],
    [400, '400 Bad Request: missing required Host header', 'error'],
    [400, '400 Bad Request: invalid header name', 'error'],
    [505, '505 HTTP Version Not Supported: unsupported protocol version', 'error'],
    [404, '404 page not found', 'error'],
    [403, 'blocked: error reading request body: unexpected EOF', 'error'],
    [403, 'blocked: SSRF check failed: DNS resolution error for a.test: x', 'error'],
    [403, 'blocked: request context cancelled', 'error'],
    [403, 'blocked: request context unavailable', 'error'],
    [403, 'blocked: response read error', 'error'],
    [403, 'blocked: response contains injection', 'error'],
    [403, 'blocked: compressed response cannot be scanned', 'error'],
    [403, 'blocked: compressed sse_stream response cannot be scanned', 'error'],
    [403, 'blocked: media_policy: audio stripped', 'error'],
    [403, 'blocked', 'error'],
    [403, '', 'error'],
    [403, 'Forbidden', 'error'],
    [405, 'forward proxy not enabled', 'error'],
    [405, 'CONNECT not supported', 'error'],
    [400, '400 Bad Request', 'error'],
    [417, '', 'error'],
    [431, '431 Request Header Fields Too Large', 'error'],
    [501, 'Unsupported transfer encoding', 'error'],
    [502, 'forward proxy fetch failed', 'error'],
    [503, 'scanner unavailable during reload', 'error'],
    [503, 'blocked: x', 'error'],
    [200, 'blocked: x', 'error'],
  ];
  for (const [status, body, kind] of rows) {
    const verdict = verdictOf(reply(status, `${body}\n`), EXPECTED);
    assert.equal(verdict.kind, kind, `${status} ${body}`);
    if (verdict.kind === 'block') assert.equal(verdict.finding, body);
  }
});

test('the embedded scanner says of what it cannot read why it is refused', () => {
  assert.deepEqual(verdictOf(reply(413, 'refused: request body is too much\n'), EXPECTED), {
    kind: 'refused',
    status: 413,
    reason: 'request body is too much',
  });
  assert.equal(verdictOf(reply(400, 'refused: x\n'), EXPECTED).kind, 'refused');
  for (const [status, body, type] of [
    [400, '400 Bad Request', 'text/plain'],
    [413, 'blocked: x', 'text/plain'],
    [413, 'refused: x', 'text/html'],
    [403, 'refused: x', 'text/plain'],
    [503, 'refused: x', 'text/plain'],
  ] as const)
    assert.equal(verdictOf(reply(status, body, [['Content-Type', type]]), EXPECTED).kind, 'error', `${status} ${body}`);
  const behind: [string, string][] = [
    ['Content-Type', 'text/plain'],
    ['x-bottle-nonce', 'n'],
  ];
  assert.equal(verdictOf(reply(400, 'refused: x', behind), EXPECTED).kind, 'error');
});

test('the reason field makes a 403 a block, another type without it does not', () => {
  const typed = (fields: [string, string][]) => verdictOf(reply(403, 'blocked: x', fields), EXPECTED).kind;
  assert.equal(typed([['Content-Type', 'text/html']]), 'error');
  assert.equal(typed([]), 'error');
  assert.equal(typed([['Content-Type', 'text/plainer']]), 'error');
  assert.equal(typed([['X-Pipelock-Block-Reason', 'dlp']]), 'block');
  assert.equal(verdictOf(reply(403, '', [['x-pipelock-block-reason', 'dlp']]), EXPECTED).kind, 'block');
  assert.equal(verdictOf(reply(502, '', [['x-pipelock-block-reason', 'dlp']]), EXPECTED).kind, 'error');
});

test('a reply to HEAD has no body: 403 as plain text is a block without a finding', () => {
  assert.equal(verdictOf({ ...reply(403), bodiless: true }, EXPECTED).kind, 'block');
  assert.equal(verdictOf({ ...reply(429), bodiless: true }, EXPECTED).kind, 'error');
  assert.equal(verdictOf({ ...reply(403, '', []), bodiless: true }, EXPECTED).kind, 'error');
});

test('whatever a reply holds, it is an allow only with status 204 and the receipt', () => {
  const field = fc.tuple(
    fc.constantFrom('content-type', RECEIPT_FIELD, 'X-Bottle-Receipt', 'x-pipelock-block-reason', 'server'),
    fc.oneof(fc.string(), fc.constantFrom(EXPECTED, 'text/plain', 'application/json', EXPECTED.toUpperCase())),
  );
  fc.assert(
    fc.property(
      fc.oneof(fc.constantFrom(200, 204, 400, 403, 413, 429, 503), fc.integer({ min: 100, max: 999 })),
      fc.array(field, { maxLength: 4 }),
      fc.oneof(fc.string(), fc.constantFrom('blocked: x', 'refused: z', 'airlock: y', KILLED)),
      fc.boolean(),
      (status, fields, body, bodiless) => {
        const verdict = verdictOf({ status, fields, body: Buffer.from(body), bodiless }, EXPECTED);
        const receipts = fields.filter(([name]) => name.toLowerCase() === RECEIPT_FIELD);
        const proven = status === 204 && receipts.length === 1 && receipts[0]?.[1] === EXPECTED;
        assert.equal(verdict.kind === 'allow', proven);
        if (verdict.kind === 'block') {
          assert.ok(status === 403 || status === 429 || (status === 503 && body.includes('kill_switch_active')));
          assert.match(verdict.finding, /^[\x20-\x7e]{0,310}$/);
        }
        if (verdict.kind === 'refused') {
          assert.ok((status === 400 || status === 413) && body.trimStart().startsWith('refused: '));
          assert.match(verdict.reason, /^[\x20-\x7e]{0,310}$/);
        }
      },
    ),
    { numRuns: 2000 },
  );
});

test('a kill switch is a block by its status, type and name; anything near it is not', () => {
  const json: [string, string][] = [['Content-Type', 'application/json']];
  assert.deepEqual(verdictOf(reply(503, KILLED, json), EXPECTED), {
    kind: 'block',
    finding: 'blocked: kill switch active',
  });
  for (const [status, body, fields] of [
    [503, KILLED, [['Content-Type', 'text/plain']]],
    [500, KILLED, json],
    [503, '{"error":"kill_switch_actives"}', json],
    [503, '["kill_switch_active"]', json],
    [503, 'kill_switch_active', json],
    [503, 'null', json],
  ] as [number, string, [string, string][]][])
    assert.equal(verdictOf(reply(status, body, fields), EXPECTED).kind, 'error', `${status} ${body}`);
});

test('a block that carries what only the sink writes has come from behind the scanner', () => {
  for (const name of ['X-Bottle-Nonce', 'x-bottle-receipt']) {
    const forged = reply(403, 'blocked: x', [
      ['Content-Type', 'text/plain'],
      [name, EXPECTED],
    ]);
    assert.equal(verdictOf(forged, EXPECTED).kind, 'error', name);
  }
});

test('a line is passed on as printable ASCII, bounded and alone', () => {
  assert.equal(sanitise('blocked: \x1b[31mred\u00e9\nsecond'), 'blocked: ?[31mred?');
  assert.equal(sanitise(`blocked: ${'x'.repeat(1000)}`).length, 300);
});
