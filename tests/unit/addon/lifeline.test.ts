import assert from 'node:assert/strict';
import { test } from 'node:test';
import { holdLifeline } from '../../../addon/lifeline.ts';

function held() {
  let now = 0;
  let lost = 0;
  const line = holdLifeline({ lostMs: 8000, onLost: () => void (lost += 1), now: () => now });
  return { line, at: (ms: number) => void (now = ms), lost: () => lost };
}

test('silence that lasts too long is told once, and ends with the next line', () => {
  const { line, at, lost } = held();
  at(8000);
  assert.ok(line.isAlive());
  at(8001);
  assert.ok(!line.isAlive() && !line.isAlive());
  assert.equal(lost(), 1);
  line.beat();
  assert.ok(line.isAlive());
  line[Symbol.dispose]();
});

test('a pause of the whole process cuts the tunnels even if the first thing after it is a line', () => {
  const { line, at, lost } = held();
  at(60_000);
  line.beat();
  assert.equal(lost(), 1);
  assert.ok(line.isAlive());
  line[Symbol.dispose]();
});
