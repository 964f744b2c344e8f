/**
 * What the sidecar adds to an event of an event stream: p50 and p99 over streams of 200 events, 5 ms apart, direct and through it in turns.
 *
 *     node bench/events.ts [FOLDER] [ROUNDS]     FOLDER: of the programs; default dist/addon, which is what ships
 */
import { makeRig } from './support/rig.ts';
import { median, quantile } from './support/samples.ts';

const rounds = Number(process.argv[3] ?? 9);
await using rig = await makeRig(process.argv[2] ? { programs: process.argv[2] } : {});
const [direct, through] = [rig.direct(1), rig.through(1)];
await rig.events(direct); // both are warm before anything counts
await rig.events(through);
const added: { p50: number; p99: number }[] = [];
for (let round = 0; round < rounds; round += 1) {
  const [plain, opened] = [await rig.events(direct), await rig.events(through)];
  added.push({ p50: median(opened) - median(plain), p99: quantile(opened, 0.99) - quantile(plain, 0.99) });
}
console.log(`added to an event: p50 ${median(added.map(({ p50 }) => p50)).toFixed(3)} ms`);
console.log(`                   p99 ${median(added.map(({ p99 }) => p99)).toFixed(3)} ms`);
for (const agent of [direct, through]) agent.destroy();
