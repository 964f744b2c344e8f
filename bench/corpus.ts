/**
 * Report over agent-egress-bench: which of its requests the embedded scanner blocks and which it lets pass.
 *
 *   node bench/corpus.ts [FOLDER]      default: $BOTTLE_CORPUS, then ../shared/corpora/agent-egress-bench
 */
import { resolve } from 'node:path';
import { detect } from '../addon/scanner/detect.ts';
import { answerOf } from '../addon/scanner/answer.ts';
import {
  type CorpusCase,
  DECIDED_OTHERWISE,
  readCorpus,
  requestOf,
} from '../tests/unit/addon/scanner/support/corpus.ts';

const folder = resolve(
  process.argv[2] ??
    process.env['BOTTLE_CORPUS'] ??
    resolve(import.meta.dirname, '../../shared/corpora/agent-egress-bench'),
);
const cases = readCorpus(folder);
if (cases === undefined) {
  console.error(`no corpus at ${folder}: give its folder as the argument, or in BOTTLE_CORPUS`);
  process.exitCode = 1;
} else {
  for (const type of ['url', 'request_body', 'header'])
    report(
      type,
      cases.filter((one) => one.input_type === type),
    );
}

function report(type: string, cases: readonly CorpusCase[]): void {
  const judged = cases.map((one) => ({ one, findings: detect(requestOf(one), []) }));
  const block = judged.filter(({ one }) => one.expected_verdict === 'block');
  const allow = judged.filter(({ one }) => one.expected_verdict === 'allow');
  const caught = block.filter(({ findings }) => findings.length > 0);
  const passed = allow.filter(({ findings }) => findings.length === 0);
  console.log(`${type}: caught ${caught.length} of ${block.length}, passed ${passed.length} of ${allow.length}`);
  for (const { one, findings } of judged) {
    const right = findings.length > 0 === (one.expected_verdict === 'block');
    console.log(
      `  ${right ? 'ok  ' : 'MISS'} ${one.id}  ${findings.length > 0 ? answerOf(findings).line : right ? 'allowed' : `allowed: ${DECIDED_OTHERWISE[one.id] ?? 'not known'}`}`,
    );
  }
}
