import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { checkSync } from 'recheck';
import { detect } from '../../../../addon/scanner/detect.ts';
import type { Finding } from '../../../../addon/scanner/finding.ts';
import { DEFAULT_REACH, type Rule } from '../../../../addon/scanner/rules/rule.ts';
import { RULES } from '../../../../addon/scanner/rules/table.ts';
import { request } from './support/requests.ts';

/** A rule that is looked for in URLs only is given its text there. */
function scan(rule: Rule, text: string): Finding[] {
  if (rule.places === undefined || rule.places.includes('body'))
    return detect(request({ body: Buffer.from(text) }), []);
  return detect(
    request({ url: /^https?:/.test(text) ? text : `https://api.example.com/v1?x=${encodeURIComponent(text)}` }),
    [],
  );
}

function names(findings: readonly Finding[]): string[] {
  return findings.flatMap((finding) => (finding.kind === 'secret' ? [finding.rule] : []));
}

/** The kinds of secrets that the scanner this one answers for knows. */
const KNOWN =
  `Anthropic API Key|OpenAI API Key|OpenAI Service Key|Fireworks API Key|Google API Key|Google OAuth Client Secret|Stripe Key
Stripe Webhook Secret|GitHub Token|GitHub Fine-Grained PAT|GitLab PAT|AWS Access ID|AWS Secret Key|Google OAuth Token|Slack Token
Slack App Token|Discord Bot Token|Twilio API Key|SendGrid API Key|Mailgun API Key|New Relic API Key|Hugging Face Token|Databricks Token
Replicate API Token|Together AI Key|Pinecone API Key|Groq API Key|xAI API Key|DigitalOcean Token|HashiCorp Vault Token|Vercel Token
Supabase Service Key|npm Token|PyPI Token|Linear API Key|Notion API Key|Sentry Auth Token|Private Key Header|JWT Token
Bitcoin WIF Private Key|Extended Private Key|Ethereum Private Key|Social Security Number|Google OAuth Client ID|Credential in URL
Environment Variable Secret|Credit Card Number|IBAN|GCP Service Account Key`.split(/[|\n]/);

describe('the table of rules', () => {
  it('knows every kind of secret that the usual scanner knows', () => {
    const have = new Set(RULES.map((rule) => rule.name));
    assert.deepEqual(
      KNOWN.filter((name) => !have.has(name)),
      [],
    );
  });

  it('names every rule once, with an example and a look-alike', () => {
    assert.equal(new Set(RULES.map((rule) => rule.name)).size, RULES.length);
    assert.deepEqual(
      RULES.filter((rule) => rule.examples.length === 0 || rule.lookalikes.length === 0).map((rule) => rule.name),
      [],
    );
  });

  for (const rule of RULES) {
    it(`catches each example of ${rule.name}`, () => {
      for (const example of rule.examples) assert.ok(names(scan(rule, example)).includes(rule.name), example);
    });
    it(`lets each look-alike of ${rule.name} pass`, () => {
      for (const lookalike of rule.lookalikes) assert.ok(!names(scan(rule, lookalike)).includes(rule.name), lookalike);
    });
  }

  it('has no pattern that a crafted text makes slow', { timeout: 300_000 }, () => {
    for (const rule of RULES) {
      // As it is tried: at one place, unless the match may begin before its trigger.
      const searched = rule.back !== undefined || rule.trigger.kind === 'digits';
      const source = searched ? rule.pattern.source : `^(?:${rule.pattern.source})`;
      const judged = checkSync(source, rule.pattern.flags.replace(/[gy]/g, ''), { timeout: 20_000 });
      if (judged.status === 'safe') continue;
      // Quadratic in a window of a few hundred bytes is a bound, too.
      const degree =
        judged.status === 'vulnerable' && judged.complexity.type === 'polynomial'
          ? judged.complexity.degree
          : Number.POSITIVE_INFINITY;
      const window = (rule.back ?? 0) + (rule.reach ?? DEFAULT_REACH);
      assert.ok(degree <= 2 && window <= 512, `${rule.name}: ${judged.status}, degree ${degree}, window ${window}`);
    }
  });
});
