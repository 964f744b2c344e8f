/** Masks: what they take out of a scan copy, what they leave, and that nothing can hide behind them. */
import { secretsIn } from '../../../addon/scanner/detect.ts';
import assert from 'node:assert/strict';
import { after, before, it, suite } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { makeMasks } from '../../../addon/masks.ts';
import type { Field, RequestHead, Unit } from '../../../addon/message.ts';
import { type Preparation, parts } from '../../../addon/parts.ts';
import { type Mask, masksOf, masksWishSchema } from '../../../contracts/mask.ts';
import { rulesOf } from '../../../contracts/policy.ts';
import { randomBytes } from './scanner/support/bodies.ts';
import { type Program, startProgram } from './support/program.ts';

/** As pipelock has it: no edge, any case, so that long base64 of anything has one. */
const PIPELOCK_AWS = /(AKIA|A3T|AGPA|AIDA|AROA|AIPA|ANPA|ANVA|ASIA)[A-Z0-9]{16,}/i;
const KEY = ['AKIA', 'Q3EGRZPXV4T7KWJB'].join('');
const HOSTS = [
  'api.anthropic.com',
  'api.openai.com',
  'chatgpt.com',
  'openrouter.ai',
  'generativelanguage.googleapis.com',
  'aiplatform.googleapis.com',
  'cloudcode-pa.googleapis.com',
];
const BUILT_IN = builtIn(HOSTS);
const BIG = 8 * 1024 * 1024;

function builtIn(allow: string[], wish: unknown = {}): Mask[] {
  return masksOf(masksWishSchema.parse(wish), rulesOf(allow));
}

interface Sent {
  readonly host?: string;
  readonly type?: string;
  readonly body: string | Buffer;
  readonly masks?: readonly Mask[];
  readonly message?: boolean;
}

function prepare({ host = 'api.anthropic.com', type = 'application/json', body, masks = BUILT_IN, message }: Sent) {
  const fields: Field[] = [['Content-Type', type]];
  const target = { scheme: 'https', host: { kind: 'name', text: host }, port: 443 } as const;
  const head: RequestHead = { method: 'POST', path: '/v1/x', fields, target };
  const bytes = Buffer.from(body);
  const unit: Unit = {
    kind: 'unit',
    size: bytes.length,
    last: true,
    trailers: [],
    chunks: () => [bytes],
    ...(message ? { message: { type, bytes } } : {}),
    [Symbol.dispose]: () => undefined,
  };
  return parts({ id: 'id', nonce: 'nonce' }, head, unit, {
    reads: 'plain',
    bodyBytes: BIG,
    masking: { masks: makeMasks(masks), secretsIn },
  });
}

function prepared(sent: Sent): Extract<Preparation, { kind: 'prepared' }> {
  const all = prepare(sent);
  assert.ok(all.kind === 'prepared', JSON.stringify(all));
  return all;
}

/** What is shown of the body. */
function shown(sent: Sent): string {
  return prepared(sent).parts[0]?.body.toString('latin1') ?? '';
}

function base64(bytes: number, seed: string): string {
  return randomBytes(bytes, seed).toString('base64');
}

/** JSON with this value at this place, and others beside it. */
function at(place: string, value: string): unknown {
  return place
    .split('.')
    .reduceRight<unknown>(
      (inside, key) => (key === '*' ? [{ other: 1 }, inside] : { before: 'x', [key]: inside, type: 'y' }),
      value,
    );
}

suite('the masks that come with bottle', () => {
  for (const { name, hosts, places } of BUILT_IN)
    for (const place of places)
      it(`${name} covers base64 at ${place}, alone or in a data: URL, and says how many bytes`, () => {
        const run = base64(3_000, place);
        for (const head of ['', 'data:image/png;base64,', 'data:audio/wav;codecs=1;base64,']) {
          const body = JSON.stringify(at(place, `${head}${run}`));
          const { parts: all, masked } = prepared({ host: hosts?.[0]?.host ?? '', body });
          assert.equal(all[0]?.body.toString(), body.replace(run, 'masked'));
          assert.deepEqual(masked, [{ mask: name, bytes: run.length }]);
          assert.ok(all.every((part) => !part.body.includes(run.slice(100, 200))));
        }
      });

  for (const place of BUILT_IN.find(({ name }) => name === 'openai')?.places ?? [])
    it(`openai covers base64 at ${place} in an event of a WebSocket, where the members of the body are beside its type`, () => {
      const run = base64(3_000, place);
      const event = { type: 'response.create', previous_response_id: 'r', ...(at(place, run) as object) };
      const body = JSON.stringify(event);
      const { parts: all, masked } = prepared({ host: 'api.openai.com', body, message: true });
      assert.equal(all[0]?.body.toString(), body.replace(run, 'masked'));
      assert.deepEqual(masked, [{ mask: 'openai', bytes: run.length }]);
    });

  const hashes = [
    `sha1-${base64(20, 'a')}`,
    `sha256-${base64(32, 'b')}`,
    `sha384-${base64(48, 'c')}`,
    `sha512-${base64(64, 'd')}`,
    `h1:${base64(32, 'e')}`,
    `CLAUDE_CODE_MESSAGING_TOKEN=${'0a'.repeat(16)}`,
  ];
  for (const hash of hashes)
    it(`known-forms covers ${hash.slice(0, 8)}… wherever it stands, towards any host`, () => {
      const [, run = ''] = /^(?:sha\d+-|h1:|\w+=)(.*)$/.exec(hash) ?? [];
      for (const text of [
        hash,
        `"integrity": "${hash}",`,
        `v1.2.3 ${hash}\nnext`,
        `first\n${hash} ${hash}`,
        `\t${hash}`,
      ]) {
        const body = JSON.stringify({ a: [text] });
        const { parts: all, masked } = prepared({ host: 'any.example', body });
        assert.equal(all[0]?.body.toString(), body.replaceAll(run, 'masked'));
        assert.deepEqual(masked, [{ mask: 'known-forms', bytes: run.length * (text.split(run).length - 1) }]);
      }
    });

  it('stand for those of their hosts that are allowed, and can be switched off', () => {
    const names = (allow: string[], wish?: unknown) =>
      builtIn(allow, wish).map(({ name, hosts }) => [name, hosts?.map(({ host }) => host)]);
    assert.deepEqual(names(['api.openai.com', 'a.test']), [
      ['openai', ['api.openai.com']],
      ['known-forms', undefined],
    ]);
    assert.deepEqual(names(['*.googleapis.com'])[0], [
      'gemini',
      ['generativelanguage.googleapis.com', 'aiplatform.googleapis.com', 'cloudcode-pa.googleapis.com'],
    ]);
    assert.deepEqual(names(HOSTS, { built_in: false }), []);
  });

  it('can be had for a gateway, and others be added', () => {
    const own = [
      { name: 'gateway', hosts: ['llm.test:8443'], like: 'anthropic' },
      { name: 'reports', hosts: ['*.a.test'], places: ['items.*.pdf'] },
    ];
    const masks = builtIn(['llm.test:8443', '*.a.test'], { built_in: false, own });
    const run = base64(300, 'x');
    const image = JSON.stringify(at('messages.*.content.*.source.data', run));
    assert.deepEqual(prepared({ host: 'llm.test', body: image, masks }).masked, [
      { mask: 'gateway', bytes: run.length },
    ]);
    assert.deepEqual(prepared({ host: 'b.a.test', body: image, masks }).masked, []);
    const report = JSON.stringify({ items: [{ pdf: run }] });
    assert.deepEqual(prepared({ host: 'b.a.test', body: report, masks }).masked, [
      { mask: 'reports', bytes: run.length },
    ]);
  });
});

suite('nothing else is masked', () => {
  const place = 'messages.*.content.*.source.data';
  const run = base64(300, 'r');
  const rows: [what: string, sent: Sent][] = [
    ['a short run', { body: JSON.stringify(at(place, run.slice(0, 63))) }],
    ['a run with a space in it', { body: JSON.stringify(at(place, `${run.slice(0, 100)} ${run}`)) }],
    ['a run with a dot behind it', { body: JSON.stringify(at(place, `${run}.`)) }],
    ['a run with an equals sign in it', { body: JSON.stringify(at(place, `${run.slice(0, 100)}=${run}`)) }],
    [
      'a run with an escape in it',
      { body: JSON.stringify(at(place, run)).replace(run, `${run.slice(0, 50)}\\u0041${run.slice(50)}`) },
    ],
    ['text behind another head', { body: JSON.stringify(at(place, `data:text/plain,${run}`)) }],
    ['another place', { body: JSON.stringify(at('messages.*.content.*.source.text', run)) }],
    ['one level more', { body: JSON.stringify([at(place, run)]) }],
    ['one level less', { body: JSON.stringify(at('messages.content.*.source.data', run)) }],
    ['an object for the array', { body: JSON.stringify({ messages: { '*': at('content.*.source.data', run) } }) }],
    ['the key itself', { body: JSON.stringify({ messages: [{ content: [{ source: { [run]: 'x' } }] }] }) }],
    ['another host', { body: JSON.stringify(at(place, run)), host: 'api.openai.com' }],
    ['a host below it', { body: JSON.stringify(at(place, run)), host: 'x.api.anthropic.com' }],
    ['another type of body', { body: JSON.stringify(at(place, run)), type: 'text/plain' }],
    ['two texts of JSON', { body: `${JSON.stringify(at(place, run))}\n{}` }],
    ['JSON with a comma too many', { body: JSON.stringify(at(place, run)).replace(/}$/, ',}') }],
    ['a message of a stream that is no JSON', { body: `x ${JSON.stringify(at(place, run))}`, message: true }],
    ['a message of another type', { body: JSON.stringify(at(place, run)), message: true, type: 'text/plain' }],
    ['a hash with a character more', { body: JSON.stringify({ a: `sha512-${base64(64, 'd').replace('==', 'A==')}` }) }],
    ['a hash with a letter in front', { body: JSON.stringify({ a: `xsha512-${base64(64, 'd')}` }) }],
    ['a hash in another type of body', { body: `sha512-${base64(64, 'd')}`, type: 'text/plain' }],
    ['anything where no mask is on', { body: JSON.stringify(at(place, run)), masks: [] }],
  ];
  for (const [what, sent] of rows)
    it(what, () => {
      assert.equal(shown(sent), sent.body);
      assert.deepEqual(prepared(sent).masked, []);
    });

  it('whatever the JSON: what is declared, and everything else byte for byte', () => {
    const value = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.base64String({ maxLength: 40 }),
      fc.base64String({ minLength: 64, maxLength: 120 }),
      fc.base64String({ minLength: 64, maxLength: 120 }).map((text) => `data:a/b;base64,${text}`),
      fc.constant(`sha512-${base64(64, 'd')}`),
      fc.jsonValue({ maxDepth: 2 }),
    );
    const source = fc.record({ data: value, text: value }, { requiredKeys: [] });
    const content = fc.array(fc.oneof(fc.record({ source }), fc.record({ signature: value }), value), { maxLength: 3 });
    const body = fc.record({ messages: fc.array(fc.record({ content }), { maxLength: 3 }), source, more: value });
    fc.assert(
      fc.property(body, fc.constantFrom(undefined, 1, '\t'), (given, indent) => {
        const text = JSON.stringify(given, null, indent);
        const all = prepare({ body: text });
        if (all.kind !== 'prepared') return assert.equal(all.kind, 'block'); // random text may look like a key
        const { parts: made, masked } = all;
        const expected = masking(JSON.parse(text), []);
        assert.equal(made[0]?.body.toString(), JSON.stringify(expected.value, null, indent));
        assert.equal(
          masked.reduce((sum, { bytes }) => sum + bytes, 0),
          expected.bytes,
        );
      }),
      { numRuns: 1_000 },
    );
  });
});

/** The same once more, over the parsed value. */
function masking(value: unknown, path: readonly string[]): { value: unknown; bytes: number } {
  if (typeof value === 'string') {
    const declared = /^messages\.\*\.content\.\*\.(source\.data|signature)$/.test(path.join('.'));
    const run = declared ? /^(?:data:a\/b;base64,)?([A-Za-z0-9+/_-]{64,}={0,2})$/.exec(value)?.[1] : undefined;
    const hidden = run ?? /^sha512-([A-Za-z0-9+/]{86}==)$/.exec(value)?.[1];
    return hidden === undefined
      ? { value, bytes: 0 }
      : { value: value.replace(hidden, 'masked'), bytes: hidden.length };
  }
  if (typeof value !== 'object' || value === null) return { value, bytes: 0 };
  const entries = Object.entries(value).map(
    ([key, one]) => [key, masking(one, [...path, Array.isArray(value) ? '*' : key])] as const,
  );
  const bytes = entries.reduce((sum, [, one]) => sum + one.bytes, 0);
  const values = entries.map(([key, one]) => [key, one.value] as const);
  return { value: Array.isArray(value) ? values.map(([, one]) => one) : Object.fromEntries(values), bytes };
}

suite('nothing hides behind a mask', () => {
  const place = 'messages.*.content.*.source.data';
  const image = (data: string) => JSON.stringify(at(place, data));
  const text = `the key is ${KEY}, keep it\n`.repeat(4);

  const raw: [what: string, data: string][] = [
    ['a key at the beginning', `${KEY}/${base64(90, 'a')}`],
    ['a key between two slashes', `${base64(90, 'b')}/${KEY}/${base64(90, 'c')}`],
    ['a key that is the whole value', ['ghp', `_${'Zq3vT8mKw5Xr9Lb2Nc6Yd4Hs7Jf1Gt0PeUaB'}`].join('').padEnd(80, '-A')],
  ];
  for (const [what, data] of raw)
    it(`${what} is found by the sidecar itself`, () => {
      const all = prepare({ body: image(data) });
      assert.ok(all.kind === 'block', JSON.stringify(all));
      assert.match(all.finding, /^blocked: request body contains secret: (AWS Access ID|GitHub Token)/);
    });

  const encoded: [what: string, data: string][] = [
    ['base64 of a text', Buffer.from(text).toString('base64')],
    ['base64url of a text', Buffer.from(text).toString('base64url')],
    ['a data: URL of a text', `data:text/plain;base64,${Buffer.from(text).toString('base64')}`],
    ['base64 of base64', Buffer.from(Buffer.from(text).toString('base64')).toString('base64')],
    ['base64 of gzip', gzipSync(`${text}${base64(300, 'g')}`).toString('base64')],
    [
      'a text in the middle of binary data',
      Buffer.concat([randomBytes(600, 'p'), Buffer.from(text), randomBytes(600, 'q')]).toString('base64'),
    ],
  ];
  for (const [what, data] of encoded)
    it(`${what} is given to the scanner decoded`, () => {
      const { parts: all } = prepared({ body: image(data) });
      assert.ok(!all[0]?.body.includes(data.slice(-20)));
      assert.ok(all.slice(1).some(({ body }) => body.includes(KEY)));
    });

  it('a key in a message of a stream is found by the sidecar itself, or given to the scanner decoded', () => {
    const found = prepare({ body: image(`${base64(90, 'b')}/${KEY}/${base64(90, 'c')}`), message: true });
    assert.equal(found.kind, 'block');
    const { parts: all } = prepared({ body: image(Buffer.from(text).toString('base64')), message: true });
    assert.ok(all.slice(1).some(({ body }) => body.includes(KEY)));
  });

  it('what is covered is not shown beside an escape that the text ends with, either', () => {
    const run = base64(3_000, 'escape');
    for (const end of ['\\n', '%20', '&amp;', '\\u0041'])
      for (const message of [true, false]) {
        const body = JSON.stringify({ messages: [{ content: [{ source: { data: run } }] }], text: `a line${end}` });
        const { parts: all } = prepared({ body, message });
        assert.ok(
          all.some((part) => part.index > 0 && part.body.includes('a line')),
          'the escape was undone',
        );
        assert.ok(
          all.every((part) => !part.body.includes(run.slice(0, 100))),
          end,
        );
      }
  });

  it('a key in the form of a hash is found', () => {
    const data = Buffer.concat([Buffer.from(` ${KEY} `), randomBytes(64, 'h')]).subarray(0, 64);
    const { parts: all } = prepared({ body: JSON.stringify({ a: `sha512-${data.toString('base64')}` }) });
    assert.ok(all.slice(1).some(({ body }) => body.includes(KEY)));
  });

  it('several runs are decoded each by itself', () => {
    const body = JSON.stringify({
      messages: [
        {
          content: [base64(100, 'i').slice(0, 133), Buffer.from(text).toString('base64')].map((data) => ({
            source: { data },
          })),
        },
      ],
    });
    assert.ok(
      prepared({ body })
        .parts.slice(1)
        .some((part) => part.body.includes(KEY)),
    );
  });
});

/** A message with a picture as Claude Code sends one, and a text beside it. */
function picture(seed: string, text = 'What is in this picture?'): string {
  const data = `iVBORw0KGgoAAAANSUhEUgAA${base64(75_000, seed)}`;
  const source = { type: 'base64', media_type: 'image/png', data };
  const content = [
    { type: 'text', text },
    { type: 'image', source },
  ];
  return JSON.stringify({ model: 'm', max_tokens: 1, messages: [{ role: 'user', content }] });
}
const PICTURES = Array.from({ length: 30 }, (_, index) => picture(`picture ${index}`));

suite('thirty pictures of 100 KB', () => {
  it('nearly all have what pipelock takes for a key, and none has it any more', () => {
    assert.ok(PICTURES.filter((body) => PIPELOCK_AWS.test(body)).length >= 10, 'or this test shows nothing');
    for (const body of PICTURES)
      for (const part of prepared({ body }).parts) assert.doesNotMatch(part.body.toString('latin1'), PIPELOCK_AWS);
  });
});

const binary = process.env['BOTTLE_PIPELOCK_BINARY'];
suite('the real program', { skip: binary ? false : 'BOTTLE_PIPELOCK_BINARY is not set' }, () => {
  let program: Program;
  before(async () => {
    program = await startProgram(binary ?? '');
  });
  after(() => program[Symbol.asyncDispose]());

  it('blocks some of thirty pictures without masks, and none with them', async () => {
    const results = async (masks: readonly Mask[], bodies: readonly string[]) => {
      const found: string[] = [];
      for (const body of bodies)
        for (const part of prepared({ body, masks }).parts) found.push(await program.read(part));
      return found;
    };
    assert.ok((await results([], PICTURES.slice(0, 8))).includes('found'), 'or this test shows nothing');
    assert.deepEqual(new Set(await results(BUILT_IN, PICTURES)), new Set(['nothing']));
  });

  it('still blocks a key in the text beside a picture', async () => {
    const { parts: all } = prepared({ body: picture('beside', `my key is ${KEY}`) });
    const results = await Promise.all(all.map((part) => program.read(part)));
    assert.ok(results.includes('found'));
  });

  it('lets a lockfile of 1,000 packages pass in a message', async () => {
    const lines = Array.from({ length: 1_000 }, (_, index) => `"integrity": "sha512-${base64(64, `hash ${index}`)}",`);
    const body = JSON.stringify({ messages: [{ role: 'user', content: lines.join('\n') }] });
    for (const part of prepared({ body }).parts) assert.equal(await program.read(part), 'nothing');
  });
});
