import { unitInMemory } from '../../../addon/body.ts';
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, suite } from 'node:test';
import type { RequestHead, Unit } from '../../../addon/message.ts';
import { scanHost } from '../../../addon/parts.ts';
import { NONCE_FIELD, PART_FIELD, RECEIPT_FIELD } from '../../../addon/receipt.ts';
import { makeBudget } from '../../../addon/budget.ts';
import { connectScanner, scanDeadline } from '../../../addon/scan.ts';
import type { ScanResult } from '../../../addon/verdict.ts';
import { parseHost } from '../../../contracts/host.ts';
import { BLOB, object, pack } from './support/packs.ts';
import { answerOrSelfTest, block, KEY, pairs, proofOf, type Seen } from './rig.ts';

describe('scan', () => {
  const rows: [host: string, seen: string][] = [
    ['api.example.com', 'api.example.com'],
    ['compose-web', 'compose-web'],
    ['172.16.0.9', 'ip-172-16-0-9.literal.invalid'],
    ['[2001:db8::1]', 'ip-2001-db8--1.literal.invalid'],
    ['[2001:db8::]', 'ip-2001-db8--0.literal.invalid'],
    ['[::1]', 'ip---1.literal.invalid'],
  ];
  for (const [host, seen] of rows) {
    it(`shows the scanner ${host} as ${seen}, which is a host name`, () => {
      const parsed = parseHost(host);
      assert.ok(parsed.kind !== 'invalid');
      assert.equal(scanHost(parsed), seen);
      assert.equal(parseHost(seen).kind, 'name');
    });
  }

  it('gives a scan three seconds and ten more for every megabyte', () => {
    assert.deepEqual([0, 1_000_000, 2_500_000].map(scanDeadline), [3_000, 13_000, 28_000]);
  });
});

type Answer = (seen: Seen, response: ServerResponse) => void;

const prove: Answer = (seen, response) => void response.writeHead(204, { [RECEIPT_FIELD]: proofOf(seen) }).end();

/** Scans a unit of `body` in plain; `answers` are those to its parts in order. */
async function scanInParts(
  body: string | Buffer,
  answers: readonly Answer[],
  budget = makeBudget(1_000_000),
  fields: RequestHead['fields'] = [],
): Promise<{ result: ScanResult; seen: Seen[] }> {
  const folder = mkdtempSync(join(tmpdir(), 'bottle-test-'));
  const seen: Seen[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method = '', url = '', rawHeaders } = request;
      const part: Seen = { method, url, fields: pairs(rawHeaders), body: Buffer.concat(chunks) };
      answerOrSelfTest(part, response, () => {
        seen.push(part);
        const answer = answers[Number(String(request.headers[PART_FIELD]).split('/')[0])];
        assert.ok(answer, 'it asks for more parts than were expected');
        answer(part, response);
      });
    });
  }).listen(join(folder, 'scanner.sock'));
  await once(server, 'listening');
  const scanner = connectScanner({
    reach: { kind: 'socket', path: join(folder, 'scanner.sock') },
    limits: { reads: 'plain', bodyBytes: 100_000 },
    windowBytes: 100_000,
    key: KEY,
    budget,
    deadline: () => 500,
  });
  try {
    const result = await scanner.scan(
      'id',
      { ...HEAD, fields: [...HEAD.fields, ...fields] },
      unitOf(body),
      new AbortController().signal,
    );
    return { result, seen };
  } finally {
    await scanner.close();
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true });
  }
}

const HEAD: RequestHead = {
  method: 'POST',
  path: '/x',
  target: { scheme: 'https', host: { kind: 'name', text: 'api.example.test' }, port: 443 },
  fields: [['Content-Type', 'application/json']],
};
const TWO_PARTS = '{"a":"first","a":"second"}';

function unitOf(body: string | Buffer): Unit {
  return unitInMemory(Buffer.from(body as string));
}

suite('a unit of several parts', () => {
  it('is allowed once every part is proven', async () => {
    const { result, seen } = await scanInParts(TWO_PARTS, [prove, prove]);
    assert.deepEqual(result, { kind: 'allow' });
    seen.sort((a, b) => b.url.length - a.url.length); // the two are asked about at once; the extract is for "/"
    const values = (name: string) => seen.map(({ fields }) => fields.find(([given]) => given === name)?.[1]);
    assert.deepEqual(values(PART_FIELD), ['0/2', '1/2']);
    const [nonce, ...others] = values(NONCE_FIELD);
    assert.deepEqual(others, [nonce]);
    assert.deepEqual(
      seen.map(({ body }) => body.toString()),
      [TWO_PARTS, 'a first a second '],
    );
  });

  const blocking = block('blocked: request body contains secret: X');
  const broken: Answer = (_, response) => void response.destroy();
  const blocked: [name: string, answers: Answer[]][] = [
    ['the last part', [prove, blocking]],
    ['the first part', [blocking, prove]],
    ['one part, whatever became of the other', [broken, blocking]],
  ];
  for (const [name, answers] of blocked) {
    it(`is blocked by a block of ${name}`, async () => {
      const { result } = await scanInParts(TWO_PARTS, answers);
      assert.deepEqual(result, { kind: 'block', finding: 'blocked: request body contains secret: X' });
    });
  }

  const rows: [name: string, answers: Answer[]][] = [
    ['has no receipt', [prove, (_, response) => void response.writeHead(204).end()]],
    ['has the receipt of another', [prove, (seen, response) => prove({ ...seen, body: Buffer.from('x') }, response)]],
    ['is not answered in time', [prove, () => undefined]],
    ['is cut off', [prove, broken]],
  ];
  for (const [name, answers] of rows) {
    it(`could not be told about if one of them ${name}`, async () => {
      const { result } = await scanInParts(TWO_PARTS, answers);
      assert.equal(result.kind, 'error');
    });
  }

  it('is looked at in windows if it is too large for one call', async () => {
    const { result, seen } = await scanInParts('x'.repeat(100_001), [prove, prove, prove]);
    assert.deepEqual(result, { kind: 'allow', elsewhere: [] });
    assert.deepEqual(
      seen.map(({ body }) => body.length),
      [0, 100_000, 65_537],
    );
  });

  it('is looked at in windows if its git objects become too much for one call', async () => {
    const file = 'all work and no play '.repeat(10_000);
    const body = pack(object(BLOB, Buffer.from(file)));
    const { result, seen } = await scanInParts(body, Array<Answer>(9).fill(prove));
    assert.deepEqual(result, { kind: 'allow', elsewhere: [] });
    const shown = seen.map((part) => part.body.toString('latin1'));
    assert.deepEqual(
      shown.slice(0, 2),
      ['', body.toString('latin1').replace('PACK', '\0ACK')],
      'the head, and what is sent',
    );
    assert.ok(shown.slice(2).every((text) => text.includes('all work and no play')));
    assert.ok(shown.slice(2).join('').length > file.length);
  });

  it('is refused if it has no form that can be scanned', async () => {
    const { result, seen } = await scanInParts('x', [], undefined, [['Content-Encoding', 'compress']]);
    assert.ok(result.kind === 'refused');
    assert.equal(result.status, 400);
    assert.deepEqual(seen, []);
  });

  it('takes its copies from the one budget, and is refused when that has no room for them', async () => {
    const copies = Buffer.byteLength('a first a second ');
    const tight = makeBudget(copies);
    const held: number[] = [];
    const watching: Answer = (seen, response) => {
      held.push(tight.used);
      prove(seen, response);
    };
    const { result } = await scanInParts(TWO_PARTS, [watching, watching], tight);
    assert.deepEqual(result, { kind: 'allow' });
    assert.deepEqual(held, [copies, copies]);
    assert.equal(tight.used, 0, 'and gives them back');

    const without = await scanInParts(TWO_PARTS, [], makeBudget(copies - 1));
    assert.deepEqual(without.result, { kind: 'refused', status: 503, reason: 'too many request bodies are held' });
    assert.deepEqual(without.seen, []);
  });
});
