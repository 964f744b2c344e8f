import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Field } from '../../../addon/message.ts';
import { respond, type Unforwarded } from '../../../addon/respond.ts';
import { host } from './rig.ts';

const LINE = 'blocked: request body contains secret: "Anthropic API Key" \\ (x)';
const blocked: Unforwarded = { kind: 'blocked', finding: LINE };
const target = { scheme: 'https', host: host('api.test'), port: 443 } as const;

function told(path: string, fields: readonly Field[] = [], outcome: Unforwarded = blocked) {
  const { head, body } = respond(outcome, { id: 'e1', method: 'POST', target, caller: { path, fields } });
  return { type: head.fields.find(([name]) => name === 'content-type')?.[1], text: body.toString(), head };
}

test("Anthropic's clients get its error object", () => {
  const answer = told('/v1/messages?beta=true', [['anthropic-version', '2023-06-01']]);
  assert.equal(answer.type, 'application/json');
  const { type, error, request_id } = JSON.parse(answer.text);
  assert.deepEqual([type, error.type, request_id], ['error', 'permission_error', 'e1']);
  assert.ok(error.message.includes(LINE));
  const large = told('/v1/messages', [], { kind: 'refused', status: 413, reason: 'too large' });
  assert.equal(JSON.parse(large.text).error.type, 'request_too_large');
  const later = told('/v1/messages', [], { kind: 'failed', stage: 'scan', cause: 'x' });
  assert.equal(JSON.parse(later.text).error.type, 'api_error');
});

test("clients of OpenAI's API, whoever serves it, get its error object", () => {
  for (const path of ['/v1/chat/completions', '/v1/responses', '/backend-api/codex/responses', '/v1/models']) {
    const { error } = JSON.parse(told(path).text);
    assert.ok(error.message.includes(LINE), path);
    assert.deepEqual([error.type, error.param, error.code], ['invalid_request_error', null, 'bottle_blocked']);
  }
});

test("Google's clients get a status of theirs", () => {
  const { error } = JSON.parse(told('/v1beta/models/gemini-pro:streamGenerateContent?alt=sse').text);
  assert.deepEqual([error.code, error.status], [403, 'PERMISSION_DENIED']);
  assert.ok(error.message.includes(LINE));
});

test('git gets one line of plain text, the only thing that it shows', () => {
  for (const [path, fields] of [
    ['/o/r.git/info/refs?service=git-upload-pack', []],
    ['/o/r.git/git-receive-pack', []],
    ['/o/r.git/objects/12/34', [['User-Agent', 'git/2.47.1']]],
  ] as const) {
    const answer = told(path, fields);
    assert.equal(answer.type, 'text/plain; charset=utf-8');
    assert.ok(answer.text.includes(LINE), path);
    assert.equal(answer.text.trimEnd().split('\n').length, 1);
  }
});

test('npm gets the sentence under the name that it prints', () => {
  const answer = told('/left-pad', [['user-agent', 'npm/11.6.0 node/v24.21.0 linux x64']]);
  assert.ok(JSON.parse(answer.text).error.includes(LINE));
});

test('everybody else gets problem details', () => {
  const answer = told('/', [['user-agent', 'curl/8']]);
  assert.equal(answer.type, 'application/problem+json');
  const problem = JSON.parse(answer.text);
  assert.deepEqual([problem.type, problem.status, problem.exchange], ['urn:bottle:blocked', 403, 'e1']);
  assert.ok(problem.detail.includes(LINE));
});

test("in every form the answer names outcome and exchange, has the right length, and keeps the scanner's line word for word", () => {
  const path = fc.oneof(
    fc.constantFrom('/v1/messages', '/v1/responses', '/x/models/m:generateContent', '/r/info/refs', '/'),
    fc.webPath(),
  );
  const agent = fc.constantFrom('git/2', 'npm/11', 'curl/8', '');
  const line = fc.stringMatching(/^[ -~]{1,300}$/).map((text) => `blocked: ${text}`);
  fc.assert(
    fc.property(path, agent, line, (where, who, finding) => {
      const { head, text, type } = told(where, [['User-Agent', who]], { kind: 'blocked', finding });
      const field = (name: string) => head.fields.find(([given]) => given === name)?.[1];
      assert.deepEqual([field('x-bottle-outcome'), field('x-bottle-exchange')], ['blocked', 'e1']);
      assert.equal(field('content-length'), String(Buffer.byteLength(text)));
      assert.ok(text.includes(type?.startsWith('text/') ? finding : JSON.stringify(finding).slice(1, -1)));
    }),
  );
});
