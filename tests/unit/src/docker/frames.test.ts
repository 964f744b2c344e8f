import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Demultiplexer, demultiplex } from '../../../../src/docker/frames.ts';

function frame(stream: number, bytes: Uint8Array): Buffer {
  const head = Buffer.alloc(8);
  head[0] = stream;
  head.writeUInt32BE(bytes.length, 4);
  return Buffer.concat([head, bytes]);
}

test('output comes out byte for byte on its own stream, however the connection cuts it', () => {
  const frames = fc.array(fc.tuple(fc.constantFrom(1, 2), fc.uint8Array({ maxLength: 50 })), { maxLength: 20 });
  fc.assert(
    fc.property(frames, fc.integer({ min: 1, max: 40 }), (sent, cut) => {
      const bytes = Buffer.concat(sent.map(([stream, content]) => frame(stream, content)));
      const demultiplexer = new Demultiplexer();
      const got = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
      for (let at = 0; at < bytes.length; at += cut) {
        for (const piece of demultiplexer.push(bytes.subarray(at, at + cut))) got[piece.stream].push(piece.bytes);
      }
      const wanted = (stream: number): Buffer =>
        Buffer.concat(sent.filter(([wanted]) => wanted === stream).map(([, content]) => content));
      assert.deepEqual(Buffer.concat(got.stdout), wanted(1));
      assert.deepEqual(Buffer.concat(got.stderr), wanted(2));
    }),
  );
});

test("the engine's own complaint (stream 3) is error output", () => {
  const [piece] = new Demultiplexer().push(frame(3, Buffer.from('gone')));
  assert.deepEqual(piece, { stream: 'stderr', bytes: Buffer.from('gone') });
});

test('finished output is both streams in the order of their frames', () => {
  const output = Buffer.concat([frame(1, Buffer.from('a')), frame(2, Buffer.from('b')), frame(1, Buffer.from('c'))]);
  assert.equal(demultiplex(output).toString(), 'abc');
});
