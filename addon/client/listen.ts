/**
 * The agent's door: an HTTP proxy on one address. CONNECT opens a tunnel; what comes in it is TLS if its first byte says so,
 * else plain HTTP to the same target. Every request, tunnelled or not, ends in one `serve`. Raw sockets get their error handler
 * first, listeners are never async, and nothing is closed without an answer.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Outcome } from '../../contracts/exchange.ts';
import type { Authority } from '../authority.ts';
import type { RequestLine } from '../h1/head.ts';
import * as limits from '../limits.ts';
import type { Target } from '../message.ts';
import { NOWHERE, readConnect, type Tunnel } from '../request.ts';
import type { Unforwarded } from '../respond.ts';
import { type Deadline, keepDeadlines } from './deadlines.ts';
import { type H1Options, serveH1 } from './h1.ts';
import type { Switch } from './raw.ts';
import { refusalBytes } from './refuse.ts';

export interface Door {
  readonly port: number;
  /** Destroys every connection; new ones are still taken. */
  cut(): void;
  close(): void;
}

export interface DoorOptions extends Pick<H1Options, 'bodies' | 'refuse' | 'serve'> {
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
  /** Records what never became an exchange; returns its id. */
  readonly record: (method: string, target: Target, outcome: Outcome) => string;
  /** Protocols that a request may switch to, by lower-case name; none without it. */
  readonly switches?: ReadonlyMap<string, Switch>;
  /** Serves HTTP/2 on a connection that negotiated it; it is not offered without it. `preferred`: what the agent named first. */
  readonly h2?: (socket: TLSSocket, tunnel: Tunnel, preferred: string | undefined) => void;
}

/** Rejects if the address cannot be bound. */
export function openDoor(options: DoorOptions): Promise<Door> {
  const { authority, refuseTunnel, takeUnopened, record, switches = new Map(), h2 } = options;
  const headMs = options.headMs ?? limits.HEAD_MS;
  const deadlines = keepDeadlines(Math.min(limits.REQUEST_CHECK_MS, headMs));
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    socket.on('error', () => socket.destroy());
    if (socket.remoteAddress === options.gate) enter(socket, undefined, NOTHING);
    else socket.destroy();
  });
  server.maxConnections = limits.CLIENT_CONNECTIONS;

  /** A connection, or a tunnel's inside: the same reader for both. */
  function enter(socket: Socket, tunnel: Tunnel | undefined, first: Buffer): void {
    const deadline = deadlines.make();
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    const refused = (method: string, target: Target, outcome: Unforwarded) =>
      refusalBytes(outcome, { id: record(method, target, outcome), method, target });
    const { bodies, refuse, serve } = options;
    const h1: H1Options = {
      tunnel,
      deadline,
      headMs,
      requestMs: options.headMs ?? limits.REQUEST_MS,
      bodies,
      refuse,
      switches,
      serve,
      connect(head, rest) {
        const opened = readTunnel(head, tunnel, refuseTunnel);
        if (!opened.refusal) return open(socket, opened.target, deadline, rest);
        socket.end(refused('CONNECT', opened.target, opened.refusal));
        socket.on('data', () => undefined).resume(); // what still comes is not read by anybody
        deadline.set(limits.LINGER_MS, () => socket.destroy());
      },
      reject: (refusal) => refused('-', tunnel?.target ?? NOWHERE, refusal),
    };
    serveH1(socket, h1, first);
  }

  function open(socket: Socket, target: Target, deadline: Deadline, rest: Buffer): void {
    socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
    awaitFirst(socket, deadline, rest, (first) => {
      if (first[0] !== HANDSHAKE)
        return enter(socket, { target: { ...target, scheme: 'http' }, sni: undefined }, first);
      socket.unshift(first);
      if (!takeUnopened(socket, target)) openTls(socket, target, deadline);
    });
  }

  function openTls(socket: Socket, target: Target, deadline: Deadline): void {
    let preferred: string | undefined;
    const tls = new TLSSocket(socket, {
      isServer: true, // half-open like the socket under it
      secureContext: authority.contextFor(target.host),
      ALPNCallback({ protocols }) {
        [preferred] = protocols;
        return (h2 ? WITH_H2 : HTTP1).find((ours) => protocols.includes(ours)); // none: the handshake fails
      },
    });
    tls.on('error', () => tls.destroy());
    tls.once('close', () => {
      deadline.clear();
      socket.destroy();
    });
    deadline.set(limits.HANDSHAKE_MS, () => socket.destroy());
    tls.once('secure', () => {
      deadline.clear();
      const tunnel: Tunnel = { target, sni: tls.servername || undefined };
      if (h2 && tls.alpnProtocol === 'h2') h2(tls, tunnel, preferred);
      else enter(tls, tunnel, NOTHING);
    });
  }

  return listening(server, options).then((port) => ({
    port,
    cut() {
      for (const socket of sockets) socket.destroy();
    },
    close() {
      server.close();
      deadlines.close();
      for (const socket of sockets) socket.destroy();
    },
  }));
}

const NOTHING = Buffer.alloc(0);
/** First byte of a TLS record that begins a handshake. */
const HANDSHAKE = 0x16;
/** Ours, best first. curl offers `http/1.0` alone when it is told to speak that. */
const HTTP1: readonly string[] = ['http/1.1', 'http/1.0'];
const WITH_H2: readonly string[] = ['h2', ...HTTP1];

function readTunnel(
  head: RequestLine,
  tunnel: Tunnel | undefined,
  refuseTunnel: DoorOptions['refuseTunnel'],
): { target: Target; refusal: Unforwarded | undefined } {
  if (tunnel)
    return {
      target: tunnel.target,
      refusal: { kind: 'refused', status: 403, reason: 'a tunnel inside a tunnel is not served' },
    };
  const place = readConnect(head);
  if ('kind' in place) return { target: NOWHERE, refusal: place };
  const target: Target = { scheme: 'https', ...place };
  return { target, refusal: refuseTunnel(target) };
}

/** A tunnel that is closed before it is used is nothing to report: browsers and agents open some ahead. */
function awaitFirst(socket: Socket, deadline: Deadline, rest: Buffer, then: (first: Buffer) => void): void {
  if (rest.length > 0) return then(rest);
  const close = () => socket.destroy();
  socket.once('end', close);
  socket.once('close', () => deadline.clear());
  socket.once('data', (first: Buffer) => {
    socket.off('end', close);
    socket.pause();
    deadline.clear();
    then(first);
  });
  deadline.set(limits.FIRST_BYTE_MS, close);
  socket.resume();
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
