/**
 * What the upstream receives and what the agent receives, byte for byte, with and without the sidecar between them. `exact`: the same
 * bytes, but for the place and the case of `Host` and `Content-Length`, which are written anew. `framed`: the same but for what RFC 9112
 * gives each hop: how a body is framed, and the fields that frame it.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { suite, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import fc from 'fast-check';
import { listenRaw, makeCa, makeRig, openTunnel } from './rig.ts';

const HOST = 'upstream.test';

interface Case {
  readonly title: string;
  /** The request, as Latin-1; `{}` stands for host and port. */
  readonly sends: string;
  /** The request is whole for the upstream when this stands in it; by default the end of its head. */
  readonly until?: RegExp;
  /** The answer, as Latin-1. */
  readonly answers: string;
  /** The upstream closes behind it: the only end of some bodies, and a truncation of others. */
  readonly closes?: boolean;
  /** What it sends is not all that it promised. */
  readonly cut?: boolean;
  readonly request: 'exact' | 'framed';
  readonly response: 'exact' | 'framed';
}

interface Seen {
  readonly upstream: string;
  readonly agent: string;
  /** The agent's connection was ended by the other side. */
  readonly ended: boolean;
}

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const long = (name: string) => Array.from({ length: 60 }, (_, at) => `${name}-${at}: ${'v'.repeat(1000)}\r\n`).join('');

const CASES: readonly Case[] = [
  {
    title: 'a GET with fields in every case, order and number',
    sends:
      'GET /a%2Fb/../c?q=%00&x=a+b;c HTTP/1.1\r\nHost: {}\r\nuser-AGENT: x\r\nX-b: 2\r\nX-A: 1\r\nx-b: 3\r\nX-Empty:\r\nX-Latin: caf\xe9 \xff\r\nAccept: */*\r\n\r\n',
    answers: OK,
    request: 'exact',
    response: 'exact',
  },
  {
    title: 'a POST with a length, bytes of all values in its body',
    sends: `POST / HTTP/1.1\r\nHost: {}\r\nContent-Type: application/octet-stream\r\nContent-Length: 256\r\n\r\n${Buffer.from(
      Array.from({ length: 256 }, (_, at) => at),
    ).toString('latin1')}`,
    until: /\xff$/,
    answers: OK,
    request: 'exact',
    response: 'exact',
  },
  {
    title: 'a POST in chunks',
    sends: 'POST / HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n',
    until: /0\r\n\r\n$|hello world$/,
    answers: OK,
    request: 'framed',
    response: 'exact',
  },
  {
    title: 'a POST in chunks with trailers',
    sends:
      'POST / HTTP/1.1\r\nHost: {}\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\nx-SUM: 2\r\n\r\n',
    until: /2\r\n\r\n$/,
    answers: OK,
    request: 'framed',
    response: 'exact',
  },
  {
    title: 'a POST without any body',
    sends: 'POST / HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\n\r\n',
    answers: OK,
    request: 'exact',
    response: 'exact',
  },
  {
    title: 'a DELETE, a PUT and an unusual method',
    sends: 'PROPFIND /x HTTP/1.1\r\nHost: {}\r\nDepth: 1\r\n\r\n',
    answers: OK,
    request: 'exact',
    response: 'exact',
  },
  {
    title: 'OPTIONS of the server itself',
    sends: 'OPTIONS * HTTP/1.1\r\nHost: {}\r\n\r\n',
    answers: OK,
    request: 'exact',
    response: 'exact',
  },
  {
    title: 'a head of 60 KB',
    sends: `GET / HTTP/1.1\r\nHost: {}\r\n${long('X')}\r\n`,
    answers: OK,
    request: 'exact',
    response: 'exact',
  },
  {
    title: 'an answer with a head of 60 KB',
    sends: 'GET / HTTP/1.1\r\nHost: {}\r\n\r\n',
    answers: `HTTP/1.1 200 OK\r\n${long('X')}Content-Length: 0\r\n\r\n`,
    request: 'exact',
    response: 'exact',
  },
  {
    title: 'an answer with a phrase of its own, duplicates, cases and Latin-1',
    sends: 'GET / HTTP/1.1\r\nHost: {}\r\n\r\n',
    answers:
      'HTTP/1.1 299 Tout est bien \xe9\r\nSet-Cookie: a=1\r\nserver: x\r\nSET-COOKIE: b=2\r\nX-Empty:\r\nX-Latin: \xe9\r\nContent-Length: 3\r\n\r\n\x00\xffz',
    request: 'exact',
    response: 'exact',
  },
  {
    title: 'an answer without a phrase',
    sends: 'GET / HTTP/1.1\r\nHost: {}\r\n\r\n',
    answers: 'HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok',
    request: 'exact',
    response: 'exact',
  },
  {
    title: 'HEAD with the length of what it would have been',
    sends: 'HEAD / HTTP/1.1\r\nHost: {}\r\n\r\n',
    answers: 'HTTP/1.1 200 OK\r\nContent-Length: 1234\r\nETag: "x"\r\n\r\n',
    request: 'exact',
    response: 'exact',
  },
  {
    title: '204',
    sends: 'GET / HTTP/1.1\r\nHost: {}\r\n\r\n',
    answers: 'HTTP/1.1 204 No Content\r\nX: y\r\n\r\n',
    request: 'exact',
    response: 'exact',
  },
  {
    title: '304 with a length',
    sends: 'GET / HTTP/1.1\r\nHost: {}\r\nIf-None-Match: "x"\r\n\r\n',
    answers: 'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\nContent-Length: 77\r\n\r\n',
    request: 'exact',
    response: 'exact',
  },
  {
    title: 'an answer in chunks',
    sends: 'GET / HTTP/1.1\r\nHost: {}\r\n\r\n',
    answers: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;ext=1\r\nwiki\r\n5\r\npedia\r\n0\r\n\r\n',
    request: 'exact',
    response: 'framed',
  },
  {
    title: 'an answer in chunks with trailers',
    sends: 'GET / HTTP/1.1\r\nHost: {}\r\nTE: trailers\r\nConnection: TE\r\n\r\n',
    answers:
      'HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nwiki\r\n0\r\nX-Sum: 1\r\nx-sum: 2\r\n\r\n',
    request: 'framed',
    response: 'framed',
  },
  {
    title: 'an answer that ends with its connection',
    sends: 'GET / HTTP/1.1\r\nHost: {}\r\n\r\n',
    answers: 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nall of it',
    closes: true,
    request: 'exact',
    response: 'framed',
  },
  {
    title: '100, 102 and 103 before the answer',
    sends: 'GET / HTTP/1.1\r\nHost: {}\r\n\r\n',
    answers: `HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nlink: </b.js>\r\n\r\nHTTP/1.1 103 Early Hints\r\nX-Other: 1\r\n\r\n${OK}`,
    request: 'exact',
    response: 'exact',
  },
  {
    title: 'an answer that is cut off in the middle of its length',
    sends: 'GET / HTTP/1.1\r\nHost: {}\r\n\r\n',
    answers: 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf',
    closes: true,
    cut: true,
    request: 'exact',
    response: 'exact',
  },
  {
    title: 'an answer that is cut off between its chunks',
    sends: 'GET / HTTP/1.1\r\nHost: {}\r\n\r\n',
    answers: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n',
    closes: true,
    cut: true,
    request: 'exact',
    response: 'framed',
  },
];

suite('with the sidecar between them', () => {
  for (const one of CASES) {
    test(`${one.title}: both sides receive what they would without it`, async () => {
      const [direct, through] = await bothWays(one);
      assert.notEqual(direct.upstream, '');
      compare(direct.upstream, through.upstream, one.request, false);
      compare(direct.agent, through.agent, one.response, one.sends.startsWith('HEAD'));
      if (one.cut) assert.ok(through.ended && !canonical(through.agent, false).complete, 'it looks whole');
    });
  }

  test('any fields that are not of the hop arrive as they were, both ways', async () => {
    const name = fc.stringMatching(/^X-[A-Za-z0-9!#$%&'*+.^_`|~-]{1,20}$/);
    const value = fc.stringMatching(/^([\x21-\x7e\xa1-\xff]([\x20-\x7e\xa1-\xff]{0,30}[\x21-\x7e\xa1-\xff])?)?$/);
    const fields = fc.array(fc.tuple(name, value), { maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(fields, fields, async (asked, told) => {
        const lines = (some: readonly (readonly [string, string])[]) =>
          some.map(([field, text]) => `${field}: ${text}\r\n`).join('');
        const [direct, through] = await bothWays({
          title: '',
          sends: `GET / HTTP/1.1\r\nHost: {}\r\n${lines(asked)}\r\n`,
          answers: `HTTP/1.1 200 OK\r\n${lines(told)}Content-Length: 0\r\n\r\n`,
          request: 'exact',
          response: 'exact',
        });
        assert.deepEqual(sorted(through.upstream), sorted(direct.upstream));
        assert.deepEqual(sorted(through.agent), sorted(direct.agent));
      }),
      { numRuns: 40 },
    );
  });
});

async function bothWays(one: Case): Promise<[direct: Seen, through: Seen]> {
  const ca = makeCa();
  let upstream = '';
  const server = await listenRaw(
    (socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (piece: Buffer) => {
        upstream += piece.toString('latin1');
        if (!(one.until ?? /\r\n\r\n$/).test(upstream)) return;
        socket.write(Buffer.from(one.answers, 'latin1'));
        if (one.closes) socket.end();
      });
    },
    { ca, host: HOST },
  );
  await using _ = server;
  const { port } = server;
  await using rig = await makeRig({ allow: [`${HOST}:${port}`], upstreamCa: ca });
  const talk = async (socket: Socket): Promise<Seen> => {
    upstream = '';
    const seen = await exchangeBytes(socket, Buffer.from(one.sends.replace('{}', `${HOST}:${port}`), 'latin1'), one);
    return { ...seen, upstream };
  };
  const direct = connectTls({ host: '127.0.0.1', port, servername: HOST, ca: ca.certificate });
  await once(direct, 'secureConnect');
  return [await talk(direct), await talk(await openTunnel(rig, { host: HOST, port }))];
}

/** Sends, and reads until the answer is whole or the connection ends. */
async function exchangeBytes(socket: Socket, bytes: Buffer, one: Case): Promise<Omit<Seen, 'upstream'>> {
  let agent = '';
  let ended = false;
  const wanted = canonical(one.answers, one.sends.startsWith('HEAD'));
  const over = new Promise<void>((resolve) => {
    const end = () => {
      ended = true;
      resolve();
    };
    socket.on('error', end);
    socket.on('close', end);
    socket.on('end', end);
    socket.on('data', (piece: Buffer) => {
      agent += piece.toString('latin1');
      const got = canonical(agent, one.sends.startsWith('HEAD'));
      if (!one.closes && got.complete && got.heads.length === wanted.heads.length) resolve();
      if (one.closes && got.complete) resolve(); // re-framed, it has an end of its own
    });
  });
  socket.write(bytes);
  await over;
  socket.destroy();
  return { agent, ended };
}

function compare(direct: string, through: string, how: 'exact' | 'framed', bodiless: boolean): void {
  if (how === 'exact') return assert.deepEqual(sorted(through), sorted(direct));
  assert.deepEqual(
    { ...canonical(through, bodiless), complete: undefined },
    { ...canonical(direct, bodiless), complete: undefined },
  );
}

/** The lines of the first head without the two that are written anew, those by themselves, and every byte behind it. */
function sorted(message: string) {
  const end = message.indexOf('\r\n\r\n');
  const lines = message.slice(0, end).split('\r\n');
  const isAnew = (line: string) => /^(host|content-length):/i.test(line);
  return {
    kept: lines.filter((line) => !isAnew(line)).map((line) => line.replace(/: $/, ':')),
    anew: lines.filter(isAnew).map((line) => line.toLowerCase()),
    rest: message.slice(end),
  };
}

interface Canonical {
  /** Start line and fields of each head, interim ones first, without what frames the body. */
  readonly heads: readonly (readonly string[])[];
  readonly body: string;
  readonly trailers: readonly string[];
  readonly complete: boolean;
}

/** A reading for these tests alone: it believes what it is given. */
function canonical(message: string, bodiless: boolean): Canonical {
  const heads: string[][] = [];
  let rest = message;
  let framing: readonly string[] = [];
  for (;;) {
    const end = rest.indexOf('\r\n\r\n');
    if (end < 0) return { heads, body: '', trailers: [], complete: false };
    const lines = rest.slice(0, end).split('\r\n');
    framing = lines.filter((line) => FRAMING.test(line));
    heads.push(lines.filter((line) => !FRAMING.test(line)));
    rest = rest.slice(end + 4);
    if (!/^HTTP\/1\.1 1\d\d/.test(lines[0] ?? '')) break;
  }
  const [start = ''] = heads.at(-1) ?? [];
  if (bodiless || /^HTTP\/1\.1 (204|304)/.test(start)) return { heads, body: rest, trailers: [], complete: true };
  if (framing.some((line) => /chunked/i.test(line))) return { heads, ...unchunked(rest) };
  const length = framing.find((line) => /^content-length/i.test(line))?.split(':')[1];
  const complete = length !== undefined ? rest.length >= Number(length) : !start.startsWith('HTTP/');
  return { heads, body: rest, trailers: [], complete };
}

const FRAMING = /^(content-length|transfer-encoding|connection|te|keep-alive|trailer):/i;

function unchunked(text: string): Omit<Canonical, 'heads'> {
  let [body, rest] = ['', text];
  for (;;) {
    const found = /^([0-9a-f]+)[^\r]*\r\n/i.exec(rest);
    if (!found) return { body, trailers: [], complete: false };
    const size = Number.parseInt(found[1] ?? '', 16);
    rest = rest.slice(found[0].length);
    if (size === 0) {
      const trailers = rest.split('\r\n').filter((line) => line !== '');
      return { body, trailers, complete: /(^|\r\n)\r\n$/.test(rest) };
    }
    body += rest.slice(0, size);
    rest = rest.slice(size + 2);
  }
}
