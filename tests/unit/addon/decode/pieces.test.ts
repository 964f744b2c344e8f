import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Pieces } from '../../../../addon/decode/pieces.ts';

async function* cut(body: Buffer, sizes: readonly number[]): AsyncGenerator<Buffer> {
  let at = 0;
  for (const size of sizes) yield body.subarray(at, (at += size));
  yield body.subarray(at);
}

type Step = readonly ['front' | 'take' | 'skip' | 'again', number];

test('whatever is asked for in whatever order, no byte is lost and none comes twice', async () => {
  const step = fc.tuple(fc.constantFrom('front', 'take', 'skip', 'again'), fc.nat(200)) as fc.Arbitrary<Step>;
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 1_000 }).map((bytes) => Buffer.from(bytes)),
      fc.array(fc.nat(300)),
      fc.array(step),
      async (body, sizes, steps) => {
        const pieces = new Pieces(cut(body, sizes));
        let at = 0;
        for (const [what, count] of steps) {
          const left = body.subarray(at);
          if (what === 'front') {
            const front = await pieces.front(count);
            assert.ok(front.length >= Math.min(count, left.length));
            assert.ok(front.equals(left.subarray(0, front.length)));
            const dropped = Math.min(front.length, count);
            pieces.drop(dropped);
            at += dropped;
          } else if (what === 'take') {
            const taken = await pieces.take(count + 1);
            assert.ok(taken ? taken.length > 0 && taken.length <= count + 1 : left.length === 0);
            assert.ok(left.subarray(0, taken?.length ?? 0).equals(taken ?? Buffer.of()));
            at += taken?.length ?? 0;
          } else if (what === 'skip') {
            await pieces.skip(count);
            at = Math.min(body.length, at + count);
          } else {
            const [first, second] = [await pieces.take(count + 1), await pieces.take(count + 1)];
            pieces.back([first, second].flatMap((piece) => piece ?? []));
          }
        }
        assert.ok((await pieces.front(2_000)).equals(body.subarray(at)));
      },
    ),
  );
});

test('what it reads from is let go', async () => {
  let open = true;
  async function* source(): AsyncGenerator<Buffer> {
    try {
      yield Buffer.from('one');
      yield Buffer.from('two');
    } finally {
      open = false;
    }
  }
  const pieces = new Pieces(source());
  await pieces.front(1);
  await pieces.close();
  assert.equal(open, false);
});
