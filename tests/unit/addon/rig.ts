/** A sidecar in this process with everything around it on loopback: a scanner, upstreams with a CA of their own, an agent. */
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import {
  createServer,
  type IncomingMessage,
  request as httpRequest,
  type RequestListener,
  type ServerResponse,
} from 'node:http';
import {
  connect as connectTcp,
  createServer as createTcpServer,
  type AddressInfo,
  type Server as TcpServer,
  type Socket,
} from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { connect as connectTls, TLSSocket } from 'node:tls';
import { type Authority, makeAuthority } from '../../../addon/authority.ts';
import { type Field, NONCE_FIELD, PART_FIELD, RECEIPT_FIELD, receiptOf, sha256 } from '../../../addon/receipt.ts';
import { serve, type Sidecar, type Surroundings } from '../../../addon/sidecar.ts';
import { type JournalLine, journalLineSchema } from '../../../contracts/exchange.ts';
import { parseHost } from '../../../contracts/host.ts';
import { parseRule, type Rule } from '../../../contracts/policy.ts';
import type { SidecarConfig } from '../../../contracts/sidecar.ts';

export const KEY = Buffer.alloc(32, 7);

export interface Seen {
  method: string;
  url: string;
  fields: Field[];
  body: Buffer;
}

export interface Rig extends AsyncDisposable {
  sidecar: Sidecar;
  /** What the scanner was asked. */
  scanned: Seen[];
  journalFile: string;
  journal(): JournalLine[];
}

export interface RigOptions {
  /** Rules as in a manifest. */
  allow: string[];
  /** Those of them that are relayed unopened. */
  unopened?: string[];
  /** How the scanner answers; by default everything is proven. */
  scanner?: (request: Seen, response: ServerResponse) => void;
  config?: Partial<SidecarConfig>;
  around?: Partial<Surroundings>;
  upstreamCa?: Authority;
}

export async function makeRig(options: RigOptions): Promise<Rig> {
  const folder = mkdtempSync(join(tmpdir(), 'bottle-test-'));
  const scanned: Seen[] = [];
  const socket = join(folder, 'scanner.sock');
  const scanner = createServer({ maxHeaderSize: 200_000 }, (request, response) => {
    collect(request).then(
      (seen) => {
        answerOrSelfTest(seen, response, () => {
          scanned.push(seen);
          (options.scanner ?? prove)(seen, response);
        });
      },
      () => undefined,
    );
  });
  scanner.maxHeadersCount = 0;
  await new Promise<void>((resolve) => scanner.listen(socket, resolve));
  const journalFile = join(folder, 'journal.jsonl');
  const config: SidecarConfig = {
    version: 1,
    session: 'test',
    key: KEY.toString('base64'),
    listen: { address: '127.0.0.1', gate: '127.0.0.1', proxy_port: 0, dns_port: 0 },
    own_names: ['bottle-test-bump'],
    policy: {
      rules: options.allow.map(rule),
      allow_private: ['127.0.0.0/8'],
      unopened: (options.unopened ?? []).map(rule),
    },
    websockets: 'allow',
    upstream_ca: options.upstreamCa ? [options.upstreamCa.certificate] : [],
    upstream_proxy: null,
    client_certificates: [],
    scanner: { kind: 'embedded', socket },
    secrets: [],
    journal: journalFile,
    ...options.config,
  };
  const sidecar = await serve(config, {
    onBroken: () => undefined,
    lostMs: 600_000, // nobody sends heartbeats here
    resolve: async () => ['127.0.0.1'],
    ...options.around,
  });
  return {
    sidecar,
    scanned,
    journalFile,
    journal: () => readJournal(journalFile),
    async [Symbol.asyncDispose]() {
      await sidecar.close().catch(() => undefined); // a test may have closed it
      scanner.closeAllConnections();
      scanner.close();
      rmSync(folder, { recursive: true });
    },
  };
}

export function readJournal(file: string): JournalLine[] {
  const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean);
  return lines.map((line) => journalLineSchema.parse(JSON.parse(line)));
}

function rule(text: string): Rule {
  const parsed = parseRule(text);
  if ('kind' in parsed) throw new Error(`${text} ${parsed.why}`);
  return parsed;
}

/** The receipt of what arrived, as a scanner that found nothing writes it. */
export function proofOf(seen: Seen): string {
  const value = (name: string) => seen.fields.find(([given]) => given.toLowerCase() === name)?.[1] ?? '';
  const [index = '', count = ''] = value(PART_FIELD).split('/');
  return receiptOf(KEY, {
    nonce: value(NONCE_FIELD),
    index: Number(index),
    count: Number(count),
    method: seen.method,
    url: seen.url,
    fields: seen.fields,
    trailers: [],
    bodySha256: sha256(seen.body),
  });
}

export const prove: NonNullable<RigOptions['scanner']> = (seen, response) => {
  response.writeHead(204, { [RECEIPT_FIELD]: proofOf(seen) }).end();
};

/** Says that it is there and passes the self-test, as the scanner itself does; everything else is the test's own. */
export function answerOrSelfTest(seen: Seen, response: ServerResponse, own: () => void): void {
  if (seen.url === '/health') return void response.writeHead(200).end();
  if (!seen.url.startsWith('http://self-test.invalid/')) return own();
  const inHeader = seen.fields.some(([name]) => name === 'X-Note');
  if (seen.url.includes('ghp_')) block('blocked: DLP match: Test (high)')(seen, response);
  else if (seen.body.includes('AKIA')) block('blocked: request body contains secret: Test')(seen, response);
  else if (inHeader) block('blocked: request header contains secret')(seen, response);
  else prove(seen, response);
}

export function block(line: string): NonNullable<RigOptions['scanner']> {
  return (_, response) => {
    response.writeHead(403, { 'content-type': 'text/plain; charset=utf-8' }).end(`${line}\n`);
  };
}

async function collect(request: IncomingMessage): Promise<Seen> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const { method = '', url = '', rawHeaders } = request;
  return { method, url, fields: pairs(rawHeaders), body: Buffer.concat(chunks) };
}

/** Name and value of each field, as node:http lists them. */
export function pairs(raw: readonly string[]): Field[] {
  const fields: Field[] = [];
  for (let index = 0; index + 1 < raw.length; index += 2) fields.push([raw[index] ?? '', raw[index + 1] ?? '']);
  return fields;
}

export interface TestUpstream extends AsyncDisposable {
  port: number;
  seen: Seen[];
  /** Connections that were accepted so far. */
  connections: Socket[];
}

/** An upstream for one host name. `handle` gets requests whose body has been read. */
export async function makeUpstreamServer(
  handle: (seen: Seen, response: ServerResponse, request: IncomingMessage) => void,
  tls?: { ca: Authority; host: string },
  upgrade?: (request: IncomingMessage, socket: Duplex, head: Buffer) => void,
): Promise<TestUpstream> {
  const seen: Seen[] = [];
  const listener: RequestListener = (request, response) => {
    collect(request).then(
      (one) => {
        seen.push(one);
        handle(one, response, request);
      },
      () => undefined,
    );
  };
  const server = createServer({ maxHeaderSize: 200_000, keepAliveTimeout: 60_000 }, listener);
  server.maxHeadersCount = 0;
  if (upgrade) server.on('upgrade', upgrade);
  return { ...(await listenRaw((socket) => server.emit('connection', socket), tls)), seen };
}

/** An upstream that gets the (decrypted) connection itself. */
export async function listenRaw(
  accept: (socket: Socket) => void,
  tls?: { ca: Authority; host: string },
): Promise<TestUpstream> {
  const connections: Socket[] = [];
  const server = createTcpServer((raw) => {
    raw.on('error', () => undefined);
    connections.push(raw);
    if (!tls) return accept(raw);
    const secure = new TLSSocket(raw, { isServer: true, secureContext: tls.ca.contextFor(host(tls.host)) });
    secure.on('error', () => undefined);
    secure.once('secure', () => accept(secure));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    seen: [],
    connections,
    async [Symbol.asyncDispose]() {
      for (const socket of connections) socket.destroy();
      await closed(server);
    },
  };
}

function closed(server: TcpServer): Promise<void> {
  return new Promise((resolve) => void server.close(() => resolve()));
}

export function host(text: string) {
  const parsed = parseHost(text);
  if (parsed.kind === 'invalid') throw new Error(parsed.why);
  return parsed;
}

export function makeCa(): Authority {
  return makeAuthority('upstream test');
}

export interface Answered {
  status: number;
  headers: IncomingMessage['headers'];
  rawHeaders: string[];
  statusMessage: string;
  body: string;
  trailers: string[];
  /** The body broke off. */
  broken: boolean;
}

export interface Ask {
  host: string;
  port: number;
  method?: string;
  path?: string;
  fields?: readonly Field[];
  body?: string | Buffer;
  sni?: string;
  /** In a tunnel but without TLS. */
  plain?: boolean;
  /** Protocols that are offered; by default HTTP/1.1 alone. */
  alpn?: readonly string[];
}

/** One request through a new tunnel. */
export async function ask(rig: Rig, request: Ask): Promise<Answered> {
  const socket = await openTunnel(rig, request);
  try {
    return await askOver(socket, request);
  } finally {
    socket.destroy();
  }
}

export function askOver(socket: Socket, { host: name, port, method, path, fields = [], body }: Ask): Promise<Answered> {
  const given = fields.some(([field]) => field.toLowerCase() === 'host');
  return new Promise((resolve, reject) => {
    const request = httpRequest({
      createConnection: () => socket,
      method: method ?? 'GET',
      path: path ?? '/',
      setHost: false,
      headers: [...(given ? [] : ['Host', `${name}:${port}`]), ...fields.flat()] as unknown as Record<string, string>,
    });
    request.on('error', reject);
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      const done = (broken: boolean) =>
        resolve({
          status: response.statusCode ?? 0,
          statusMessage: response.statusMessage ?? '',
          headers: response.headers,
          rawHeaders: response.rawHeaders,
          body: Buffer.concat(chunks).toString(),
          trailers: response.rawTrailers,
          broken,
        });
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', () => done(true));
      response.on('end', () => done(!response.complete));
    });
    request.end(body);
  });
}

/** CONNECT and, unless it is plain, TLS with the sidecar's CA as the only root. */
export async function openTunnel(rig: Rig, { host: name, port, sni, plain, alpn }: Ask): Promise<Socket> {
  const socket = await connectProxy(rig);
  socket.write(`CONNECT ${name}:${port} HTTP/1.1\r\nHost: ${name}:${port}\r\n\r\n`);
  const head = await readHead(socket);
  if (!head.startsWith('HTTP/1.1 200')) throw new Error(head);
  if (plain) return socket;
  const ip = /^[\d.]+$|:/.test(name);
  const secure = connectTls({
    socket,
    host: name,
    ...(ip && !sni ? {} : { servername: sni ?? name }),
    ca: rig.sidecar.authority.certificate,
    ALPNProtocols: [...(alpn ?? ['http/1.1'])],
    // The leaf is for the CONNECT host whatever the server name says.
    ...(sni ? { checkServerIdentity: () => undefined } : {}),
  });
  secure.on('error', () => undefined);
  await once(secure, 'secureConnect');
  return secure;
}

export async function connectProxy(rig: Rig): Promise<Socket> {
  const socket = connectTcp(rig.sidecar.port, '127.0.0.1');
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

/** Reads up to the empty line; anything behind it is put back. Less if the connection ends. */
export function readHead(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    function done(): void {
      socket.off('readable', look);
      socket.off('close', done);
      socket.off('end', done);
      const end = text.indexOf('\r\n\r\n') + 4;
      const rest = end < 4 ? '' : text.slice(end);
      if (rest) socket.unshift(Buffer.from(rest, 'latin1'));
      resolve(end < 4 ? text : text.slice(0, end));
    }
    function look(): void {
      const chunk = socket.read() as Buffer | null;
      if (chunk) text += chunk.toString('latin1');
      if (text.includes('\r\n\r\n')) done();
    }
    socket.on('readable', look);
    socket.once('close', done);
    socket.once('end', done);
    look();
  });
}

/** Everything until the other side ends. */
export function readAll(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
    });
    socket.on('close', () => resolve(text));
    socket.on('end', () => socket.destroy());
  });
}

/** Waits until `check` no longer throws; what it threw last is the failure. */
export async function eventually<T>(check: () => T | Promise<T>, ms = 10_000): Promise<T> {
  const end = performance.now() + ms;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}
