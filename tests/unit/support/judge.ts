/**
 * Runs where nobody else is (`runAlone`): the real pipelock under our configuration, with our sink behind it. Prints what its self-test
 * says, then what becomes of each text as a body. Arguments: the program's file, the release line, a file with the texts (JSON).
 */
import { readFileSync } from 'node:fs';
import { PIPELOCK_BODY_BYTES, type PipelockVersion } from '../../../contracts/pipelock.ts';
import type { RequestHead } from '../../../addon/message.ts';
import { connectScanner } from '../../../addon/scan.ts';
import { openSink } from '../../../addon/sink.ts';
import { PIPELOCK_PORT } from '../../../src/pipelock.ts';
import { configFor, startPipelock } from './program.ts';
import { SINK } from './variations.ts';

const [file = '', version = '', texts = ''] = process.argv.slice(2);
const key = Buffer.alloc(32, 1);
await using _ = await startPipelock(file, configFor(version as PipelockVersion, SINK));
const sink = await openSink({ address: SINK, port: 80, dnsPort: 53, scanner: SINK, key });
const scanner = connectScanner({
  reach: { kind: 'tcp', address: '127.0.0.1', port: PIPELOCK_PORT },
  limits: { reads: 'plain', bodyBytes: PIPELOCK_BODY_BYTES },
  key,
});
console.log(JSON.stringify((await scanner.ready()) ?? 'ready'));
const head: RequestHead = {
  method: 'POST',
  target: { scheme: 'https', host: { kind: 'name', text: 'api.example.com' }, port: 443 },
  path: '/v1/messages',
  fields: [['Content-Type', 'application/json']],
};
for (const text of JSON.parse(readFileSync(texts, 'utf8')) as string[]) {
  const body = Buffer.from(JSON.stringify({ text }));
  const unit = {
    kind: 'unit',
    size: body.length,
    last: true,
    trailers: [],
    chunks: () => [body],
    [Symbol.dispose]: () => undefined,
  } as const;
  console.log(JSON.stringify(await scanner.scan('judge', head, unit, new AbortController().signal)));
}
await scanner.close();
await sink.close();
