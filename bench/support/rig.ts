/** A sidecar between an agent and an upstream, both stand-ins, with a real scanner: each in a process of its own. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { Agent, type ClientRequest, type IncomingMessage, request } from 'node:http';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type Duplex, Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { connect as connectTls } from 'node:tls';
import { fileURLToPath } from 'node:url';
import type { Reach } from '../../addon/call.ts';
import { BODY_BYTES } from '../../addon/limits.ts';
import type { ScannerLimits } from '../../addon/parts.ts';
import { PIPELOCK_BODY_BYTES } from '../../contracts/pipelock.ts';
import { readyLineSchema, type SidecarConfig } from '../../contracts/sidecar.ts';
import { PIPELOCK_PORT } from '../../src/pipelock.ts';
import { freePort } from '../../tests/unit/support/port.ts';
import { configFor, startPipelock } from '../../tests/unit/support/program.ts';
import { SINK } from '../../tests/unit/support/variations.ts';
import { type Arrived, EVENTS, HOST, startUpstream } from './upstream.ts';

const KEY = Buffer.alloc(32, 1).toString('base64');
/** As the sidecar's image and the plan start the two. */
const FLAGS = { sidecar: '--max-semi-space-size=2', scanner: '--max-semi-space-size=8' };

export interface Rig extends AsyncDisposable {
  readonly reach: Reach;
  readonly limits: ScannerLimits;
  /** Process ids. */
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
  /** One upload; chunked if its length is not told. Rejects unless it is answered 200. */
  upload(agent: Agent, pieces: Iterable<Buffer>, length: number | undefined): Promise<Arrived>;
}

/** `pipelock`: its file; only where nobody else is (`runAlone`). `programs`: their folder, default dist/addon, which is what ships. */
export async function makeRig({ pipelock, programs = dist() }: { pipelock?: string; programs?: string }): Promise<Rig> {
  const program = existsSync(join(programs, 'main.ts')) ? 'main.ts' : 'main.js';
  const folder = mkdtempSync(join(tmpdir(), 'bottle-bench-'));
  const socket = join(folder, 'scan.sock');
  const upstream = await startUpstream();
  const { port } = upstream;
  const embedded =
    pipelock === undefined
      ? await start([FLAGS.scanner, join(programs, 'scanner', program)], {
          version: 1,
          key: KEY,
          socket,
          own_credentials: [],
        })
      : undefined;
  const other = pipelock === undefined ? undefined : await startPipelock(pipelock, configFor('2.3', SINK));

  const [proxyPort, dnsPort] = [await freePort(), await freePort()];
  const config: SidecarConfig = {
    version: 1,
    session: 'bench',
    key: KEY,
    listen: { address: HOST, gate: HOST, proxy_port: proxyPort, dns_port: dnsPort },
    own_names: [],
    policy: { rules: [{ match: 'exact', host: HOST, ports: [port] }], allow_private: ['127.0.0.0/8'], unopened: [] },
    websockets: 'allow',
    upstream_ca: [upstream.ca],
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
  const began = performance.now();
  const sidecar = await start([FLAGS.sidecar, join(programs, program)], config);
  const readyMs = performance.now() - began;
  const heartbeat = setInterval(() => sidecar.child.stdin.write('\n'), 1000);
  const ready = readyLineSchema.parse(JSON.parse(sidecar.line));
  const trusted = ready.role === 'bump' ? ready.certificate : '';
  const to = { host: HOST, port };
  const place = `${HOST}:${port}`;

  return {
    reach:
      pipelock === undefined ? { kind: 'socket', path: socket } : { kind: 'tcp', address: SINK, port: PIPELOCK_PORT },
    limits:
      pipelock === undefined
        ? { reads: 'all', bodyBytes: BODY_BYTES }
        : { reads: 'plain', bodyBytes: PIPELOCK_BODY_BYTES },
    sidecar: sidecar.child.pid ?? 0,
    scanner: embedded?.child.pid ?? other?.pid ?? 0,
    readyMs,
    direct: (sockets) => keeping(sockets, async () => connectTls({ ...to, ca: upstream.ca })),
    through: (sockets) =>
      keeping(sockets, async () => {
        const raw = connectTcp(proxyPort, HOST);
        raw.write(`CONNECT ${place} HTTP/1.1\r\nHost: ${place}\r\n\r\n`);
        await once(raw, 'data');
        return connectTls({ socket: raw, host: HOST, ca: trusted });
      }),
    async events(agent) {
      const asked = request({ agent, ...to, path: EVENTS, headers: { host: place } });
      asked.end();
      const [response] = (await once(asked, 'response')) as [IncomingMessage];
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
      const headers = {
        host: place,
        ...(body ? { 'content-type': 'application/json', 'content-length': body.length } : {}),
      };
      const asked = request({ agent, ...to, method: body ? 'POST' : 'GET', headers });
      const answered = answerTo(asked);
      asked.end(body);
      await answered;
      return performance.now() - start;
    },
    async upload(agent, pieces, length) {
      const headers = { host: place, ...(length === undefined ? {} : { 'content-length': length }) };
      const asked = request({ agent, ...to, method: 'PUT', headers });
      const [text] = await Promise.all([
        answerTo(asked),
        pipeline(Readable.from(pieces, { objectMode: false }), asked),
      ]);
      return JSON.parse(text) as Arrived;
    },
    async [Symbol.asyncDispose]() {
      clearInterval(heartbeat);
      for (const one of [sidecar, embedded]) {
        one?.child.stdin.end();
        if (one) await once(one.child, 'exit');
      }
      await other?.[Symbol.asyncDispose]();
      upstream[Symbol.dispose]();
      rmSync(folder, { recursive: true });
    },
  };
}

interface Started {
  readonly child: ChildProcessByStdio<Writable, Readable, null>;
  /** Its first line: it is ready. */
  readonly line: string;
}

/** Starts one of our programs with its configuration, and waits until it says that it is ready. */
async function start(args: readonly string[], config: object): Promise<Started> {
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  child.once('exit', (code) => {
    if (code !== 0) throw new Error(`${args.at(-1)} ended with ${code}`);
  });
  child.stdin.write(`${JSON.stringify(config)}\n`);
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  child.stdout.resume();
  return { child, line };
}

/** The text of an answer with 200. */
function answerTo(asked: ClientRequest): Promise<string> {
  return new Promise((resolve, reject) => {
    asked.on('error', reject).on('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('end', () =>
        response.statusCode === 200 ? resolve(text) : reject(new Error(`${response.statusCode}: ${text}`)),
      );
    });
  });
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

function dist(): string {
  return fileURLToPath(new URL('../../dist/addon', import.meta.url));
}
