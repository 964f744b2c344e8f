/** A stand-in upstream: TLS with a CA of its own, and an answer that says what has come. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { TLSSocket } from 'node:tls';
import { makeAuthority } from '../../addon/authority.ts';

export const HOST = '127.0.0.1';
/** A path that is answered by an event stream. */
export const EVENTS = '/events';

/** What has come of an upload. */
export interface Arrived {
  readonly bytes: number;
  /** SHA-1, in hex: the quickest that would show a difference. */
  readonly hash: string;
}

export interface Upstream extends Disposable {
  readonly port: number;
  /** PEM. */
  readonly ca: string;
}

export async function startUpstream(): Promise<Upstream> {
  const ca = makeAuthority('bench upstream');
  const http = createServer((incoming, response) => {
    if (incoming.url === EVENTS) tell(response);
    else if (incoming.method === 'PUT') count(incoming, response);
    else incoming.resume().on('end', () => response.end('{"ok":true}'));
  });
  const front = createTcpServer((raw) => {
    const secure = new TLSSocket(raw, { isServer: true, secureContext: ca.contextFor({ kind: 'ipv4', text: HOST }) });
    secure.on('error', () => undefined);
    secure.once('secure', () => http.emit('connection', secure));
  }).listen(0, HOST);
  await once(front, 'listening');
  return {
    port: (front.address() as AddressInfo).port,
    ca: ca.certificate,
    [Symbol.dispose]: () => void front.close(),
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

function count(incoming: IncomingMessage, response: ServerResponse): void {
  const hash = createHash('sha1');
  let bytes = 0;
  incoming.on('data', (piece: Buffer) => {
    bytes += piece.length;
    hash.update(piece);
  });
  incoming.on('end', () => {
    response.end(JSON.stringify({ bytes, hash: hash.digest('hex') } satisfies Arrived));
  });
}
