/** The oracle: what Node's own parser, strict as it comes, makes of bytes on a connection. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, request } from 'node:http';
import { duplexPair } from 'node:stream';
import type { Field } from '../../addon/receipt.ts';

/** A message that was read to its end. */
export interface Read {
  /** Method and target, or status and reason phrase. */
  readonly line: readonly [string, string];
  readonly version: string;
  readonly fields: readonly Field[];
  readonly body: string;
  readonly trailers: readonly Field[];
}

/** Requests in their order; one that switches away from HTTP (CONNECT) is the last, without what follows it. */
export async function requestsIn(pieces: readonly Buffer[]): Promise<Read[]> {
  const found: (Read | undefined)[] = [];
  const server = createServer({ maxHeaderSize: 64 * 1024, requireHostHeader: false }, (message, response) => {
    const place = found.push(undefined) - 1;
    collect(message, (read) => {
      found[place] = read;
    });
    message.on('end', () => response.end());
    message.on('error', () => undefined);
  });
  server.maxHeadersCount = 0;
  Object.assign(server, { httpAllowHalfOpen: true }); // the end of the bytes does not take back what was read of them
  server.on('connect', (message: IncomingMessage, socket) => {
    found.push(readOf(message, ''));
    socket.destroy();
  });
  server.on('clientError', (_, socket) => void setImmediate(() => socket.destroy())); // what was read before is told first
  const [agent, inside] = duplexPair();
  server.emit('connection', inside);
  await feed(agent, inside, pieces);
  const whole = found.indexOf(undefined);
  return (whole < 0 ? found : found.slice(0, whole)) as Read[];
}

/** The interim answers, then the final one if it is read to its end. */
export async function answersIn(method: string, pieces: readonly Buffer[]): Promise<Read[]> {
  const found: Read[] = [];
  const [agent, inside] = duplexPair();
  const asked = request({ method, createConnection: () => agent as never, maxHeaderSize: 64 * 1024 });
  asked.maxHeadersCount = 0;
  asked.on('error', () => undefined);
  asked.on('information', ({ statusCode, statusMessage, httpVersion, rawHeaders }) =>
    found.push({
      line: [String(statusCode), statusMessage],
      version: httpVersion,
      fields: pairs(rawHeaders),
      body: '',
      trailers: [],
    }),
  );
  asked.on('response', (message) => {
    message.on('error', () => undefined);
    collect(message, (read) => found.push(read));
  });
  asked.on('upgrade', (message, socket) => {
    found.push(readOf(message, ''));
    socket.destroy();
  });
  asked.end();
  inside.resume();
  await feed(inside, agent, pieces);
  return found;
}

async function feed(
  from: ReturnType<typeof duplexPair>[0],
  to: ReturnType<typeof duplexPair>[0],
  pieces: readonly Buffer[],
): Promise<void> {
  const closed = once(to, 'close').catch(() => undefined);
  from.on('error', () => undefined);
  from.resume();
  for (const piece of pieces) {
    if (from.destroyed || to.destroyed) break;
    from.write(piece);
    await new Promise(setImmediate);
  }
  from.end();
  const waited = new Promise((resolve) => setTimeout(resolve, 200));
  await Promise.race([closed, waited]);
  await new Promise(setImmediate);
  to.destroy();
  from.destroy();
}

function collect(message: IncomingMessage, done: (read: Read) => void): void {
  let body = '';
  message.setEncoding('latin1');
  message.on('data', (text: string) => {
    body += text;
  });
  message.on('end', () => {
    if (message.complete) done(readOf(message, body));
  });
}

function readOf(message: IncomingMessage, body: string): Read {
  const { method, url, statusCode, statusMessage, httpVersion, rawHeaders, rawTrailers } = message;
  return {
    line: statusCode === null ? [method ?? '', url ?? ''] : [String(statusCode), statusMessage ?? ''],
    version: httpVersion,
    fields: pairs(rawHeaders),
    body,
    trailers: pairs(rawTrailers),
  };
}

function pairs(raw: readonly string[]): Field[] {
  const fields: Field[] = [];
  for (let index = 0; index + 1 < raw.length; index += 2) fields.push([raw[index] ?? '', raw[index + 1] ?? '']);
  return fields;
}
