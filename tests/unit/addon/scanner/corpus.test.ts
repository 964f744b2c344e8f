import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { describe, it } from 'node:test';
import { answerOf } from '../../../../addon/scanner/answer.ts';
import { detect } from '../../../../addon/scanner/detect.ts';
import { type CorpusCase, DECIDED_OTHERWISE, readCorpus, requestOf } from './support/corpus.ts';

const ROOT = resolve(import.meta.dirname, '../../../..');
const FOLDER = resolve(ROOT, process.env['BOTTLE_CORPUS'] ?? '../shared/corpora/agent-egress-bench');
const cases = readCorpus(FOLDER);

const decided = (one: CorpusCase) => (one.id in DECIDED_OTHERWISE ? 'allow' : one.expected_verdict);

describe('the public corpus agent-egress-bench', {
  skip: cases === undefined && 'the corpus is not here; give its folder in BOTTLE_CORPUS',
}, () => {
  for (const one of cases ?? []) {
    it(`${decided(one) === 'block' ? 'blocks' : 'lets pass'} ${one.id}`, () => {
      const findings = detect(requestOf(one), []);
      assert.equal(
        findings.length > 0 ? 'block' : 'allow',
        decided(one),
        findings.length > 0 ? answerOf(findings).line : 'no finding',
      );
    });
    // Clients and the sidecar write host names in lower case; what is in them must not depend on it.
    it(`does the same with ${one.id} when its host is in lower case`, () => {
      const request = requestOf(one);
      const url = request.url.replace(
        /^(https?:\/\/)([^/]*)/,
        (_, scheme: string, host: string) => scheme + host.toLowerCase(),
      );
      assert.equal(detect({ ...request, url }, []).length > 0 ? 'block' : 'allow', decided(one));
    });
  }
});
