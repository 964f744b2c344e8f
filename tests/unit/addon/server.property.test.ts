import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isPerHop } from '../../../addon/receipt.ts';
import { ask, makeRig, makeUpstreamServer, openTunnel, readAll, type Seen } from './rig.ts';

const HOST = 'api.example.test';

/** What may not differ between what was scanned and what was sent. */
/** The scanner is shown the asterisk of OPTIONS as a path: no URI has it by itself. */
function essence({ method, url, fields, body }: Seen): string {
  const kept = fields.filter(([name]) => !isPerHop(name) && name.toLowerCase() !== 'x-pipelock-agent');
  return JSON.stringify([
    method,
    url.replace(`http://${HOST}`, '').replace(/^\*$/, '/*'),
    kept,
    body.toString('latin1'),
  ]);
}

test('whatever bytes come through a tunnel, the upstream sees nothing that was not scanned, field by field and byte by byte', async () => {
  await using upstream = await makeUpstreamServer((_, response) => response.end('ok'));
  // What never becomes whole is ended soon.
  await using rig = await makeRig({ allow: [`${HOST}:${upstream.port}`], around: { headMs: 150 } });
  const at = `${HOST}:${upstream.port}`;
  const line = fc
    .tuple(
      fc.constantFrom('GET', 'POST', 'PUT', 'HEAD', 'OPTIONS', 'TRACE', 'CONNECT', 'get', 'PRI'),
      fc.constantFrom('/', '/a?b=c', '//x/../y', `http://${at}/p`, 'http://evil.test/', '*', '/#f', '/\xe9', '/a b'),
      fc.constantFrom('HTTP/1.1', 'HTTP/1.0', 'HTTP/1.1', 'HTTP/3.9'),
    )
    .map((parts) => parts.join(' '));
  const field = fc.constantFrom(
    `host: ${HOST}`,
    'Host: evil.test',
    'Content-Length: 5',
    'Content-Length: 0',
    'Content-Length: 05',
    'Content-Length: +5',
    'Transfer-Encoding: chunked',
    'Transfer-Encoding: gzip, chunked',
    'Transfer-Encoding : chunked',
    'transfer-encoding:\tchunked',
    'Connection: close',
    'Connection: keep-alive, X-Secret',
    'X-Secret: canary',
    'X-Bottle-Nonce: forged',
    'x-pipelock-agent: forged',
    'Expect: 100-continue',
    'Upgrade: h2c',
    'Upgrade: websocket',
    'TE: trailers',
    'Trailer: X-T',
    'X-Long: a\r\n b',
    'X-Bad: a\rb',
    'X-Nul: a\0b',
    'X-Latin: caf\xe9',
    ': empty',
    'X-Empty:',
  );
  const body = fc.constantFrom(
    '',
    '',
    '',
    'hello',
    '5\r\nhello\r\n0\r\n\r\n',
    '5;x=y\r\nhello\r\n0\r\nX-T: v\r\n\r\n',
    'z\r\n',
    'GET / HTTP/1.1\r\n\r\n',
  );
  const message = fc
    .tuple(line, fc.array(field, { maxLength: 3 }), fc.constantFrom('\r\n', '\r\n', '\r\n', '\n'), body)
    .map(([start, fields, end, rest]) => `${[start, `Host: ${at}`, ...fields].join(end)}${end}${end}${rest}`);

  const last = `GET /last HTTP/1.1\r\nHost: ${at}\r\nConnection: close\r\n\r\n`;

  await fc.assert(
    fc.asyncProperty(
      fc.array(message, { minLength: 1, maxLength: 2 }),
      fc.integer({ min: 1, max: 200 }),
      async (messages, cut) => {
        const socket = await openTunnel(rig, { host: HOST, port: upstream.port, plain: true });
        const done = readAll(socket);
        const bytes = Buffer.from(`${messages.join('')}${last}`, 'latin1');
        socket.write(bytes.subarray(0, cut));
        setImmediate(() => socket.write(bytes.subarray(cut)));
        await done;
      },
    ),
    { numRuns: 300 },
  );
  const scanned = new Set(rig.scanned.map(essence));
  for (const seen of upstream.seen) assert.ok(scanned.has(essence(seen)), essence(seen));
  assert.ok(upstream.seen.length > 10, 'too few of the requests were good ones');
  assert.ok(upstream.seen.length <= rig.scanned.length);
  assert.equal((await ask(rig, { host: HOST, port: upstream.port, plain: true })).status, 200);
});
