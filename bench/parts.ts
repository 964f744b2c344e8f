/**
 * Time that it takes to put a request in the parts that a scanner gets which decodes little, and how much longer they make what it
 * reads: median of 40 after 10 that do not count. For a scanner that decodes by itself the request is the one part.
 *
 *   node bench/parts.ts
 */
import { unitInMemory } from '../addon/body.ts';
import { secretsIn } from '../addon/scanner/detect.ts';
import type { Field } from '../addon/message.ts';
import { makeMasks } from '../addon/masks.ts';
import { parts } from '../addon/parts.ts';
import { masksOf, masksWishSchema } from '../contracts/mask.ts';
import { rulesOf } from '../contracts/policy.ts';
import { chat, median, random, records, timesOf } from './support/samples.ts';

const FIELDS: readonly Field[] = [
  ['Content-Type', 'application/json'],
  ['User-Agent', 'bench/1.0 (external, cli)'],
  ['Accept', 'application/json'],
  ['X-Request-Id', '1f0c6a52-5b2e-4c61-9d1e-0a7d2c1b9f33'],
];

const HOST = 'api.example.test';
const MASKS = makeMasks(
  masksOf(masksWishSchema.parse({ own: [{ name: 'bench', hosts: [HOST], like: 'anthropic' }] }), rulesOf([HOST])),
);

measure('GET', Buffer.alloc(0));
for (const size of [1_000, 10_000, 100_000, 1_000_000, 8_000_000])
  measure('JSON: a chat with source code in strings', chat(size));
measure('JSON: records of plain values', records(1_000_000));
measure('JSON: one base64 picture', Buffer.from(JSON.stringify({ data: random(750_000).toString('base64') })));
const picture = { source: { type: 'base64', data: random(750_000).toString('base64') } };
measure('JSON: the same where a mask covers it', Buffer.from(JSON.stringify({ messages: [{ content: [picture] }] })));
measure('JSON with a repeated key', Buffer.from(`{"a":1,"a":${chat(1_000_000).toString()}}`));
measure('random bytes', random(1_000_000));

function measure(name: string, body: Buffer): void {
  let said = '';
  const times = timesOf(() => {
    const all = parts(
      { id: 'bench', nonce: 'bench' },
      {
        method: body.length === 0 ? 'GET' : 'POST',
        target: { scheme: 'https', host: { kind: 'name', text: HOST }, port: 443 },
        path: '/v1/messages?beta=true',
        fields: FIELDS,
      },
      unitInMemory(body),
      { reads: 'plain', bodyBytes: 8 * 1024 * 1024, masking: { masks: MASKS, secretsIn } },
    );
    said = all.kind === 'prepared' ? all.parts.map((part) => part.body.length).join(' + ') : all.kind;
  });
  console.log(`${median(times).toFixed(3).padStart(9)} ms  ${name} (${body.length} bytes): ${said}`);
}
