import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, suite, test } from 'node:test';
import { type Arriving, bytesInMemory, receiveBody } from '../../../addon/body.ts';
import { makeBudget } from '../../../addon/budget.ts';
import { BODY_BYTES, UNKNOWN_BYTES } from '../../../addon/limits.ts';
import type { Received, Unit } from '../../../addon/message.ts';
import { makeSpool } from '../../../addon/spool.ts';
import { makeFolder } from '../support/folder.ts';
import { eventually } from './rig.ts';

const MIB = 1024 ** 2;
const PIECE = 1_000_003;
const folder = makeFolder();
after(() => folder[Symbol.dispose]());

function fresh({ memory = 256 * MIB, disk = 1024 * MIB, at = folder.path } = {}) {
  const [budget, onDisk] = [makeBudget(memory), makeBudget(disk)];
  const spool = makeSpool({ folder: at, disk: onDisk, free: () => 1024 ** 4 });
  // The disk's share comes back when what is being written has been written.
  const nothing = () => eventually(() => assert.deepEqual([budget.used, onDisk.used], [0, 0]));
  return { budget, spool, nothing };
}

async function send(arriving: ReturnType<typeof receiveBody>, body: Buffer): Promise<Received> {
  if ('kind' in arriving) return arriving;
  for (let at = 0; at < body.length; at += PIECE) {
    const drained = drain(arriving);
    const answer = arriving.add(body.subarray(at, at + PIECE));
    if (answer === 'wait') await drained;
    else if (answer) return answer;
  }
  return await arriving.end([]);
}

function drain(arriving: Arriving): Promise<void> {
  return new Promise((resolve) => (arriving.onDrain = resolve));
}

async function contentOf(unit: Unit): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const piece of unit.chunks()) all.push(piece);
  return Buffer.concat(all);
}

suite('a body', () => {
  const sizes = [0, 1, UNKNOWN_BYTES, UNKNOWN_BYTES + 1, BODY_BYTES, BODY_BYTES + 1, 2 * BODY_BYTES + 12_345];
  for (const size of sizes)
    for (const known of [true, false])
      test(`of ${size} bytes, ${known ? 'announced' : 'not announced'}, is one unit with what was sent, in memory if it is short`, async () => {
        const { budget, spool, nothing } = fresh();
        const body = randomBytes(size);
        const announced = known ? size : 0;
        const unit = await send(receiveBody({ budget, spool, bodyBytes: 2 ** 31, announced }), body);
        assert.ok(unit.kind === 'unit');
        assert.equal(unit.size, size);
        assert.equal(bytesInMemory(unit) !== undefined, size <= BODY_BYTES);
        assert.ok((await contentOf(unit)).equals(body));
        assert.ok((await contentOf(unit)).equals(body), 'again');
        assert.ok(size <= BODY_BYTES || budget.used < 4 * MIB, 'memory is free again');
        unit[Symbol.dispose]();
        unit[Symbol.dispose]();
        await nothing();
      });

  test('that is larger than its limit is refused with 413, at the head or where it passes it', async () => {
    const { budget, spool, nothing } = fresh();
    const limits = { budget, spool, bodyBytes: 50 * MIB };
    const said = receiveBody({ ...limits, announced: 50 * MIB + 1 });
    assert.ok('kind' in said);
    assert.equal(said.status, 413);
    for (const bodyBytes of [100, 3 * MIB, 50 * MIB]) {
      const grown = await send(receiveBody({ ...limits, bodyBytes, announced: 0 }), Buffer.alloc(bodyBytes + 1));
      assert.ok(grown.kind === 'refused');
      assert.equal(grown.status, 413);
    }
    await nothing();
  });

  test('for which there is no room is refused with 503, and holds nothing', async () => {
    const body = Buffer.alloc(BODY_BYTES + 1);
    for (const size of [{ memory: 100_000 }, { disk: MIB }])
      for (const announced of [0, body.length]) {
        const { budget, spool, nothing } = fresh(size);
        const answer = await send(receiveBody({ budget, spool, bodyBytes: 2 ** 31, announced }), body);
        assert.ok(answer.kind === 'refused');
        assert.deepEqual([answer.status, answer.reason], [503, 'too many request bodies are held']);
        await nothing();
      }
  });

  test('that the disk does not take is refused with 503 and the code of the failure', async () => {
    const { budget, spool, nothing } = fresh({ at: `${folder.path}/missing` });
    const arriving = receiveBody({ budget, spool, bodyBytes: 2 ** 31, announced: 40 * MIB });
    const answer = await send(arriving, Buffer.alloc(40 * MIB));
    assert.ok(answer.kind === 'refused');
    assert.deepEqual([answer.status, answer.reason], [503, 'the body could not be kept on the disk (ENOENT)']);
    await nothing();
  });

  test('that breaks off gives everything back, wherever it was', async () => {
    for (const [size, announced] of [
      [100, 200],
      [UNKNOWN_BYTES + 5, 0],
      [PIECE, BODY_BYTES + 1],
    ] as const) {
      const { budget, spool, nothing } = fresh();
      const arriving = receiveBody({ budget, spool, bodyBytes: 2 ** 31, announced });
      assert.ok(!('kind' in arriving));
      arriving.add(Buffer.alloc(size));
      arriving.release();
      arriving.release();
      await nothing();
    }
  });
});
