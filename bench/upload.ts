/**
 * What one large upload costs: the time through the sidecar and the embedded scanner beside the time without, and how much memory the
 * two take beyond what they have when idle. The upstream counts the bytes, and says their hash.
 *
 *     node bench/upload.ts [MEGABYTES] [text|random|zeros|push] [known|chunked] [FOLDER]
 *
 * A push is a git pack of this repository's own sources, over and over: it becomes about three times as much. Default: 1024 text known. FOLDER: of the programs; default dist/addon, which is what ships.
 */
import { createHash, type Hash, randomFillSync } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import type { Agent } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { deflateSync } from 'node:zlib';
import { cpu, resetPeak, rss } from './support/process.ts';
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
const busy = pids.map((pid) => cpu(pid));
const through = await upload(rig.through(1), size);
const peak = pids.map((pid) => rss(pid, 'VmHWM'));
console.log(`${megabytes} MiB of ${kind}, length ${framing}`);
console.log(`direct         ${direct.toFixed(1)} s, ${(size / 1e6 / direct).toFixed(0)} MB/s`);
console.log(
  `through        ${through.toFixed(1)} s, ${(size / 1e6 / through).toFixed(0)} MB/s, ${(through / direct).toFixed(1)} times`,
);
for (const [at, name] of ['sidecar', 'scanner'].entries()) {
  const [before = Number.NaN, highest = Number.NaN, since = Number.NaN] = [idle[at], peak[at], busy[at]];
  const used = (cpu(pids[at] ?? 0) - since) / 1000;
  console.log(
    `${name.padEnd(14)} ${before.toFixed(0)} MiB idle, ${highest.toFixed(0)} MiB at most: ${(highest - before).toFixed(0)} MiB more, ${used.toFixed(1)} s of a core`,
  );
}
await rig[Symbol.asyncDispose]();
process.exit(0);

/** Seconds. The connection is opened in them, and is gone afterwards. */
async function upload(agent: Agent, bytes: number): Promise<number> {
  const began = performance.now();
  const hash = createHash('sha1');
  const { length, pieces } = kind === 'push' ? pushOf(bytes) : bodyOf(bytes);
  const arrived = await rig.upload(agent, hashed(pieces, hash), framing === 'known' ? length : undefined);
  agent.destroy();
  if (arrived.bytes !== length || arrived.hash !== hash.digest('hex')) throw new Error('something else has arrived');
  return (performance.now() - began) / 1000;
}

function* hashed(pieces: Iterable<Buffer>, hash: Hash): Generator<Buffer> {
  for (const piece of pieces) {
    hash.update(piece);
    yield piece;
  }
}

interface Body {
  readonly length: number;
  readonly pieces: Iterable<Buffer>;
}

function bodyOf(length: number): Body {
  function* pieces(): Generator<Buffer> {
    for (let at = 0; at < length; at += PIECE) {
      const from = at % (content.length - PIECE);
      yield content.subarray(from, from + Math.min(PIECE, length - at));
    }
  }
  return { length, pieces: pieces() };
}

/** A pack of about so many bytes (gitformat-pack(5)). */
function pushOf(bytes: number): Body {
  const cwd = fileURLToPath(new URL('..', import.meta.url));
  // Not the rules and their examples, which would be found.
  const files = globSync('{addon/{,client,decode,h1,upstream,websocket},src/**}/*.ts', { cwd });
  const objects = files.map((file) => blob(readFileSync(`${cwd}${file}`)));
  const block = Buffer.concat(objects);
  const times = Math.max(1, Math.round(bytes / block.length));
  const head = Buffer.from('0000PACK\0\0\0\x02\0\0\0\0', 'latin1');
  head.writeUInt32BE(times * objects.length, head.length - 4);
  const end = Buffer.alloc(20);
  function* pieces(): Generator<Buffer> {
    yield head;
    for (let time = 0; time < times; time += 1)
      for (let at = 0; at < block.length; at += PIECE) yield block.subarray(at, at + PIECE);
    yield end;
  }
  return { length: head.length + times * block.length + end.length, pieces: pieces() };
}

function blob(file: Buffer): Buffer {
  const head = [0x30 | (file.length & 15)];
  for (let rest = file.length >>> 4; rest > 0; rest >>>= 7) head.push((head.pop() ?? 0) | 0x80, rest & 0x7f);
  return Buffer.concat([Buffer.from(head), deflateSync(file)]);
}

function contentOf(what: string): Buffer {
  const all = Buffer.alloc(8 * 1024 ** 2 + 1);
  if (what === 'random') return randomFillSync(all);
  if (what === 'zeros') return all;
  return all.fill(readFileSync(new URL('../addon/exchange.ts', import.meta.url)));
}
