/**
 * Runs where nobody else is (`runAlone`): prints what the self-test says of the real pipelock, then what becomes of each text as a body.
 * Arguments: the program's file, the release line, a file with the texts (JSON).
 */
import { readFileSync } from 'node:fs';
import type { PipelockVersion } from '../../../contracts/pipelock.ts';
import { openJudge } from './judging.ts';

const [file = '', version = '', texts = ''] = process.argv.slice(2);
await using judge = await openJudge(file, version as PipelockVersion);
console.log(JSON.stringify(judge.failure ?? 'ready'));
for (const text of JSON.parse(readFileSync(texts, 'utf8')) as string[]) {
  const result = await judge.judge({
    method: 'POST',
    secure: true,
    host: 'api.example.com',
    path: '/v1/messages',
    fields: [['Content-Type', 'application/json']],
    body: Buffer.from(JSON.stringify({ text })),
  });
  console.log(JSON.stringify(result));
}
