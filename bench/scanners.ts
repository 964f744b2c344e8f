/**
 * What a scanner costs, and what bottle adds to it: JSON of four sizes, one request at a time and sixteen. Each round asks the upstream directly,
 * through the sidecar, and the scanner alone with the same parts; what bottle adds is the one less the two others, round by round. Then the
 * memory of both, and a core's time for each megabyte. Absolute times are of the machine; the paired ones bear company.
 *
 *     node bench/scanners.ts embedded|pipelock [SECONDS]     SECONDS: for each of the eight measurements, 4 by default
 *
 * pipelock: BOTTLE_PIPELOCK_BINARY names its file.
 */
import { unitInMemory } from '../addon/body.ts';
import { availableParallelism } from 'node:os';
import { openLine } from '../addon/call.ts';
import type { RequestHead } from '../addon/message.ts';
import { SCAN_CONNECTIONS } from '../addon/limits.ts';
import { parts } from '../addon/parts.ts';
import { present } from '../addon/present.ts';
import { NONCE_FIELD, PART_FIELD } from '../addon/receipt.ts';
import { pipelockOrAgain } from './support/real.ts';
import { cpu, rss } from './support/process.ts';
import { makeRig } from './support/rig.ts';
import { chat, median, quantile } from './support/samples.ts';

const kind = process.argv[2];
if (kind !== 'embedded' && kind !== 'pipelock') throw new Error('embedded or pipelock?');
const rig = await makeRig(kind === 'pipelock' ? { pipelock: pipelockOrAgain(import.meta.url) } : {});
const budgetMs = Number(process.argv[3] ?? 4) * 1000;
/** As many as the sidecar has. */
const line = openLine(rig.reach, rig.reach.kind === 'tcp' ? availableParallelism() : SCAN_CONNECTIONS);
/** Milliseconds of one scan beyond which sixteen at once are not measured: that many would wait for a minute. */
const LONG_MS = 1_000;
const NEVER = new AbortController().signal;

console.log(`${kind}: milliseconds`);
console.log('  size      at once  requests  through p50    p99   scan alone p50    p99   added by bottle p50');
for (const size of [1_000, 10_000, 100_000, 1_000_000]) {
  try {
    if ((await measure(size, 1)) < LONG_MS) await measure(size, 16);
  } catch (error) {
    console.log(`${String(size).padStart(8)}  could not be measured to its end: ${String(error)}`); // a busy machine, a late scan
  }
}

const megabyte = chat(1_000_000);
const [before, scanned] = [cpu(rig.scanner), cpu(rig.sidecar)];
const agent = rig.through(1);
const times = 3;
for (let at = 0; at < times; at += 1) await rig.ask(agent, megabyte);
const perMb = (from: number, pid: number) => ((cpu(pid) - from) / times / (megabyte.length / 1e6)).toFixed(0);
console.log(
  `core's time for 1 MB of JSON: scanner ${perMb(before, rig.scanner)} ms, sidecar ${perMb(scanned, rig.sidecar)} ms`,
);
for (const [name, pid] of [
  ['sidecar', rig.sidecar],
  ['scanner', rig.scanner],
] as const)
  console.log(`memory of the ${name}: ${rss(pid).toFixed(0)} MB, ${rss(pid, 'VmHWM').toFixed(0)} MB at its highest`);
await line.close();
await rig[Symbol.asyncDispose]();
process.exit(0);

/** @returns milliseconds of a scan alone */
async function measure(size: number, many: number): Promise<number> {
  const body = chat(size);
  const [direct, through] = [rig.direct(many), rig.through(many)];
  const rounds: { direct: number[]; through: number[]; alone: number[] }[] = [];
  const round = async () => ({
    direct: await all(many, () => rig.ask(direct, body)),
    through: await all(many, () => rig.ask(through, body)),
    alone: await all(many, () => scanAlone(body)),
  });
  await round(); // connections, and code that is compiled
  if (size < 100_000 && many === 1) for (let warm = 0; warm < 20; warm += 1) await round();
  for (const end = performance.now() + budgetMs; rounds.length === 0 || performance.now() < end; )
    rounds.push(await round());
  const added = rounds.map((one) => median(one.through) - median(one.direct) - median(one.alone));
  const [passed, alone] = [rounds.flatMap((one) => one.through), rounds.flatMap((one) => one.alone)];
  const show = (value: number) => value.toFixed(value < 100 ? 2 : 0).padStart(7);
  console.log(
    `${String(body.length).padStart(8)}  ${String(many).padStart(7)}  ${String(passed.length).padStart(8)}  ${show(median(passed))}  ${show(quantile(passed, 0.99))}   ${show(median(alone))}  ${show(quantile(alone, 0.99))}   ${show(median(added))}`,
  );
  direct.destroy();
  through.destroy();
  return median(alone);
}

function all(many: number, ask: () => Promise<number>): Promise<number[]> {
  return Promise.all(Array.from({ length: many }, ask));
}

/** Milliseconds until every part has its answer. What makes the parts is bottle's, and is not counted. */
async function scanAlone(body: Buffer): Promise<number> {
  const head: RequestHead = {
    method: 'POST',
    target: { scheme: 'https', host: { kind: 'name', text: 'api.example.com' }, port: 443 },
    path: '/',
    fields: [['Content-Type', 'application/json']],
  };
  const unit = unitInMemory(body);
  const made = parts({ id: 'bench', nonce: 'bench' }, head, unit, rig.limits);
  if (made.kind !== 'prepared') throw new Error(JSON.stringify(made));
  const calls = made.parts
    .map((part) => (rig.reach.kind === 'tcp' ? present(part) : part))
    .map(({ method, url, fields, body: bytes, nonce, index, count }) => ({
      method,
      url,
      fields: [...fields, [NONCE_FIELD, nonce], [PART_FIELD, `${index}/${count}`]] as const,
      body: bytes,
      ms: 120_000,
      gone: NEVER,
    }));
  const start = performance.now();
  const replies = await Promise.all(calls.map((call) => line.call(call).reply));
  const took = performance.now() - start;
  for (const reply of replies)
    if ('cause' in reply || reply.status !== 204) throw new Error(`not let pass: ${JSON.stringify(reply)}`);
  return took;
}
