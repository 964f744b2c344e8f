/** An upstream of raw bytes on loopback, and an agent's side that writes down what it is given. */
import type { AddressInfo, Socket } from 'node:net';
import { createServer } from 'node:net';
import type { Client, Field, Relayed, RequestHead, ResponseHead, Unit, Upstream } from '../../../../addon/message.ts';
import { addressCheck } from '../../../../addon/upstream/address.ts';
import { type DialOptions, makeDial } from '../../../../addon/upstream/dial.ts';
import { makeUpstream, type PooledUpstream, type UpstreamOptions } from '../../../../addon/upstream/open.ts';
import { host } from '../rig.ts';

export interface RawServer extends AsyncDisposable {
  readonly port: number;
  /** Every connection, in order. */
  readonly accepted: Socket[];
}

/** `serve` gets each connection with its number, from 0. */
export async function rawServer(serve: (socket: Socket, index: number) => void): Promise<RawServer> {
  const accepted: Socket[] = [];
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => undefined);
    accepted.push(socket);
    serve(socket, accepted.length - 1);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    accepted,
    async [Symbol.asyncDispose]() {
      for (const socket of accepted) socket.destroy();
      await new Promise((resolve) => void server.close(resolve));
    },
  };
}

/** Calls back with each whole request that has no body, as text. */
export function onRequest(socket: Socket, answer: (request: string) => void): void {
  let text = '';
  socket.on('data', (bytes: Buffer) => {
    text += bytes.toString('latin1');
    for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
      const request = text.slice(0, end + 4);
      text = text.slice(end + 4);
      answer(request);
    }
  });
}

/** A way out for which every name is loopback. */
export function upstreamOf(options: UpstreamOptions = {}, dial: Partial<DialOptions> = {}): PooledUpstream {
  return makeUpstream(
    makeDial({
      check: addressCheck(['127.0.0.0/8']),
      resolve: async () => ['127.0.0.1'],
      extraRoots: [],
      certificates: [],
      self: [],
      ...dial,
    }),
    options,
  );
}

export function headTo(port: number, own: Partial<RequestHead> & { scheme?: 'http' | 'https'; name?: string } = {}) {
  const { scheme = 'http', name = 'a.test', ...rest } = own;
  return { method: 'GET', target: { scheme, host: host(name), port }, path: '/', fields: [], ...rest } as RequestHead;
}

export function unitOf(chunks: readonly (string | Buffer)[] = [], own: Partial<Unit> = {}): Unit {
  const bytes = chunks.map((chunk) => Buffer.from(chunk as Buffer));
  return {
    kind: 'unit',
    size: bytes.reduce((sum, one) => sum + one.length, 0),
    last: true,
    trailers: [],
    chunks: () => bytes,
    [Symbol.dispose]: () => undefined,
    ...own,
  };
}

export interface Agent extends Client {
  readonly informed: ResponseHead[];
  started: ResponseHead | undefined;
  /** Pieces as they came. */
  readonly pieces: Buffer[];
  readonly body: () => string;
  trailers: readonly Field[] | undefined;
  leave(): void;
  /** Called with each piece; false holds the upstream back. */
  take: (piece: Buffer) => boolean;
}

export function agentFor(head: RequestHead): Agent {
  const leaving = new AbortController();
  const agent: Agent = {
    head,
    refusal: undefined,
    units: { [Symbol.asyncIterator]: () => ({ next: async () => ({ done: true, value: undefined }) }) },
    gone: leaving.signal,
    informed: [],
    started: undefined,
    pieces: [],
    trailers: undefined,
    onDrain: undefined,
    take: () => true,
    body: () => Buffer.concat(agent.pieces).toString('latin1'),
    inform: (interim) => void agent.informed.push(interim),
    start(final) {
      agent.started = final;
    },
    write(piece) {
      agent.pieces.push(Buffer.from(piece));
      return agent.take(piece);
    },
    finish(trailers) {
      agent.trailers = trailers;
    },
    destroy: () => undefined,
    leave: () => leaving.abort(),
  };
  return agent;
}

/** One request and its whole answer, as the exchange has it. */
export async function pass(
  upstream: Upstream,
  head: RequestHead,
  unit: Unit = unitOf(),
  agent: Agent = agentFor(head),
): Promise<{ agent: Agent; end: Relayed; sent: number }> {
  using leg = await upstream.open(head, agent.gone);
  const relayed = leg.relay(agent);
  await leg.send(head, unit);
  return { agent, end: await relayed, sent: leg.sent };
}
