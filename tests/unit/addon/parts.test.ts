import { unitInMemory } from '../../../addon/body.ts';
import assert from 'node:assert/strict';
import { after, before, describe, it, suite } from 'node:test';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import type { Field, RequestHead, Unit } from '../../../addon/message.ts';
import { EXTRACT_FIELD, parts, type ScannerLimits, type ScanPart } from '../../../addon/parts.ts';
import { sha256 } from '../../../addon/receipt.ts';
import { readHead } from '../../../addon/request.ts';
import { detect } from '../../../addon/scanner/detect.ts';
import { type Program, startProgram } from './support/program.ts';
import { read } from './support/reader.ts';

/** Shaped like a credential, and nobody's. */
const KEY = ['AKIA', 'Q3EGRZPXV4T7KWJB'].join('');
const SECRET = new RegExp(KEY, 'i');
const CARD = '3782822463100059137'; // as a number of JSON it is another one
const ENV = `AWS_ACCESS_KEY_ID is ${KEY}\n`;
/** Long enough that no coding stores it as it is. */
const LONG = Array.from({ length: 200 }, (_, line) => `${line % 7} lines of ${line * line}: ${ENV}`).join('');
const BASE64 = Buffer.from(ENV).toString('base64');
const PLAIN: ScannerLimits = { reads: 'plain', bodyBytes: 8 * 1024 * 1024 };
const JSON_TYPE: Field = ['Content-Type', 'application/json'];
const FORM = 'multipart/form-data; boundary=XX';

interface Sent {
  readonly method?: string;
  readonly path?: string;
  readonly fields?: readonly Field[];
  readonly body?: string | Buffer;
  readonly trailers?: readonly Field[];
}

function headOf({ method = 'POST', path = '/v1/x', fields = [] }: Sent): RequestHead {
  const host = { kind: 'name', text: 'api.example.test' } as const;
  return { method, path, fields, target: { scheme: 'https', host, port: 443 } };
}

function unitOf({ body = '', trailers = [] }: Sent): Unit {
  const bytes = Buffer.from(body);
  return unitInMemory(bytes, trailers);
}

function partsOf(sent: Sent, limits = PLAIN): readonly ScanPart[] {
  const all = parts({ id: 'id', nonce: 'nonce' }, headOf(sent), unitOf(sent), limits);
  assert.ok(all.kind === 'prepared', JSON.stringify(all));
  return all.parts;
}

/** The request as a scanner would be asked about it without any of this. */
function naive(sent: Sent): Parameters<typeof read>[0] {
  const head = headOf(sent);
  return { ...head, url: `http://api.example.test${head.path}`, body: Buffer.from(sent.body ?? '') };
}

function isDetected(sent: Sent): boolean {
  const [part] = partsOf(sent, { reads: 'all', bodyBytes: 32 * 1024 * 1024 });
  assert.ok(part);
  return detect(part, []).length > 0;
}

function nested(depth: number, inside: string): string {
  return `${'{"a":'.repeat(depth)}${inside}${'}'.repeat(depth)}`;
}

function multipart(head: string, content: string, around: { before?: string; behind?: string } = {}): string {
  return `${around.before ?? ''}--XX\r\n${head}\r\n\r\n${content}\r\n--XX--\r\n${around.behind ?? ''}`;
}
const NAMED = 'Content-Disposition: form-data; name="a"';

/** Where a secret was seen to pass. */
const GAPS: readonly [name: string, sent: Sent][] = [
  ['a repeated key of JSON', { fields: [JSON_TYPE], body: `{"a":"${KEY}","a":"x"}` }],
  ['a repeated key that is escaped once', { fields: [JSON_TYPE], body: `{"a":"${KEY}","\\u0061":"x"}` }],
  ['base64 behind a repeated key', { fields: [JSON_TYPE], body: `{"a":"${BASE64}","a":"x"}` }],
  ['a repeated key, and the value in escapes', { fields: [JSON_TYPE], body: `{"a":"\\u0041${KEY.slice(1)}","a":"x"}` }],
  ['65 levels of JSON', { fields: [JSON_TYPE], body: nested(65, `"${KEY}"`) }],
  ['5,000 levels of JSON', { fields: [JSON_TYPE], body: nested(5_000, `"${KEY}"`) }],
  ['base64 in a data URL', { fields: [JSON_TYPE], body: JSON.stringify({ url: `data:text/plain;base64,${BASE64}` }) }],
  ['base64 in quotes', { fields: [JSON_TYPE], body: JSON.stringify({ text: `it is "${BASE64}".` }) }],
  ['base64 behind a colon', { fields: [JSON_TYPE], body: JSON.stringify({ text: `KEY:${BASE64}` }) }],
  ['base64 behind a comma', { fields: [['Content-Type', 'text/csv']], body: `name,${BASE64},x` }],
  ['base64 on a line of its own', { fields: [['Content-Type', 'text/plain']], body: `first\n${BASE64}\nlast` }],
  ['base64 of a part of NDJSON', { fields: [['Content-Type', 'text/plain']], body: `{"a":1}\n{"a":"${BASE64}"}\n` }],
  [
    'hex behind a colon',
    { fields: [JSON_TYPE], body: JSON.stringify({ text: `KEY:${Buffer.from(ENV).toString('hex')}` }) },
  ],
  [
    'base64 of base64 of base64, in quotes',
    {
      fields: [JSON_TYPE],
      body: JSON.stringify({
        a: `"${Buffer.from(`:${Buffer.from(`:${BASE64}`).toString('base64')}`).toString('base64')}"`,
      }),
    },
  ],
  [
    'JSON in a string of JSON, escaped',
    { fields: [JSON_TYPE], body: JSON.stringify({ a: `{"b":"\\u0041${KEY.slice(1)}"}` }) },
  ],
  [
    'the preamble of multipart',
    { fields: [['Content-Type', FORM]], body: multipart(NAMED, 'x', { before: `${KEY}\r\n` }) },
  ],
  ['the epilogue of multipart', { fields: [['Content-Type', FORM]], body: multipart(NAMED, 'x', { behind: KEY }) }],
  [
    'the type of a content disposition',
    { fields: [['Content-Type', FORM]], body: multipart(`Content-Disposition: ${KEY}; name="a"`, 'x') },
  ],
  [
    'a transfer encoding of a part',
    { fields: [['Content-Type', FORM]], body: multipart(`${NAMED}\r\nContent-Transfer-Encoding: ${KEY}`, 'x') },
  ],
  [
    'the name of a field of a part',
    { fields: [['Content-Type', FORM]], body: multipart(`${NAMED}\r\nX-${KEY}: 1`, 'x') },
  ],
  ['gzip without Content-Encoding', { fields: [['Content-Type', 'application/gzip']], body: gzipSync(ENV) }],
  [
    'gzip in a part of multipart',
    {
      fields: [['Content-Type', FORM]],
      body: Buffer.from(multipart(NAMED, gzipSync(LONG).toString('latin1')), 'latin1'),
    },
  ],
  [
    'gzip with a name and something behind it',
    {
      body: Buffer.concat([
        Buffer.from('1f8b0808000000000003', 'hex'),
        Buffer.from('a.txt\0'),
        gzipSync(LONG).subarray(10),
        Buffer.from('end'),
      ]),
    },
  ],
  ['zstd without Content-Encoding', { fields: [['Content-Type', 'application/zstd']], body: zstdCompressSync(LONG) }],
  [
    'base64 of gzip in JSON',
    { fields: [JSON_TYPE], body: JSON.stringify({ a: gzipSync(ENV.repeat(3)).toString('base64') }) },
  ],
  ['base64 of a header field behind a colon', { fields: [['X-Note', `key:${BASE64}`]], body: 'x' }],
  ['base64 of User-Agent', { fields: [['User-Agent', `x;${BASE64}`]], body: 'x' }],
  ['base64 in a path behind a colon', { path: `/v1/x:${Buffer.from(ENV).toString('base64url')}`, body: 'x' }],
  ['a trailer', { body: 'x', trailers: [['X-Note', KEY]] }],
  ['the name of a trailer', { body: 'x', trailers: [[KEY, 'x']] }],
];

/** What a scanner answers with an error, although it is legal. */
const REFUSED: readonly [name: string, sent: Sent][] = [
  ['JSON with a byte order mark', { fields: [JSON_TYPE], body: `\ufeff{"a":"${KEY}"}` }],
  ['NDJSON that is called JSON', { fields: [JSON_TYPE], body: `{"a":1}\n{"a":"${KEY}"}\n` }],
  ['a trailing comma', { fields: [JSON_TYPE], body: `{"a":"${KEY}",}` }],
  [
    'a frame of Connect',
    {
      fields: [['Content-Type', 'application/connect+json']],
      body: Buffer.concat([Buffer.of(0, 0, 0, 0, 26), Buffer.from(`{"a":"${KEY}"}`)]),
    },
  ],
  [
    'what curl calls a form',
    { fields: [['Content-Type', 'application/x-www-form-urlencoded']], body: `{"a":"50% off","b":"${KEY}"}` },
  ],
  [
    'a form with a semicolon',
    { fields: [['Content-Type', 'application/x-www-form-urlencoded']], body: `a=1;b=${KEY}` },
  ],
  ['multipart without a boundary', { fields: [['Content-Type', 'multipart/form-data']], body: multipart(NAMED, KEY) }],
  ['multipart that is cut', { fields: [['Content-Type', FORM]], body: `--XX\r\n${NAMED}\r\n\r\n${KEY}` }],
  ...(
    [
      ['gzip', gzipSync],
      ['x-gzip', gzipSync],
      ['deflate', deflateSync],
      ['deflate', deflateRawSync],
      ['br', brotliCompressSync],
      ['zstd', zstdCompressSync],
    ] as const
  ).map(([coding, compress]): [string, Sent] => [
    `Content-Encoding ${coding} (${compress.name})`,
    { fields: [JSON_TYPE, ['Content-Encoding', coding]], body: compress(`{"a":"${KEY}"}`) },
  ]),
  [
    'two codings',
    {
      fields: [JSON_TYPE, ['Content-Encoding', 'gzip, br']],
      body: brotliCompressSync(gzipSync(`{"a":"${KEY}"}`)),
    },
  ],
];

const ORDINARY: readonly [name: string, sent: Sent][] = [
  ['GET', { method: 'GET', fields: [['Accept', '*/*']] }],
  [
    'JSON',
    { fields: [JSON_TYPE], body: '{"model":"m","messages":[{"role":"user","content":"hello\\nworld"}],"n":1.5}' },
  ],
  ['JSON without a body', { method: 'GET', fields: [JSON_TYPE] }],
  ['a form', { fields: [['Content-Type', 'application/x-www-form-urlencoded']], body: 'a=b%20c&d=e+f' }],
  ['text', { fields: [['Content-Type', 'text/plain; charset=utf-8']], body: 'hello, world' }],
  ['10 KB of one letter', { body: 'x'.repeat(10_000) }],
];

suite('a model of the scanner finds in the parts what it does not find in the request', () => {
  for (const [name, sent] of GAPS) {
    it(name, () => {
      assert.equal(read(naive(sent), SECRET), 'nothing');
      const results = partsOf(sent).map((part) => read(part, SECRET));
      assert.ok(!results.includes('refused'));
      assert.ok(results.includes('found'));
    });
  }
  for (const [name, sent] of REFUSED) {
    it(`${name}, which it refuses`, () => {
      assert.equal(read(naive(sent), SECRET), 'refused');
      const results = partsOf(sent).map((part) => read(part, SECRET));
      assert.ok(!results.includes('refused'));
      assert.ok(results.includes('found'));
    });
  }

  it('a repeated key, and the value split by a line end', () => {
    const sent: Sent = { fields: [JSON_TYPE], body: `{"a":"AKIA\\n${KEY.slice(4)}","a":"x"}` };
    assert.equal(read(naive(sent), SECRET), 'nothing');
    assert.ok(partsOf(sent).some((part) => read(part, SECRET) === 'found'));
  });

  it('a number that is another one as a double', () => {
    const sent: Sent = { fields: [JSON_TYPE], body: `{"card":${CARD}}` };
    assert.equal(read(naive(sent), new RegExp(CARD)), 'nothing');
    assert.ok(partsOf(sent).some((part) => read(part, new RegExp(CARD)) === 'found'));
  });
});

suite('the embedded scanner finds the same in the request as it is', () => {
  for (const [name, sent] of [...GAPS, ...REFUSED]) it(name, () => assert.ok(isDetected(sent)));

  for (const [name, sent] of [...GAPS, ...REFUSED, ...ORDINARY]) {
    it(`and is asked once, with nothing added: ${name}`, () => {
      const all = partsOf(sent, { reads: 'all', bodyBytes: 1024 });
      assert.equal(all.length, 1);
      assert.deepEqual(all[0]?.body, Buffer.from(sent.body ?? ''));
    });
  }
});

const binary = process.env['BOTTLE_PIPELOCK_BINARY'];
suite('so does the real program', { skip: binary ? false : 'BOTTLE_PIPELOCK_BINARY is not set' }, () => {
  let program: Program;
  before(async () => {
    program = await startProgram(binary ?? '');
  });
  after(() => program[Symbol.asyncDispose]());

  for (const [name, sent] of [...GAPS, ...REFUSED]) {
    it(name, async () => {
      if (!sent.trailers) assert.equal(await program.read(naive(sent)), read(naive(sent), SECRET));
      const results = await Promise.all(partsOf(sent).map((part) => program.read(part)));
      assert.ok(!results.includes('refused'));
      assert.ok(results.includes('found'));
    });
  }
  for (const [name, sent] of ORDINARY) {
    it(`and it lets pass: ${name}`, async () => {
      for (const part of partsOf(sent)) assert.equal(await program.read(part), 'nothing');
    });
  }
});

describe('parts', () => {
  for (const [name, sent] of ORDINARY) {
    it(`are one for ${name}`, () => {
      const all = partsOf(sent);
      assert.equal(all.length, 1);
      assert.deepEqual(all[0]?.body, Buffer.from(sent.body ?? ''));
    });
  }

  it('carry one nonce, their index and their count', () => {
    const all = partsOf({ fields: [JSON_TYPE], body: `{"a":"x","a":"y"}` });
    assert.deepEqual(
      all.map(({ nonce, index, count, url }) => [nonce, index, count, url]),
      [
        ['nonce', 0, 2, 'http://api.example.test/v1/x'],
        ['nonce', 1, 2, 'http://api.example.test/'],
      ],
    );
    for (const part of all) assert.equal(part.bodySha256, sha256(part.body));
  });

  it('show in a field what stands in the head', () => {
    const [part] = partsOf({
      fields: [
        ['Content-Type', 'text/x-note; a="b"'],
        ['X-Note', 'c'],
      ],
      body: 'x',
    });
    assert.deepEqual(part?.fields, [
      ['X-Note', 'c'],
      ['Content-Type', 'text/plain'],
      [EXTRACT_FIELD, 'text/x-note; a="b" Content-Type X-Note POST'],
      ['X-Pipelock-Agent', 'id'],
    ]);
  });

  it('are several where the extract is longer than a part, and share what stands at their border', () => {
    const words = (count: number) => 'and so on '.repeat(count);
    for (let before = 1_900; before < 2_100; before += 1) {
      const hidden = Buffer.from(`${words(200).slice(0, before)}${KEY} ${words(400)}`).toString('base64');
      const sent: Sent = { fields: [JSON_TYPE], body: `{"a":0,"a":"${hidden}"}` };
      const [first, ...extract] = partsOf(sent, { reads: 'plain', bodyBytes: 10_000 });
      assert.equal(first?.count, 3);
      assert.ok(extract.every(({ body }) => body.length <= 10_000));
      assert.ok(extract.some(({ body }) => body.includes(KEY)));
    }
  });

  const unscannable: [name: string, sent: Sent, limits: ScannerLimits, reason: RegExp][] = [
    [
      'a body that does not decode',
      { fields: [['Content-Encoding', 'gzip']], body: 'no gzip' },
      PLAIN,
      /does not decode/,
    ],
    ['an unknown coding', { fields: [['Content-Encoding', 'lzma']], body: 'x' }, PLAIN, /unknown Content-Encoding/],
    ['four codings', { fields: [['Content-Encoding', 'br,br,br,br']], body: 'x' }, PLAIN, /too many/],
    [
      'a bomb',
      { fields: [['Content-Encoding', 'gzip']], body: gzipSync(Buffer.alloc(9_000_000)) },
      PLAIN,
      /exceeds max_body_bytes/,
    ],
    ['a bomb that is not declared', { body: gzipSync(Buffer.alloc(9_000_000)) }, PLAIN, /more than can be scanned/],
    [
      'a bomb in base64',
      { fields: [JSON_TYPE], body: JSON.stringify({ a: gzipSync(Buffer.alloc(9_000_000)).toString('base64') }) },
      PLAIN,
      /more than can be scanned/,
    ],
    ['a body over the limit', { body: 'x'.repeat(11) }, { reads: 'plain', bodyBytes: 10 }, /larger than/],
  ];
  for (const [name, sent, limits, reason] of unscannable) {
    it(`do not exist for ${name}`, () => {
      const all = parts({ id: 'id', nonce: 'nonce' }, headOf(sent), unitOf(sent), limits);
      assert.ok(all.kind === 'refused');
      assert.equal(all.status, /exceeds|more than|larger/.test(all.reason) ? 413 : 400);
      assert.match(all.reason, reason);
    });
  }
});

describe('a field of which a scanner reads the first and an upstream may read the last', () => {
  for (const name of ['Content-Type', 'content-encoding', 'Content-Length', 'Transfer-Encoding']) {
    it(`is refused before any of this: ${name}`, () => {
      const fields: Field[] = [
        ['Host', 'api.example.test'],
        [name, '1'],
        [name.toUpperCase(), '2'],
      ];
      const { refusal } = readHead(
        { method: 'POST', url: 'http://api.example.test/', version: '1.1', fields },
        undefined,
      );
      assert.deepEqual(refusal, {
        kind: 'refused',
        status: 400,
        reason: `the field ${name.toLowerCase()} is repeated`,
      });
    });
  }
});

suite('whatever comes', () => {
  const bytes = fc.uint8Array({ maxLength: 2_000 }).map((array) => Buffer.from(array));
  const jsonish = fc.oneof(
    bytes,
    fc.json({ maxDepth: 5 }).map((text) => Buffer.from(text)),
    fc.stringMatching(/^[[\]{}":,\\u0-9a-f eE+.-]{0,200}$/).map((text) => Buffer.from(text)),
  );
  const types = fc.constantFrom(
    'application/json',
    'application/x-www-form-urlencoded',
    FORM,
    'application/connect+json',
    'text/plain',
    'a/b; c',
    '',
  );

  it('parts are made or refused with a reason, and stay within their bounds', () => {
    fc.assert(
      fc.property(jsonish, types, fc.constantFrom('', 'gzip', 'identity'), (body, type, coding) => {
        const fields: Field[] = [
          ['Content-Type', type],
          ['Content-Encoding', coding],
        ];
        const all = parts({ id: 'id', nonce: 'nonce' }, headOf({ fields }), unitOf({ body }), PLAIN);
        if (all.kind !== 'prepared') return assert.equal(coding, 'gzip');
        assert.deepEqual(all.parts[0]?.body, body);
        const extracted = all.parts.slice(1).reduce((sum, part) => sum + part.body.length, 0);
        assert.ok(extracted <= 3 * body.length + 300_000);
        assert.equal(all.copied, extracted);
        assert.ok(all.parts.every((part) => read(part, SECRET) !== 'refused'));
      }),
      { numRuns: 2_000 },
    );
  });

  const wrap: Record<string, (text: string) => string> = {
    base64: (text) => Buffer.from(text).toString('base64'),
    base64url: (text) => Buffer.from(text).toString('base64url'),
    hex: (text) => Buffer.from(text).toString('hex'),
    gzip: (text) => gzipSync(text).toString('base64'),
    'data URL': (text) => `data:text/plain;base64,${Buffer.from(text).toString('base64')}`,
    percent: (text) => Array.from(Buffer.from(text), (byte) => `%${byte.toString(16).padStart(2, '0')}`).join(''),
    JSON: (text) => JSON.stringify({ text, more: [text.length] }),
    'JSON in escapes': (text) =>
      JSON.stringify({ text: '…' }).replace(
        '…',
        Array.from(text, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`).join(''),
      ),
    quotes: (text) => `it is "${text}", I think; and more`,
    lines: (text) => `first\n${text}\nlast`,
  };
  const carriers: Record<string, (text: string) => Sent> = {
    'a value of JSON': (text) => ({ fields: [JSON_TYPE], body: JSON.stringify({ a: [{ b: text }] }) }),
    'a key of JSON': (text) => ({ fields: [JSON_TYPE], body: JSON.stringify({ [text]: 1 }) }),
    'a repeated key of JSON': (text) => ({ fields: [JSON_TYPE], body: `{"a":${JSON.stringify(text)},"a":1}` }),
    'deep JSON': (text) => ({ fields: [JSON_TYPE], body: nested(70, JSON.stringify(text)) }),
    'NDJSON called JSON': (text) => ({ fields: [JSON_TYPE], body: `{"a":1}\n${JSON.stringify({ a: text })}\n` }),
    'a form': (text) => ({
      fields: [['Content-Type', 'application/x-www-form-urlencoded']],
      body: `a=1&b=${encodeURIComponent(text)}`,
    }),
    'multipart content': (text) => ({ fields: [['Content-Type', FORM]], body: multipart(NAMED, text) }),
    'a multipart epilogue': (text) => ({
      fields: [['Content-Type', FORM]],
      body: multipart(NAMED, 'x', { behind: text }),
    }),
    text: (text) => ({ fields: [['Content-Type', 'text/plain']], body: `before ${text} behind` }),
    'no type': (text) => ({ body: text }),
    'gzip, declared': (text) => ({
      fields: [JSON_TYPE, ['Content-Encoding', 'gzip']],
      body: gzipSync(JSON.stringify({ a: text })),
    }),
    'gzip, not declared': (text) => ({ fields: [JSON_TYPE], body: gzipSync(JSON.stringify({ a: text })) }),
    'a field': (text) => ({ fields: [['X-Note', text.replaceAll('\n', ' ')]], body: 'x' }),
    'a query': (text) => ({ path: `/x?a=${encodeURIComponent(text)}`, body: '' }),
  };

  it('a secret in any carrier, up to three times wrapped, is read in some part', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...Object.keys(carriers)),
        fc.array(fc.constantFrom(...Object.keys(wrap)), { maxLength: 3 }),
        (carrier, wraps) => {
          const hidden = wraps.reduce((text, name) => wrap[name]?.(text) ?? text, `key ${KEY} here`);
          const sent = carriers[carrier]?.(hidden) ?? {};
          assert.ok(
            partsOf(sent).some((part) => read(part, SECRET) === 'found'),
            `${carrier}: ${wraps.join(' in ')}`,
          );
        },
      ),
      { numRuns: 2_000 },
    );
  });
});
