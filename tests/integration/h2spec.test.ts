/**
 * What h2spec says of the sidecar's HTTP/2. It is a Go program, built from its module, that opens TLS by itself: it is given a port that
 * opens the tunnel first.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { host, makeCa, makeRig, readHead, type Rig } from '../unit/addon/rig.ts';

/** go.mod names its tool in a way that Go has had since 1.24. */
const GO_MINOR = 24;
/** The name by which h2spec asks, and so the host of every request: its port is the shim's, the upstream's has the same number. */
const HOST = 'localhost';
const UPSTREAM = '127.0.0.2';

/**
 * Cases that fail, each with what is done in place of what h2spec expects; a plain server of Node's fails them too. Those of the first two
 * kinds depend on which of two frames is handled first, so that they pass at times.
 */
const FORGOTTEN = 'nghttp2 keeps nothing of a stream that is closed: it drops what still comes on it';
const PRIORITIES =
  'priorities are no part of HTTP/2 any more (RFC 9113 section 5.3.2): nghttp2 drops these frames unread';
const EXPECTED: Readonly<Record<string, string>> = {
  'http2/5.1 half closed (remote): Sends a DATA frame': FORGOTTEN,
  'http2/5.1 half closed (remote): Sends a HEADERS frame': FORGOTTEN,
  'http2/5.1 closed: Sends a DATA frame after sending RST_STREAM frame': FORGOTTEN,
  'http2/5.1 closed: Sends a HEADERS frame after sending RST_STREAM frame': FORGOTTEN,
  'http2/5.1 closed: Sends a DATA frame': FORGOTTEN,
  'http2/5.1 closed: Sends a HEADERS frame': FORGOTTEN,
  'http2/5.1.1 Sends stream identifier that is numerically smaller than previous': FORGOTTEN,
  'http2/6.1 Sends a DATA frame on the stream that is not in "open" or "half-closed (local)" state': FORGOTTEN,
  'http2/5.3.1 Sends PRIORITY frame that depend on itself': PRIORITIES,
  'http2/6.3 Sends a PRIORITY frame with 0x0 stream identifier': PRIORITIES,
  'http2/6.7 Sends a PING frame with ACK': 'an answer to no PING ends the session',
  'http2/6.9.1 Sends multiple WINDOW_UPDATE frames increasing the flow control window to above 2^31-1 on a stream':
    'it ends the session and not only the stream',
};

describe('h2spec', { skip: whyNot(), timeout: 600_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'bottle-h2spec-'));
  const program = join(folder, 'h2spec');
  let rig: Rig;
  const servers: Server[] = [];
  let port: number;

  before(async () => {
    const cwd = fileURLToPath(new URL('../h2spec', import.meta.url));
    execFileSync('go', ['build', '-o', program, 'github.com/summerwind/h2spec/cmd/h2spec'], { cwd });
    const shim = createServer((socket) => {
      socket.on('error', () => socket.destroy());
      const proxy = connect(rig.sidecar.port, '127.0.0.1');
      proxy.on('error', () => socket.destroy());
      socket.once('close', () => proxy.destroy());
      proxy.once('close', () => socket.destroy());
      proxy.write(`CONNECT ${HOST}:${port} HTTP/1.1\r\nHost: ${HOST}:${port}\r\n\r\n`);
      void readHead(proxy).then(() => proxy.pipe(socket).pipe(proxy));
    });
    port = await listen(shim, '127.0.0.1', 0);
    const ca = makeCa();
    const answers = createHttpServer((request, response) => {
      request.resume().once('end', () => response.end('hello, and enough to need a few frames of a small window'));
    });
    const upstream = createServer((raw) => {
      raw.on('error', () => undefined);
      const secure = new TLSSocket(raw, { isServer: true, secureContext: ca.contextFor(host(HOST)) });
      secure.on('error', () => undefined);
      secure.once('secure', () => answers.emit('connection', secure));
    });
    await listen(upstream, UPSTREAM, port);
    servers.push(shim, upstream);
    rig = await makeRig({ allow: [`${HOST}:${port}`], upstreamCa: ca, around: { resolve: async () => [UPSTREAM] } });
  });
  after(async () => {
    await rig[Symbol.asyncDispose]();
    for (const server of servers) server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('finds nothing but what is expected of it', async (t) => {
    const report = join(folder, 'report.xml');
    const child = spawn(program, ['-h', HOST, '-p', String(port), '-t', '-k', '-o', '3', '-j', report], {
      stdio: 'ignore',
    });
    await new Promise((resolve) => child.once('close', resolve));
    const cases = readCases(readFileSync(report, 'utf8'));
    const failed = cases.filter(({ result }) => result === 'failed').map(({ name }) => name);
    const count = (result: string) => cases.filter((one) => one.result === result).length;
    t.diagnostic(
      `${cases.length} cases: ${count('passed')} passed, ${count('skipped')} skipped, ${count('failed')} failed`,
    );
    assert.ok(cases.length > 140, `it ran ${cases.length} cases`);
    const names = new Set(cases.map(({ name }) => name));
    assert.deepEqual(
      failed.filter((name) => !(name in EXPECTED)),
      [],
    );
    assert.deepEqual(
      Object.keys(EXPECTED).filter((name) => !names.has(name)),
      [],
      'these are no cases of it',
    );
  });
});

interface Case {
  readonly name: string;
  readonly result: 'passed' | 'failed' | 'skipped';
}

/** Of a report in JUnit's form. */
function readCases(xml: string): Case[] {
  return [...xml.matchAll(/<testcase package="([^"]*)" classname="([^"]*)"[^>]*?(?:\/>|>(.*?)<\/testcase>)/gs)].map(
    ([, section = '', title = '', inside = '']) => ({
      name: `${section} ${title}`.replaceAll('&#34;', '"').replaceAll('&quot;', '"'),
      result: /<(failure|error)/.test(inside) ? 'failed' : inside.includes('<skipped') ? 'skipped' : 'passed',
    }),
  );
}

function listen(server: Server, address: string, wanted: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(wanted, address, () => resolve((server.address() as AddressInfo).port));
  });
}

function whyNot(): string | false {
  const { stdout } = spawnSync('go', ['version'], { encoding: 'utf8' });
  const minor = Number(/go1\.(\d+)/.exec(stdout ?? '')?.[1] ?? 0);
  return minor < GO_MINOR ? `there is no Go 1.${GO_MINOR} or later` : false;
}
