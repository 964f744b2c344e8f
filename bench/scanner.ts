/**
 * Time of one scan, by kind of body: median, best and worst of 40 after 10 that do not count.
 *
 *   node bench/scanner.ts
 */
import { detect } from '../addon/scanner/detect.ts';
import { hostileBodies } from '../tests/unit/addon/scanner/support/bodies.ts';
import { chat, median, quantile, random, records, timesOf } from './support/samples.ts';

const MEGABYTE = 1024 * 1024;

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
  let outcome = '';
  const times = timesOf(() => {
    const findings = detect({ method: 'POST', url: 'https://api.example.com/v1', fields: [], trailers: [], body }, []);
    outcome = findings[0]?.kind ?? 'nothing found';
  });
  const [best, worst] = [quantile(times, 0).toFixed(2), quantile(times, 1).toFixed(2)];
  console.log(`${median(times).toFixed(2).padStart(8)} ms (${best} to ${worst})  ${name}; ${outcome}`);
}
