/**
 * What a scanner does to an agent's turns: the real Claude Code in a bottle, against a stand-in model that answers at once and has it read
 * files. Prints how long its requests to the model took in the sidecar, and the whole session. The scanners take turns.
 *
 *     node bench/turns.ts [SESSIONS]     for each scanner, 2 by default; needs an engine
 *
 * pipelock: BOTTLE_PIPELOCK_IMAGE and BOTTLE_PIPELOCK_VERSION, as for the tests.
 */
import { pipelock } from '../tests/integration/support/scanner.ts';
import { engine, World } from '../tests/integration/support/world.ts';
import { median, quantile } from './support/samples.ts';

const docker = await engine();
if (typeof docker === 'string') throw new Error(docker);
await using world = await World.open(docker);
const wish = await pipelock(docker);
if (typeof wish === 'string') console.error(`embedded alone: ${wish}`);
const scanners = [{ kind: 'embedded' }, ...(typeof wish === 'string' ? [] : [wish])];
const SCRIPT = `cd /tmp && seq 1 4000 > numbers && claude -p --allowedTools Read Bash <<'END'
${Array.from({ length: 6 }, (_, at) => `do Read {"file_path":"/tmp/numbers","offset":${at * 500 + 1},"limit":500}`).join('\n')}
END`;
const KEY = `sk-ant-api03-${'Zq3vT8mKw5Xr9Lb2Nc6Yd4Hs7Jf1Gt0P'.repeat(3).slice(0, 93)}AA`;
const secrets = { ANTHROPIC_API_KEY: { from: { env: 'REAL_KEY' }, hosts: ['api.anthropic.com'], header: 'x-api-key' } };

const turns = new Map(scanners.map(({ kind }) => [kind, { ms: [] as number[], sessions: [] as number[], bytes: 0 }]));
for (let session = 0; session < Number(process.argv[2] ?? 2); session += 1)
  for (const scanner of scanners) {
    const slug = world.slug(scanner.kind);
    const manifest = world.manifest({ name: `${slug}.yaml`, scanner, secrets });
    const began = performance.now();
    const { status, stderr } = await world.agent(SCRIPT, { name: slug, manifest, env: { REAL_KEY: KEY } });
    if (status !== 0) throw new Error(`Claude Code ended with ${status}: ${stderr}`);
    const records = await world.records(slug);
    const chats = records.filter(({ event, path }) => event === 'admitted' && path === '/v1/messages');
    const closed = new Map(records.filter(({ event }) => event === 'closed').map((one) => [one['id'], one]));
    const seen = turns.get(scanner.kind);
    seen?.sessions.push(performance.now() - began);
    seen?.ms.push(...chats.map(({ id }) => Number(closed.get(id)?.['duration_ms'])));
    if (seen) seen.bytes = Math.max(seen.bytes, ...chats.map(({ body_bytes }) => Number(body_bytes)));
  }
for (const [kind, { ms, sessions, bytes }] of turns)
  console.log(
    `${kind}: ${ms.length} turns, up to ${bytes} bytes: median ${median(ms).toFixed(0)} ms, longest ${quantile(ms, 1).toFixed(0)} ms; a session ${(median(sessions) / 1000).toFixed(1)} s, start and end included`,
  );
