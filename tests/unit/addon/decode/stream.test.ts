import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { type Coding, NotCompressed, opened } from '../../../../addon/decode/stream.ts';

const CODINGS: readonly [Coding, (bytes: Buffer) => Buffer][] = [
  ['gzip', gzipSync],
  ['deflate', deflateSync],
  ['deflate-raw', deflateRawSync],
  ['br', brotliCompressSync],
  ['zstd', zstdCompressSync],
];

async function read(bytes: Buffer, coding: Coding, size: number): Promise<Buffer> {
  async function* pieces() {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  }
  const all: Buffer[] = [];
  for await (const piece of opened(pieces(), coding, 'whole', 10_000_000)) all.push(piece);
  return Buffer.concat(all);
}

describe('a text that is opened piece by piece', () => {
  for (const [coding, compress] of CODINGS)
    it(`in ${coding} is read to its end, and refused if something follows, wherever it was cut`, async () => {
      const plain = randomBytes(5_000);
      const packed = compress(plain);
      for (const size of [7, 1_000, packed.length, packed.length + 1, 100_000]) {
        assert.deepEqual(await read(packed, coding, size), plain, String(size));
        const followed = Buffer.concat([packed, Buffer.from('\u0001what follows')]);
        await assert.rejects(read(followed, coding, size), NotCompressed, String(size));
        await assert.rejects(read(packed.subarray(0, -9), coding, size), NotCompressed, String(size));
      }
    });
});
