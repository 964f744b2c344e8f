/**
 * Time of one scan, by kind of body: median, best and worst of 40 after 10 that do not count.
 *
 *   node bench/scanner.ts
 */
import { detect } from '../addon/scanner/detect.ts';
import { hostileBodies } from '../tests/unit/addon/scanner/support/bodies.ts';
import { chat, random, records } from './support/samples.ts';

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
