/**
 * What the sidecar adds: p50 of a request over one kept-alive connection, direct and opened + scanned, in turns; the time from its
 * start to its ready line; its memory when idle. The scanner is the embedded one, in a process of its own; the upstream is a stand-in.
 *
 *     node bench/sidecar.ts [FOLDER] [ROUNDS]     FOLDER: of the programs; default dist/addon, which is what ships
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { Agent, createServer, request } from 'node:http';
import { type AddressInfo, connect as connectTcp, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Duplex } from 'node:stream';
import { connect as connectTls, TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { makeAuthority } from '../addon/authority.ts';
import { readyLineSchema } from '../contracts/sidecar.ts';

const programs = process.argv[2] ?? fileURLToPath(new URL('../dist/addon', import.meta.url));
const program = existsSync(join(programs, 'main.ts')) ? 'main.ts' : 'main.js';
const rounds = Number(process.argv[3] ?? 9);
const PER_ROUND = 300;
/** A request with a long body counts for many. */
const LONG = 100_000;
const HOST = '127.0.0.1';

const folder = mkdtempSync(join(tmpdir(), 'bottle-bench-'));
const key = Buffer.alloc(32, 1);
const ca = makeAuthority('bench upstream');
const upstream = createServer((incoming, response) => {
  incoming.resume().on('end', () => response.end('{"ok":true}'));
});
const front = createTcpServer((raw) => {
  const secure = new TLSSocket(raw, { isServer: true, secureContext: ca.contextFor({ kind: 'ipv4', text: HOST }) });
  secure.on('error', () => undefined);
  secure.once('secure', () => upstream.emit('connection', secure));
}).listen(0, HOST);
await once(front, 'listening');
const socket = join(folder, 'scan.sock');
const scanner = spawn(process.execPath, [join(programs, 'scanner', program)], { stdio: ['pipe', 'pipe', 'inherit'] });
scanner.stdin.write(`${JSON.stringify({ version: 1, key: key.toString('base64'), socket, own_credentials: [] })}\n`);
await once(createInterface({ input: scanner.stdout }), 'line');
scanner.stdout.resume();
const { port } = front.address() as AddressInfo;
const [proxyPort, dnsPort] = [await freePort(), await freePort()];

const began = performance.now();
const child = spawn(process.execPath, [join(programs, program)], { stdio: ['pipe', 'pipe', 'inherit'] });
child.stdin.write(
  `${JSON.stringify({
    version: 1,
    session: 'bench',
    key: key.toString('base64'),
    listen: { address: HOST, gate: HOST, proxy_port: proxyPort, dns_port: dnsPort },
    own_names: [],
    policy: { rules: [{ match: 'exact', host: HOST, ports: [port] }], allow_private: ['127.0.0.0/8'] },
    upstream_ca: [ca.certificate],
    secrets: [],
    scanner: { kind: 'embedded', socket },
    bodies: { limit_bytes: 2 ** 31, unscanned: [] },
    journal: join(folder, 'journal.jsonl'),
  })}\n`,
);
const heartbeat = setInterval(() => child.stdin.write('\n'), 1000);
const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
const readyMs = performance.now() - began;
const ready = readyLineSchema.parse(JSON.parse(line));
const sidecarCa = ready.role === 'bump' ? ready.certificate : '';
await new Promise((resolve) => setTimeout(resolve, 1000));
console.log(`start to ready line   ${readyMs.toFixed(0)} ms`);
console.log(`memory when idle      ${rss()} MB`);

const direct = over(async () => connectTls({ host: HOST, port, ca: ca.certificate }));
const through = over(async () => {
  const raw = connectTcp(proxyPort, HOST);
  raw.write(`CONNECT ${HOST}:${port} HTTP/1.1\r\nHost: ${HOST}:${port}\r\n\r\n`);
  await once(raw, 'data');
  return connectTls({ socket: raw, host: HOST, ca: sidecarCa });
});
for (const [name, body] of [
  ['GET', undefined],
  ['POST 10 KB', Buffer.alloc(10_000, 'x')],
  ['POST 1 MB', Buffer.from(JSON.stringify({ text: 'and so on, '.repeat(90_000) }))],
] as const) {
  await measure(through, body); // both are warm before anything counts
  await measure(direct, body);
  const added: number[] = [];
  const totals: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const [plain, opened] = [await measure(direct, body), await measure(through, body)];
    added.push(opened - plain);
    totals.push(opened);
  }
  console.log(`${name.padEnd(10)} added p50   ${median(added).toFixed(3)} ms (total ${median(totals).toFixed(3)} ms)`);
}
console.log(`memory afterwards     ${rss()} MB`);
clearInterval(heartbeat);
for (const process of [child, scanner]) {
  process.stdin.end();
  await once(process, 'exit');
}
rmSync(folder, { recursive: true });
process.exit(0);

/** An agent that keeps one connection, however it is opened. */
function over(open: () => Promise<Duplex>): Agent {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  agent.createConnection = (_options, done) => {
    open().then(
      (socket) => done?.(null, socket),
      (error: Error) => done?.(error, connectTcp(1)),
    );
    return null;
  };
  return agent;
}

/** Median milliseconds of a request. */
async function measure(agent: Agent, body: Buffer | undefined): Promise<number> {
  const times: number[] = [];
  const count = (body?.length ?? 0) > LONG ? PER_ROUND / 10 : PER_ROUND;
  for (let index = 0; index < count; index += 1) {
    const start = performance.now();
    await new Promise<void>((resolve, reject) => {
      const headers = { host: `${HOST}:${port}`, ...(body ? { 'content-length': body.length } : {}) };
      const one = request({ agent, host: HOST, port, method: body ? 'POST' : 'GET', headers }, (response) => {
        if (response.statusCode !== 200) reject(new Error(String(response.statusCode)));
        response.resume().on('end', resolve);
      });
      one.on('error', reject);
      one.end(body);
    });
    times.push(performance.now() - start);
  }
  return median(times);
}

function median(values: number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function rss(): string {
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
  return (Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024).toFixed(0);
}

async function freePort(): Promise<number> {
  const server = createTcpServer().listen(0, HOST);
  await once(server, 'listening');
  const { port: free } = server.address() as AddressInfo;
  server.close();
  return free;
}
