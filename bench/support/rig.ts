/** A sidecar between an agent and an upstream, both stand-ins, with a real scanner: each in a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { type AddressInfo, connect as connectTcp, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Duplex } from 'node:stream';
import { connect as connectTls, TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { makeAuthority } from '../../addon/authority.ts';
import type { Reach } from '../../addon/call.ts';
import { BODY_BYTES } from '../../addon/limits.ts';
import { PIPELOCK_BODY_BYTES } from '../../contracts/pipelock.ts';
import { readyLineSchema, type SidecarConfig } from '../../contracts/sidecar.ts';
import type { ScannerLimits } from '../../addon/parts.ts';
import { PIPELOCK_PORT } from '../../src/pipelock.ts';
import { configFor, startPipelock } from '../../tests/unit/support/program.ts';
import { SINK } from '../../tests/unit/support/variations.ts';

const HOST = '127.0.0.1';
export const KEY = Buffer.alloc(32, 1);

export interface Rig extends AsyncDisposable {
  readonly reach: Reach;
  readonly limits: ScannerLimits;
  readonly sidecar: number;
  readonly scanner: number;
  /** Milliseconds from the sidecar's start to its ready line. */
  readonly readyMs: number;
  /** Connections that are kept, so many at most. */
  direct(sockets: number): Agent;
  through(sockets: number): Agent;
  /** One event stream. @returns milliseconds that each event took */
  events(agent: Agent): Promise<number[]>;
  /** One request, by which way the agent says. @returns milliseconds. Rejects unless it is answered 200. */
  ask(agent: Agent, body: Buffer | undefined): Promise<number>;
}

/** `pipelock`: its file; only where nobody else is (`runAlone`). `programs`: their folder, default dist/addon, which is what ships. */
export async function makeRig({ pipelock, programs = dist() }: { pipelock?: string; programs?: string }): Promise<Rig> {
  const program = existsSync(join(programs, 'main.ts')) ? 'main.ts' : 'main.js';
  const folder = mkdtempSync(join(tmpdir(), 'bottle-bench-'));
  const socket = join(folder, 'scan.sock');
  const ca = makeAuthority('bench upstream');
  const upstream = createServer((incoming, response) => {
    if (incoming.url === EVENTS) tell(response);
    else incoming.resume().on('end', () => response.end('{"ok":true}'));
  });
  const front = createTcpServer((raw) => {
    const secure = new TLSSocket(raw, { isServer: true, secureContext: ca.contextFor({ kind: 'ipv4', text: HOST }) });
    secure.on('error', () => undefined);
    secure.once('secure', () => upstream.emit('connection', secure));
  }).listen(0, HOST);
  await once(front, 'listening');
  const { port } = front.address() as AddressInfo;
  const scanner = pipelock === undefined ? await embedded(join(programs, 'scanner', program), socket) : undefined;
  const other = pipelock === undefined ? undefined : await startPipelock(pipelock, configFor('2.3', SINK));

  const [proxyPort, dnsPort] = [await freePort(), await freePort()];
  const began = performance.now();
  const child = spawn(process.execPath, [join(programs, program)], { stdio: ['pipe', 'pipe', 'inherit'] });
  const config: SidecarConfig = {
    version: 1,
    session: 'bench',
    key: KEY.toString('base64'),
    listen: { address: HOST, gate: HOST, proxy_port: proxyPort, dns_port: dnsPort },
    own_names: [],
    policy: { rules: [{ match: 'exact', host: HOST, ports: [port] }], allow_private: ['127.0.0.0/8'], unopened: [] },
    websockets: 'allow',
    upstream_ca: [ca.certificate],
    upstream_proxy: null,
    client_certificates: [],
    bodies: { limit_bytes: 2 ** 31, unscanned: [] },
    secrets: [],
    scanner:
      pipelock === undefined
        ? { kind: 'embedded', socket }
        : {
            kind: 'pipelock',
            address: SINK,
            port: PIPELOCK_PORT,
            sink: { address: SINK, port: 80, dns_port: 53 },
            body_bytes: PIPELOCK_BODY_BYTES,
            masks: [],
          },
    journal: join(folder, 'journal.jsonl'),
  };
  child.stdin.write(`${JSON.stringify(config)}\n`);
  const heartbeat = setInterval(() => child.stdin.write('\n'), 1000);
  child.once('exit', (code) => {
    if (code !== 0) throw new Error(`the sidecar ended with ${code}`);
  });
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  const readyMs = performance.now() - began;
  const ready = readyLineSchema.parse(JSON.parse(line));
  const trusted = ready.role === 'bump' ? ready.certificate : '';

  return {
    reach:
      pipelock === undefined ? { kind: 'socket', path: socket } : { kind: 'tcp', address: SINK, port: PIPELOCK_PORT },
    limits:
      pipelock === undefined
        ? { reads: 'all', bodyBytes: BODY_BYTES }
        : { reads: 'plain', bodyBytes: PIPELOCK_BODY_BYTES },
    sidecar: child.pid ?? 0,
    scanner: scanner?.pid ?? other?.pid ?? 0,
    readyMs,
    direct: (sockets) => keeping(sockets, async () => connectTls({ host: HOST, port, ca: ca.certificate })),
    through: (sockets) =>
      keeping(sockets, async () => {
        const raw = connectTcp(proxyPort, HOST);
        raw.write(`CONNECT ${HOST}:${port} HTTP/1.1\r\nHost: ${HOST}:${port}\r\n\r\n`);
        await once(raw, 'data');
        return connectTls({ socket: raw, host: HOST, ca: trusted });
      }),
    async events(agent) {
      const one = request({ agent, host: HOST, port, path: EVENTS, headers: { host: `${HOST}:${port}` } });
      one.end();
      const [response] = (await once(one, 'response')) as [IncomingMessage];
      const took: number[] = [];
      let text = '';
      for await (const piece of response.setEncoding('utf8')) {
        const now = performance.now();
        const whole = (text + String(piece)).split('\n\n');
        text = whole.pop() ?? '';
        for (const event of whole) took.push(now - Number(event.slice('data: '.length)));
      }
      return took;
    },
    async ask(agent, body) {
      const start = performance.now();
      await new Promise<void>((resolve, reject) => {
        const headers = {
          host: `${HOST}:${port}`,
          ...(body ? { 'content-type': 'application/json', 'content-length': body.length } : {}),
        };
        const one = request({ agent, host: HOST, port, method: body ? 'POST' : 'GET', headers }, (response) => {
          let text = '';
          response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
          response.on('end', () =>
            response.statusCode === 200 ? resolve() : reject(new Error(`${response.statusCode}: ${text}`)),
          );
        });
        one.on('error', reject);
        one.end(body);
      });
      return performance.now() - start;
    },
    async [Symbol.asyncDispose]() {
      clearInterval(heartbeat);
      for (const process of [child, scanner]) {
        if (!process) continue;
        process.stdin?.end();
        await once(process, 'exit');
      }
      await other?.[Symbol.asyncDispose]();
      front.close();
      rmSync(folder, { recursive: true });
    },
  };
}

/** Events a few milliseconds apart, each with the time at which it was written. */
function tell(response: ServerResponse): void {
  let left = 200;
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const timer = setInterval(() => {
    response.write(`data: ${performance.now()}\n\n`);
    left -= 1;
    if (left > 0) return;
    clearInterval(timer);
    response.end();
  }, 5);
}

const EVENTS = '/events';

async function embedded(program: string, socket: string): Promise<ChildProcess> {
  const scanner = spawn(process.execPath, [program], { stdio: ['pipe', 'pipe', 'inherit'] });
  scanner.stdin.write(`${JSON.stringify({ version: 1, key: KEY.toString('base64'), socket, own_credentials: [] })}\n`);
  await once(createInterface({ input: scanner.stdout }), 'line');
  scanner.stdout.resume();
  return scanner;
}

/** An agent that keeps its connections, however they are opened. */
function keeping(sockets: number, open: () => Promise<Duplex>): Agent {
  const agent = new Agent({ keepAlive: true, maxSockets: sockets });
  agent.createConnection = (_options, done) => {
    open().then(
      (socket) => done?.(null, socket),
      (error: Error) => done?.(error, connectTcp(1)),
    );
    return null;
  };
  return agent;
}

/** Megabytes. `at`: at its highest so far, or now. */
export function rss(pid: number, at: 'VmRSS' | 'VmHWM' = 'VmRSS'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`${at}:\\s+(\\d+)`).exec(status)?.[1]) / 1024;
}

/** Milliseconds of a core that a process has used so far. A tick of Linux is 10 ms. */
export function cpu(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

function dist(): string {
  return fileURLToPath(new URL('../../dist/addon', import.meta.url));
}

async function freePort(): Promise<number> {
  const server = createTcpServer().listen(0, HOST);
  await once(server, 'listening');
  const { port: free } = server.address() as AddressInfo;
  server.close();
  return free;
}
