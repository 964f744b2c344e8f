/**
 * THE pipeline: one request in, one outcome out, recorded once. Its order is the security property, so it is written as
 * statements: decide before a byte of body is read, scan every part, record, and only then send.
 */
import type { Outcome } from '../contracts/exchange.ts';
import { unexpected } from './code.ts';
import type { Journal } from './journal.ts';
import {
  type Client,
  failed,
  type Leg,
  type Received,
  type Relayed,
  type RequestHead,
  type Target,
  type Unit,
  type Upstream,
} from './message.ts';
import type { Decision } from './policy.ts';
import { respond, type Unforwarded } from './respond.ts';
import type { Secrets } from './secrets.ts';
import type { ScanResult } from './verdict.ts';

export interface Steps {
  /** Why nothing is served at the moment, if so. */
  unavailable(): string | undefined;
  decide(target: Target): Decision;
  scan(id: string, head: RequestHead, unit: Unit, gone: AbortSignal): Promise<ScanResult>;
  readonly secrets: Secrets;
  readonly journal: Journal;
  readonly upstream: Upstream;
}

/** What can become of a request that we read. */
export type Exchanged = Exclude<Outcome, { kind: 'passed' }>;

/** Never rejects. `id`: letters, digits and "-". */
export async function exchange(client: Client, id: string, steps: Steps): Promise<Exchanged> {
  const began = performance.now();
  const subject = { id, method: client.head.method, target: client.head.target };
  const progress: Progress = {
    leg: undefined,
    relayed: undefined,
    admitted: false,
    started: false,
    received: 0,
    messages: undefined,
  };
  let outcome: Exchanged;
  try {
    outcome = await pass(client, id, steps, progress);
  } catch (error) {
    outcome = failed('internal', unexpected(error));
  }
  const { leg } = progress;
  const sent = leg?.sent ?? 0;
  leg?.[Symbol.dispose]();
  await progress.relayed?.catch(() => undefined); // what it failed of has been told; how far it came has not
  const { admitted, received, started, messages } = progress;
  try {
    const durationMs = performance.now() - began;
    steps.journal.close(subject, { outcome, sent, received, admitted, messages, durationMs });
  } finally {
    if (outcome.kind !== 'forwarded') answer(client, outcome, { id, sent, started });
  }
  return outcome;
}

interface Progress {
  leg: Leg | undefined;
  /** What becomes of the answer, from the moment that there is a leg: an upstream may answer before it has read all. */
  relayed: Promise<Exchanged> | undefined;
  admitted: boolean;
  /** The agent has the head of an answer already. */
  started: boolean;
  received: number;
  /** Of a stream: the messages that were sent. */
  messages: number | undefined;
}

async function pass(client: Client, id: string, steps: Steps, progress: Progress): Promise<Exchanged> {
  const { head } = client;
  const unavailable = steps.unavailable();
  if (unavailable !== undefined) return failed('internal', unavailable);
  if (client.refusal) return client.refusal;
  const decision = steps.decide(head.target);
  if (decision.kind !== 'allow') return { kind: 'denied', rule: decision.why };

  const units = client.units[Symbol.asyncIterator]();
  try {
    const first = await release(await units.next(), client, id, steps, progress);
    if (first.kind !== 'sent') return first;
    const { leg, relayed } = progress;
    if (!leg || !relayed) return failed('internal', 'the request had no unit');
    if (first.last) return await relayed;

    // A stream: the answer passes while messages follow. Whichever ends first ends the other.
    progress.messages = 0;
    const refused = rest(units, client, id, steps, progress);
    const outcome = await Promise.race([relayed, refused.then((no) => no ?? relayed)]);
    leg[Symbol.dispose]();
    await relayed;
    return outcome;
  } finally {
    // It may still wait for bytes of the agent, so it is not waited for; nobody reads what it would say.
    units.return?.().then(undefined, () => undefined);
  }
}

type Released = { readonly kind: 'sent'; readonly last: boolean } | Unforwarded;

/** One unit: judged, scanned, recorded, and only then sent. */
async function release(
  next: IteratorResult<Received>,
  client: Client,
  id: string,
  steps: Steps,
  progress: Progress,
): Promise<Released> {
  if (next.done) return failed('internal', 'the request ended without its last unit');
  const unit = next.value;
  if (unit.kind === 'gone') return failed('internal', 'the agent left before its request was whole');
  if (unit.kind !== 'unit') return unit;
  using held = unit;
  const { head } = client;
  const objection = steps.secrets.objection(head, held);
  if (objection !== undefined) return { kind: 'blocked', finding: objection };
  const neutral = steps.secrets.neutralize(head, held); // the scanner sees no credential, not even a placeholder
  const verdict = await steps.scan(id, neutral.head, neutral.unit, client.gone);
  if (verdict.kind === 'block') return { kind: 'blocked', finding: verdict.finding };
  if (verdict.kind === 'refused') return verdict;
  if (verdict.kind !== 'allow') return failed('scan', verdict.cause);

  const late = steps.unavailable(); // the launcher may have been lost during the scan
  if (late !== undefined) return failed('internal', late);
  if (client.gone.aborted) return failed('internal', 'the agent left during the scan');
  if (progress.leg) {
    await progress.leg.send(undefined, held);
    if (held.size > 0) progress.messages = (progress.messages ?? 0) + 1;
    return { kind: 'sent', last: held.last };
  }
  const admission = {
    path: head.path,
    bytes: held.size,
    elsewhere: [...new Set([...neutral.elsewhere, ...(verdict.elsewhere ?? [])])],
    unscanned: verdict.unscanned ?? 0,
    masked: verdict.masked ?? [],
  };
  steps.journal.admit({ id, method: head.method, target: head.target }, admission);
  progress.admitted = true;
  progress.leg = await steps.upstream.open(head, client.gone);
  progress.relayed = watched(client, progress.leg, steps, progress);
  progress.relayed.catch(() => undefined); // it is awaited later
  await progress.leg.send(steps.secrets.inject(head), held);
  return { kind: 'sent', last: held.last };
}

/** The units of a stream after its first. Undefined: all were sent, or the agent left: what had been answered by then, `relay` tells. */
async function rest(
  units: AsyncIterator<Received>,
  client: Client,
  id: string,
  steps: Steps,
  progress: Progress,
): Promise<Unforwarded | undefined> {
  for (;;) {
    const next = await units.next();
    if (!next.done && next.value.kind === 'gone') return undefined;
    const sent = await release(next, client, id, steps, progress);
    if (sent.kind === 'failed' && client.gone.aborted) return undefined;
    if (sent.kind !== 'sent') return sent;
    if (sent.last) return undefined;
  }
}

/** Relays the answer, and cuts it where it repeats a secret. */
async function watched(client: Client, leg: Leg, steps: Steps, progress: Progress): Promise<Exchanged> {
  const tap = steps.secrets.watch(client, () => leg[Symbol.dispose]());
  const relayed = await relay(tap?.client ?? client, leg, progress);
  if (relayed.kind === 'relayed') await tap?.done; // what was given up in between has no end to search to
  if (tap?.cut === undefined) return outcomeOf(relayed);
  progress.started = tap.started;
  return failed('upstream', tap.cut);
}

async function relay(client: Client, leg: Leg, progress: Progress): Promise<Relayed> {
  progress.started = true; // also if relaying throws: a second head must never follow a first
  const relayed = await leg.relay(client);
  progress.started = hasStarted(relayed);
  progress.received = relayed.kind === 'forbidden' ? 0 : relayed.received;
  return relayed;
}

function outcomeOf(relayed: Relayed): Exchanged {
  switch (relayed.kind) {
    case 'relayed':
      return { kind: 'forwarded', status: relayed.status };
    case 'forbidden':
      return { kind: 'denied', rule: relayed.why };
    case 'failed':
      return failed('upstream', relayed.cause);
    case 'gone':
      return relayed.status === undefined
        ? failed('upstream', 'the agent left before the answer')
        : { kind: 'forwarded', status: relayed.status };
  }
}

function hasStarted(relayed: Relayed): boolean {
  if (relayed.kind === 'failed') return relayed.started;
  return relayed.kind === 'gone' ? relayed.status !== undefined : relayed.kind === 'relayed';
}

/** A truncated answer stays truncated; anything else is told in full. */
function answer(client: Client, outcome: Unforwarded, at: { id: string; sent: number; started: boolean }): void {
  try {
    if (at.started || client.gone.aborted) return client.destroy(outcome);
    const { method, target } = client.head;
    const { head, body } = respond(outcome, { id: at.id, method, target, caller: client.head, sent: at.sent });
    client.start(head);
    if (body.length > 0) client.write(body);
    client.finish([]);
  } catch {
    client.destroy();
  }
}
