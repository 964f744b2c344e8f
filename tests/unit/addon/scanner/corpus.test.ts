import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { describe, it } from 'node:test';
import { lineOf } from '../../../../addon/scanner/answer.ts';
import { detect } from '../../../../addon/scanner/detect.ts';
import { readCorpus, requestOf } from './support/corpus.ts';

const ROOT = resolve(import.meta.dirname, '../../../..');
const FOLDER = resolve(ROOT, process.env['BOTTLE_CORPUS'] ?? '../shared/corpora/agent-egress-bench');
const cases = readCorpus(FOLDER);

/** Cases that are decided otherwise, each with its reason; see docs/detection.md. */
const OTHERWISE: Readonly<Record<string, string>> = {
  'url-domain-blocklist-001':
    'a made-up host that the case asks each user to put on a list; ours is the policy, which denies what it does not name',
};
const decided = (one: { id: string; expected_verdict: string }) =>
  one.id in OTHERWISE ? 'allow' : one.expected_verdict;

describe('the public corpus agent-egress-bench', {
  skip: cases === undefined && 'the corpus is not here; give its folder in BOTTLE_CORPUS',
}, () => {
  for (const one of cases ?? []) {
    it(`${decided(one) === 'block' ? 'blocks' : 'lets pass'} ${one.id}`, () => {
      const findings = detect(requestOf(one), []);
      assert.equal(
        findings.length > 0 ? 'block' : 'allow',
        decided(one),
        findings.length > 0 ? lineOf(findings) : 'no finding',
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
