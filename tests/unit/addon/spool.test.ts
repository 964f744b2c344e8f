import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { makeBudget } from '../../../addon/budget.ts';
import { makeSpool, type Spooled } from '../../../addon/spool.ts';
import { makeFolder } from '../support/folder.ts';

const MIB = 1024 ** 2;
const folder = makeFolder();
after(() => folder[Symbol.dispose]());

function fresh({ total = 1024 * MIB, free = () => 1024 ** 4, at = folder.path } = {}) {
  const disk = makeBudget(total);
  return { disk, spool: makeSpool({ folder: at, disk, free }) };
}

/** Keeps to what the spool says, as a connection does. */
async function fill(file: Spooled, pieces: Iterable<Buffer>): Promise<void> {
  for (const piece of pieces) {
    const drained = new Promise<void>((resolve) => (file.onDrain = resolve));
    const answer = file.add(piece);
    assert.ok(answer === undefined || answer === 'wait');
    if (answer === 'wait') await drained;
  }
  assert.equal(await file.end(), undefined);
}

async function contentOf(file: Spooled): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const piece of file.chunks()) all.push(piece);
  return Buffer.concat(all);
}

/** The files that this process has open in the folder, as the kernel names them. */
function openFiles(): { path: string; content: Buffer }[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const path = readlinkSync(`/proc/self/fd/${fd}`);
      return path.startsWith(folder.path) ? [{ path, content: readFileSync(`/proc/self/fd/${fd}`) }] : [];
    } catch {
      return []; // the descriptor of the listing itself
    }
  });
}

test('what comes out is what went in, whatever the pieces, also twice and at once', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof(fc.integer({ min: 0, max: 700_000 }), fc.integer({ min: 0, max: 9_000 })), { maxLength: 12 }),
      fc.boolean(),
      async (sizes, announced) => {
        const pieces = sizes.map((size) => randomBytes(size));
        const { disk, spool } = fresh();
        const file = spool.open(announced ? sizes.reduce((sum, size) => sum + size, 0) : 0);
        assert.ok(file);
        await fill(file, pieces);
        const body = Buffer.concat(pieces);
        assert.equal(file.size, body.length);
        for (const read of await Promise.all([contentOf(file), contentOf(file)])) assert.ok(read.equals(body));
        file.release();
        file.release();
        assert.equal(disk.used, 0);
      },
    ),
    { numRuns: 25 },
  );
});

// If each of them waited by itself this would take minutes, and hold up everybody.
test('a body of one-byte pieces is written like any other', async () => {
  const { spool } = fresh();
  const file = spool.open(0);
  assert.ok(file);
  const body = randomBytes(MIB / 2);
  await fill(
    file,
    (function* () {
      for (let at = 0; at < body.length; at += 1) yield body.subarray(at, at + 1);
    })(),
  );
  assert.ok((await contentOf(file)).equals(body));
  file.release();
});

test('its file has no name, and nothing of the body can be read in it', async () => {
  const { spool } = fresh();
  const file = spool.open(0);
  assert.ok(file);
  const line = 'a text that would be recognised\n';
  await fill(file, [Buffer.from(line.repeat(50_000))]);
  assert.deepEqual(readdirSync(folder.path), []);
  const [held, ...others] = openFiles();
  assert.equal(others.length, 0);
  assert.match(held?.path ?? '', /\(deleted\)$/);
  assert.equal(held?.content.length, line.length * 50_000);
  assert.equal(held?.content.includes('recognised'), false);
  const blocks = new Set(Array.from({ length: 100 }, (_, i) => held?.content.toString('hex', i * 32, i * 32 + 32)));
  assert.equal(blocks.size, 100, 'equal texts do not look equal');
  file.release();
  await contentOf(file).catch(() => undefined);
});

test('it stays readable for whoever has begun when it is let go, and for nobody else', async () => {
  const { disk, spool } = fresh();
  const file = spool.open(0);
  assert.ok(file);
  const body = randomBytes(3 * MIB);
  await fill(file, [body]);
  const reader = file.chunks()[Symbol.asyncIterator]();
  const hash = createHash('sha256');
  let next = await reader.next();
  file.release();
  assert.notEqual(disk.used, 0);
  for (; !next.done; next = await reader.next()) hash.update(next.value);
  assert.equal(hash.digest('hex'), createHash('sha256').update(body).digest('hex'));
  assert.equal(disk.used, 0);
  await assert.rejects(contentOf(file), /let go/);
});

test('a reader that stops early holds nothing back', async () => {
  const { disk, spool } = fresh();
  const file = spool.open(0);
  assert.ok(file);
  await fill(file, [randomBytes(3 * MIB)]);
  for await (const _ of file.chunks()) break;
  file.release();
  assert.equal(disk.used, 0);
});

test('there is no place for a body that is announced larger than what is left', () => {
  const { disk, spool } = fresh({ total: 100 * MIB });
  const first = spool.open(80 * MIB);
  assert.ok(first);
  assert.equal(spool.open(30 * MIB), undefined);
  assert.equal(disk.used, 80 * MIB);
  first.release();
});

test('a body that grows beyond what is left is told so, and takes nothing from others', async () => {
  const { disk, spool } = fresh({ total: 3 * MIB });
  const file = spool.open(0);
  assert.ok(file);
  assert.ok(['wait', undefined].includes(file.add(Buffer.alloc(2 * MIB)) as 'wait' | undefined));
  assert.deepEqual(file.add(Buffer.alloc(2 * MIB)), { kind: 'full' });
  file.release();
  await file.end();
  assert.equal(disk.used, 0);
});

test('a disk that is nearly full is left to the journal', () => {
  const { spool } = fresh({ free: () => 600 * MIB });
  assert.equal(spool.open(200 * MIB), undefined);
  const small = spool.open(50 * MIB);
  assert.ok(small);
  small.release();
});

test('a folder that cannot be written to is told with the code of the failure, when the body ends at the latest', async () => {
  const { disk, spool } = fresh({ at: `${folder.path}/missing` });
  const file = spool.open(0);
  assert.ok(file);
  file.add(Buffer.alloc(10));
  assert.deepEqual(await file.end(), { kind: 'broken', cause: 'ENOENT' });
  assert.deepEqual(file.add(Buffer.alloc(10)), { kind: 'broken', cause: 'ENOENT' });
  file.release();
  assert.equal(disk.used, 0);
});
