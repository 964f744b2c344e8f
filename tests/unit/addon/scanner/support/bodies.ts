/** Request bodies for the scanner's tests: what agents send all day, and what someone would send to make it slow. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const MODULES = resolve(import.meta.dirname, '../../../../../node_modules');

/** Bytes of a seed, the same on every run. */
export function randomBytes(size: number, seed: string): Buffer {
  const blocks: Buffer[] = [];
  for (let i = 0; i * 32 < size; i += 1) blocks.push(createHash('sha256').update(`${seed} ${i}`).digest());
  return Buffer.concat(blocks).subarray(0, size);
}

/** Name and body of everything that must pass. */
export function* harmlessBodies(): Generator<[string, Buffer]> {
  for (let i = 0; i < 20; i += 1)
    yield [
      `300 KB of random base64, number ${i}`,
      json({ data: randomBytes(225_000, `base64 ${i}`).toString('base64') }),
    ];
  for (let i = 0; i < 10; i += 1)
    yield [
      `300 KB of random base64url, number ${i}`,
      json({ data: randomBytes(225_000, `url ${i}`).toString('base64url') }),
    ];
  yield ['100 KB of random hex', json({ data: randomBytes(50_000, 'hex').toString('hex') })];
  yield ['1 MB of random bytes', randomBytes(1024 * 1024, 'binary')];
  yield ['500 UUIDs', json(list(500, uuid))];
  yield ['500 UUIDs as tokens of pages', json(list(500, (i) => ({ next_token: uuid(i), id: uuid(i + 1000) })))];
  yield ['1000 sha256 digests', json(list(1000, (i) => randomBytes(32, `sha ${i}`).toString('hex')))];
  yield ['400 packages of a lockfile', lockfile(400)];
  yield [
    'twenty thinking signatures',
    chat(
      list(20, (i) => ({
        type: 'thinking',
        thinking: 'Let me look.',
        signature: randomBytes(1024, `sig ${i}`).toString('base64'),
      })),
    ),
  ];
  yield [
    'twelve times the word type',
    json({ words: list(12, () => 'type').join(' '), type: list(12, () => ({ type: 'type' })) }),
  ];
  yield [
    'a picture',
    chat([
      {
        type: 'image',
        source: {
          type: 'base64',
          media_type: 'image/png',
          data: `iVBORw0KGgoAAAANSUhEUgAA${randomBytes(60_000, 'png').toString('base64')}`,
        },
      },
    ]),
  ];
  yield [
    'tables of numbers',
    Buffer.from(list(5000, (i) => `${i} ${i * 7919} ${1_700_000_000_000 + i * 977} ${(i / 7).toFixed(6)}`).join('\n')),
  ];
  yield ['a git diff', chat([{ type: 'text', text: diff() }])];
  yield ['tool schemas', tools()];
  for (const file of PACKAGED) yield [file, chat([{ type: 'text', text: readFileSync(join(MODULES, file), 'utf8') }])];
  yield* sources('undici/lib');
  yield* sources('zod/src/v4/core');
  yield* sources('typescript/lib');
  yield* sources('commander/lib');
  yield [
    'the repository’s own lockfile',
    chat([{ type: 'text', text: readFileSync(join(MODULES, '../package-lock.json'), 'utf8') }]),
  ];
}

const PACKAGED = [
  'undici/lib/llhttp/llhttp-wasm.js',
  'undici/lib/llhttp/llhttp_simd-wasm.js',
  'yargs/package.json',
  '@types/node/crypto.d.ts',
  'undici/docs/docs/api/Dispatcher.md',
];

/** Sources of a package in pieces as an agent would read them. */
function* sources(folder: string): Generator<[string, Buffer]> {
  const files = readdirSync(join(MODULES, folder), { recursive: true, encoding: 'utf8' }).filter((name) =>
    /\.(?:[cm]?js|ts|md)$/.test(name),
  );
  for (const file of files)
    yield [
      `${folder}/${file}`,
      chat([{ type: 'text', text: readFileSync(join(MODULES, folder, file), 'utf8').slice(0, 400_000) }]),
    ];
}

/** Name and body of what would make a careless scanner slow. Each about `size` bytes. */
export function hostileBodies(size: number): [string, Buffer][] {
  const repeat = (unit: string): Buffer => Buffer.from(unit.repeat(Math.ceil(size / unit.length)));
  return [
    ['ey', repeat('ey')],
    ['eyJ', repeat('eyJ')],
    ['beginnings of tokens', repeat('.eyJaaaaaaaaaaaaaaaaaa')],
    ['letters and dots', repeat('a.')],
    ['AKIA', repeat('AKIA')],
    ['beginnings of key ids', repeat(' AKIA')],
    ['equals signs', repeat('=')],
    ['percent signs', repeat('%')],
    ['percent signs, encoded', repeat('%25')],
    ['backslashes', repeat('\\')],
    ['ampersands', repeat('&#')],
    ['open brackets', repeat('[')],
    ['open objects', repeat('{"a":')],
    ['digits', repeat('4')],
    ['digits and spaces', repeat('4 ')],
    ['names of passwords', repeat('password=')],
    ['names of secrets', repeat('secret:"')],
    ['URLs', repeat('://a:')],
    ['headers of keys', repeat('-----BEGIN PRIVATE KEY-----')],
    ['members of keys', repeat('"kty":"OKP","d":"')],
    ['beginnings of gzip', repeat('\x1f\x8b\x08')],
    ['base64 of nothing', repeat('A')],
    ['NULs', repeat('\0')],
    ['wide text', repeat('a\0')],
  ];
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

function chat(content: readonly unknown[]): Buffer {
  return json({
    model: 'm',
    max_tokens: 32000,
    stream: true,
    metadata: { user_id: 'user_0' },
    messages: [{ role: 'user', content }],
  });
}

function list<T>(count: number, make: (i: number) => T): T[] {
  return Array.from({ length: count }, (_, i) => make(i));
}

function uuid(i: number): string {
  const hex = randomBytes(16, `uuid ${i}`).toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20)}`;
}

function lockfile(count: number): Buffer {
  const packages = Object.fromEntries(
    list(count, (i) => [
      `node_modules/package-${i}`,
      {
        version: `1.${i}.0`,
        resolved: `https://npm.example.com/package-${i}/-/package-${i}-1.${i}.0.tgz`,
        integrity: `sha512-${randomBytes(64, `lock ${i}`).toString('base64')}`,
      },
    ]),
  );
  return json({ lockfileVersion: 3, packages });
}

function diff(): string {
  const sha = (i: number) => randomBytes(20, `git ${i}`).toString('hex');
  return list(
    200,
    (i) =>
      `diff --git a/src/file${i}.ts b/src/file${i}.ts\nindex ${sha(i).slice(0, 7)}..${sha(i + 500).slice(0, 7)} 100644\n@@ -${i},7 +${i},9 @@ commit ${sha(i)}\n-const token = lexer.next();\n+const apiKey = process.env.API_KEY ?? config.apiKey;\n+  password: await prompt('Password: '),\n+  secret: secrets.get("db-password"),\n+export AUTH_TOKEN=\${AUTH_TOKEN}\n`,
  ).join('');
}

function tools(): Buffer {
  return json({
    tools: list(40, (i) => ({
      name: `Tool${i}`,
      description:
        'Reads a file. Never print passwords, tokens or API keys such as sk-ant-..., AKIA..., ghp_xxxx, or -----BEGIN PRIVATE KEY-----.',
      input_schema: {
        type: 'object',
        properties: {
          path: { type: 'string' },
          password: { type: 'string', description: 'password: the password' },
          token: { type: 'string' },
        },
        required: ['path'],
        additionalProperties: false,
        $schema: 'http://json-schema.org/draft-07/schema#',
      },
    })),
  });
}
