/**
 * Time of one scan, by kind of body: median, best and worst of 40 after 10 that do not count.
 *
 *   node bench/scanner.ts
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { detect } from '../addon/scanner/detect.ts';
import { hostileBodies } from '../tests/unit/addon/scanner/support/bodies.ts';

const MEGABYTE = 1024 * 1024;
const WARM = 10;
const COUNTED = 40;

measure('1 MB of JSON: records of plain values', records(MEGABYTE));
measure('1 MB of JSON: a chat with source code in strings', chat(MEGABYTE));
measure('100 KB of the same', chat(100 * 1024));
measure('1 KB of the same', chat(1024));
measure(
  '1 MB of JSON: one base64 picture',
  Buffer.from(JSON.stringify({ data: random(MEGABYTE * 0.74).toString('base64') })),
);
measure('1 MB of random bytes', random(MEGABYTE));
for (const [name, body] of hostileBodies(MEGABYTE)) measure(`hostile, 1 MB: ${name}`, body);

function measure(name: string, body: Buffer): void {
  const times: number[] = [];
  let outcome = '';
  for (let i = 0; i < WARM + COUNTED; i += 1) {
    const started = process.hrtime.bigint();
    const findings = detect({ method: 'POST', url: 'https://api.example.com/v1', fields: [], trailers: [], body }, []);
    if (i >= WARM) times.push(Number(process.hrtime.bigint() - started) / 1e6);
    outcome = findings[0]?.kind ?? 'nothing found';
  }
  times.sort((a, b) => a - b);
  const [best = 0, median = 0, worst = 0] = [times[0], times[COUNTED / 2], times.at(-1)];
  console.log(`${median.toFixed(2).padStart(8)} ms (${best.toFixed(2)} to ${worst.toFixed(2)})  ${name}; ${outcome}`);
}

function records(size: number): Buffer {
  const rows: unknown[] = [];
  for (let i = 0, length = 0; length < size; i += 1) {
    const row = {
      id: i,
      name: `customer ${i % 977}`,
      active: i % 3 === 0,
      tags: ['north', 'retail'],
      note: 'called about the order and the invoice of last month',
      score: i / 7,
    };
    length += JSON.stringify(row).length + 1;
    rows.push(row);
  }
  return Buffer.from(JSON.stringify(rows));
}

/** Our own sources and documents, as an agent sends them. */
function chat(size: number): Buffer {
  const code = [
    '../addon/decode/runs.ts',
    '../addon/scanner/match.ts',
    '../contracts/manifest.ts',
    '../package-lock.json',
  ]
    .map((file) => readFileSync(new URL(file, import.meta.url), 'utf8'))
    .join('\n');
  const messages: unknown[] = [];
  for (let length = 0; length < size; length += 20_000)
    messages.push({
      role: 'user',
      content: [{ type: 'text', text: code.slice(length % code.length).slice(0, Math.min(size, 19_000)) }],
    });
  return Buffer.from(JSON.stringify({ model: 'm', messages })).subarray(0, size);
}

function random(size: number): Buffer {
  const blocks: Buffer[] = [];
  for (let i = 0; i * 32 < size; i += 1) blocks.push(createHash('sha256').update(`bench ${i}`).digest());
  return Buffer.concat(blocks);
}
