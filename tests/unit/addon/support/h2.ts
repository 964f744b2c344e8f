/** HTTP/2 for tests: requests as Node's client makes them, and frames as nobody's client does. RFC 9113. */
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type IncomingHttpHeaders,
  performServerHandshake,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Authority } from '../../../../addon/authority.ts';
import { makeBudget } from '../../../../addon/budget.ts';
import { watchInflow } from '../../../../addon/inflow.ts';
import { type Ask, host, openTunnel, type Rig } from '../rig.ts';

export const H2 = ['h2'];

/** A session of Node's own client through a new tunnel. */
export async function openSession(rig: Rig, to: Ask): Promise<ClientHttp2Session> {
  const socket = await openTunnel(rig, { alpn: H2, ...to });
  return sessionOver(socket, to);
}

export function sessionOver(socket: Socket, { host: name, port }: Pick<Ask, 'host' | 'port'>): ClientHttp2Session {
  const how = { createConnection: () => socket, strictSingleValueFields: false };
  const session = connect(`https://${name}:${port}`, how);
  session.on('error', () => undefined);
  return session;
}

export interface StreamAsk {
  /** Names and values in turn; the usual pseudo-fields are put in front if none is given. */
  list?: string[];
  method?: string;
  path?: string;
  body?: string | Buffer;
  trailers?: Record<string, string>;
}

export interface StreamAnswer {
  status: number;
  /** Names and values in turn, without the status. */
  list: string[];
  headers: IncomingHttpHeaders;
  body: string;
  trailers: string[];
  interim: { status: number; list: string[] }[];
  /** Code of the RST_STREAM, 0 if it ended well or with NO_ERROR. */
  reset: number;
  /** It was ended by END_STREAM. */
  isWhole: boolean;
}

export function askStream(session: ClientHttp2Session, ask: StreamAsk = {}): Promise<StreamAnswer> {
  const stream = request(session, ask);
  return answerOf(stream);
}

export function request(session: ClientHttp2Session, ask: StreamAsk = {}): ClientHttp2Stream {
  const { list = [], method = 'GET', path = '/', body, trailers } = ask;
  const pseudo = [':method', method, ':path', path];
  const stream = session.request(list[0]?.startsWith(':') ? list : [...pseudo, ...list], {
    endStream: body === undefined && !trailers,
    waitForTrailers: trailers !== undefined,
  });
  stream.on('error', () => undefined);
  if (trailers) stream.once('wantTrailers', () => stream.sendTrailers(trailers));
  if (body !== undefined || trailers) stream.end(body);
  return stream;
}

export function answerOf(stream: ClientHttp2Stream): Promise<StreamAnswer> {
  const chunks: Buffer[] = [];
  const answer: StreamAnswer = {
    status: 0,
    list: [],
    headers: {},
    body: '',
    trailers: [],
    interim: [],
    reset: 0,
    isWhole: false,
  };
  const inflow = watchInflow(stream, makeBudget(Number.POSITIVE_INFINITY), () => undefined);
  stream.on('headers', (headers, _flags, raw) => {
    answer.interim.push({ status: Number(headers[':status']), list: (raw ?? []).slice(2) });
  });
  stream.on('response', (headers, _flags, raw) => {
    answer.status = Number(headers[':status']);
    answer.headers = headers;
    answer.list = (raw ?? []).slice(2);
  });
  stream.on('trailers', (_headers, _flags, raw) => {
    answer.trailers = raw ?? [];
  });
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  return new Promise((resolve) => {
    stream.on('close', () => {
      resolve({
        ...answer,
        body: Buffer.concat(chunks).toString(),
        reset: stream.rstCode ?? 0,
        isWhole: inflow.isWhole,
      });
    });
  });
}

export interface H2Upstream extends AsyncDisposable {
  port: number;
  sessions: ServerHttp2Session[];
  /** Requests as they came: names and values in turn. */
  seen: string[][];
  /** What it negotiates, the preferred one first. */
  protocols: string[];
  /** Connections that were accepted so far. */
  accepted: number;
}

/** An upstream that negotiates what is offered to it of `h2` and `http/1.1`; what is not HTTP/2 is handed to `other`. */
export async function makeH2Upstream(
  handle: (stream: ServerHttp2Stream, list: string[]) => void,
  tls: {
    ca: Authority;
    host: string;
    settings?: object;
    /** Gets the frames of a connection instead. */
    wire?: (wire: Wire) => void;
    other?: (socket: TLSSocket) => void;
  },
): Promise<H2Upstream> {
  const sessions: ServerHttp2Session[] = [];
  const seen: string[][] = [];
  const sockets = new Set<Socket>();
  const server = createServer((raw) => {
    raw.on('error', () => undefined);
    sockets.add(raw);
    upstream.accepted += 1;
    const socket = new TLSSocket(raw, {
      isServer: true,
      secureContext: tls.ca.contextFor(host(tls.host)),
      ALPNProtocols: upstream.protocols,
    });
    socket.on('error', () => undefined);
    socket.once('secure', () => {
      if (socket.alpnProtocol !== 'h2') return tls.other?.(socket);
      if (tls.wire) return tls.wire(new Wire(socket, 'server'));
      Object.assign(socket, { secureConnecting: false });
      const session = performServerHandshake(socket, {
        maxSessionMemory: 1_000,
        settings: tls.settings ?? {},
        strictSingleValueFields: false,
      } as object);
      session.on('error', () => undefined);
      sessions.push(session);
      session.on('stream', (stream: ServerHttp2Stream, _headers, _flags, list?: string[]) => {
        stream.on('error', () => undefined);
        // Node resets a stream that nobody reads, and the reset may overtake the answer's end.
        if (stream.endAfterHeaders) stream.resume();
        seen.push(list ?? []);
        handle(stream, list ?? []);
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const upstream: H2Upstream = {
    port: (server.address() as AddressInfo).port,
    sessions,
    seen,
    protocols: ['h2', 'http/1.1'],
    accepted: 0,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => void server.close(() => resolve()));
    },
  };
  return upstream;
}

/** Types of frames (section 6). */
export const FRAME = {
  data: 0,
  headers: 1,
  reset: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  window: 8,
  continuation: 9,
} as const;
export const END_STREAM = 1;
export const END_HEADERS = 4;
const ACK = 1;

export interface Frame {
  type: number;
  flags: number;
  id: number;
  payload: Buffer;
}

/** A connection on which frames are written and read one by one. */
export class Wire {
  readonly socket: Socket;
  readonly frames: Frame[] = [];
  #rest = Buffer.alloc(0);
  #waiting: (() => void)[] = [];
  isClosed = false;

  /** `role`: a client says the preface, a server reads it. */
  constructor(socket: Socket, role: 'client' | 'server' = 'client') {
    this.socket = socket;
    let skip = role === 'server' ? PREFACE.length : 0;
    socket.on('error', () => undefined);
    socket.on('data', (bytes: Buffer) => {
      const skipped = Math.min(skip, bytes.length);
      skip -= skipped;
      this.#read(bytes.subarray(skipped));
    });
    socket.on('end', () => socket.end());
    socket.on('close', () => {
      this.isClosed = true;
      this.#wake();
    });
    if (role === 'client') socket.write(PREFACE);
    this.send(FRAME.settings, 0, 0);
  }

  send(type: number, flags: number, id: number, payload: Buffer | string = ''): void {
    this.sendAll([[type, flags, id, payload]]);
  }

  sendAll(frames: readonly (readonly [type: number, flags: number, id: number, payload?: Buffer | string])[]): void {
    if (this.socket.writable) this.socket.write(Buffer.concat(frames.map((one) => frame(...one))));
  }

  /** The first frame, read or still to come, that fits; undefined if the connection ends before. */
  async find(fits: (frame: Frame) => boolean): Promise<Frame | undefined> {
    for (;;) {
      const found = this.frames.find(fits);
      if (found || this.isClosed) return found;
      await new Promise<void>((resolve) => void this.#waiting.push(resolve));
    }
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #read(bytes: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    while (this.#rest.length >= 9) {
      const length = this.#rest.readUIntBE(0, 3);
      if (this.#rest.length < 9 + length) break;
      const [type, flags, id] = [this.#rest.readUInt8(3), this.#rest.readUInt8(4), this.#rest.readUInt32BE(5)];
      this.frames.push({ type, flags, id, payload: this.#rest.subarray(9, 9 + length) });
      this.#rest = this.#rest.subarray(9 + length);
      if (type === FRAME.settings && !(flags & ACK)) this.send(FRAME.settings, ACK, 0);
    }
    this.#wake();
  }
}

export function frame(type: number, flags: number, id: number, payload: Buffer | string = ''): Buffer {
  const body = Buffer.from(payload);
  const head = Buffer.alloc(9);
  head.writeUIntBE(body.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(id, 5);
  return Buffer.concat([head, body]);
}

/** Literal fields without indexing and without Huffman coding (RFC 7541 section 6.2.2). */
export function hpack(list: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat(list.flatMap(([name, value]) => [Buffer.from([0]), literal(name), literal(value)]));
}

function literal(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1');
  const length: number[] = [];
  if (bytes.length < 127) length.push(bytes.length);
  else {
    length.push(127);
    let left = bytes.length - 127;
    for (; left >= 128; left = Math.floor(left / 128)) length.push((left % 128) + 128);
    length.push(left);
  }
  return Buffer.concat([Buffer.from(length), bytes]);
}

export function code(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
