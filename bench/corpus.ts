/**
 * Report over agent-egress-bench: which of its requests a scanner blocks and which it lets pass, by type of input, every miss by name.
 *
 *   node bench/corpus.ts [embedded|pipelock] [FOLDER]      default: $BOTTLE_CORPUS, then ../shared/corpora/agent-egress-bench
 *
 * pipelock: BOTTLE_PIPELOCK_BINARY names its file. It is shown what the sidecar shows it.
 */
import { resolve } from 'node:path';
import { addressCheck } from '../addon/upstream/address.ts';
import { parseHost } from '../contracts/host.ts';
import { answerOf } from '../addon/scanner/answer.ts';
import { detect } from '../addon/scanner/detect.ts';
import {
  type CorpusCase,
  DECIDED_OTHERWISE,
  readCorpus,
  requestOf,
} from '../tests/unit/addon/scanner/support/corpus.ts';
import { openJudge } from '../tests/unit/support/judging.ts';
import { pipelockOrAgain } from './support/real.ts';

const [, , kind = 'embedded', given] = process.argv;
const folder = resolve(
  given ?? process.env['BOTTLE_CORPUS'] ?? resolve(import.meta.dirname, '../../shared/corpora/agent-egress-bench'),
);
const cases = readCorpus(folder);
if (cases === undefined) {
  console.error(`no corpus at ${folder}: give its folder as the last argument, or in BOTTLE_CORPUS`);
  process.exit(1);
}
const judge = await judgeOf(kind);
for (const type of ['url', 'request_body', 'header'])
  await report(
    type,
    cases.filter((one) => one.input_type === type),
  );
process.exit();

/** What is found in a case, if anything is. */
type Judge = (one: CorpusCase) => Promise<string | undefined>;

async function judgeOf(scanner: string): Promise<Judge> {
  if (scanner === 'embedded')
    return async (one) => {
      const findings = detect(requestOf(one), []);
      return findings.length > 0 ? answerOf(findings).line : undefined;
    };
  if (scanner !== 'pipelock') throw new Error('embedded or pipelock?');
  const check = addressCheck([]);
  const program = await openJudge(pipelockOrAgain(import.meta.url), '2.3');
  return async (one) => {
    const { method, url, fields, body } = requestOf(one);
    const { protocol, host, pathname, search } = new URL(url);
    const parsed = parseHost(host.replace(/:\d+$/, ''));
    if ('why' in parsed) return `refused by the sidecar: the host ${parsed.why}`;
    const address = parsed.kind === 'name' ? undefined : check(parsed.text);
    if (address && address.kind !== 'public') return `refused by the sidecar: ${address.why}`;
    const result = await program.judge({
      method,
      secure: protocol === 'https:',
      host: parsed.text,
      path: pathname + search,
      fields,
      body,
    });
    if (result.kind === 'allow') return undefined;
    return result.kind === 'block' ? result.finding : `could not be scanned: ${JSON.stringify(result)}`;
  };
}

async function report(type: string, some: readonly CorpusCase[]): Promise<void> {
  const judged: { one: CorpusCase; found: string | undefined }[] = [];
  for (const one of some) judged.push({ one, found: await judge(one) });
  const of = (verdict: string) => judged.filter(({ one }) => one.expected_verdict === verdict);
  const caught = of('block').filter(({ found }) => found !== undefined);
  const passed = of('allow').filter(({ found }) => found === undefined);
  console.log(
    `${type}: caught ${caught.length} of ${of('block').length}, passed ${passed.length} of ${of('allow').length}`,
  );
  for (const { one, found } of judged) {
    const right = (found !== undefined) === (one.expected_verdict === 'block');
    const why = found ?? (right ? 'allowed' : `allowed: ${DECIDED_OTHERWISE[one.id] ?? 'not known'}`);
    console.log(`  ${right ? 'ok  ' : 'MISS'} ${one.id}  ${why}`);
  }
}
