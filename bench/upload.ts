/**
 * What one large upload costs: the time through the sidecar and the embedded scanner beside the time without, and how much memory the
 * two take beyond what they have when idle. The upstream counts the bytes and compares their hash.
 *
 *     node bench/upload.ts [MEGABYTES] [text|random|zeros|push] [known|chunked]     default: 1024 text known
 *
 * A push is a git pack of this repository's own sources, over and over: it becomes about three times as much.
 */
import { spawn } from 'node:child_process';
import { createHash, randomFillSync } from 'node:crypto';
import { once } from 'node:events';
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { type AddressInfo, connect as connectTcp, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { connect as connectTls, TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { deflateSync } from 'node:zlib';
import { makeAuthority } from '../addon/authority.ts';
import { readyLineSchema, type SidecarConfig } from '../contracts/sidecar.ts';

const [megabytes = '1024', kind = 'text', framing = 'known'] = process.argv.slice(2);
const size = Number(megabytes) * 1024 ** 2;
const HOST = '127.0.0.1';
const PIECE = 64 * 1024;
const programs = fileURLToPath(new URL('../addon', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'bottle-bench-'));
const key = Buffer.alloc(32, 1).toString('base64');
const ca = makeAuthority('bench upstream');
const content = contentOf(kind);

let arrived = { bytes: 0, hash: '' };
const upstream = createServer((incoming, response) => {
  const hash = createHash('sha1');
  let bytes = 0;
  incoming.on('data', (piece: Buffer) => {
    bytes += piece.length;
    hash.update(piece);
  });
  incoming.on('end', () => {
    arrived = { bytes, hash: hash.digest('hex') };
    response.end('ok');
  });
});
const front = createTcpServer((raw) => {
  const secure = new TLSSocket(raw, { isServer: true, secureContext: ca.contextFor({ kind: 'ipv4', text: HOST }) });
  secure.on('error', () => undefined);
  secure.once('secure', () => upstream.emit('connection', secure));
}).listen(0, HOST);
await once(front, 'listening');
const { port } = front.address() as AddressInfo;

const socket = join(folder, 'scan.sock');
const scanner = await start('scanner/main.ts', { version: 1, key, socket, own_credentials: [] });
const [proxyPort, dnsPort] = [await freePort(), await freePort()];
const config: SidecarConfig = {
  version: 1,
  session: 'bench',
  key,
  listen: { address: HOST, gate: HOST, proxy_port: proxyPort, dns_port: dnsPort },
  own_names: [],
  policy: { rules: [{ match: 'exact', host: HOST, ports: [port] }], allow_private: ['127.0.0.0/8'], unopened: [] },
  websockets: 'allow',
  upstream_ca: [ca.certificate],
  upstream_proxy: null,
  client_certificates: [],
  secrets: [],
  scanner: { kind: 'embedded', socket },
  bodies: { limit_bytes: 2 ** 31, unscanned: [] },
  journal: join(folder, 'journal.jsonl'),
};
const sidecar = await start('main.ts', config);
const heartbeat = setInterval(() => sidecar.child.stdin.write('\n'), 1000);
const ready = readyLineSchema.parse(JSON.parse(sidecar.line));
const sidecarCa = ready.role === 'bump' ? ready.certificate : '';

await upload(true, PIECE); // what is loaded once is loaded
await new Promise((resolve) => setTimeout(resolve, 1000));
const direct = await upload(false, size);
for (const one of [sidecar, scanner]) resetPeak(one.child.pid ?? 0);
const idle = [sidecar, scanner].map(({ child }) => memory(child.pid ?? 0, 'VmRSS'));
const before = [sidecar, scanner].map(({ child }) => processor(child.pid ?? 0));
const through = await upload(true, size);
const after = [sidecar, scanner].map(({ child }) => processor(child.pid ?? 0));
const peak = [sidecar, scanner].map(({ child }) => memory(child.pid ?? 0, 'VmHWM'));
console.log(`${megabytes} MiB of ${kind}, length ${framing}`);
console.log(`direct         ${direct.toFixed(1)} s, ${(size / 1e6 / direct).toFixed(0)} MB/s`);
console.log(
  `through        ${through.toFixed(1)} s, ${(size / 1e6 / through).toFixed(0)} MB/s, ${(through / direct).toFixed(1)} times`,
);
for (const [at, name] of ['sidecar', 'scanner'].entries())
  console.log(
    `${name.padEnd(14)} ${idle[at]} MiB idle, ${peak[at]} MiB at most: ${(peak[at] ?? 0) - (idle[at] ?? 0)} MiB more, ${((after[at] ?? 0) - (before[at] ?? 0)).toFixed(1)} s of a core`,
  );
clearInterval(heartbeat);
for (const { child } of [sidecar, scanner]) {
  child.stdin.end();
  await once(child, 'exit');
}
rmSync(folder, { recursive: true });
process.exit(0);

async function start(program: string, given: object) {
  const child = spawn(process.execPath, ['--max-semi-space-size=2', join(programs, program)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdin.write(`${JSON.stringify(given)}\n`);
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  child.stdout.resume();
  return { child, line };
}

/** Seconds. */
async function upload(proxied: boolean, bytes: number): Promise<number> {
  const began = performance.now();
  const secure = proxied
    ? connectTls({ socket: await tunnel(), host: HOST, ca: sidecarCa })
    : connectTls({ host: HOST, port, ca: ca.certificate });
  const { type, length, pieces } = kind === 'push' ? pushOf(bytes) : bodyOf(bytes);
  const headers = {
    host: `${HOST}:${port}`,
    'content-type': type,
    ...(framing === 'known' ? { 'content-length': length } : {}),
  };
  const one = request({ createConnection: () => secure, method: 'POST', path: '/', headers });
  const answered = once(one, 'response');
  const hash = createHash('sha1');
  await pipeline(Readable.from(hashed(pieces, hash), { objectMode: false }), one);
  const [response] = await answered;
  if (response.statusCode !== 200)
    throw new Error(`${response.statusCode}: ${await response.setEncoding('utf8').toArray()}`);
  secure.destroy();
  if (arrived.bytes !== length || arrived.hash !== hash.digest('hex')) throw new Error('something else has arrived');
  return (performance.now() - began) / 1000;
}

interface Body {
  readonly type: string;
  readonly length: number;
  readonly pieces: Iterable<Buffer>;
}

function* hashed(pieces: Iterable<Buffer>, hash: ReturnType<typeof createHash>): Generator<Buffer> {
  for (const piece of pieces) {
    hash.update(piece);
    yield piece;
  }
}

function bodyOf(length: number): Body {
  function* pieces(): Generator<Buffer> {
    for (let at = 0; at < length; at += PIECE) {
      const from = at % (content.length - PIECE);
      yield content.subarray(from, from + Math.min(PIECE, length - at));
    }
  }
  return { type: 'application/octet-stream', length, pieces: pieces() };
}

/** About so many bytes; see gitformat-pack(5). */
function pushOf(bytes: number): Body {
  const files = globSync('{addon/{,client,decode,h1,upstream,websocket},src/**}/*.ts', { cwd: join(programs, '..') });
  const objects = files.map((file) => blob(readFileSync(join(programs, '..', file))));
  const block = Buffer.concat(objects);
  const times = Math.max(1, Math.round(bytes / block.length));
  const head = Buffer.from('0000PACK\0\0\0\x02\0\0\0\0', 'latin1');
  head.writeUInt32BE(times * objects.length, head.length - 4);
  const end = Buffer.alloc(20);
  function* pieces(): Generator<Buffer> {
    yield head;
    for (let time = 0; time < times; time += 1)
      for (let at = 0; at < block.length; at += PIECE) yield block.subarray(at, at + PIECE);
    yield end;
  }
  const length = head.length + times * block.length + end.length;
  return { type: 'application/x-git-receive-pack-request', length, pieces: pieces() };
}

function blob(file: Buffer): Buffer {
  const head = [0x30 | (file.length & 15)];
  for (let rest = file.length >>> 4; rest > 0; rest >>>= 7) {
    head.push((head.pop() ?? 0) | 0x80, rest & 0x7f);
  }
  return Buffer.concat([Buffer.from(head), deflateSync(file)]);
}

function contentOf(what: string): Buffer {
  const all = Buffer.alloc(8 * 1024 ** 2 + 1);
  if (what === 'random') return randomFillSync(all);
  if (what === 'zeros') return all;
  return all.fill(readFileSync(new URL('../addon/exchange.ts', import.meta.url)));
}

async function tunnel() {
  const raw = connectTcp(proxyPort, HOST);
  raw.write(`CONNECT ${HOST}:${port} HTTP/1.1\r\nHost: ${HOST}:${port}\r\n\r\n`);
  await once(raw, 'data');
  return raw;
}

function resetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
}

/** MiB. */
function memory(pid: number, field: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Math.round(Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1]) / 1024);
}

/** Seconds that all its threads had a core, of the hundredths that Linux counts. */
function processor(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const [user, system] = stat.slice(stat.lastIndexOf(')')).split(' ').slice(12, 14);
  return (Number(user) + Number(system)) / 100;
}

async function freePort(): Promise<number> {
  const server = createTcpServer().listen(0, HOST);
  await once(server, 'listening');
  const { port: free } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return free;
}
