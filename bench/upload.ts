/**
 * What one large upload costs: the time through the sidecar and the embedded scanner beside the time without, and how much memory the
 * two take beyond what they have when idle. The upstream counts the bytes, and says their hash.
 *
 *     node bench/upload.ts [MEGABYTES] [text|random|zeros] [known|chunked] [FOLDER]
 *
 * Default: 1024 text known. FOLDER: of the programs; default dist/addon, which is what ships.
 */
import { createHash, type Hash, randomFillSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Agent } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { resetPeak, rss } from './support/process.ts';
import { makeRig } from './support/rig.ts';

const [megabytes = '1024', kind = 'text', framing = 'known', programs] = process.argv.slice(2);
const size = Number(megabytes) * 1024 ** 2;
const PIECE = 64 * 1024;
const content = contentOf(kind);

const rig = await makeRig(programs === undefined ? {} : { programs });
const pids = [rig.sidecar, rig.scanner];
await upload(rig.through(1), PIECE); // what is loaded once is loaded
await delay(1000);
const direct = await upload(rig.direct(1), size);
for (const pid of pids) resetPeak(pid);
const idle = pids.map((pid) => rss(pid));
const through = await upload(rig.through(1), size);
const peak = pids.map((pid) => rss(pid, 'VmHWM'));
console.log(`${megabytes} MiB of ${kind}, length ${framing}`);
console.log(`direct         ${direct.toFixed(1)} s, ${(size / 1e6 / direct).toFixed(0)} MB/s`);
console.log(
  `through        ${through.toFixed(1)} s, ${(size / 1e6 / through).toFixed(0)} MB/s, ${(through / direct).toFixed(1)} times`,
);
for (const [at, name] of ['sidecar', 'scanner'].entries()) {
  const [before = Number.NaN, highest = Number.NaN] = [idle[at], peak[at]];
  console.log(
    `${name.padEnd(14)} ${before.toFixed(0)} MiB idle, ${highest.toFixed(0)} MiB at most: ${(highest - before).toFixed(0)} MiB more`,
  );
}
await rig[Symbol.asyncDispose]();
process.exit(0);

/** Seconds. The connection is opened in them, and is gone afterwards. */
async function upload(agent: Agent, bytes: number): Promise<number> {
  const began = performance.now();
  const hash = createHash('sha1');
  const arrived = await rig.upload(agent, pieces(bytes, hash), framing === 'known' ? bytes : undefined);
  agent.destroy();
  if (arrived.bytes !== bytes || arrived.hash !== hash.digest('hex')) throw new Error('something else has arrived');
  return (performance.now() - began) / 1000;
}

function* pieces(bytes: number, hash: Hash): Generator<Buffer> {
  for (let at = 0; at < bytes; at += PIECE) {
    const from = at % (content.length - PIECE);
    const piece = content.subarray(from, from + Math.min(PIECE, bytes - at));
    hash.update(piece);
    yield piece;
  }
}

function contentOf(what: string): Buffer {
  const all = Buffer.alloc(8 * 1024 ** 2 + 1);
  if (what === 'random') return randomFillSync(all);
  if (what === 'zeros') return all;
  return all.fill(readFileSync(new URL('../addon/exchange.ts', import.meta.url)));
}
