/**
 * Asks the scanner about a unit: every part of it as one absolute-URI call with a nonce, each proven by its own receipt.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { type Line, openLine, type Reach } from './call.ts';
import { type Lane, makeLane } from './lane.ts';
import {
  HEALTH_MS,
  HEALTH_POLL_MS,
  SCAN_CONNECTIONS,
  SCAN_MS,
  SCAN_MS_PER_MB,
  SCAN_PARTS_AT_ONCE,
  SCAN_QUEUE,
  WHOLE_BYTES,
  WINDOW_BYTES,
  WINDOWED_AT_ONCE,
} from './limits.ts';
import type { Field, RequestHead, Target, Unit } from './message.ts';
import { parts, type ScannerLimits, type ScanName, type ScanPart } from './parts.ts';
import { present } from './present.ts';
import { TIMED_OUT } from './respond.ts';
import { NONCE_FIELD, PART_FIELD, receiptOf } from './receipt.ts';
import type { Secrets } from './secrets.ts';
import { selfTest } from './selftest.ts';
import { type ScanResult, verdictOf } from './verdict.ts';
import { scanWindowed } from './windowed.ts';

export interface Scanner {
  scan(id: string, head: RequestHead, unit: Unit, gone: AbortSignal): Promise<ScanResult>;
  /** Waits until it serves, and tests it. @returns what is wrong with it, if so */
  ready(): Promise<string | undefined>;
  close(): Promise<void>;
}

export interface ScannerOptions {
  readonly reach: Reach;
  readonly limits: ScannerLimits;
  readonly key: Buffer;
  /** Look at what goes out: known values never do. */
  readonly review?: Secrets['review'];
  readonly inWindow?: Secrets['inWindow'];
  /** Bytes of one window of a body that is too large to be scanned as one. */
  readonly windowBytes?: number;
  /** Bytes beyond which a body to this target is not scanned; known values are looked for all the same. */
  readonly unscannedOver?: (target: Target) => number | undefined;
  /** Milliseconds for a part of so many bytes. */
  readonly deadline?: (bytes: number) => number;
  readonly connections?: number;
  readonly queue?: number;
}

export function connectScanner(options: ScannerOptions): Scanner {
  const { reach, connections = SCAN_CONNECTIONS, queue = SCAN_QUEUE } = options;
  const line = openLine(reach, connections, reach.kind === 'tcp' ? () => trusted.forget() : undefined);
  const lane = makeLane(connections, queue);
  const windowed = makeLane(WINDOWED_AT_ONCE, queue);
  const scan: Scanner['scan'] = (...request) => scanUnit(line, lane, windowed, options, ...request);
  if (reach.kind === 'socket') return { scan, ready: async () => undefined, close: () => line.close() };
  const trusted = makeTrust(() => selfTest((head, unit) => scan(randomBytes(8).toString('hex'), head, unit, NEVER)));
  return {
    async scan(...request) {
      const failure = await trusted.check();
      if (failure !== undefined) return { kind: 'error', cause: `the scanner failed its self-test: ${failure}` };
      const result = await scan(...request);
      if (result.kind === 'error' && result.cause.startsWith(TIMED_OUT)) trusted.forget();
      return result;
    },
    async ready() {
      if (!(await serves(line))) return 'does not answer';
      const failure = await trusted.check();
      return failure === undefined ? undefined : `failed its self-test: ${failure}`;
    },
    close: () => line.close(),
  };
}

/** As one, in windows, or its head alone. */
function scanUnit(
  line: Line,
  lane: Lane,
  windowed: Lane,
  options: ScannerOptions,
  ...request: Parameters<Scanner['scan']>
): Promise<ScanResult> {
  const [, head, unit] = request;
  if (unit.message) return scanWhole(line, lane, options, ...request);
  const over = options.unscannedOver?.(head.target) ?? Number.POSITIVE_INFINITY;
  const whole = Math.min(WHOLE_BYTES, options.limits.bodyBytes);
  if (unit.size <= Math.min(whole, over)) return scanWhole(line, lane, options, ...request);
  return scanLarge(line, lane, windowed, options, unit.size > over ? 'body' : 'nothing', ...request);
}

async function scanLarge(
  line: Line,
  lane: Lane,
  windowed: Lane,
  options: ScannerOptions,
  leave: 'nothing' | 'body',
  ...[id, head, unit, gone]: Parameters<Scanner['scan']>
): Promise<ScanResult> {
  const { limits, windowBytes = WINDOW_BYTES, inWindow } = options;
  const slot = await windowed.enter(gone); // whoever waits holds no memory
  if (slot === 'full') return { kind: 'error', cause: 'too many large bodies are waiting' };
  if (slot === 'gone') return { kind: 'error', cause: 'the agent left before the scan' };
  try {
    return await scanWindowed(head, unit, {
      name: nameOf(id),
      limits,
      windowBytes,
      review: inWindow,
      leave,
      ask: async (part, seen) => {
        const reviewed = seen === 'seen' ? [part] : (options.review?.([part]) ?? [part]);
        if ('finding' in reviewed) return { kind: 'block', finding: reviewed.finding };
        return await scanPart(line, lane, options, reviewed[0] ?? part, gone);
      },
    });
  } finally {
    slot.leave();
  }
}

function nameOf(id: string): ScanName {
  return { id, nonce: `${id}-${randomBytes(16).toString('hex')}` };
}

/** Every part must be proven. A block says more than an error, so it is what is told of the two. */
async function scanWhole(
  line: Line,
  lane: Lane,
  options: ScannerOptions,
  ...[id, head, unit, gone]: Parameters<Scanner['scan']>
): Promise<ScanResult> {
  let result: ScanResult = { kind: 'error', cause: 'nothing was scanned' };
  const all = parts(nameOf(id), head, unit, options.limits);
  if ('kind' in all) return { kind: 'error', cause: all.reason };
  const reviewed = options.review?.(all) ?? all;
  if ('finding' in reviewed) return { kind: 'block', finding: reviewed.finding };
  for (let at = 0; at < reviewed.length; at += SCAN_PARTS_AT_ONCE) {
    const some = reviewed.slice(at, at + SCAN_PARTS_AT_ONCE);
    const results = await Promise.all(some.map((part) => scanPart(line, lane, options, part, gone)));
    const no = results.find(({ kind }) => kind === 'block') ?? results.find(({ kind }) => kind !== 'allow');
    if (no) return no;
    result = { kind: 'allow' };
  }
  return result;
}

async function scanPart(
  line: Line,
  lane: Lane,
  { reach, key, deadline = scanDeadline }: ScannerOptions,
  plain: ScanPart,
  gone: AbortSignal,
): Promise<ScanResult> {
  const part = reach.kind === 'tcp' ? present(plain) : plain;
  const slot = await lane.enter(gone);
  if (slot === 'full') return { kind: 'error', cause: 'too many scans are waiting' };
  if (slot === 'gone') return { kind: 'error', cause: 'the agent left before the scan' };
  const { method, url, body } = part;
  const call = line.call({ method, url, fields: callFields(part), body, ms: deadline(body.length), gone });
  void call.over.then(() => slot.leave());
  const reply = await call.reply;
  return 'cause' in reply ? reply : verdictOf(reply, receiptOf(key, part));
}

/** True as soon as it answers for its health; false after a time. */
async function serves(line: Line): Promise<boolean> {
  for (const end = performance.now() + HEALTH_MS; performance.now() < end; await delay(HEALTH_POLL_MS)) {
    const { reply } = line.call({ method: 'GET', url: '/health', fields: [], body: null, ms: HEALTH_MS, gone: NEVER });
    const answer = await reply;
    if ('status' in answer && answer.status === 200) return true;
  }
  return false;
}

/** A self-test that holds until it is forgotten: one runs at a time, and one that failed is not remembered. */
function makeTrust(test: () => Promise<string | undefined>): { check(): Promise<string | undefined>; forget(): void } {
  let known: Promise<string | undefined> | undefined;
  return {
    async check() {
      const mine = (known ??= test());
      const failure = await mine;
      if (failure !== undefined && known === mine) known = undefined;
      return failure;
    },
    forget() {
      known = undefined;
    },
  };
}

const NEVER = new AbortController().signal;

/** Milliseconds. */
export function scanDeadline(bytes: number): number {
  return SCAN_MS + Math.ceil((bytes / 1_000_000) * SCAN_MS_PER_MB);
}

function callFields(part: ScanPart): Field[] {
  return [...part.fields, [NONCE_FIELD, part.nonce], [PART_FIELD, `${part.index}/${part.count}`]];
}
