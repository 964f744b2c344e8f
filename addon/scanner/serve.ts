/**
 * The scanner as others see it: a forward proxy that forwards nothing. What it would let pass it answers with the receipt, what it
 * would stop with the answer of a real scanner; see `contracts/` and `addon/receipt.ts`.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { OwnCredential } from '../../contracts/credential.ts';
import {
  type Field,
  NONCE_FIELD,
  PART_FIELD,
  readPlace,
  RECEIPT_FIELD,
  receiptOf,
  SCAN_ID_FIELD,
  type ScannedPart,
  sha256,
} from '../receipt.ts';
import { answerOf, eventOf } from './answer.ts';
import { detect } from './detect.ts';
import type { Finding, ScanRequest } from './finding.ts';

/** One part of a request: the sidecar's limit of 32 MiB and room for what it wraps around it. */
export const MAX_BODY_BYTES = 34 * 1024 * 1024;
const MAX_HEAD_BYTES = 128 * 1024;
/** A head or a body that does not arrive is the sidecar's fault or its client's; nobody waits longer. */
const HEAD_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 60_000;

export interface ScannerOptions {
  readonly key: Buffer;
  readonly own: readonly OwnCredential[];
  /** One line of the log, without a line end. */
  readonly log: (line: string) => void;
  /** For tests of what happens when it fails. */
  readonly detect?: typeof detect;
}

/** A server that is not listening yet. */
export function createScanner(options: ScannerOptions): Server {
  const server = createServer({
    maxHeaderSize: MAX_HEAD_BYTES,
    headersTimeout: HEAD_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: 0, // the sidecar's pool decides; a close from here would race with its next request
  });
  server.maxHeadersCount = 0; // all of them are part of the receipt
  server.on('connection', (socket: Socket) => socket.on('error', () => socket.destroy()));
  server.on('connect', (_request: IncomingMessage, socket: Socket) => {
    socket.on('error', () => socket.destroy());
    socket.end('HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
  });
  server.on('clientError', (_error, socket) => {
    socket.on('error', () => socket.destroy());
    if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
    else socket.destroy();
  });
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    request.on('error', () => {});
    response.on('error', () => {});
    answer(request, response, options).catch(() => refuse(response, 500, 'scan failed'));
  });
  return server;
}

async function answer(request: IncomingMessage, response: ServerResponse, options: ScannerOptions): Promise<void> {
  const started = process.hrtime.bigint();
  const [method, url, fields] = [request.method ?? '', request.url ?? '', pairs(request.rawHeaders)];
  if (url === '/health') return void response.writeHead(200).end();
  if (!/^[A-Za-z][A-Za-z0-9+.-]*:\/\//.test(url)) return refuse(response, 404, '404 page not found');
  const part = partOf(fields);
  if (!part) return refuse(response, 400, `${NONCE_FIELD} or ${PART_FIELD} is missing, repeated or malformed`);

  const record = (event: Record<string, unknown>) => options.log(logLine(event, { method, url, fields, started }));
  const body = await readBody(request);
  if (body.kind === 'cut') return void response.destroy();
  if (body.kind === 'too-large') {
    const reason = `request body exceeds max_body_bytes (${MAX_BODY_BYTES})`;
    record({ level: 'warn', event: 'blocked', scanner: 'body_dlp', reason, message: 'request blocked' });
    return write(response, 413, `refused: ${reason}`, 'close');
  }

  const trailers = pairs(request.rawTrailers);
  const findings = judge({ method, url, fields, trailers, body: body.bytes }, options);
  if (findings === undefined) {
    record({ level: 'error', event: 'error', error: 'scan failed', message: 'request error' });
    return refuse(response, 500, 'scan failed');
  }
  if (findings.length > 0) {
    record({ level: 'warn', ...eventOf(findings) });
    const { status, line } = answerOf(findings);
    return write(response, status, line, 'keep-alive');
  }
  const receipt = receiptOf(options.key, { ...part, method, url, fields, trailers, bodySha256: sha256(body.bytes) });
  record({
    level: 'info',
    event: 'forward_http',
    status_code: 204,
    size_bytes: body.bytes.length,
    message: 'forward proxy request',
  });
  response.writeHead(204, { [RECEIPT_FIELD]: receipt }).end();
}

/** Undefined: it could not be told, which is never an allow. */
function judge(arrived: ScanRequest, options: ScannerOptions): Finding[] | undefined {
  try {
    return (options.detect ?? detect)(arrived, options.own);
  } catch {
    return undefined;
  }
}

type Body =
  | { readonly kind: 'whole'; readonly bytes: Buffer }
  | { readonly kind: 'too-large' }
  | { readonly kind: 'cut' };

/** Reads on after the limit without keeping anything, so that the sender gets to read the answer. */
async function readBody(request: IncomingMessage): Promise<Body> {
  const chunks: Buffer[] = [];
  let size = 0;
  return new Promise((resolve) => {
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= MAX_BODY_BYTES) return void chunks.push(chunk);
      chunks.length = 0;
      resolve({ kind: 'too-large' });
    });
    request.on('end', () =>
      resolve({ kind: 'whole', bytes: chunks.length === 1 ? (chunks[0] ?? Buffer.alloc(0)) : Buffer.concat(chunks) }),
    );
    request.on('close', () => resolve({ kind: 'cut' }));
  });
}

/** Nonce, index and count of this part; each field exactly once. */
function partOf(fields: readonly Field[]): Pick<ScannedPart, 'nonce' | 'index' | 'count'> | undefined {
  const all = (wanted: string) => fields.filter(([name]) => name.toLowerCase() === wanted).map(([, value]) => value);
  const [nonces, parts] = [all(NONCE_FIELD), all(PART_FIELD)];
  const place = readPlace(parts[0] ?? '');
  const [nonce = ''] = nonces;
  if (nonces.length !== 1 || parts.length !== 1 || !/^[\x21-\x7e]{1,128}$/.test(nonce)) return undefined;
  return place && { nonce, ...place };
}

/** Other scanners' fields. Of the URL no more than scheme and host; of header fields no more than the scan's name. */
function logLine(
  event: Record<string, unknown>,
  request: { method: string; url: string; fields: readonly Field[]; started: bigint },
): string {
  const id = request.fields.find(([name]) => name.toLowerCase() === SCAN_ID_FIELD)?.[1] ?? '';
  const { level, event: name, message, ...rest } = event;
  return JSON.stringify({
    level,
    component: 'scanner',
    event: name,
    method: request.method,
    url: redacted(request.url),
    agent: /^[a-z0-9-]{1,64}$/.test(id) ? id : '',
    ...rest,
    duration_ms: Number(process.hrtime.bigint() - request.started) / 1e6,
    time: new Date().toISOString(),
    message,
  });
}

/** A host can be data too: where it was not let pass, the caller's journal has it; here stands only a plain one. */
function redacted(url: string): string {
  const found =
    /^(https?):\/\/(?:[^/?#@]*@)?((?:[a-z0-9_-]{1,20}\.){0,5}[a-z0-9_-]{1,20}|\[[0-9a-f:]{2,40}\])(?::\d{1,5})?(?:[/?#]|$)/i.exec(
      url,
    );
  return found ? `${found[1]}://${found[2]}/[redacted]` : '[redacted]';
}

function pairs(raw: readonly string[]): Field[] {
  return Array.from({ length: raw.length / 2 }, (_, i): Field => [raw[2 * i] ?? '', raw[2 * i + 1] ?? '']);
}

/** No verdict at all. */
function refuse(response: ServerResponse, status: number, line: string): void {
  write(response, status, line, 'close');
}

function write(response: ServerResponse, status: number, line: string, connection: 'keep-alive' | 'close'): void {
  if (response.headersSent || response.destroyed) return void response.destroy();
  const body = `${line}\n`;
  response.writeHead(status, {
    'Content-Type': 'text/plain; charset=utf-8',
    'X-Content-Type-Options': 'nosniff',
    'Content-Length': Buffer.byteLength(body),
    ...(connection === 'close' ? { Connection: 'close' } : {}),
  });
  response.end(body);
}
