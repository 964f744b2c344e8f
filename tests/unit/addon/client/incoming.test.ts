import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Arriving } from '../../../../addon/body.ts';
import { Incoming } from '../../../../addon/client/incoming.ts';
import type { Framing } from '../../../../addon/h1/framing.ts';
import type { Refusal } from '../../../../addon/message.ts';

/** A body that is asked to wait after every piece, or to refuse. */
function make(framing: Framing, refusal?: Refusal) {
  const told: string[] = [];
  const body: Arriving & { kept: string } = {
    kept: '',
    onDrain: undefined,
    add(piece) {
      body.kept += piece.toString();
      return refusal ?? 'wait';
    },
    end: (trailers) => ({
      kind: 'unit',
      size: body.kept.length,
      last: true,
      trailers,
      chunks: () => [Buffer.from(body.kept)],
      [Symbol.dispose]: () => void told.push('given back'),
    }),
    release: () => void told.push('released'),
  };
  const incoming = new Incoming({
    framing,
    receive(announced) {
      told.push(`announced ${announced}`);
      return body;
    },
    hold: (held) => void told.push(held ? 'hold' : 'go on'),
    onWanted: () => void told.push('wanted'),
    onEnd: (rest) => void told.push(`end, then "${rest.toString()}"`),
    onMalformed: () => void told.push('malformed'),
  });
  return { incoming, body, told };
}

test('the connection is held while the body wants no more, and goes on when it has drained', async () => {
  const { incoming, body, told } = make({ kind: 'length', bytes: 6 });
  const read = incoming.read();
  incoming.push(Buffer.from('abc'));
  assert.deepEqual(told, ['announced 6', 'wanted', 'hold']);
  body.onDrain?.();
  incoming.push(Buffer.from('defGET'));
  const unit = await read;
  assert.ok(unit.kind === 'unit' && unit.size === 6);
  assert.deepEqual(told.slice(3), ['go on', 'hold', 'go on', 'end, then "GET"']);
  assert.equal(body.onDrain, undefined, 'a late drain must not wake what holds for another reason');
});

test('what comes before anybody asks is held, and not lost', async () => {
  const { incoming, body, told } = make({ kind: 'chunked' });
  incoming.push(Buffer.from('3\r\nab'));
  incoming.push(Buffer.from('c\r\n0\r\n\r\nnext'));
  assert.deepEqual(told, ['hold', 'hold']);
  const unit = await incoming.read();
  assert.ok(unit.kind === 'unit' && incoming.isOver);
  assert.equal(body.kept, 'abc');
  assert.ok(!told.includes('wanted'), 'an agent that has begun needs no telling');
  assert.equal(told.at(-1), 'end, then "next"');
});

test('a body that is refused is let go once, and the rest of it is read off the wire', async () => {
  const refusal: Refusal = { kind: 'refused', status: 413, reason: 'too much' };
  const { incoming, told } = make({ kind: 'length', bytes: 6 }, refusal);
  const read = incoming.read();
  incoming.push(Buffer.from('abc'));
  assert.equal(await read, refusal);
  incoming.push(Buffer.from('defGET'));
  assert.deepEqual(told.slice(2), ['released', 'go on', 'end, then "GET"']);
  incoming.fail({ kind: 'gone' });
  assert.equal(told.filter((one) => one === 'released').length, 1);
});
