import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, block, makeCa, makeRig, makeUpstreamServer } from './rig.ts';

const HOST = 'api.example.test';

test('a request in a tunnel is opened, scanned, recorded and answered by the upstream', async () => {
  const ca = makeCa();
  await using upstream = await makeUpstreamServer((_, response) => response.end('hello'), { ca, host: HOST });
  await using rig = await makeRig({ allow: [`${HOST}:${upstream.port}`], upstreamCa: ca });
  const answer = await ask(rig, { host: HOST, port: upstream.port, path: '/a?b=c', method: 'POST', body: 'body' });
  assert.equal(answer.status, 200);
  assert.equal(answer.body, 'hello');
  assert.equal(upstream.seen.length, 1);
  assert.equal(upstream.seen[0]?.body.toString(), 'body');
  assert.equal(rig.scanned[0]?.url, `http://${HOST}/a?b=c`);
  const [admitted, closed] = rig.journal();
  assert.ok(admitted?.event === 'admitted' && admitted.path === '/a' && admitted.body_bytes === 4);
  assert.ok(closed?.event === 'closed' && closed.received_bytes === 5);
  assert.deepEqual(closed.outcome, { kind: 'forwarded', status: 200 });
});

test('what the scanner blocks is answered with its line and never sent', async () => {
  const ca = makeCa();
  await using upstream = await makeUpstreamServer((_, response) => response.end(), { ca, host: HOST });
  const line = 'blocked: request body contains secret: AWS Access ID';
  await using rig = await makeRig({ allow: [`${HOST}:${upstream.port}`], upstreamCa: ca, scanner: block(line) });
  const answer = await ask(rig, { host: HOST, port: upstream.port, method: 'POST', body: 'AKIA' });
  assert.equal(answer.status, 403);
  assert.equal(answer.headers['x-bottle-outcome'], 'blocked');
  assert.ok(answer.body.includes(line));
  assert.equal(upstream.connections.length, 0);
});
