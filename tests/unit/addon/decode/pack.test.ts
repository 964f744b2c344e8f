/** What `git push` sends, read object by object. */
import { unitInMemory } from '../../../../addon/body.ts';
import { secretsIn } from '../../../../addon/scanner/detect.ts';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, it, suite } from 'node:test';
import { deflateSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { readPacks } from '../../../../addon/decode/pack.ts';
import { Work } from '../../../../addon/decode/work.ts';
import type { Field } from '../../../../addon/message.ts';
import { makeMasks } from '../../../../addon/masks.ts';
import { parts } from '../../../../addon/parts.ts';
import { detect } from '../../../../addon/scanner/detect.ts';
import { masksOf, masksWishSchema } from '../../../../contracts/mask.ts';
import { randomBytes } from '../scanner/support/bodies.ts';
import {
  BLOB,
  COMMANDS,
  COMMIT,
  delta,
  NAMED,
  object,
  OFFSET,
  pack,
  PUSH,
  random,
  swallowed,
  TAG,
  TREE,
} from '../support/packs.ts';
import { type Program, startProgram } from '../support/program.ts';

const KEY = ['AKIA', 'Q3EGRZPXV4T7KWJB'].join('');
function textOf(bytes: Buffer): string {
  const packed = readPacks(bytes, new Work(), 0x20);
  assert.ok(packed?.isWhole);
  return packed.content.toString();
}

/** A push as pipelock gets it. */
function inPlain(body: Buffer, type = PUSH) {
  const fields: Field[] = [['Content-Type', type]];
  const target = { scheme: 'https', host: { kind: 'name', text: 'git.example' }, port: 443 } as const;
  const unit = unitInMemory(body);
  const masks = makeMasks(masksOf(masksWishSchema.parse({}), []));
  const limits = { reads: 'plain', bodyBytes: 8 * 1024 * 1024, masking: { masks, secretsIn } } as const;
  return parts(
    { id: 'id', nonce: 'nonce' },
    { method: 'POST', path: '/a.git/git-receive-pack', fields, target },
    unit,
    limits,
  );
}

function embedded(body: Buffer, type = PUSH) {
  return detect(
    {
      method: 'POST',
      url: 'http://git.example/a.git/git-receive-pack',
      fields: [['Content-Type', type]],
      trailers: [],
      body,
    },
    [],
  );
}

suite('a pack', () => {
  it('is read whole, whatever its objects are', () => {
    const text = textOf(
      Buffer.concat([
        COMMANDS,
        pack(
          object(COMMIT, Buffer.from('author A <a@b.c>\n\nfirst')),
          object(TREE, Buffer.concat([Buffer.from('100644 second.txt\0'), randomBytes(20, 't')])),
          object(BLOB, Buffer.from(`third ${'x'.repeat(100_000)} end of third`)),
          object(TAG, Buffer.from('fourth')),
          object(OFFSET, delta('fifth'), Buffer.of(0x81, 0x80, 0x05)),
          object(NAMED, delta('sixth'), random(20, 'n')),
          object(NAMED, delta('seventh'), random(32, 'm')),
          object(BLOB, Buffer.alloc(0)),
          object(BLOB, Buffer.from('eighth')),
        ),
      ]),
    );
    for (const word of ['first', '100644 second.txt', 'end of third', 'fourth', 'fifth', 'sixth', 'seventh', 'eighth'])
      assert.ok(text.includes(word), word);
  });

  it('gives of a difference what it adds: together what was added together, apart what was not', () => {
    const long = Array.from({ length: 60 }, (_, at) => `word${at}`).join('-');
    const text = textOf(pack(object(OFFSET, delta('AKIA', long), Buffer.of(5))));
    assert.equal(text.trim().replaceAll(/ +/g, ' '), `AKIA ${long}`);
  });

  it('is found behind anything, and so is the one behind it', () => {
    const text = textOf(
      Buffer.concat([
        Buffer.from('a PACK of lies'),
        pack(object(BLOB, Buffer.from('one'))),
        pack(object(BLOB, Buffer.from('two'))),
      ]),
    );
    assert.equal(text, 'one two ');
  });

  it('is none without its version, or where only its name stands', () => {
    for (const text of ['PACK', 'PACK\0\0\0', 'PACK\0\0\0\x07xxxxxxxxxxx', 'PACK\0\0\0\x02'])
      assert.equal(readPacks(Buffer.from(text), new Work()), undefined);
  });

  it('that is cut or made up is read as far as it goes, and said not to be whole', () => {
    const whole = pack(object(BLOB, Buffer.from('one')), object(BLOB, randomBytes(400, 'b')));
    for (const broken of [
      whole.subarray(0, -100),
      pack(object(BLOB, Buffer.from('one')), Buffer.of(0x31, 0x78)),
      pack(object(BLOB, Buffer.from('one')), object(5, Buffer.from('x'))),
      pack(object(BLOB, Buffer.from('one')), Buffer.concat([Buffer.of(0x35), deflateSync('not five')])),
    ]) {
      const packed = readPacks(broken, new Work(), 0x20);
      assert.deepEqual([packed?.content.toString(), packed?.isWhole], ['one ', false]);
    }
  });

  it('costs no more than is allowed: bytes, objects', () => {
    const bomb = new Work(1_000_000);
    readPacks(pack(object(BLOB, Buffer.alloc(2_000_000))), bomb);
    assert.match(bomb.exhausted ?? '', /decompresses to more/);
    const lies = new Work(1_000_000); // of a size that is not theirs
    const lie = Buffer.concat([Buffer.of(0x31), deflateSync(Buffer.alloc(600_000))]);
    readPacks(Buffer.concat([pack(lie), pack(lie)]), lies);
    assert.match(lies.exhausted ?? '', /decompresses to more/);
    const many = new Work();
    readPacks(pack(...Array<Buffer>(100_001).fill(object(BLOB, Buffer.of(65)))), many);
    assert.match(many.exhausted ?? '', /more git objects/);
  });

  it('never throws, whatever bytes it has', () => {
    const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
    fc.assert(
      fc.property(bytes, fc.array(bytes, { maxLength: 3 }), fc.nat(400), (tail, objects, cut) => {
        const made = Buffer.concat([pack(...objects.map((one) => object(BLOB, one)), tail), tail]);
        readPacks(made.subarray(0, cut), new Work());
        readPacks(made, new Work());
      }),
      { numRuns: 2_000 },
    );
  });
});

suite('a push', () => {
  const text = `AWS_ACCESS_KEY_ID is ${KEY}\n`;
  const secret: [what: string, push: Buffer][] = [
    ['a file', pack(object(BLOB, Buffer.from(`${'first line\n'.repeat(50)}${text}`)))],
    ['a commit', pack(object(COMMIT, Buffer.from(`tree 1\n\n${text}`)))],
    [
      'the name of a file',
      pack(object(TREE, Buffer.concat([Buffer.from(`100644 ${KEY}.txt\0`), randomBytes(20, 't')]))),
    ],
    ['what a difference adds', pack(object(NAMED, delta('x', text), random(20, 'n')))],
    ['base64 in a file', pack(object(BLOB, Buffer.from(`a: ${Buffer.from(text).toString('base64')}\n`)))],
    ['gzip in a file', pack(object(BLOB, gzipSync(text.repeat(3))))],
    [
      'a file among pictures',
      pack(
        object(BLOB, randomBytes(5_000, 'p')),
        object(BLOB, Buffer.from(text)),
        object(BLOB, randomBytes(5_000, 'q')),
      ),
    ],
  ];
  for (const [what, push] of secret) {
    const body = Buffer.concat([COMMANDS, push]);
    it(`with a secret in ${what} is found by the embedded scanner`, () => {
      assert.deepEqual(
        embedded(body).map((finding) => finding.kind === 'secret' && finding.rule),
        ['AWS Access ID'],
      );
    });
    it(`with a secret in ${what} is shown to pipelock`, () => {
      const all = inPlain(body);
      assert.ok(all.kind === 'prepared');
      assert.ok(all.parts.slice(1).some((part) => part.body.includes(KEY)));
    });
  }

  it('is read from where its lines end, as git does, whatever pack the lines hold', () => {
    const body = swallowed(object(BLOB, Buffer.from(text)));
    assert.equal(embedded(body).length, 1);
    const all = inPlain(body);
    assert.ok(all.kind === 'prepared' && all.parts.slice(1).some((part) => part.body.includes(KEY)));
  });

  it('of another type than it is is read as well', () => {
    const body = pack(object(BLOB, Buffer.from(text)));
    assert.equal(embedded(body, 'application/octet-stream').length, 1);
  });

  it('that cannot be read to its end is refused, and other bytes that look like one are not', () => {
    const body = Buffer.concat([COMMANDS, pack(object(BLOB, randomBytes(400, 'b'))).subarray(0, -100)]);
    const [finding] = embedded(body);
    assert.deepEqual([finding?.kind, finding?.kind === 'unscannable' && finding.why], ['unscannable', 'form']);
    const all = inPlain(body);
    assert.deepEqual([all.kind, all.kind === 'refused' && all.status], ['refused', 400]);
    assert.deepEqual(embedded(body, 'application/octet-stream'), []);
    assert.equal(inPlain(body, 'application/octet-stream').kind, 'prepared');
  });

  it('that becomes too much is refused', () => {
    const all = inPlain(Buffer.concat([COMMANDS, pack(object(BLOB, Buffer.alloc(9_000_000, 'and so on ')))]));
    assert.deepEqual([all.kind, all.kind === 'refused' && all.status], ['refused', 413]);
  });

  it('of a lockfile shows its hashes to nobody, and says so', () => {
    const hashes = Array.from({ length: 50 }, (_, at) => randomBytes(64, `hash ${at}`).toString('base64'));
    const file = hashes.map((hash) => `      "integrity": "sha512-${hash}",\n`).join('');
    const all = inPlain(Buffer.concat([COMMANDS, pack(object(BLOB, Buffer.from(file)))]));
    assert.ok(all.kind === 'prepared');
    assert.deepEqual(all.masked, [{ mask: 'known-forms', bytes: 50 * 88 }]);
    for (const { body } of all.parts) for (const hash of hashes) assert.ok(!body.includes(hash));
  });

  it('that deletes a branch has no pack, and is let pass', () => {
    assert.deepEqual(embedded(COMMANDS), []);
    assert.equal(inPlain(COMMANDS).kind, 'prepared');
  });
});

const version = (() => {
  try {
    return execFileSync('git', ['--version']).toString();
  } catch {
    return undefined;
  }
})();
const binary = process.env['BOTTLE_PIPELOCK_BINARY'];

suite('what git itself packs', { skip: version === undefined ? 'git is not installed' : false }, () => {
  let folder: string;
  let program: Program | undefined;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'bottle-test-'));
    if (binary) program = await startProgram(binary);
    git('init', '-q');
    for (let file = 0; file < 20; file += 1) writeFileSync(join(folder, `${file}.txt`), lines(file));
    commit('first');
  });
  after(async () => {
    await program?.[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });

  const lines = (seed: number) =>
    Array.from(
      { length: 400 },
      (_, line) => `line ${line} of file ${seed} says ${'so '.repeat((line * 7 + seed) % 11)}\n`,
    ).join('');
  function git(...args: string[]): Buffer {
    const who = ['-c', 'user.name=a', '-c', 'user.email=a@b.test', '-c', 'commit.gpgsign=false'];
    return execFileSync('git', ['-C', folder, ...who, ...args], { stdio: ['ignore', 'pipe', 'ignore'] });
  }
  function commit(message: string): void {
    git('add', '.');
    git('commit', '-qm', message);
  }
  /** As `git push` makes it. */
  function pushOf(...revisions: string[]): Buffer {
    const args = ['-C', folder, 'pack-objects', '--revs', '--stdout', '--thin', '--delta-base-offset', '-q'];
    return Buffer.concat([COMMANDS, execFileSync('git', args, { input: `${revisions.join('\n')}\n` })]);
  }

  it('is read whole: harmless files pass, and a secret that a difference adds is found', async () => {
    const harmless = pushOf('HEAD');
    assert.ok(readPacks(harmless, new Work())?.isWhole);
    assert.deepEqual(embedded(harmless), []);
    writeFileSync(join(folder, '7.txt'), lines(7).replace('line 200 ', `line 200 ${KEY} `));
    commit('second');
    const push = pushOf('HEAD', '^HEAD~1');
    assert.ok(push.length < 2_000, 'or it is no difference');
    assert.equal(embedded(push).length, 1);
    for (const [body, wanted] of [
      [harmless, false],
      [push, true],
    ] as const) {
      const all = inPlain(body);
      assert.ok(all.kind === 'prepared');
      assert.equal(
        all.parts.slice(1).some((part) => part.body.includes(KEY)),
        wanted,
      );
      if (!program) continue;
      const results = [];
      for (const part of all.parts) results.push(await program.read(part));
      assert.deepEqual([results.includes('found'), results.includes('refused')], [wanted, false]);
    }
  });
});
