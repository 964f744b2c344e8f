import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { BoundSecret } from '../../../contracts/secret.ts';
import { bytesInMemory } from '../../../addon/body.ts';
import { exchange, type Steps } from '../../../addon/exchange.ts';
import type { Client, Leg, Received, Relayed, Unit } from '../../../addon/message.ts';
import { holdSecrets } from '../../../addon/secrets.ts';
import type { ScanResult } from '../../../addon/verdict.ts';

const VALUE = 'sk-ant-api03-the-real-one-0123456789';
const PLACEHOLDER = 'sk-ant-api03-stands-in-for-it-987654';
const SECRET: BoundSecret = {
  name: 'KEY',
  placeholder: PLACEHOLDER,
  value: VALUE,
  hosts: [{ match: 'exact', host: 'bound.test', ports: [443], identity: 'bound', explicit: false }],
  places: [{ kind: 'header', name: 'x-api-key', prefix: '', suffix: '' }],
  headers: {},
};

/** What each step does in one run: its value, or that it throws. */
interface World {
  unavailable: (string | undefined)[];
  refusal: boolean;
  decide: 'allow' | 'deny' | 'throw';
  unit: 'unit' | 'refused' | 'gone' | 'none' | 'throw';
  scan: ScanResult['kind'] | 'throw' | 'reject';
  gone: boolean;
  admit: 'ok' | 'throw';
  open: 'ok' | 'throw';
  send: 'ok' | 'throw';
  relay: Relayed['kind'] | 'throw';
  close: 'ok' | 'throw';
  answer: 'ok' | 'throw';
  host: 'bound.test' | 'other.test';
  /** What the agent sends as its key, and in its body. */
  key: 'placeholder' | 'value' | 'foreign' | 'none';
  body: 'x' | 'placeholder' | 'value';
  /** What the upstream says. */
  says: 'x' | 'value';
}

const TEXT = { x: 'x', none: '', placeholder: PLACEHOLDER, value: VALUE, foreign: 'sk-ant-api03-another-one-55555' };

const world: fc.Arbitrary<World> = fc.record({
  unavailable: fc.constantFrom<(string | undefined)[]>([], ['silent'], [undefined, 'silent']),
  refusal: fc.boolean(),
  decide: fc.constantFrom('allow', 'allow', 'allow', 'deny', 'throw'),
  unit: fc.constantFrom('unit', 'unit', 'unit', 'refused', 'gone', 'none', 'throw'),
  scan: fc.constantFrom('allow', 'allow', 'block', 'refused', 'error', 'throw', 'reject'),
  gone: fc.boolean(),
  admit: fc.constantFrom('ok', 'ok', 'throw'),
  open: fc.constantFrom('ok', 'ok', 'throw'),
  send: fc.constantFrom('ok', 'ok', 'throw'),
  relay: fc.constantFrom('relayed', 'relayed', 'failed', 'forbidden', 'gone', 'throw'),
  close: fc.constantFrom('ok', 'ok', 'throw'),
  answer: fc.constantFrom('ok', 'ok', 'throw'),
  host: fc.constantFrom('bound.test', 'other.test'),
  key: fc.constantFrom('placeholder', 'placeholder', 'placeholder', 'value', 'foreign', 'none'),
  body: fc.constantFrom('x', 'x', 'placeholder', 'value'),
  says: fc.constantFrom('x', 'x', 'value'),
});

function act<T>(how: string, value: T): T {
  if (how === 'throw') throw new Error('canary');
  return value;
}

async function run(w: World) {
  const log: string[] = [];
  const gone = new AbortController();
  if (w.gone) gone.abort();
  const host = { kind: 'name', text: w.host } as const;
  /** What each side was shown. */
  const shown = { scanner: '', upstream: '', journal: '', agent: '' };
  const unit: Unit = {
    kind: 'unit',
    last: true,
    size: TEXT[w.body].length,
    trailers: [],
    chunks: () => [Buffer.from(TEXT[w.body])],
    [Symbol.dispose]: () => void log.push('release'),
  };
  async function* units(): AsyncGenerator<Received> {
    log.push('read');
    act(w.unit, undefined);
    if (w.unit === 'none') return;
    yield w.unit === 'unit'
      ? unit
      : w.unit === 'gone'
        ? { kind: 'gone' }
        : { kind: 'refused', status: 413, reason: 'x' };
  }
  const client: Client = {
    head: {
      method: 'POST',
      target: { scheme: 'https', host, port: 443 },
      path: '/',
      fields: w.key === 'none' ? [] : [['x-api-key', TEXT[w.key]]],
    },
    refusal: w.refusal ? { kind: 'refused', status: 400, reason: 'x' } : undefined,
    units: { [Symbol.asyncIterator]: units },
    gone: gone.signal,
    onDrain: undefined,
    inform: () => undefined,
    start: () => act(w.answer, void log.push('start')),
    write: (chunk) => {
      shown.agent += chunk.toString();
      return true;
    },
    finish: () => void log.push('finish'),
    destroy: () => void log.push('destroy'),
  };
  const ends: Record<Relayed['kind'], Relayed> = {
    relayed: { kind: 'relayed', status: 200, received: 1 },
    failed: { kind: 'failed', cause: 'x', started: false, received: 0 },
    forbidden: { kind: 'forbidden', why: 'allow_private' },
    gone: { kind: 'gone', status: undefined, received: 0 },
  };
  const leg: Leg = {
    send: async (head, sent) => {
      shown.upstream += JSON.stringify(head) + (bytesInMemory(sent) ?? '').toString();
      act(w.send, void log.push('send'));
    },
    relay: async (to) => {
      log.push('relay');
      if (w.relay !== 'forbidden') {
        to.start({ status: 200, text: 'OK', fields: [] });
        to.write(Buffer.from(TEXT[w.says]));
        if (w.relay === 'relayed') to.finish([]);
      }
      if (w.relay === 'throw') throw new Error('canary');
      return ends[w.relay];
    },
    sent: 1,
    [Symbol.dispose]: () => void log.push('drop'),
  };
  const scans: Record<ScanResult['kind'], ScanResult> = {
    allow: { kind: 'allow' },
    block: { kind: 'block', finding: 'blocked: x' },
    refused: { kind: 'refused', status: 413, reason: 'x' },
    error: { kind: 'error', cause: 'x' },
  };
  let asked = 0;
  const steps: Steps = {
    unavailable: () => w.unavailable[asked++],
    decide: () => act(w.decide, w.decide === 'allow' ? { kind: 'allow', rule: 'r' } : { kind: 'deny', why: 'no rule' }),
    scan: ((_, head, scanned) => {
      log.push('scan');
      shown.scanner += JSON.stringify(head) + (bytesInMemory(scanned) ?? '').toString();
      if (w.scan === 'throw') throw new Error('canary');
      return w.scan === 'reject' ? Promise.reject(new Error('canary')) : Promise.resolve(scans[w.scan]);
    }) as Steps['scan'],
    secrets: holdSecrets([SECRET]),
    journal: {
      admit: (...line) => {
        shown.journal += JSON.stringify(line);
        act(w.admit, void log.push('admit'));
      },
      close: (...line) => {
        shown.journal += JSON.stringify(line);
        act(w.close, void log.push(`close:${line[1].outcome.kind}`));
      },
      flush: () => undefined,
      [Symbol.dispose]: () => undefined,
    },
    upstream: { open: async () => act(w.open, (log.push('open'), leg)) },
  };
  const outcome = await exchange(client, 'id', steps).catch(() => undefined);
  return { outcome, log, shown };
}

test('forwarded at most once and only if both said yes, recorded exactly once, whatever any step does', async () => {
  await fc.assert(
    fc.asyncProperty(world, async (w) => {
      const { outcome, log, shown } = await run(w);
      const count = (what: string) => log.filter((entry) => entry.startsWith(what)).length;
      const proven = w.decide === 'allow' && !w.refusal && w.unit === 'unit' && w.scan === 'allow';

      assert.ok(count('send') <= 1);
      if (count('send') > 0 || count('open') > 0) {
        assert.ok(proven && w.unavailable.length === 0 && !w.gone && w.admit === 'ok');
        assert.ok(log.indexOf('scan') < log.indexOf('admit') && log.indexOf('admit') < log.indexOf('open'));
      }
      if (count('read') > 0) assert.ok(w.decide === 'allow' && !w.refusal, 'a body was read before the decision');
      assert.equal(count('close:'), 1);
      if (count('scan') > 0 && w.scan === 'refused') assert.equal(outcome?.kind ?? 'refused', 'refused');
      if (outcome?.kind === 'forwarded') assert.ok(count('send') === 1 && w.relay === 'relayed');
      else if (w.close === 'ok') assert.ok(count('start') + count('destroy') >= 1, 'closed without an answer');
      assert.equal(count('release'), w.unit === 'unit' && count('read') > 0 ? 1 : 0);
      assert.ok(!JSON.stringify(outcome ?? {}).includes('canary'), 'a message of an error got into the record');
      if (count('open') > 0 && w.open === 'ok') assert.ok(count('drop') >= 1);

      // A value is seen by its own upstream alone, a placeholder by no scanner, a foreign key by no bound host.
      const bound = w.host === 'bound.test';
      for (const seen of [shown.scanner, shown.journal, bound ? shown.agent : '']) assert.ok(!seen.includes(VALUE));
      assert.ok(!shown.scanner.includes(PLACEHOLDER));
      if (shown.upstream.includes(VALUE)) assert.ok(bound && w.key === 'placeholder');
      if (bound && count('send') > 0) assert.ok(w.key === 'placeholder' && shown.upstream.includes(VALUE));
      if (w.key === 'value' || w.body === 'value') assert.equal(shown.upstream + shown.scanner, '');
    }),
    { numRuns: 5000 },
  );
});
