import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { looksLikeCredential, makePlaceholder, SHAPES } from '../../../contracts/placeholder.ts';

suite('a placeholder has the shape that its clients check', () => {
  const rows: [name: string, value: string, shape: RegExp][] = [
    ['ANTHROPIC_API_KEY', 'sk-ant-api03-abc', /^sk-ant-api03-[\w-]{75}Bottle0PlaceholderAA$/],
    ['CLAUDE_CODE_OAUTH_TOKEN', 'opaque', /^sk-ant-oat01-[\w-]{93}AA$/],
    ['ANTHROPIC_API_KEY', 'sk-ant-oat01-abc', /^sk-ant-oat01-/],
    ['OPENAI_API_KEY', 'x', /^sk-proj-[\w-]{156}$/],
    ['GITHUB_TOKEN', 'github_pat_11A_b', /^github_pat_[A-Za-z0-9]{82}$/],
    ['GITHUB_TOKEN', 'x', /^ghp_[A-Za-z0-9]{36}$/],
    ['GEMINI_API_KEY', 'x', /^AIza[\w-]{35}$/],
    ['GITLAB_TOKEN', 'x', /^glpat-[\w-]{20}$/],
    ['HF_TOKEN', 'x', /^hf_[A-Za-z0-9]{34}$/],
    ['NPM_TOKEN', 'x', /^npm_[A-Za-z0-9]{36}$/],
    ['ANY', 'x'.repeat(40), /^[A-Za-z0-9]{40}$/],
    ['ANY', 'short', /^[A-Za-z0-9]{24}$/],
  ];
  for (const [name, value, shape] of rows)
    test(`${name} of ${value.slice(0, 20)}`, () => assert.match(makePlaceholder(name, value, randomBytes), shape));
});

test('it is never the value, never the same twice, and needs no escape anywhere', () => {
  const name = fc.constantFrom('ANY', ...SHAPES.flatMap(({ variables }) => variables));
  fc.assert(
    fc.property(name, fc.stringMatching(/^[\x20-\x7e]{8,60}$/), (variable, value) => {
      const [one, two] = [makePlaceholder(variable, value, randomBytes), makePlaceholder(variable, value, randomBytes)];
      assert.notEqual(one, two);
      assert.ok(!one.includes(value) && !value.includes(one));
      assert.match(one, /^[A-Za-z0-9_-]+[A-Za-z0-9]$/);
      assert.equal(encodeURIComponent(one), one);
    }),
  );
});

test('a credential is known by its variable’s name or by its shape', () => {
  for (const name of ['TOKEN', 'GITHUB_TOKEN', 'DB_PASSWORD', 'MY_API_KEY', 'AWS_SECRET_ACCESS_KEY'])
    assert.ok(looksLikeCredential(name, 'x'), name);
  for (const name of ['LOG_LEVEL', 'TOKENIZER', 'KEYBOARD', 'PATH']) assert.ok(!looksLikeCredential(name, 'x'), name);
  assert.ok(looksLikeCredential('X', `Bearer ghp_${'a'.repeat(36)}`));
  assert.ok(!looksLikeCredential('X', 'task-ghp_ is a prefix'));
});
