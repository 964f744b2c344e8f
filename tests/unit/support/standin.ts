/**
 * Stands in for pipelock on loopback: answers given bytes, or finds three made-up secrets and sends everything else on to the sink as
 * that program does, with fields sorted, some of them dropped and one added.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { bodyOf, type Recorded } from './answers.ts';

export interface Asked {
  readonly method: string;
  readonly url: string;
  readonly fields: readonly (readonly [string, string])[];
  readonly body: string;
}

/** Bytes to be answered as they are (empty: none), and whether the connection ends then. */
export interface Raw {
  readonly bytes: Buffer;
  readonly close: boolean;
}

export interface Standin extends AsyncDisposable {
  readonly port: number;
  /** Where it sends what it lets pass. */
  sink: number;
  /** In place of what it does by itself; 'silence' answers nothing and keeps the connection. */
  answer: (asked: Asked) => Raw | 'silence' | undefined;
  readonly asked: Asked[];
  /** Ends every connection, as a restart does. */
  restart(): void;
}

export async function makeStandin(): Promise<Standin> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    read(socket, (asked) => {
      standin.asked.push(asked);
      return respond(standin, asked, socket);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const standin: Standin = {
    port: (server.address() as AddressInfo).port,
    sink: 0,
    answer: () => undefined,
    asked: [],
    restart() {
      for (const socket of sockets) socket.destroy();
    },
    async [Symbol.asyncDispose]() {
      standin.restart();
      server.close();
    },
  };
  return standin;
}

/** A recorded answer as it stood on the wire, but for its date. */
export function rawOf({ answer, closed }: Recorded): Raw {
  if (!answer) return { bytes: Buffer.alloc(0), close: true };
  const lines = answer.headers.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  return {
    bytes: Buffer.concat([Buffer.from(`HTTP/1.1 ${answer.status} X\r\n${lines}\r\n`, 'latin1'), bodyOf(answer)]),
    close: closed || !answer.headers.some(([name]) => name === 'Content-Length'),
  };
}

export function denial(line: string, status = 403): Raw {
  const head = `HTTP/1.1 ${status} X\r\nContent-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n`;
  return { bytes: Buffer.from(`${head}Content-Length: ${line.length + 1}\r\n\r\n${line}\n`, 'latin1'), close: false };
}

async function respond(standin: Standin, asked: Asked, socket: Socket): Promise<void> {
  const own = standin.answer(asked) ?? finding(asked) ?? (await forward(asked, standin.sink));
  if (own === 'silence') return;
  if (own.bytes.length > 0) socket.write(own.bytes);
  if (own.close) socket.end();
}

function finding({ url, fields, body }: Asked): Raw | undefined {
  if (url === '/health')
    return { bytes: Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}', 'latin1'), close: false };
  if (/ghp_\w{36}/.test(url)) return denial('blocked: core DLP match: GitHub Token (critical)');
  if (/AKIA[A-Z0-9]{16}/.test(body))
    return denial('blocked: request body contains secret: AWS Access ID, AWS Access ID');
  if (fields.some(([, value]) => value.includes('sk-ant-'))) return denial('blocked: request header contains secret');
  return undefined;
}

const DROPPED =
  /^(connection|keep-alive|te|trailer|upgrade|proxy-.*|x-pipelock-agent|x-forwarded-.*|x-real-ip|forwarded|via|pipelock-.*|signature|signature-input|host|content-length|user-agent)$/;

async function forward({ method, url, fields, body }: Asked, sink: number): Promise<Raw> {
  const place = new URL(url);
  const path = url.slice(url.indexOf('/', 'http://'.length)) || '/';
  const agent = fields.find(([name]) => name.toLowerCase() === 'user-agent')?.[1] ?? 'Go-http-client/1.1';
  const kept = fields
    .filter(([name]) => !DROPPED.test(name.toLowerCase()))
    .map(([name, value]) => `${canonical(name)}: ${value}\r\n`)
    .toSorted();
  const length = body === '' && method === 'GET' ? '' : `Content-Length: ${body.length}\r\n`;
  const socket = connect(sink, '127.0.0.1');
  const reply = new Promise<Buffer>((resolve) => {
    let text = '';
    const done = () => resolve(Buffer.from(text, 'latin1'));
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      if (text.includes('\r\n\r\n')) done();
    });
    socket.on('error', done).on('close', done);
  });
  socket.write(
    `${method} ${path} HTTP/1.1\r\nHost: ${place.host}\r\nUser-Agent: ${agent}\r\n${length}${kept.join('')}\r\n`,
  );
  socket.write(Buffer.from(body, 'latin1'));
  const bytes = await reply;
  socket.destroy();
  return bytes.length > 0 ? { bytes, close: false } : denial('forward proxy fetch failed', 502);
}

function canonical(name: string): string {
  return name.toLowerCase().replaceAll(/(^|-)[a-z]/g, (letter) => letter.toUpperCase());
}

/** One request after the other, by its content length. */
function read(socket: Socket, handle: (asked: Asked) => Promise<void>): void {
  let text = '';
  let busy = Promise.resolve();
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
    for (;;) {
      const end = text.indexOf('\r\n\r\n');
      if (end < 0) return;
      const [line = '', ...lines] = text.slice(0, end).split('\r\n');
      const fields = lines.map((field) => {
        const colon = field.indexOf(':');
        return [field.slice(0, colon), field.slice(colon + 1).trim()] as const;
      });
      const length = Number(fields.find(([name]) => name.toLowerCase() === 'content-length')?.[1] ?? 0);
      if (text.length < end + 4 + length) return;
      const [method = '', url = ''] = line.split(' ');
      const asked = { method, url, fields, body: text.slice(end + 4, end + 4 + length) };
      text = text.slice(end + 4 + length);
      busy = busy.then(() => handle(asked));
    }
  });
}
