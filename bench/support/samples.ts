/** Bodies that agents send, the same in every run, and what is said of many times. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

const SOURCES = ['addon/decode/runs.ts', 'addon/scanner/match.ts', 'addon/exchange.ts', 'docs/architecture.md'];
/** Bytes of one message. */
const MESSAGE = 20_000;

/** JSON of about so many bytes: a chat with our own sources in its strings. */
export function chat(size: number): Buffer {
  const code = SOURCES.map((file) => readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8')).join('\n');
  const messages: unknown[] = [];
  for (let left = size, from = 0; left > 0; from += MESSAGE) {
    const text = (code + code).slice(from % code.length).slice(0, Math.min(left, MESSAGE));
    const message = { role: 'user', content: [{ type: 'text', text }] };
    messages.push(message);
    left -= JSON.stringify(message).length;
  }
  return Buffer.from(JSON.stringify({ model: 'm', messages }));
}

/** JSON of about so many bytes: plain values. */
export function records(size: number): Buffer {
  const note = 'called about the order and the invoice of last month';
  const tags = ['north', 'retail'];
  const rows = Array.from({ length: size / 170 }, (_, id) => ({
    id,
    name: `customer ${id % 977}`,
    active: id % 3 === 0,
    tags,
    note,
    score: id / 7,
  }));
  return Buffer.from(JSON.stringify(rows));
}

export function random(size: number): Buffer {
  const blocks = Array.from({ length: Math.ceil(size / 32) }, (_, at) =>
    createHash('sha256').update(`bench ${at}`).digest(),
  );
  return Buffer.concat(blocks).subarray(0, size);
}

/** Milliseconds of each of 40 runs, after 10 that do not count: until then code is compiled. */
export function timesOf(run: () => void): number[] {
  for (let warm = 0; warm < 10; warm += 1) run();
  return Array.from({ length: 40 }, () => {
    const started = performance.now();
    run();
    return performance.now() - started;
  });
}

/** The value that this part of them does not exceed. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}
