import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import type { Refusal } from '../../../addon/message.ts';
import { PACK_BYTES } from '../../../addon/limits.ts';
import { type Window, type WindowOptions, windowsOf } from '../../../addon/windows.ts';
import { BLOB, COMMANDS, object, objectHead, pack, packHead } from './support/packs.ts';

const SECRET = Buffer.from('--known-value-of-a-secret--');
const CODINGS = {
  gzip: gzipSync,
  'x-gzip': gzipSync,
  deflate: deflateSync,
  'deflate ': deflateRawSync, // some clients leave the two bytes of zlib out
  br: brotliCompressSync,
  zstd: zstdCompressSync,
} as const;

/** Always the same bytes, of which no compression makes much less. */
function noise(length: number): Buffer {
  return createHash('shake256', { outputLength: length }).update('noise').digest();
}

async function* pieces(body: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < body.length; at += size) yield body.subarray(at, at + size);
}

async function read(
  body: Buffer,
  { size = 64, overlap = 32, piece = 1000, encodings = [], ...more }: Partial<WindowOptions & { piece: number }> = {},
): Promise<(Window | Refusal)[]> {
  const all: (Window | Refusal)[] = [];
  const unit = { size: body.length, chunks: () => pieces(body, piece) };
  for await (const one of windowsOf(unit, { size, overlap, encodings, ...more }))
    all.push(one.kind === 'window' ? { ...one, bytes: Buffer.from(one.bytes) } : one); // its place is used again
  return all;
}

function bytesOf(all: readonly (Window | Refusal)[]): Buffer[] {
  return all.map((one) => {
    assert.equal(one.kind, 'window');
    return (one as Window).bytes;
  });
}

test('whatever is shorter than the overlap stands in one window as a whole, wherever it stands in the body', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 2000 }),
      fc.nat(2000),
      fc.integer({ min: SECRET.length, max: 60 }),
      fc.integer({ min: 1, max: 500 }),
      fc.integer({ min: 1, max: 700 }),
      async (noise, at, overlap, more, piece) => {
        const body = Buffer.concat([noise.subarray(0, at), SECRET, noise.subarray(at)]);
        const windows = bytesOf(await read(body, { size: overlap + more, overlap, piece }));
        assert.ok(windows.some((window) => window.includes(SECRET)));
      },
    ),
  );
});

test('windows without what they share are the body, in order and complete', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 0, max: 0x1e }), { maxLength: 3000 }), // no run of data is cut
      fc.integer({ min: 0, max: 60 }),
      fc.integer({ min: 1, max: 500 }),
      fc.integer({ min: 1, max: 700 }),
      async (bytes, overlap, more, piece) => {
        const [first = Buffer.of(), ...rest] = bytesOf(
          await read(Buffer.from(bytes), { size: overlap + more, overlap, piece }),
        );
        assert.deepEqual(Buffer.concat([first, ...rest.map((window) => window.subarray(overlap))]), Buffer.from(bytes));
      },
    ),
  );
});

test('a long run of base64 or hex is cut between two of its groups only, wherever it begins', async () => {
  const run = Array.from({ length: 400 }, (_, i) => `${i}`.padStart(8, '0')).join('');
  await fc.assert(
    fc.asyncProperty(
      fc.nat(300),
      fc.integer({ min: 0, max: 60 }),
      fc.integer({ min: 16, max: 500 }),
      async (at, overlap, more) => {
        const body = Buffer.from(`${'"'.repeat(at)}${run}"${run}`);
        const windows = bytesOf(await read(body, { size: overlap + more, overlap }));
        for (const window of windows) {
          const [digits = ''] = /^\d*/.exec(window.toString()) ?? [];
          for (let from = 0; from + 16 <= digits.length; from += 8)
            assert.equal(Number(digits.slice(from + 8, from + 16)), Number(digits.slice(from, from + 8)) + 1);
        }
        assert.equal(windows.at(-1)?.subarray(-8).toString(), run.slice(-8));
      },
    ),
  );
});

test('a declared coding is undone, also several of them, and the bytes as they are sent are looked at too', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom(...(Object.keys(CODINGS) as (keyof typeof CODINGS)[])), { minLength: 1, maxLength: 3 }),
      fc.uint8Array({ minLength: 50, maxLength: 3000 }),
      fc.nat(3000),
      fc.boolean(),
      async (codings, noise, at, joined) => {
        const plain = Buffer.concat([Buffer.of(0), noise.subarray(0, at), SECRET, noise.subarray(at)]);
        const body = codings.reduce<Buffer>((bytes, coding) => CODINGS[coding](bytes), plain);
        const encodings = joined ? [codings.join(', ')] : codings;
        const windows = bytesOf(await read(body, { encodings, size: 200 }));
        assert.ok(
          windows.some((window) => window.includes(SECRET)),
          'as it was',
        );
        assert.ok([0, 2].includes(body.indexOf(windows[0]?.subarray(0, 30) ?? '')), 'as it is sent');
      },
    ),
    { numRuns: 60 },
  );
});

for (const [name, compress] of Object.entries({ gzip: gzipSync, zlib: deflateSync, zstd: zstdCompressSync })) {
  test(`a body that begins like ${name} is opened although no field says so, also twice`, async () => {
    const text = Buffer.concat([noise(5000), SECRET, noise(5000)]);
    for (const body of [compress(text), gzipSync(compress(text)), Buffer.concat([compress(text), Buffer.alloc(500)])]) {
      const windows = bytesOf(await read(body, { size: 300 }));
      assert.ok(windows.some((window) => window.includes(SECRET)));
    }
  });

  test(`a body that begins like ${name} and is cut off is opened as far as it goes`, async () => {
    const text = Buffer.concat([SECRET, noise(300_000)]);
    const whole = compress(text);
    const windows = bytesOf(await read(whole.subarray(0, whole.length - 9), { size: 3000 }));
    assert.ok(windows.some((window) => window.includes(SECRET)));
  });
}

test('what only looks compressed is looked at as it is', async () => {
  for (const magic of [[0x1f, 0x8b], [0x78, 0x9c], [0x28, 0xb5, 0x2f, 0xfd], [0x1f], []]) {
    const body = Buffer.concat([Buffer.from(magic), Buffer.from('no such thing'), SECRET]);
    assert.ok(bytesOf(await read(body)).some((window) => window.includes(SECRET)));
  }
});

const REFUSED: readonly (readonly [string, Buffer, string[], number])[] = [
  ['an unknown coding', Buffer.from('x'), ['compress'], 400],
  ['four codings', Buffer.from('x'), ['gzip, gzip, gzip, gzip'], 400],
  ['no gzip', Buffer.from('x'.repeat(100)), ['gzip'], 400],
  ['a cut-off gzip', gzipSync('x'.repeat(100)).subarray(0, 20), ['gzip'], 400],
  ['a cut-off br', brotliCompressSync('x'.repeat(100)).subarray(0, 5), ['br'], 400],
  ['a cut-off zstd', zstdCompressSync(Buffer.from('x1y2z3'.repeat(5))).subarray(0, 18), ['zstd'], 400],
  ['declared gzip that becomes a thousand times as much', gzipSync(Buffer.alloc(10_000_000)), ['gzip'], 413],
  ['undeclared zstd that becomes a thousand times as much', zstdCompressSync(Buffer.alloc(10_000_000)), [], 413],
];

for (const [name, body, encodings, status] of REFUSED)
  test(`${name} is refused with ${status}`, async () => {
    const last = (await read(body, { encodings, size: 1_000_000 })).at(-1);
    assert.ok(last?.kind === 'refused');
    assert.equal(last.status, status);
  });

test('a body that cannot be read rejects, whatever it is compressed with', async () => {
  for (const encodings of [[], ['gzip'], ['br', 'zstd']]) {
    async function* broken(): AsyncGenerator<Buffer> {
      yield gzipSync('x');
      throw new Error('the disk is gone');
    }
    const windows = windowsOf({ size: 100, chunks: broken }, { size: 64, overlap: 32, encodings });
    await assert.rejects(async () => {
      for await (const _ of windows);
    }, /the disk is gone/);
  }
});

test('what begins a compressed text is left out of the window that shows it as it is sent, or a scanner would open it', async () => {
  for (const compress of [gzipSync, zstdCompressSync]) {
    const body = compress(noise(500));
    const [first, second] = bytesOf(await read(body, { size: 10_000 }));
    assert.ok(first?.equals(body.subarray(2)));
    assert.ok(second?.equals(noise(500)));
  }
});

/** What the windows show of the objects of git packs. */
function packedIn(all: readonly (Window | Refusal)[]): Buffer[] {
  return all.flatMap((one) => (one.kind === 'window' && one.packed ? [one.bytes] : []));
}

test('what a git object holds stands in one window as a whole, wherever it stands, compressed or not', async () => {
  const codings = [[], ['gzip'], ['zstd', 'gzip']] as const;
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 2000 }),
      fc.nat(2000),
      fc.integer({ min: 1, max: 500 }),
      fc.integer({ min: 1, max: 700 }),
      fc.constantFrom(...codings),
      async (bytes, at, more, piece, encodings) => {
        const file = Buffer.concat([bytes.subarray(0, at), SECRET, bytes.subarray(at)]);
        const body = Buffer.concat([COMMANDS, pack(object(BLOB, noise(100)), object(BLOB, file))]);
        const coded = encodings.reduce<Buffer>((plain, coding) => CODINGS[coding](plain), body);
        for (const declared of [encodings, []]) {
          const all = await read(coded, {
            size: 40 + more,
            overlap: 40,
            piece,
            encodings: declared,
            push: declared === encodings,
          });
          bytesOf(all);
          assert.ok(packedIn(all).some((window) => window.includes(SECRET)));
        }
      },
    ),
    { numRuns: 60 },
  );
});

test('no window shows the beginning of a pack, or a scanner would open what of it is in the window', async () => {
  const body = Buffer.concat([
    noise(50),
    pack(object(BLOB, noise(500)), object(BLOB, packHead(3), undefined, 0)),
    packHead(2),
  ]);
  for (const size of [40, 64, 5_000])
    for (const window of bytesOf(await read(body, { size }))) assert.ok(!window.includes('PACK\0\0\0'));
});

test('a push whose objects cannot be read to the end is refused, another body and one without objects are not', async () => {
  const one = object(BLOB, noise(500));
  const broken = [
    pack(one).subarray(0, -50),
    packHead(1),
    Buffer.concat([packHead(0xffffffff), one]),
    pack(one, objectHead(BLOB, 2 ** 50)),
    pack(objectHead(BLOB, 2 ** 50), one),
    pack(one, Buffer.of(0x31, 0x78)),
    Buffer.concat([pack(one), pack(one).subarray(0, -50)]),
  ];
  for (const objects of broken) {
    const body = Buffer.concat([COMMANDS, objects]);
    for (const [coded, encodings] of [
      [body, []],
      [gzipSync(body), ['gzip']],
    ] as const) {
      const last = (await read(coded, { encodings, push: true })).at(-1);
      assert.ok(last?.kind === 'refused' && last.status === 400);
      bytesOf(await read(coded, { encodings, push: false }));
    }
  }
  for (const body of [COMMANDS, Buffer.concat([COMMANDS, one]), Buffer.concat([COMMANDS, pack(one), noise(500)])])
    bytesOf(await read(body, { push: true }));
});

test('objects of zeros may become a thousand times as much, but not more than is looked at', async () => {
  const zeros = object(BLOB, Buffer.alloc(PACK_BYTES / 8));
  let seen = 0;
  const last = async (count: number) => {
    const body = pack(...Array<Buffer>(count).fill(zeros));
    let one: Window | Refusal | undefined;
    for await (one of windowsOf(
      { size: body.length, chunks: () => [body] },
      { size: 2 ** 21, encodings: [], push: true },
    ))
      if (one.kind === 'window') seen += one.bytes.length;
    return one;
  };
  assert.equal((await last(7))?.kind, 'window');
  assert.ok(seen > (PACK_BYTES / 8) * 7);
  const refused = await last(9);
  assert.ok(refused?.kind === 'refused' && refused.status === 413);
});
