// Runs in a bottle: every command that comes as JSON on standard input, in a folder of its own. Prints one JSON line for each.
import { spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { json } from 'node:stream/consumers';

const { rows, parallel, seconds } = await json(process.stdin);
const waiting = rows.values();
await Promise.all(Array.from({ length: parallel }, work));

async function work() {
  for (const row of waiting) process.stdout.write(`${JSON.stringify({ slug: row.slug, ...(await run(row)) })}\n`);
}

function run({ slug, command }) {
  const cwd = mkdtempSync(`/tmp/${slug}-`);
  const began = performance.now();
  const child = spawn('timeout', ['-k', '2', String(seconds), 'bash', '-c', command], {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  return new Promise((resolve) => {
    child.on('error', (error) => resolve({ status: -1, ms: 0, output: error.message }));
    child.on('close', (status) =>
      resolve({ status, ms: Math.round(performance.now() - began), output: output.slice(-600) }),
    );
  });
}
