import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { RECEIPT_FIELD } from '../../../addon/receipt.ts';
import { type Reply, verdictOf } from '../../../addon/verdict.ts';
import { bodyOf, type Recorded, recordedAnswers } from '../support/answers.ts';

const answers = recordedAnswers();
const skip = typeof answers === 'string' ? answers : false;
const RECEIPT = 'a'.repeat(64);

/** What each recorded meaning is to us. */
const VERDICTS: Record<Recorded['meaning'], 'allow' | 'block' | 'error'> = {
  allow: 'allow',
  block: 'block',
  unscannable: 'block',
  'rate-limit': 'block',
  'kill-switch': 'block',
  'response-block': 'error',
  error: 'error',
  'not-a-verdict': 'error',
};

function replyOf({ request, answer }: Recorded, more: [string, string][] = []): Reply | undefined {
  if (!answer) return undefined;
  return {
    status: answer.status,
    fields: [...answer.headers, ...more],
    body: bodyOf(answer),
    bodiless: request.method === 'HEAD',
  };
}

suite('every recorded answer of pipelock means what it was recorded to mean', { skip }, () => {
  for (const recorded of typeof answers === 'string' ? [] : answers) {
    test(`${recorded.id}: ${recorded.meaning}`, () => {
      const reply = replyOf(recorded);
      if (!reply) return assert.equal(VERDICTS[recorded.meaning], 'error', 'closed without an answer');
      const verdict = verdictOf(reply, RECEIPT);
      if (recorded.meaning !== 'allow') return assert.equal(verdict.kind, VERDICTS[recorded.meaning]);
      // Recorded with a sink that sent a nonce back: without the receipt it is no allow.
      assert.equal(verdict.kind, 'error');
      const proven = replyOf(recorded, [[RECEIPT_FIELD, RECEIPT]]);
      assert.equal(proven && verdictOf(proven, RECEIPT).kind, 'allow');
    });
  }

  test('a receipt makes none of the others an allow', () => {
    for (const recorded of typeof answers === 'string' ? [] : answers) {
      const reply = replyOf(recorded, [[RECEIPT_FIELD, RECEIPT]]);
      if (reply && reply.status !== 204) assert.notEqual(verdictOf(reply, RECEIPT).kind, 'allow', recorded.id);
    }
  });

  test('whatever is done to a recorded answer, it is an allow only as 204 with exactly the receipt', () => {
    const recorded = fc.constantFrom(...(typeof answers === 'string' ? [] : answers));
    const change = fc.record({
      status: fc.option(fc.integer({ min: 100, max: 599 })),
      cut: fc.option(fc.nat({ max: 80 })),
      receipt: fc.option(fc.constantFrom(RECEIPT, RECEIPT.slice(1), RECEIPT.toUpperCase(), `${RECEIPT} `, '')),
      drop: fc.boolean(),
    });
    fc.assert(
      fc.property(recorded, change, (one, { status, cut, receipt, drop }) => {
        const base = replyOf(one);
        if (!base) return;
        const reply: Reply = {
          ...base,
          status: status ?? base.status,
          fields: [
            ...(drop ? [] : base.fields),
            ...(receipt === null ? [] : [[RECEIPT_FIELD, receipt] as [string, string]]),
          ],
          body: cut === null ? base.body : base.body.subarray(0, cut),
        };
        const proven = reply.status === 204 && receipt === RECEIPT;
        assert.equal(verdictOf(reply, RECEIPT).kind === 'allow', proven);
      }),
      { numRuns: 3000 },
    );
  });
});
