/**
 * The name server of the agent and of a network scanner: answers every well-formed query at once, and forwards nothing. To the agent
 * there is no such name: names are resolved by the sidecar itself, after the policy has allowed them. To a scanner every name is the
 * sink's. RFC 1035 section 4.
 */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { createServer, type Server, type Socket } from 'node:net';
import { codeOf } from './code.ts';

export interface NameServer {
  close(): Promise<void>;
}

/** `every`: the IPv4 address of every name; none: no name exists. Rejects if one of the two sockets cannot be bound. */
export async function serveNames(address: string, port: number, every?: string): Promise<NameServer> {
  for (let tries = ANY_PORT_TRIES; ; tries -= 1) {
    try {
      return await serveOnce(address, port, every);
    } catch (error) {
      // Any port was asked for, and the one that was free for UDP is taken for TCP.
      if (port !== 0 || tries === 1 || codeOf(error) !== 'EADDRINUSE') throw error;
    }
  }
}

const ANY_PORT_TRIES = 8;

async function serveOnce(address: string, port: number, every: string | undefined): Promise<NameServer> {
  const udp = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  udp.on('message', (query, from) => {
    const answer = answerTo(query, every);
    if (answer) udp.send(answer, from.port, from.address, () => undefined); // an answer that is lost is asked for again
  });
  const streams = new Set<Socket>();
  const tcp = createServer((socket) => serveStream(socket, streams, every));
  await bindUdp(udp, address, port);
  udp.on('error', () => undefined);
  try {
    await listen(tcp, address, udp.address().port);
  } catch (error) {
    udp.close();
    throw error;
  }
  return {
    async close() {
      udp.close();
      tcp.close();
      for (const socket of streams) socket.destroy();
    },
  };
}

/**
 * The question copied, with NXDOMAIN; with `every`, an A record for a question for one and an empty answer for any other. Undefined
 * for what is not one standard query.
 */
export function answerTo(query: Buffer, every?: string): Buffer | undefined {
  if (query.length < HEADER) return undefined;
  const flags = query.readUInt16BE(2);
  const isQuery = (flags & 0x8000) === 0 && (flags & 0x7800) === 0;
  if (!isQuery || query.readUInt16BE(4) !== 1) return undefined;
  const end = questionEnd(query);
  if (end === undefined) return undefined;
  const isA = query.readUInt16BE(end - 4) === 1 && query.readUInt16BE(end - 2) === 1;
  const record = every !== undefined && isA ? addressRecord(every) : Buffer.alloc(0);
  const answer = Buffer.alloc(end + record.length);
  query.copy(answer, 0, 0, end);
  // Response, recursion available, as desired; NXDOMAIN, or no error.
  answer.writeUInt16BE(0x8000 | (flags & 0x0100) | 0x0080 | (every === undefined ? 3 : 0), 2);
  answer.writeUInt16BE(1, 4);
  answer.fill(0, 6, HEADER);
  answer.writeUInt16BE(record.length > 0 ? 1 : 0, 6);
  record.copy(answer, end);
  return answer;
}

const HEADER = 12;
/** Bytes of a name on the wire, and of a query that is taken over TCP. */
const MAX_NAME = 255;
const MAX_QUERY = 4_096;
const STREAM_MS = 10_000;

/** The question's name by a pointer, type A, class IN, for 0 seconds. */
function addressRecord(address: string): Buffer {
  return Buffer.from([0xc0, HEADER, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, ...address.split('.').map(Number)]);
}

/** The offset behind name, type and class. A compressed name makes no sense in a first question and is not taken. */
function questionEnd(query: Buffer): number | undefined {
  let at = HEADER;
  while (at < query.length && at - HEADER <= MAX_NAME) {
    const length = query[at] ?? 0;
    if (length > 63) return undefined;
    at += 1 + length;
    if (length === 0) return at + 4 <= query.length ? at + 4 : undefined;
  }
  return undefined;
}

function serveStream(socket: Socket, streams: Set<Socket>, every: string | undefined): void {
  socket.on('error', () => socket.destroy());
  streams.add(socket);
  socket.once('close', () => streams.delete(socket));
  socket.setTimeout(STREAM_MS, () => socket.destroy());
  let pending = Buffer.alloc(0);
  socket.on('data', (piece: Buffer) => {
    pending = Buffer.concat([pending, piece]);
    while (pending.length >= 2) {
      const length = pending.readUInt16BE(0);
      if (length > MAX_QUERY) return void socket.destroy();
      if (pending.length < 2 + length) return;
      const answer = answerTo(pending.subarray(2, 2 + length), every);
      pending = pending.subarray(2 + length);
      if (!answer) return void socket.destroy();
      const framed = Buffer.alloc(2 + answer.length);
      framed.writeUInt16BE(answer.length, 0);
      answer.copy(framed, 2);
      socket.write(framed);
    }
  });
}

function bindUdp(socket: UdpSocket, address: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(port, address, () => {
      socket.off('error', reject);
      resolve();
    });
  });
}

function listen(server: Server, address: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, address, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
