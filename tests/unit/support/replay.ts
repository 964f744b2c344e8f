/**
 * Runs where nobody else is (`runAlone`): asks the real pipelock what it was asked when its answers were recorded, and prints one JSON line
 * for each. Argument: the program's file.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { serveNames } from '../../../addon/dns.ts';
import { PIPELOCK_PORT } from '../../../src/pipelock.ts';
import { ANSWERS, isAlone, type Recorded, recordedAnswers } from './answers.ts';
import { startPipelock } from './program.ts';
import { SINK, VARIATIONS } from './variations.ts';

const [file = ''] = process.argv.slice(2);
const answers = recordedAnswers();
if (typeof answers === 'string') throw new Error(answers);

/** Milliseconds in which a connection that is closed after an answer is closed. */
const CLOSE_MS = 2_000;

let seen = 0;
const sinks = [80, 8880].map((port) =>
  createServer((request, response) => {
    seen += 1;
    const nonce = request.headers['x-bottle-nonce'];
    request
      .resume()
      .on('end', () => response.writeHead(204, nonce === undefined ? {} : { 'X-Bottle-Nonce': nonce }).end());
  })
    .on('clientError', (_, socket) => socket.destroy())
    .listen(port, SINK),
);
await Promise.all(sinks.map((sink) => once(sink, 'listening')));
const names = await serveNames(SINK, 53, SINK);
const secrets = join(mkdtempSync(join(tmpdir(), 'bottle-replay-')), 'secrets');

for (const [variation, change] of VARIATIONS) {
  const cases = answers.filter((one) => one.config === variation && isAlone(one));
  if (cases.length === 0) continue;
  writeFileSync(
    secrets,
    variation === 'numsecret' ? '73190284650173920485\n' : 'zq7Kp2-vault-Xm9Lw4Tt8Rb1\nplum.orchard!wagon#7731-Quay\n',
    { mode: 0o600 },
  );
  const config = parse(readFileSync(join(ANSWERS, 'config.yaml'), 'utf8')) as Record<string, unknown>;
  delete config['scan_api'];
  Object.assign(config['dlp'] as object, { secrets_file: secrets });
  change(config);
  await using _ = await startPipelock(file, config);
  for (const one of cases) {
    seen = 0;
    const answer = await ask(one);
    console.log(JSON.stringify({ id: one.id, ...answer, sinkSaw: seen > 0 }));
  }
}
for (const sink of sinks) sink.close();
await names.close();
process.exit();

/** Sends the request byte for byte as it was, and reads until its answer is whole or the connection ends. */
async function ask({ request, closed: closes }: Recorded): Promise<object> {
  const body = bytesOf(request.body);
  const fields = (request.headers ?? []).map(([name, value]) => [name, bytesOf(value).toString('latin1')] as const);
  const has = (wanted: string) => fields.some(([name]) => name.toLowerCase() === wanted);
  const target = bytesOf(request.target).toString('latin1');
  const host = /^https?:\/\/(?:[^/?#]*@)?([^/?#]*)/.exec(target)?.[1] ?? '';
  const lines = [
    `${request.method} ${target} HTTP/${request.http ?? '1.1'}`,
    ...(has('host') || request.note === 'no Host header was sent' ? [] : [`Host: ${host}`]),
    ...fields.map(([name, value]) => `${name}: ${value}`),
    ...(body.length === 0 || has('content-length') || has('transfer-encoding')
      ? []
      : [`Content-Length: ${body.length}`]),
  ];
  const socket = connect(PIPELOCK_PORT, '127.0.0.1');
  socket.on('error', () => undefined); // the answer, if there is one, was sent before
  let text = '';
  let closed = false;
  const done = new Promise<void>((resolve) => {
    socket.on('close', () => {
      closed = true;
      resolve();
    });
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      if (isWhole(text, request.method)) setTimeout(resolve, closes ? CLOSE_MS : 0);
    });
  });
  socket.write(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), body]));
  await done;
  socket.destroy();
  return { answer: read(text), closed };
}

function isWhole(text: string, method: string): boolean {
  const final = text.replace(/^(HTTP\/1\.1 1\d\d [^]*?\r\n\r\n)+/, '');
  const end = final.indexOf('\r\n\r\n');
  if (end < 0) return false;
  if (method === 'HEAD' || final.startsWith('HTTP/1.1 204 ')) return true;
  const length = /^content-length: (\d+)$/im.exec(final.slice(0, end).replaceAll('\r', ''));
  return length !== null && final.length >= end + 4 + Number(length[1]);
}

function read(text: string): object | null {
  const final = text.replace(/^(HTTP\/1\.1 1\d\d [^]*?\r\n\r\n)+/, '');
  const end = final.indexOf('\r\n\r\n');
  if (end < 0) return null;
  const [first = '', ...lines] = final.slice(0, end).split('\r\n');
  const headers = lines.map((line) => {
    const cut = line.indexOf(': ');
    return [line.slice(0, cut), line.slice(cut + 2)];
  });
  return {
    status: Number(first.split(' ')[1]),
    headers: headers.filter(([name]) => name !== 'Date'),
    bodyText: final.slice(end + 4),
  };
}

/** As the answers' README has it. */
function bytesOf(what: unknown): Buffer {
  if (what === undefined) return Buffer.alloc(0);
  if (typeof what === 'string') return Buffer.from(what, 'latin1');
  const one = what as Record<string, string | number | undefined>;
  const [prefix = '', suffix = ''] = [one['prefix'], one['suffix']];
  if (one['generator'] === 'repeat')
    return Buffer.from(`${prefix}${String(one['unit']).repeat(Number(one['times']))}${suffix}`);
  if (one['generator'] === 'sha256-stream-base64') {
    const size = Number(one['bytes']);
    const blocks = Array.from({ length: Math.ceil(size / 32) }, (_, at) =>
      createHash('sha256').update(`${one['seed']}:${at}`).digest(),
    );
    return Buffer.from(`${prefix}${Buffer.concat(blocks).subarray(0, size).toString('base64')}${suffix}`);
  }
  if ('json' in one) return Buffer.from(JSON.stringify(one['json']));
  return 'base64' in one ? Buffer.from(String(one['base64']), 'base64') : Buffer.from(String(one['text']));
}
