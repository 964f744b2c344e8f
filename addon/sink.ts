/**
 * Where everything ends that a network scanner lets pass: the only address and the only resolver that it has. What arrives here was
 * scanned, so the receipt is written here, over exactly what arrived; nothing is kept and nothing is sent on.
 */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { serveNames } from './dns.ts';
import { SINK_HEAD_BYTES, SINK_IDLE_MS, SINK_REQUEST_MS } from './limits.ts';
import { type Field, NONCE_FIELD, PART_FIELD, readPlace, RECEIPT_FIELD, receiptOf } from './receipt.ts';

export interface SinkOptions {
  /** The sidecar's address on the scan network; bound there and nowhere else. */
  readonly address: string;
  readonly port: number;
  readonly dnsPort: number;
  /** The one address that may connect. */
  readonly scanner: string;
  readonly key: Buffer;
}

export interface Sink {
  /** Where it listens; the options', unless that was 0. */
  readonly port: number;
  close(): Promise<void>;
}

/** Rejects if a listener cannot be bound. */
export async function openSink(options: SinkOptions): Promise<Sink> {
  const server = createServer({
    maxHeaderSize: SINK_HEAD_BYTES,
    requestTimeout: SINK_REQUEST_MS,
    keepAliveTimeout: SINK_IDLE_MS,
  });
  server.maxHeadersCount = 0; // all of them are part of the receipt
  server.on('connection', (socket: Socket) => {
    socket.on('error', () => socket.destroy());
    if (socket.remoteAddress !== options.scanner) socket.destroy();
  });
  for (const event of ['connect', 'upgrade', 'clientError'] as const)
    server.on(event, (_: unknown, socket: { destroy(): void }) => socket.destroy());
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    request.on('error', () => request.destroy());
    response.on('error', () => request.destroy());
    prove(request, response, options.key);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.address, () => resolve());
  });
  const { port } = server.address() as AddressInfo;
  const names = await serveNames(options.address, options.dnsPort, options.address).catch((error: unknown) => {
    server.close();
    throw error;
  });
  return {
    port,
    async close() {
      server.close();
      server.closeAllConnections();
      await names.close();
    },
  };
}

/** Reads to the end before it answers: a scanner takes an early answer to a large body for a failure. */
function prove(request: IncomingMessage, response: ServerResponse, key: Buffer): void {
  const hash = createHash('sha256');
  request.on('data', (chunk: Buffer) => void hash.update(chunk));
  request.once('end', () => {
    const fields = pairs(request.rawHeaders);
    const values = (wanted: string) =>
      fields.filter(([name]) => name.toLowerCase() === wanted).map(([, value]) => value);
    const [[nonce], [place], [host]] = [values(NONCE_FIELD), values(PART_FIELD), values('host')];
    const at = readPlace(place ?? '');
    if (nonce === undefined || !at || host === undefined) return void response.writeHead(204).end();
    const receipt = receiptOf(key, {
      nonce,
      ...at,
      method: request.method ?? '',
      url: `http://${host}${request.url ?? ''}`,
      fields,
      trailers: pairs(request.rawTrailers),
      bodySha256: hash.digest('hex'),
    });
    response.writeHead(204, { [RECEIPT_FIELD]: receipt, [NONCE_FIELD]: nonce }).end();
  });
}

function pairs(raw: readonly string[]): Field[] {
  return Array.from({ length: raw.length / 2 }, (_, i): Field => [raw[2 * i] ?? '', raw[2 * i + 1] ?? '']);
}
