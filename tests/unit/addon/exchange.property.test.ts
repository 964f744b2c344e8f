import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { exchange, type Steps } from '../../../addon/exchange.ts';
import type { Client, Leg, Received, Relayed, Unit } from '../../../addon/message.ts';
import { NO_SECRETS } from '../../../addon/secrets.ts';
import type { ScanResult } from '../../../addon/verdict.ts';

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
}

const world: fc.Arbitrary<World> = fc.record({
  unavailable: fc.constantFrom<(string | undefined)[]>([], ['silent'], [undefined, 'silent']),
  refusal: fc.boolean(),
  decide: fc.constantFrom('allow', 'allow', 'allow', 'deny', 'throw'),
  unit: fc.constantFrom('unit', 'unit', 'unit', 'refused', 'gone', 'none', 'throw'),
  scan: fc.constantFrom('allow', 'allow', 'block', 'error', 'throw', 'reject'),
  gone: fc.boolean(),
  admit: fc.constantFrom('ok', 'ok', 'throw'),
  open: fc.constantFrom('ok', 'ok', 'throw'),
  send: fc.constantFrom('ok', 'ok', 'throw'),
  relay: fc.constantFrom('relayed', 'relayed', 'failed', 'forbidden', 'gone', 'throw'),
  close: fc.constantFrom('ok', 'ok', 'throw'),
  answer: fc.constantFrom('ok', 'ok', 'throw'),
});

function act<T>(how: string, value: T): T {
  if (how === 'throw') throw new Error('canary');
  return value;
}

async function run(w: World) {
  const log: string[] = [];
  const gone = new AbortController();
  if (w.gone) gone.abort();
  const host = { kind: 'name', text: 'a.test' } as const;
  const unit: Unit = {
    kind: 'unit',
    size: 1,
    trailers: [],
    chunks: () => [Buffer.from('x')],
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
    head: { method: 'POST', target: { scheme: 'https', host, port: 443 }, path: '/', fields: [] },
    refusal: w.refusal ? { kind: 'refused', status: 400, reason: 'x' } : undefined,
    units: { [Symbol.asyncIterator]: units },
    gone: gone.signal,
    onDrain: undefined,
    inform: () => undefined,
    start: () => act(w.answer, void log.push('start')),
    write: () => true,
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
    send: async () => act(w.send, void log.push('send')),
    relay: async () => {
      log.push('relay');
      if (w.relay === 'throw') throw new Error('canary');
      return ends[w.relay];
    },
    sent: 1,
    [Symbol.dispose]: () => void log.push('drop'),
  };
  const scans: Record<ScanResult['kind'], ScanResult> = {
    allow: { kind: 'allow' },
    block: { kind: 'block', finding: 'blocked: x' },
    error: { kind: 'error', cause: 'x' },
  };
  let asked = 0;
  const steps: Steps = {
    unavailable: () => w.unavailable[asked++],
    decide: () => act(w.decide, w.decide === 'allow' ? { kind: 'allow', rule: 'r' } : { kind: 'deny', why: 'no rule' }),
    scan: (() => {
      log.push('scan');
      if (w.scan === 'throw') throw new Error('canary');
      return w.scan === 'reject' ? Promise.reject(new Error('canary')) : Promise.resolve(scans[w.scan]);
    }) as Steps['scan'],
    secrets: NO_SECRETS,
    journal: {
      admit: () => act(w.admit, void log.push('admit')),
      close: (_, ending) => act(w.close, void log.push(`close:${ending.outcome.kind}`)),
      flush: () => undefined,
      [Symbol.dispose]: () => undefined,
    },
    upstream: { open: async () => act(w.open, (log.push('open'), leg)) },
  };
  const outcome = await exchange(client, 'id', steps).catch(() => undefined);
  return { outcome, log };
}

test('forwarded at most once and only if both said yes, recorded exactly once, whatever any step does', async () => {
  await fc.assert(
    fc.asyncProperty(world, async (w) => {
      const { outcome, log } = await run(w);
      const count = (what: string) => log.filter((entry) => entry.startsWith(what)).length;
      const proven = w.decide === 'allow' && !w.refusal && w.unit === 'unit' && w.scan === 'allow';

      assert.ok(count('send') <= 1);
      if (count('send') > 0 || count('open') > 0) {
        assert.ok(proven && w.unavailable.length === 0 && !w.gone && w.admit === 'ok');
        assert.ok(log.indexOf('scan') < log.indexOf('admit') && log.indexOf('admit') < log.indexOf('open'));
      }
      if (count('read') > 0) assert.ok(w.decide === 'allow' && !w.refusal, 'a body was read before the decision');
      assert.equal(count('close:'), 1);
      if (outcome?.kind === 'forwarded') assert.ok(count('send') === 1 && w.relay === 'relayed');
      else if (w.close === 'ok') assert.ok(count('start') + count('destroy') >= 1, 'closed without an answer');
      assert.equal(count('release'), w.unit === 'unit' && count('scan') > 0 ? 1 : 0);
      assert.ok(!JSON.stringify(outcome ?? {}).includes('canary'), 'a message of an error got into the record');
      if (count('open') > 0 && w.open === 'ok') assert.equal(count('drop'), 1);
    }),
    { numRuns: 5000 },
  );
});
