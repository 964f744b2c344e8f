/**
 * What the sidecar adds: p50 of a request over one kept-alive connection, direct and opened + scanned, in turns; the time from its
 * start to its ready line; its memory when idle. The scanner is the embedded one.
 *
 *     node bench/sidecar.ts [FOLDER] [ROUNDS]     FOLDER: of the programs; default dist/addon, which is what ships
 */
import type { Agent } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { rss } from './support/process.ts';
import { makeRig } from './support/rig.ts';
import { median } from './support/samples.ts';

const rounds = Number(process.argv[3] ?? 9);
const PER_ROUND = 300;
/** A request with a long body counts for many. */
const LONG = 100_000;

const rig = await makeRig(process.argv[2] ? { programs: process.argv[2] } : {});
await delay(1000);
console.log(`start to ready line   ${rig.readyMs.toFixed(0)} ms`);
console.log(`memory when idle      ${rss(rig.sidecar).toFixed(0)} MB`);
const [direct, through] = [rig.direct(1), rig.through(1)];
for (const [name, body] of [
  ['GET', undefined],
  ['POST 10 KB', Buffer.alloc(10_000, 'x')],
  ['POST 1 MB', Buffer.from(JSON.stringify({ text: 'and so on, '.repeat(90_000) }))],
] as const) {
  await measure(through, body); // both are warm before anything counts
  await measure(direct, body);
  const added: number[] = [];
  const totals: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const [plain, opened] = [await measure(direct, body), await measure(through, body)];
    added.push(opened - plain);
    totals.push(opened);
  }
  console.log(`${name.padEnd(10)} added p50   ${median(added).toFixed(3)} ms (total ${median(totals).toFixed(3)} ms)`);
}
console.log(`memory afterwards     ${rss(rig.sidecar).toFixed(0)} MB`);
await rig[Symbol.asyncDispose]();
process.exit(0);

/** Median milliseconds of a request. */
async function measure(agent: Agent, body: Buffer | undefined): Promise<number> {
  const times: number[] = [];
  const count = (body?.length ?? 0) > LONG ? PER_ROUND / 10 : PER_ROUND;
  for (let index = 0; index < count; index += 1) times.push(await rig.ask(agent, body));
  return median(times);
}
