/** Whether the recorded answers are still what the program says. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { bodyOf, isAlone, type Recorded, recordedAnswers } from '../support/answers.ts';
import { notAlone, runAlone } from '../support/alone.ts';
import { pipelockBinary } from '../support/program.ts';
import { SINK, VARIATIONS } from '../support/variations.ts';

const answers = recordedAnswers();
const binary = pipelockBinary();
const skip = [answers, binary, notAlone()].find((why) => typeof why === 'string') ?? false;

interface Replayed {
  readonly id: string;
  readonly answer: { status: number; headers: [string, string][]; bodyText: string } | null;
  readonly closed: boolean;
  readonly sinkSaw: boolean;
}

suite('pipelock says what it was recorded to say', { skip }, () => {
  const known = new Set(VARIATIONS.map(([name]) => name));
  const asked = typeof answers === 'string' ? [] : answers.filter((one) => known.has(one.config) && isAlone(one));
  const replayed = new Map(skip === false ? replay().map((one) => [one.id, one]) : []);
  for (const recorded of asked)
    test(`${recorded.config}: ${recorded.title}`, () => {
      const now = replayed.get(recorded.id);
      assert.ok(now, 'it was not asked');
      assert.deepEqual(comparable(now), comparable(recorded));
    });
});

function replay(): Replayed[] {
  const program = fileURLToPath(new URL('../support/replay.ts', import.meta.url));
  const file = typeof binary === 'string' ? '' : binary.file;
  const { stdout, status } = runAlone(program, [file], { addresses: [SINK], resolver: SINK });
  assert.equal(status, 0, 'the replay ended early');
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Replayed);
}

/** Addresses and ports of the day are left out. */
function comparable({ answer, closed, sinkSaw }: Replayed | Recorded): object {
  if (!answer) return { answer, closed, sinkSaw };
  const body = 'bodyBase64' in answer ? bodyOf(answer) : Buffer.from(answer.bodyText ?? '', 'latin1');
  const text = body.toString('latin1').replaceAll(/\d+\.\d+\.\d+\.\d+:\d+/g, 'ADDRESS');
  return { status: answer.status, headers: answer.headers, text, closed, sinkSaw };
}
