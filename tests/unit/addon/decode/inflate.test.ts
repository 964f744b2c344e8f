import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { decodeContent } from '../../../../addon/decode/inflate.ts';
import { Work } from '../../../../addon/decode/work.ts';

describe('a body under a Content-Encoding', () => {
  for (const [coding, compress] of [
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['deflate', deflateRawSync],
    ['br', brotliCompressSync],
    ['zstd', zstdCompressSync],
  ] as const)
    it(`in ${coding} (${compress.name}) is read to its end, and not taken if something follows`, () => {
      const plain = Buffer.from('harmless '.repeat(100));
      const packed = compress(plain);
      assert.deepEqual(decodeContent(packed, [coding], new Work()), { kind: 'decoded', body: plain });
      const followed = Buffer.concat([packed, Buffer.from('\u0001what follows')]);
      assert.equal(decodeContent(followed, [coding], new Work()).kind, 'unscannable');
    });
});
