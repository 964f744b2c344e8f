import assert from 'node:assert/strict';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { planSchema } from '../../../contracts/plan.ts';
import { describe } from '../../../src/describe.ts';
import { planLaunch } from '../../../src/plan.ts';
import { golden } from '../support/golden.ts';
import { anyLoaded, builtInPlan, CANARY, fullPlan, loaded } from '../support/plans.ts';

const pipelockPlan = () =>
  planLaunch(
    loaded({
      version: 1,
      egress: { allow: ['api.anthropic.com', 'llm.example.com:8443'] },
      scanner: {
        kind: 'pipelock',
        masks: { own: [{ name: 'gateway', hosts: ['llm.example.com:8443'], like: 'anthropic' }] },
      },
    }),
    { slug: 'demo' },
  );
const snapshot = (name: string) => join(import.meta.dirname, '__snapshots__', name);

suite('the plan as it is shown', () => {
  test('for the built-in default, as text', () =>
    golden(snapshot('built-in.txt.golden'), describe(builtInPlan(), 'text')));
  test('for the built-in default, as JSON', () =>
    golden(snapshot('built-in.json.golden'), describe(builtInPlan(), 'json')));
  test('for a full manifest, as text', () => golden(snapshot('full.txt.golden'), describe(fullPlan(), 'text')));
  test('for a full manifest, as JSON', () => golden(snapshot('full.json.golden'), describe(fullPlan(), 'json')));
  test('with pipelock, as text', () => golden(snapshot('pipelock.txt.golden'), describe(pipelockPlan(), 'text')));
  test('with pipelock, as JSON', () => golden(snapshot('pipelock.json.golden'), describe(pipelockPlan(), 'json')));
});

const formats = ['text', 'json'] as const;

suite('for every manifest, in either format', () => {
  test('the same input gives the same bytes', () => {
    fc.assert(
      fc.property(anyLoaded, fc.constantFrom(...formats), (manifest, format) => {
        const show = () => describe(planLaunch(manifest, { slug: 'x' }), format);
        assert.equal(show(), show());
      }),
    );
  });

  test('a secret prints as <set>, never as its value', () => {
    fc.assert(
      fc.property(anyLoaded, fc.constantFrom(...formats), (manifest, format) => {
        const shown = describe(planLaunch(manifest, { slug: 'x' }), format);
        assert.doesNotMatch(shown, new RegExp(CANARY));
        assert.equal(shown.includes('<set>'), Object.keys(manifest.secrets).length > 0);
      }),
    );
  });

  test('it ends with one line break', () => {
    fc.assert(
      fc.property(anyLoaded, fc.constantFrom(...formats), (manifest, format) =>
        assert.match(describe(planLaunch(manifest, { slug: 'x' }), format), /[^\n]\n$/),
      ),
    );
  });
});

suite('the JSON', () => {
  test('follows the schema, and says the same as the plan but for the secrets', () => {
    fc.assert(
      fc.property(anyLoaded, (manifest) => {
        const plan = planLaunch(manifest, { slug: 'x' });
        const shown = planSchema.parse(JSON.parse(describe(plan, 'json')));
        const { env } = plan.containers.agent;
        for (const name of Object.keys(manifest.secrets)) env[name] = '<set>';
        assert.deepEqual(shown, plan);
      }),
    );
  });

  test('holds the place of the fingerprint of a CA that does not exist yet', () => {
    const { egress } = planSchema.parse(JSON.parse(describe(builtInPlan(), 'json')));
    assert.deepEqual(egress.mitm, { enabled: true, ca_fingerprint: null });
  });
});

suite('the text', () => {
  const text = describe(fullPlan(), 'text');

  test('names every container, network, volume, mount and rule', () => {
    const plan = fullPlan();
    const names = [
      ...Object.values(plan.containers).flatMap((spec) => (spec ? [spec.name] : [])),
      ...plan.networks.map(({ name }) => name),
      ...plan.volumes.map(({ name }) => name),
      ...plan.egress.allow,
      ...plan.egress.networks,
      ...plan.egress.upstream_ca,
      ...plan.egress.policy.allow_private,
      ...plan.trust.files,
      ...Object.keys(plan.trust.variables),
      ...Object.keys(plan.late_bound),
      '/home/user/project at /workspace',
      '/home/user/project/data at /data, read-only',
      'TOKEN=<set>',
      'command: node --max-semi-space-size=2 /opt/bottle/addon/main.js',
      'folder: /workspace',
    ];
    for (const name of names) assert.ok(text.includes(name), name);
  });

  test('says whom the agent runs as where that depends on the image', () => {
    assert.match(describe(builtInPlan(), 'text'), /user\.agent: .*1000:1000/);
  });

  test('says that nothing is allowed where nothing is', () => {
    assert.match(
      describe(planLaunch(loaded({ version: 1 }), { slug: 'x' }), 'text'),
      /allow: nothing; everything else/,
    );
  });
});

suite('a manifest that an agent has written cannot write over what its reader sees', () => {
  const hostile = (mark: string) =>
    loaded({
      version: 1,
      agent: {
        image: `some/image${mark}`,
        command: ['claude', `x${mark}`],
        workdir: `/w${mark}`,
        env: { A: `a${mark}` },
        mounts: [{ source: `./a${mark}`, target: `/a${mark}` }],
      },
      egress: { upstream_ca: [`root${mark}.pem`] },
    });
  const marks: [title: string, mark: string][] = [
    ['a line break', '\n    capabilities: none'],
    ['a carriage return', '\rharmless'],
    ['an escape sequence', '\u001b[2K\u001b[1A'],
    ['an escape sequence of one character', '\u009b2K'],
    ['a backspace', '\b\b\b'],
    ['a change of direction', '\u202egnp.exe'],
    ['a line separator', '\u2028 next'],
    ['an invisible letter', '\u200b'],
    ['an invisible letter of the upper planes', '\u{e0041}'],
  ];
  for (const [title, mark] of marks) {
    for (const format of formats) {
      test(`${title}, in ${format}`, () => {
        const shown = describe(planLaunch(hostile(mark), { slug: 'x' }), format);
        assert.doesNotMatch(shown.replaceAll('\n', ''), /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
        const harmless = describe(planLaunch(hostile(''), { slug: 'x' }), format);
        assert.equal(shown.split('\n').length, harmless.split('\n').length);
      });
    }
  }
});
