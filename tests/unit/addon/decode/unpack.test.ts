/** Packs that are too large to be read at once. What they come to is what `readPacks` makes of them, however they are cut. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { it, suite } from 'node:test';
import { deflateSync } from 'node:zlib';
import fc from 'fast-check';
import { readPacks } from '../../../../addon/decode/pack.ts';
import { Expanded } from '../../../../addon/decode/stream.ts';
import { unpack, type UnpackOptions } from '../../../../addon/decode/unpack.ts';
import { Work } from '../../../../addon/decode/work.ts';
import { makeFolder } from '../../support/folder.ts';
import {
  BLOB,
  COMMANDS,
  COMMIT,
  delta,
  NAMED,
  object,
  objectHead,
  OFFSET,
  pack,
  packHead,
  random,
  swallowed,
  TREE,
} from '../support/packs.ts';

const LIMITS: UnpackOptions = { most: 2 ** 30, objects: 1_000_000, separator: 0x20 };
/** Longer than what is inflated at once. */
const LONG = 300_000;

async function* cut(body: Buffer, piece: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < body.length; at += piece) yield body.subarray(at, at + piece);
}

async function read(body: Buffer, { piece = 1_000, ...limits }: Partial<UnpackOptions> & { piece?: number } = {}) {
  const { text, isWhole } = unpack(() => cut(body, piece), { ...LIMITS, ...limits });
  const all: Buffer[] = [];
  for await (const some of text) all.push(Buffer.from(some)); // it is written over
  return { content: Buffer.concat(all), isWhole: isWhole() };
}

function whole(body: Buffer): Buffer {
  const packed = readPacks(body, new Work(), 0x20);
  assert.ok(packed?.isWhole);
  return packed.content;
}

const words = (count: number) => Array.from({ length: count }, (_, at) => `word${at}`).join('-');

/** Of every kind and size. */
const OBJECTS: readonly Buffer[] = [
  object(COMMIT, Buffer.from('author A <a@b.c>\n\nfirst')),
  object(TREE, Buffer.concat([Buffer.from('100644 second.txt\0'), random(20, 't')])),
  object(BLOB, Buffer.alloc(0)),
  object(BLOB, Buffer.from('third ')),
  object(BLOB, random(127 * 1024, 'small'), undefined, 0),
  object(BLOB, random(LONG, 'large')),
  object(BLOB, random(LONG, 'stored'), undefined, 0),
  object(BLOB, Buffer.from(words(50_000))),
  object(OFFSET, delta('fourth', words(60)), Buffer.of(0x81, 0x80, 0x05)),
  object(NAMED, delta('fifth'), random(20, 'n')),
  object(NAMED, delta('sixth'), random(32, 'm')),
  object(OFFSET, delta(words(40_000), 'seventh'), Buffer.of(5)),
  object(NAMED, delta(words(40_000), 'eighth'), random(20, 'o')),
  object(NAMED, delta(words(40_000), 'ninth'), random(32, 'p')),
];

suite('a large pack', () => {
  it('comes to the same as one that is read at once, however it is cut', async () => {
    const objects = fc.array(fc.constantFrom(...OBJECTS), { maxLength: 12 });
    const pieces = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 100, max: 200_000 }));
    const before = fc.constantFrom(Buffer.alloc(0), COMMANDS, Buffer.from('a PACK of lies'), packHead(0));
    await fc.assert(
      fc.asyncProperty(
        fc.array(objects, { minLength: 1, maxLength: 2 }),
        before,
        pieces,
        async (packs, start, piece) => {
          const body = Buffer.concat([start, ...packs.map((some) => pack(...some))]);
          const all = await read(body, { piece: Math.max(piece, Math.ceil(body.length / 2_000)) });
          assert.ok(all.isWhole);
          assert.ok(all.content.equals(whole(body)));
        },
      ),
      { numRuns: 40 },
    );
  });

  it('gives of a difference that is cut in the middle of what it adds all that it adds', async () => {
    const { content } = await read(pack(object(OFFSET, delta(words(40_000)), Buffer.of(5))), { piece: 997 });
    assert.equal(content.toString().trim(), words(40_000));
  });

  it('begins where the lines of the protocol end, whatever pack the lines hold', async () => {
    const { content, isWhole } = await read(swallowed(object(BLOB, Buffer.from('real'))), { piece: 7 });
    assert.ok(isWhole);
    assert.match(content.toString('latin1'), / real $/);
  });

  it('with a head of a pack inside an object is read on as if it were not there', async () => {
    const inner = Buffer.concat([random(LONG, 'x'), pack(object(BLOB, Buffer.from('inner')))]);
    const body = pack(object(BLOB, inner, undefined, 0), object(BLOB, Buffer.from('behind')));
    const all = await read(body);
    assert.ok(all.isWhole && all.content.equals(whole(body)));
    assert.ok(all.content.includes('behind'));
  });

  it('may have anything behind it, also another one', async () => {
    for (const tail of [random(5_000, 'tail'), Buffer.from('PACK\0\0\0'), Buffer.from('PACK\0\0\0\x07 and so on')]) {
      const { content, isWhole } = await read(
        Buffer.concat([pack(object(BLOB, Buffer.from('one'))), tail, pack(object(BLOB, Buffer.from('two'))), tail]),
        { piece: 11 },
      );
      assert.deepEqual([content.toString(), isWhole], ['one two ', true]);
    }
  });

  const one = object(BLOB, Buffer.from('one'));
  const long = object(BLOB, random(LONG, 'long'));
  const broken: [what: string, body: Buffer][] = [
    ['is cut in an object', pack(one, long).subarray(0, -1_000)],
    ['is cut in a small one', pack(one, object(BLOB, random(400, 's'))).subarray(0, -100)],
    ['is cut in the head of an object', Buffer.concat([packHead(2), one, Buffer.of(0xb1)])],
    ['is cut behind its head', packHead(3)],
    ['has fewer objects than it says', Buffer.concat([packHead(0xffffffff), one])],
    ['has an object of no kind', pack(one, object(5, Buffer.from('x')))],
    ['has an object that is no stream', pack(one, Buffer.of(0x31, 0x78))],
    ['has a large object that is no stream', pack(one, objectHead(BLOB, LONG), random(LONG, 'no'))],
    ['has a large difference to a named base and no stream', pack(one, objectHead(NAMED, LONG), random(LONG, 'no'))],
    ['has an object that is longer than it says', pack(one, objectHead(BLOB, 5), deflateSync('not five'))],
    ['has an object that is shorter than it says', pack(one, objectHead(BLOB, 500), deflateSync('not 500'))],
    ['has a large object that is longer', pack(one, objectHead(BLOB, LONG - 1), deflateSync(random(LONG, 'l')))],
    ['has a large object that is shorter', pack(one, objectHead(BLOB, LONG + 1), deflateSync(random(LONG, 'l')))],
    ['has an object of 2 to the 60th bytes', pack(one, objectHead(BLOB, 2 ** 60), deflateSync(random(LONG, 'l')))],
    ['has a size without an end', pack(one, Buffer.alloc(500, 0xbf))],
    [
      'has a checksum that is not its text’s',
      pack(one, Buffer.concat([long.subarray(0, -1), Buffer.of((long.at(-1) ?? 0) ^ 1)])),
    ],
  ];
  for (const [what, body] of broken)
    it(`that ${what} is read as far as it goes, is said not to be whole, and the next one is read`, async () => {
      for (const piece of [7, 1_000, 10_000]) {
        if (piece === 7 && body.length > 10_000) continue;
        const { content, isWhole } = await read(body, { piece });
        assert.equal(isWhole, false);
        if (body.includes(one)) assert.equal(content.toString('latin1', 0, 4), 'one ');
        const next = await read(
          Buffer.concat([body, random(piece * 100, 'between'), pack(object(BLOB, Buffer.from('next')))]),
          { piece },
        );
        assert.equal(next.isWhole, false);
        assert.match(next.content.toString('latin1'), / next $/);
      }
    });

  it('costs no more than is allowed: bytes, objects, whether they are any or not', async () => {
    const zeros = object(BLOB, Buffer.alloc(2_000_000));
    const small = object(BLOB, Buffer.alloc(100_000));
    const lie = Buffer.concat([objectHead(BLOB, 100_000), Buffer.of(0x78, 0x9c)]);
    const bombs: [body: Buffer, limits: Partial<UnpackOptions>][] = [
      [pack(zeros), { most: 1_000_000 }],
      [pack(...Array<Buffer>(20).fill(small)), { most: 1_000_000 }],
      [pack(object(OFFSET, Buffer.alloc(2_000_000, 0x91), Buffer.of(5))), { most: 1_000_000 }],
      [Buffer.concat(Array<Buffer>(20).fill(pack(lie))), { most: 1_000_000 }],
      [pack(...Array<Buffer>(101).fill(one)), { objects: 100 }],
      [Buffer.concat(Array<Buffer>(101).fill(pack(Buffer.of(0)))), { objects: 100 }],
      [Buffer.concat(Array<Buffer>(101).fill(packHead(0))), { objects: 100 }],
    ];
    for (const [body, limits] of bombs) await assert.rejects(read(body, limits), Expanded);
  });

  it('is no stream that goes on for ever without becoming anything', async () => {
    const empty = Buffer.concat(Array<Buffer>(100_000).fill(Buffer.of(0, 0, 0, 0xff, 0xff)));
    const head = Buffer.of(0x78, 0x01);
    for (const size of [0, LONG]) {
      const { isWhole } = await read(Buffer.concat([packHead(1), objectHead(BLOB, size), head, empty]), {
        piece: 10_000,
      });
      assert.equal(isWhole, false);
    }
  });

  it('never throws, whatever bytes it has', async () => {
    const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
    await fc.assert(
      fc.asyncProperty(
        bytes,
        fc.array(bytes, { maxLength: 3 }),
        fc.nat(400),
        fc.nat(3),
        async (tail, objects, end, kind) => {
          const made = Buffer.concat([
            pack(...objects.map((content) => object(kind + 4, content, tail)), tail),
            tail,
            packHead(1),
            objectHead(BLOB, LONG),
            tail,
          ]);
          await read(made.subarray(0, end), { piece: 17 });
          await read(made, { piece: 170 });
        },
      ),
      { numRuns: 500 },
    );
  });

  it('that cannot be read from where it lies rejects', async () => {
    for (const body of [pack(one, long), pack(long, one)])
      for (const end of [5, 20, 100_000]) {
        async function* breaking(): AsyncGenerator<Buffer> {
          yield* cut(body.subarray(0, end), 1_000);
          throw new Error('the disk is gone');
        }
        const { text } = unpack(breaking, LIMITS);
        await assert.rejects(async () => {
          for await (const _ of text);
        }, /the disk is gone/);
      }
  });

  it('lets its source go, also if nobody reads to its end', async () => {
    let open = 0;
    async function* source(): AsyncGenerator<Buffer> {
      open += 1;
      try {
        yield* cut(pack(one, long, long), 50_000);
      } finally {
        open -= 1;
      }
    }
    for await (const some of unpack(source, LIMITS).text) if (some.length > 0) break;
    assert.equal(open, 0);
  });
});

const git = (() => {
  try {
    return execFileSync('git', ['--version']).toString();
  } catch {
    return undefined;
  }
})();

suite('what git itself packs', { skip: git === undefined ? 'git is not installed' : false }, () => {
  const line = fc.constantFrom(...Array.from({ length: 40 }, (_, at) => `line ${at} says ${'so '.repeat(at)}\n`));
  const file = fc.oneof(
    fc.array(line, { maxLength: 60 }).map((lines) => Buffer.from(lines.join(''))),
    fc.nat(2 ** 31).map((seed) => random(20_000, `${seed}`)),
    fc.constantFrom(LONG, 140_000).map((size) => random(size, 'large')),
  );
  const commit = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c/d'), file), { minLength: 1, maxLength: 3 });
  const options = fc.subarray(['--thin', '--delta-base-offset', '--window=1', '--compression=0']);

  it('comes to the same as when it is read at once', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(commit, { minLength: 2, maxLength: 12 }),
        options,
        fc.constantFrom('sha1', 'sha256'),
        fc.integer({ min: 50, max: 150_000 }),
        fc.nat(1),
        async (commits, flags, format, piece, since) => {
          const body = Buffer.concat([COMMANDS, packOf(commits, flags, format, since)]);
          const all = await read(body, { piece });
          assert.ok(all.isWhole);
          assert.ok(all.content.equals(whole(body)));
        },
      ),
      { numRuns: 15 },
    );
  });
});

/** Of these commits, each on top of the one before. `since`: commits that the other side has already. */
function packOf(
  commits: readonly (readonly (readonly [path: string, content: Buffer])[])[],
  flags: readonly string[],
  format: string,
  since: number,
): Buffer {
  const folder = makeFolder();
  try {
    const run = (args: readonly string[], input?: Buffer | string) =>
      execFileSync('git', ['-C', folder.path, ...args], {
        ...(input === undefined ? {} : { input }),
        stdio: ['pipe', 'pipe', 'ignore'],
        maxBuffer: 2 ** 28,
      });
    run(['init', '-q', `--object-format=${format}`]);
    const data = (content: Buffer) =>
      Buffer.concat([Buffer.from(`data ${content.length}\n`), content, Buffer.from('\n')]);
    const stream = commits.flatMap((files, at) => [
      Buffer.from(`commit refs/heads/main\ncommitter A <a@b.test> ${1_700_000_000 + at} +0000\n`),
      data(Buffer.from(`commit ${at}`)),
      ...files.flatMap(([path, content]) => [Buffer.from(`M 644 inline ${path}\n`), data(content)]),
    ]);
    run(['fast-import', '--quiet'], Buffer.concat(stream));
    const revisions = since > 0 ? 'main\n^main~1\n' : 'main\n';
    return run(['pack-objects', '--revs', '--stdout', '-q', ...flags], revisions);
  } finally {
    rmSync(folder.path, { recursive: true, force: true });
  }
}
