/**
 * The agent's door: an HTTP proxy on one address. CONNECT opens a tunnel; what comes in it is TLS if its first byte says so,
 * else plain HTTP to the same target. Every request, tunnelled or not, ends in one `serve`. Raw sockets get their error handler
 * first, listeners are never async, and nothing is closed without an answer.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Outcome } from '../../contracts/exchange.ts';
import type { Authority } from '../authority.ts';
import * as limits from '../limits.ts';
import { NOWHERE, readAuthority, type Tunnel } from '../request.ts';
import type { Refusal, Target } from '../message.ts';
import { respond, statusOf, type Unforwarded } from '../respond.ts';

export interface Door {
  readonly port: number;
  /** Destroys every connection; new ones are still taken. */
  cut(): void;
  close(): void;
}

export interface DoorOptions {
  readonly address: string;
  readonly port: number;
  /** The only address that may connect. */
  readonly gate: string;
  /** Milliseconds for a head; tests shorten it. */
  readonly headMs?: number;
  readonly authority: Authority;
  /** Why a tunnel to this place is not opened at all, if so. */
  readonly refuseTunnel: (target: Target) => Unforwarded | undefined;
  /** Takes the socket of a tunnel in which TLS begins, if that is to be relayed unopened. */
  readonly takeUnopened: (socket: Socket, target: Target) => boolean;
  readonly serve: (request: IncomingMessage, response: ServerResponse, how: Served) => void;
  /** Records what never became an exchange; returns its id. */
  readonly record: (method: string, target: Target, outcome: Outcome) => string;
}

export interface Served {
  readonly tunnel: Tunnel | undefined;
  /** Aborted, with a `Refusal` as its reason, when what comes on the connection can no longer be read. */
  readonly malformed: AbortSignal;
  /** The agent waits for 100 before it sends the body. */
  readonly waits: boolean;
}

/** Rejects if the address cannot be bound. */
export function openDoor(options: DoorOptions): Promise<Door> {
  const { authority, refuseTunnel, takeUnopened, serve, record } = options;
  const connections = new Map<Socket, Connection>();
  const server = createServer({
    maxHeaderSize: limits.HEAD_BYTES,
    requireHostHeader: false, // checked with the other fields, and answered as they are
    headersTimeout: options.headMs ?? limits.HEAD_MS,
    requestTimeout: options.headMs ?? limits.REQUEST_MS,
    connectionsCheckingInterval: Math.min(limits.REQUEST_CHECK_MS, options.headMs ?? limits.HEAD_MS),
    keepAliveTimeout: limits.CLIENT_IDLE_MS,
    noDelay: true,
  });
  server.maxHeadersCount = 0; // counted by the reading of the head; Node would drop some silently
  server.maxConnections = limits.CLIENT_CONNECTIONS;

  function adopt(socket: Socket, tunnel: Tunnel | undefined): void {
    connections.set(socket, { tunnel, open: new Set(), malformed: new AbortController() });
    socket.once('close', () => connections.delete(socket));
  }

  /** One parser for both: a tunnel's inside is handed to the same server, with what is known about it. */
  function enter(socket: Socket, tunnel: Tunnel): void {
    adopt(socket, tunnel);
    server.emit('connection', socket);
  }

  server.prependListener('connection', (socket: Socket) => {
    if (connections.has(socket)) return; // a tunnel's inside
    socket.on('error', () => socket.destroy());
    if (socket.remoteAddress === options.gate) adopt(socket, undefined);
    else socket.destroy();
  });

  function onRequest(request: IncomingMessage, response: ServerResponse, waits: boolean): void {
    const connection = connections.get(request.socket);
    if (!connection) return void request.socket.destroy();
    const { tunnel, open, malformed } = connection;
    open.add(request);
    response.once('close', () => {
      open.delete(request);
      if (malformed.signal.aborted && open.size === 0) request.socket.destroySoon();
    });
    serve(request, response, { tunnel, waits, malformed: malformed.signal });
  }
  server.on('request', (request, response) => onRequest(request, response, false));
  server.on('checkContinue', (request, response) => onRequest(request, response, true));
  server.on('checkExpectation', (request, response) => onRequest(request, response, false));

  server.on('connect', (request: IncomingMessage, stream, head: Buffer) => {
    const socket = stream as Socket; // http.Server hands over the socket that it was given
    socket.on('error', () => socket.destroy());
    const connection = connections.get(socket);
    const opened = connection ? readConnect(request, connection.tunnel, refuseTunnel) : undefined;
    if (!opened) return void socket.destroy();
    if (opened.refusal) return refuse(socket, 'CONNECT', opened.target, opened.refusal);
    socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
    if (head.length > 0) socket.unshift(head);
    awaitFirstByte(socket, (first) => {
      if (first === HANDSHAKE) {
        if (!takeUnopened(socket, opened.target)) openTls(socket, opened.target);
      } else enter(socket, { target: { ...opened.target, scheme: 'http' }, sni: undefined });
    });
  });

  function openTls(socket: Socket, target: Target): void {
    const tls = new TLSSocket(socket, {
      isServer: true,
      secureContext: authority.contextFor(target.host),
      ALPNProtocols: HTTP1,
    });
    tls.on('error', () => tls.destroy());
    const timer = setTimeout(() => socket.destroy(), limits.HANDSHAKE_MS);
    tls.once('close', () => {
      clearTimeout(timer);
      socket.destroy();
    });
    tls.once('secure', () => {
      clearTimeout(timer);
      enter(tls, { target, sni: tls.servername || undefined });
    });
  }

  server.on('clientError', (error: NodeJS.ErrnoException, stream) => {
    const socket = stream as Socket;
    const connection = connections.get(socket);
    if (!connection || !socket.writable || error.code === 'ECONNRESET') return void socket.destroy();
    // Opened ahead and never used: an answer to no request would be taken for the next one's.
    if (socket.bytesRead === 0) return void socket.destroy();
    const refusal = unreadable(error.code);
    // Answers that are under way come first: a second head would be taken for a body. A request that is not whole yet tells it.
    if (connection.open.size > 0) connection.malformed.abort(refusal);
    else refuse(socket, '-', connection.tunnel?.target ?? NOWHERE, refusal);
  });

  /** An answer outside node:http: to a CONNECT, or to bytes that are no request. */
  function refuse(socket: Socket, method: string, target: Target, outcome: Unforwarded): void {
    const id = record(method, target, outcome);
    const { head, body } = respond(outcome, { id, method, target });
    // Clients print the body of a refused CONNECT, if anything, as it is.
    const text = method === 'CONNECT' ? Buffer.from(`${outcomeText(body)}\n`) : body;
    const fields = head.fields.map(([name, value]) => {
      if (name === 'content-length') return `${name}: ${text.length}`;
      return name === 'content-type' && method === 'CONNECT'
        ? `${name}: text/plain; charset=utf-8`
        : `${name}: ${value}`;
    });
    socket.end(
      Buffer.concat([
        Buffer.from(
          `HTTP/1.1 ${statusOf(outcome)} ${head.text}\r\n${fields.join('\r\n')}\r\nconnection: close\r\n\r\n`,
        ),
        text,
      ]),
    );
    socket.resume(); // what still comes is not read by anybody
    socket.setTimeout(LINGER_MS, () => socket.destroy());
  }

  return listening(server, options).then((port) => ({
    port,
    cut() {
      for (const socket of connections.keys()) socket.destroy();
    },
    close() {
      server.close();
      for (const socket of connections.keys()) socket.destroy();
    },
  }));
}

interface Connection {
  readonly tunnel: Tunnel | undefined;
  /** Requests whose answers are not complete. */
  readonly open: Set<IncomingMessage>;
  readonly malformed: AbortController;
}

/** First byte of a TLS record that begins a handshake. */
const HANDSHAKE = 0x16;
/** Milliseconds that a refused connection may take to read its answer. */
const LINGER_MS = 5_000;
/** ALPN protocol list on the wire (RFC 7301). */
const HTTP1 = Buffer.from('\x08http/1.1');

function readConnect(
  { url = '' }: IncomingMessage,
  tunnel: Tunnel | undefined,
  refuseTunnel: DoorOptions['refuseTunnel'],
): { target: Target; refusal: Unforwarded | undefined } {
  const refusal = (reason: string): Unforwarded => ({ kind: 'refused', status: 403, reason });
  if (tunnel) return { target: tunnel.target, refusal: refusal('a tunnel inside a tunnel is not served') };
  const place = readAuthority(url);
  if ('kind' in place) return { target: NOWHERE, refusal: refusal(`the CONNECT target ${place.why}`) };
  const target: Target = { scheme: 'https', ...place };
  return { target, refusal: refuseTunnel(target) };
}

/** Looks without taking. A tunnel that is closed before it is used is nothing to report: browsers and agents open some ahead. */
function awaitFirstByte(socket: Socket, then: (first: number) => void): void {
  const close = () => socket.destroy();
  const look = () => {
    const chunk = socket.read() as Buffer | null;
    if (chunk === null) return;
    socket.off('readable', look);
    socket.off('end', close);
    socket.setTimeout(0);
    socket.off('timeout', close);
    socket.unshift(chunk);
    then(chunk[0] ?? 0);
  };
  socket.on('readable', look);
  socket.on('end', close);
  socket.setTimeout(limits.FIRST_BYTE_MS);
  socket.on('timeout', close);
}

function unreadable(code: string | undefined): Refusal {
  if (code === 'HPE_HEADER_OVERFLOW')
    return { kind: 'refused', status: 431, reason: `the head is larger than ${limits.HEAD_BYTES} bytes` };
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return { kind: 'refused', status: 408, reason: 'the request did not arrive in time' };
  return { kind: 'refused', status: 400, reason: `this is not HTTP/1.1 (${code ?? 'unknown'})` };
}

function outcomeText(problem: Buffer): string {
  const { detail } = JSON.parse(problem.toString()) as { detail: string }; // our own, just written
  return detail;
}

function listening(server: Server, { address, port }: DoorOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, address, () => {
      server.off('error', reject);
      const bound = server.address();
      resolve(typeof bound === 'object' && bound ? bound.port : port);
    });
  });
}
