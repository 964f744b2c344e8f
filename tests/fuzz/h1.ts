/**
 * Our HTTP/1.1 codec beside llhttp, strict as Node has it. What llhttp refuses is refused by us; what both read is read alike, message by
 * message; and what we write of a request that we took is read by llhttp as that request.
 */
import assert from 'node:assert/strict';
import { bodyReader } from '../../addon/h1/body.ts';
import type { Sender } from '../../addon/h1/chunked.ts';
import { type Framing, persists, requestFraming, responseFraming } from '../../addon/h1/framing.ts';
import { type HeadReader, requestReader, responseReader } from '../../addon/h1/head.ts';
import { chunk, lastChunk, writeRequestHead } from '../../addon/h1/write.ts';
import type { RequestHead } from '../../addon/message.ts';
import type { Field } from '../../addon/receipt.ts';
import { namedByConnection, readConnect, readHead } from '../../addon/request.ts';
import { trailerRefusal } from '../../addon/trailers.ts';
import { fuzz, type Target } from './cli.ts';
import { answersIn, type Read, requestsIn } from './llhttp.ts';
import { cutUp, type Random } from './random.ts';

const TUNNEL = {
  target: { scheme: 'http', host: { kind: 'name', text: 'a.test' }, port: 80 },
  sni: undefined,
} as const;

export const TARGETS: readonly Target[] = [
  {
    name: 'requests',
    make: (random) => damaged(Array.from({ length: 1 + random.number(2) }, () => aRequest(random)).join(''), random),
    async run(input) {
      const pieces = cutUp(input);
      const ours = requestsByUs(pieces);
      const theirs = await requestsIn(pieces);
      assert.deepEqual(
        ours.map(({ read }) => read),
        theirs.slice(0, ours.length),
        'read differently from llhttp',
      );
      const written = ours.filter(({ upstream }) => upstream !== undefined);
      const again = await requestsIn([Buffer.concat(written.map(({ upstream }) => upstream?.bytes ?? NOTHING))]);
      assert.deepEqual(
        again,
        written.map(({ upstream }) => upstream?.means),
        'written differently from what was read',
      );
    },
  },
  {
    name: 'answers',
    make: (random) => damaged(anAnswer(random), random),
    async run(input) {
      const method = (input[0] ?? 0) % 4 === 0 ? 'HEAD' : 'GET';
      const pieces = cutUp(input.subarray(1));
      const ours = answersByUs(method, pieces);
      const theirs = await answersIn(method, pieces);
      assert.deepEqual(ours, theirs.slice(0, ours.length), 'read differently from llhttp');
    },
  },
];

// --- what we read --------------------------------------------------------------------------------------------------------

interface Taken {
  readonly read: Read;
  /** How it goes on, unless it is a CONNECT. */
  readonly upstream: { readonly bytes: Buffer; readonly means: Read } | undefined;
}

/** Requests in their order, up to the first that is refused, or behind which nothing is read. */
function requestsByUs(pieces: readonly Buffer[]): Taken[] {
  const taken: Taken[] = [];
  const wire = new Wire(pieces, 'agent');
  for (;;) {
    const head = wire.head(requestReader());
    if (!head) return taken;
    const { method, url, version, fields } = head;
    const line = [method, url] as const;
    if (method === 'CONNECT') {
      const tunnel: Taken = { read: bare(line, version, fields), upstream: undefined };
      return 'kind' in readConnect(head) ? taken : [...taken, tunnel];
    }
    const { head: judged, refusal } = readHead(head, TUNNEL);
    const framing = requestFraming(head);
    if (refusal || framing.kind === 'malformed') return taken;
    const body = wire.body(framing);
    if (!body || trailerRefusal(body.trailers)) return taken;
    const read: Read = { ...bare(line, version, fields), ...body };
    taken.push({ read, upstream: forwarded(judged, body) });
    // Node reads nothing behind an offer to switch that has a body, even where nobody takes it up; and it takes either field for one.
    const offers = [fields, renamed(fields)].some((some) => namedByConnection(some).has('upgrade'));
    if (!persists(head) || offers) return taken;
  }
}

/** `Proxy-Connection` alone, as if it were `Connection`. */
function renamed(fields: readonly Field[]): Field[] {
  return fields.flatMap(([name, value]) => (/^proxy-connection$/i.test(name) ? [['Connection', value] as const] : []));
}

function answersByUs(method: string, pieces: readonly Buffer[]): Read[] {
  const taken: Read[] = [];
  const wire = new Wire(pieces, 'upstream');
  for (;;) {
    const head = wire.head(responseReader());
    if (!head) return taken;
    const { status, text, version, fields } = head;
    const framing = responseFraming(method, head);
    if (status === 101 || framing.kind === 'malformed') return taken; // what follows a switch is no HTTP
    const body = wire.body(framing);
    if (!body) return taken;
    taken.push({ ...bare([String(status), text], version, fields), ...body });
    if (status >= 200) return taken;
  }
}

/** Pieces of a connection, and where we are in them. Undefined: malformed, or not whole. */
class Wire {
  readonly #pieces: Buffer[];
  readonly #sender: Sender;

  constructor(pieces: readonly Buffer[], sender: Sender) {
    this.#pieces = [...pieces];
    this.#sender = sender;
  }

  head<T>(reader: HeadReader<T>): T | undefined {
    for (let piece = this.#pieces.shift(); piece; piece = this.#pieces.shift()) {
      const read = reader.push(piece);
      if (read.kind === 'malformed') return undefined;
      if (read.kind === 'more') continue;
      this.#pieces.unshift(read.rest);
      return read.head;
    }
    return undefined;
  }

  body(framing: Framing): { body: string; trailers: readonly Field[] } | undefined {
    const reader = bodyReader(framing, this.#sender);
    let body = '';
    for (;;) {
      const piece = this.#pieces.shift();
      const parts = piece ? reader.push(piece) : [reader.close()];
      for (const part of parts) {
        if (part.kind === 'malformed') return undefined;
        if (part.kind === 'data') body += part.bytes.toString('latin1');
        else {
          this.#pieces.unshift(part.rest);
          return { body, trailers: part.trailers };
        }
      }
    }
  }
}

function bare(line: Read['line'], version: string, fields: readonly Field[]): Read {
  return { line, version, fields, body: '', trailers: [] };
}

/** As an upstream is asked: judged fields, framed anew. */
function forwarded({ method, path, fields }: RequestHead, { body, trailers }: Pick<Read, 'body' | 'trailers'>) {
  const bytes = Buffer.from(body, 'latin1');
  const framing: Field[] =
    trailers.length > 0
      ? [['Transfer-Encoding', 'chunked']]
      : bytes.length > 0
        ? [['Content-Length', String(bytes.length)]]
        : [];
  const all: Field[] = [['Host', 'a.test'], ...fields, ...framing];
  return {
    bytes: Buffer.concat([
      writeRequestHead({ method, url: path, fields: all }),
      ...(trailers.length > 0 ? [chunk(bytes), lastChunk(trailers)] : [bytes]),
    ]),
    means: { line: [method, path], version: '1.1', fields: all, body, trailers } satisfies Read,
  };
}

// --- inputs --------------------------------------------------------------------------------------------------------------

function aRequest(random: Random): string {
  const method = random.pick(['GET', 'GET', 'POST', 'POST', 'PUT', 'HEAD', 'OPTIONS', 'CONNECT', 'get', 'M-SEARCH']);
  const url = random.once(3)
    ? random.pick([
        'http://a.test/p',
        'HTTP://A.TEST:80?q',
        '*',
        '/a?b#c',
        '//x',
        'a.test:443',
        '/%00',
        '/"<>\\^`{|}~',
        'x',
        '/\xe9',
      ])
    : '/p?q=r';
  const version = random.once(8)
    ? random.pick(['HTTP/1.0', 'HTTP/2.0', 'http/1.1', 'HTTP/0.9', 'HTTP/1.2', 'RTSP/1.0'])
    : 'HTTP/1.1';
  const blank = random.once(20) ? '\r\n' : '';
  return `${blank}${method} ${url} ${version}\r\nHost: a.test\r\n${message(random, REQUEST_FIELDS)}`;
}

function anAnswer(random: Random): string {
  const interim = random.once(4)
    ? random.pick(['HTTP/1.1 100 Continue\r\n\r\n', 'HTTP/1.1 103 Hints\r\nLink: </a>\r\n\r\n'])
    : '';
  const line = random.once(3)
    ? random.pick([
        'HTTP/1.1 204 None',
        'HTTP/1.0 200 OK',
        'HTTP/1.1 304',
        'HTTP/1.1 101 Switch',
        'HTTP/1.1 999 \xe9 x',
        'HTTP/1.1 200 ',
        'ICY 200 OK',
        'HTTP/1.1 099 X',
      ])
    : 'HTTP/1.1 200 OK';
  return `${random.pick(['0', '1'])}${interim}${line}\r\n${message(random, ANSWER_FIELDS)}`;
}

/** Fields and body, which mostly agree. */
function message(random: Random, names: readonly string[]): string {
  const fields = Array.from({ length: random.number(4) }, () => aField(random, names));
  const body = 'a\r\nb0c'.repeat(random.number(3));
  const framing = random.pick(['none', 'length', 'chunked', 'chunked', 'any']);
  const insert = (field: string) => fields.splice(random.number(fields.length + 1), 0, field);
  if (framing === 'length') insert(`Content-Length: ${body.length}`);
  if (framing === 'chunked') insert('Transfer-Encoding: chunked');
  const text = framing === 'chunked' || random.once(10) ? chunks(random, body) : framing === 'none' ? '' : body;
  return `${fields.map((field) => `${field}\r\n`).join('')}\r\n${text}`;
}

function aField(random: Random, names: readonly string[]): string {
  return `${random.pick(names)}:${random.pick([' ', '', '\t', '  '])}${random.pick(VALUES)}${random.pick(['', '', ' ', '\t'])}`;
}

function chunks(random: Random, body: string): string {
  let text = '';
  for (let at = 0; at < body.length; ) {
    const size = 1 + random.number(body.length - at);
    const digits = random.pick([size.toString(16), size.toString(16).toUpperCase(), `0${size.toString(16)}`]);
    text += `${digits}${random.once(8) ? random.pick([';a=b', ';a', ';a="b;\\""', '; a', ' ', ';']) : ''}\r\n${body.slice(at, at + size)}\r\n`;
    at += size;
  }
  const trailers = random.once(3) ? `${aField(random, ['X-T', 'Digest', 'Content-Length'])}\r\n` : '';
  return `${text}0\r\n${trailers}\r\n`;
}

/** One or two bytes other than meant, in two of three inputs. */
function damaged(text: string, random: Random): Buffer {
  let bytes = Buffer.from(text, 'latin1');
  for (let count = random.number(3); count > 0; count -= 1) {
    const at = random.number(bytes.length + 1);
    const foreign = random.once(3) ? Buffer.from([random.number(256)]) : Buffer.from(random.pick(PIECES), 'latin1');
    const skipped = random.pick([0, 0, 1, 1, 2, random.number(8)]);
    bytes = random.once(6)
      ? Buffer.concat([bytes.subarray(0, at + random.number(30)), bytes.subarray(at)])
      : Buffer.concat([bytes.subarray(0, at), random.once(4) ? NOTHING : foreign, bytes.subarray(at + skipped)]);
  }
  return bytes;
}

const NOTHING = Buffer.alloc(0);
const REQUEST_FIELDS = [
  'X-A',
  'x-a',
  'Host',
  'Content-Length',
  'content-length',
  'Transfer-Encoding',
  'Connection',
  'Upgrade',
  'Expect',
  'TE',
  'Trailer',
  'Cookie',
  'Content-Type',
  'Proxy-Connection',
  'Keep-Alive',
];
const ANSWER_FIELDS = [
  'X-A',
  'x-a',
  'Content-Length',
  'Transfer-Encoding',
  'Connection',
  'Upgrade',
  'Trailer',
  'Set-Cookie',
  'Date',
];
const VALUES = [
  'v',
  '',
  'a b',
  '\xe9',
  'a.test',
  'chunked',
  'Chunked',
  'gzip, chunked',
  'chunked, chunked',
  'identity',
  '0',
  '3',
  '5',
  '05',
  '+5',
  '5, 5',
  '-1',
  '0x5',
  '18446744073709551617',
  'close',
  'keep-alive',
  'Upgrade',
  'upgrade, close',
  'websocket',
  'h2c',
  '100-continue',
  'a\tb',
  '"a, b"',
  'x-a',
];
const PIECES = [
  '\r\n',
  '\r',
  '\n',
  '\n\n',
  '\r\n\r\n',
  ' ',
  '\t',
  ':',
  '\0',
  '\x7f',
  '\x80',
  '\xff',
  ';',
  ',',
  '0',
  '0\r\n\r\n',
  '\r\n ',
  '\r\n\t',
  'a',
  '"',
  '\x0b',
  'Content-Length: 3\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Transfer-Encoding:\r\n chunked\r\n',
  'Connection: close\r\n',
  'GET / HTTP/1.1\r\n',
  'HTTP/1.1 200 OK\r\n',
];

if (import.meta.main) await fuzz(TARGETS);
