import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { request as send } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { OwnCredential } from '../../../../contracts/credential.ts';
import { type Field, receiptOf, sha256 } from '../../../../addon/receipt.ts';
import { made } from '../../../../addon/scanner/rules/rule.ts';
import { createScanner, MAX_BODY_BYTES } from '../../../../addon/scanner/serve.ts';

const KEY = Buffer.alloc(32, 7);
const SECRET = `sk-ant-${'api03'}-${made(60)}`;
const OWN: OwnCredential[] = [
  {
    issuer: 'Anthropic',
    hosts: ['api.anthropic.com'],
    place: { kind: 'header', name: 'x-api-key' },
    shape: 'sk-ant-[A-Za-z0-9_-]{8,200}',
  },
];

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

describe('the scanner’s server', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bottle-scanner-'));
  const socketPath = join(folder, 'scan.sock');
  const log: string[] = [];
  let fails = false;
  const server = createScanner({
    key: KEY,
    own: OWN,
    log: (line) => void log.push(line),
  });
  const failing = createScanner({
    key: KEY,
    own: OWN,
    log: (line) => void log.push(line),
    detect: () => {
      throw new Error(`out of order ${SECRET}`);
    },
  });
  const failingPath = join(folder, 'failing.sock');

  before(async () => {
    await once(server.listen(socketPath), 'listening');
    await once(failing.listen(failingPath), 'listening');
  });
  beforeEach(() => {
    log.length = 0;
    fails = false;
  });
  after(() => {
    for (const one of [server, failing]) {
      one.close();
      one.closeAllConnections();
    }
    rmSync(folder, { recursive: true });
  });

  /** Sends a scan call as the sidecar does. */
  async function call(
    path: string,
    {
      method = 'POST',
      fields = [],
      body = Buffer.alloc(0),
      trailers = [],
      part = '0/1',
    }: { method?: string; fields?: Field[]; body?: Buffer; trailers?: Field[]; part?: string | null } = {},
  ): Promise<Answer> {
    const flat = [
      ['Host', 'x'],
      ['x-bottle-nonce', 'n1'],
      ...(part === null ? [] : [['x-bottle-part', part]]),
      ...fields,
    ];
    if (trailers.length > 0)
      flat.push(['Transfer-Encoding', 'chunked'], ['Trailer', trailers.map(([name]) => name).join(', ')]);
    else flat.push(['Content-Length', String(body.length)]);
    const outgoing = send({
      socketPath: fails ? failingPath : socketPath,
      method,
      path,
      headers: flat.flat() as unknown as Record<string, string>,
    });
    outgoing.on('error', () => {});
    if (trailers.length > 0) outgoing.addTrailers(trailers.map(([name, value]): [string, string] => [name, value]));
    outgoing.end(body);
    const [response] = await once(outgoing, 'response');
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk);
    return { status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks).toString() };
  }

  function blocked(answer: Answer, line: string | RegExp): void {
    refused(answer, 403, line);
  }

  function refused(answer: Answer, status: number, line: string | RegExp): void {
    assert.equal(answer.status, status);
    assert.equal(answer.headers['content-type'], 'text/plain; charset=utf-8');
    assert.equal(answer.headers['x-content-type-options'], 'nosniff');
    if (typeof line === 'string') assert.equal(answer.body, `${line}\n`);
    else assert.match(answer.body, line);
    assert.equal(answer.headers['x-bottle-receipt'], undefined);
  }

  it('answers an allow with the receipt of exactly what arrived', async () => {
    const fields: Field[] = [
      ['X-One', 'a'],
      ['x-two', 'b'],
      ['X-One', 'caf\u00e9'],
    ];
    const trailers: Field[] = [['X-Sum', 'done']];
    const body = Buffer.from('{"hello":"world"}');
    const answer = await call('http://api.example.com/v1?b=2&a=1', { fields, body, trailers, part: '1/3' });
    assert.equal(answer.status, 204);
    const expected = receiptOf(KEY, {
      nonce: 'n1',
      index: 1,
      count: 3,
      method: 'POST',
      url: 'http://api.example.com/v1?b=2&a=1',
      fields,
      trailers,
      bodySha256: sha256(body),
    });
    assert.equal(answer.headers['x-bottle-receipt'], expected);
    assert.equal(answer.body, '');
  });

  it('blocks a secret in the body and names the rule', async () => {
    blocked(
      await call('http://api.example.com/', { body: Buffer.from(`{"a":"${SECRET}"}`) }),
      'blocked: request body contains secret: Anthropic API Key',
    );
  });

  it('blocks a secret in a header field and names the rule', async () => {
    blocked(
      await call('http://api.example.com/', { fields: [['X-Note', SECRET]] }),
      'blocked: request header contains secret: Anthropic API Key',
    );
  });

  it('blocks a secret in the URL, and says so before it looks at the body', async () => {
    const answer = await call(`http://api.example.com/?k=${SECRET}`, { body: Buffer.from(`ghp_${made(36)}`) });
    blocked(answer, 'blocked: DLP match: Anthropic API Key (critical)');
  });

  it('reports the body rather than a header field', async () => {
    const answer = await call('http://api.example.com/', {
      fields: [['X-Note', SECRET]],
      body: Buffer.from(`ghp_${made(36)}`),
    });
    blocked(answer, 'blocked: request body contains secret: GitHub Token');
  });

  it('blocks an internal address, whatever its form', async () => {
    blocked(
      await call('http://0x7f000001/admin', { method: 'GET' }),
      'blocked: core SSRF: 127.0.0.1 is a private/internal IP address',
    );
  });

  it('takes no field of a request for a permission', async () => {
    const fields: Field[] = [['X-Bottle-Private-Address', 'allowed']];
    blocked(await call('http://172.20.0.5/x', { method: 'GET', fields }), /^blocked: core SSRF/);
  });

  it('has no body in the answer to a HEAD', async () => {
    const answer = await call('http://10.0.0.1/', { method: 'HEAD' });
    assert.deepEqual([answer.status, answer.body], [403, '']);
  });

  it('lets an agent’s own credential pass towards its own provider, and nowhere else', async () => {
    const fields: Field[] = [['X-Api-Key', SECRET]];
    assert.equal((await call('http://api.anthropic.com/v1/messages', { fields })).status, 204);
    blocked(await call('http://api.example.com/v1/messages', { fields }), /Anthropic API Key/);
  });

  it('refuses a compressed body that it cannot open, and one that opens to too much', async () => {
    const fields: Field[] = [['Content-Encoding', 'gzip']];
    refused(
      await call('http://api.example.com/', { fields, body: Buffer.from('no gzip') }),
      400,
      /^refused: request body does not decode/,
    );
    refused(
      await call('http://api.example.com/', { fields: [['Content-Encoding', 'rot13']], body: Buffer.from('x') }),
      400,
      /^refused: request body uses an unknown Content-Encoding/,
    );
    refused(
      await call('http://api.example.com/', { fields, body: gzipSync(Buffer.alloc(80 * 1024 * 1024)) }),
      413,
      /^refused: request body exceeds max_body_bytes/,
    );
  });

  it('refuses a body over the limit', async () => {
    const answer = await call('http://api.example.com/', { body: Buffer.alloc(MAX_BODY_BYTES + 1, 32) });
    refused(answer, 413, `refused: request body exceeds max_body_bytes (${MAX_BODY_BYTES})`);
  });

  it('says that it could not tell when it fails, never an allow', async () => {
    fails = true;
    const answer = await call('http://api.example.com/');
    assert.equal(answer.status, 500);
    assert.equal(answer.headers['x-bottle-receipt'], undefined);
    assert.equal(answer.body, 'scan failed\n');
  });

  it('refuses a call without its nonce and part, in origin form, and a CONNECT', async () => {
    assert.equal((await call('http://api.example.com/', { part: null })).status, 400);
    assert.equal((await call('http://api.example.com/', { part: '2/2' })).status, 400);
    assert.equal((await call('http://api.example.com/', { fields: [['x-bottle-nonce', 'n2']] })).status, 400);
    assert.equal((await call('/origin')).status, 404);
    assert.match(await raw('CONNECT api.example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n'), /^HTTP\/1\.1 405 /);
  });

  it('says that it is there', async () => {
    assert.equal((await call('/health', { method: 'GET' })).status, 200);
  });

  it('answers nonsense with 400 and goes on', async () => {
    assert.match(await raw('\x16\x03\x01 nonsense\r\n\r\n'), /^HTTP\/1\.1 400 /);
    assert.equal((await call('http://api.example.com/')).status, 204);
  });

  it('survives callers that go away in the middle', async () => {
    for (const text of [
      'POST http://a.example.com/ HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\nx-bottle-nonce: n\r\nx-bottle-part: 0/1\r\n\r\nhalf',
      'GET http',
    ]) {
      const socket = connect(socketPath);
      await once(socket, 'connect');
      socket.write(text);
      socket.destroy();
    }
    assert.equal((await call('http://api.example.com/')).status, 204);
  });

  it('logs one line for each request, with the other scanner’s event names', async () => {
    const fields: Field[] = [['X-Pipelock-Agent', 'scan-1']];
    await call('http://api.example.com/ok', { fields });
    await call('http://api.example.com/', { fields, body: Buffer.from(SECRET) });
    await call('http://api.example.com/', { fields: [...fields, ['X-Note', SECRET]] });
    await call('http://10.0.0.1/', { fields });
    const lines = log.map((line): Record<string, unknown> => JSON.parse(line));
    assert.deepEqual(
      lines.map((line) => [line['event'], line['agent']]),
      [
        ['forward_http', 'scan-1'],
        ['body_dlp', 'scan-1'],
        ['header_dlp', 'scan-1'],
        ['blocked', 'scan-1'],
      ],
    );
    assert.equal(lines[0]?.['url'], 'http://api.example.com/[redacted]');
    assert.deepEqual(lines[1]?.['patterns'], ['Anthropic API Key']);
    assert.equal(lines[3]?.['scanner'], 'core_ssrf');
  });

  it('never repeats what a request holds, in no answer and no log line', async () => {
    const canary = 'CANARY7f3a9c2e51';
    const calls = [
      call(`http://api.example.com/${canary}?${canary}=${canary}`),
      call(`http://api.example.com/?password=${canary}x9x9x9`),
      // A plain host is told, as in other scanners' logs; one with labels as long as data is not.
      call(`http://${canary}.${canary}${canary}.oastify.com/`),
      call(`http://user:${canary}@10.0.0.1/`),
      call('http://api.example.com/', { fields: [[`X-${canary}`, `${SECRET} ${canary}`]] }),
      call('http://api.example.com/', { fields: [['X-Pipelock-Agent', `${canary} ${SECRET}`]] }),
      call('http://api.example.com/', { fields: [['Content-Encoding', canary]], body: Buffer.from(canary) }),
      call('http://api.example.com/', { body: Buffer.from(`${canary} ${SECRET} ${canary}`) }),
      call('http://api.example.com/', { trailers: [['X-T', `${canary} ${SECRET}`]] }),
      call(`${canary}://api.example.com/`),
      call('http://api.example.com/', { part: canary }),
    ];
    const seen = JSON.stringify([await Promise.all(calls), log]).toLowerCase();
    for (const text of [canary, SECRET, made(60)]) assert.ok(!seen.includes(text.toLowerCase()), text);
    assert.ok(log.length >= 9);
  });

  async function raw(text: string): Promise<string> {
    const socket = connect(socketPath);
    socket.end(text);
    let answer = '';
    for await (const chunk of socket) answer += String(chunk);
    return answer;
  }
});
