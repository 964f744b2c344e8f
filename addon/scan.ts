/**
 * Asks the scanner about a unit: every part of it as one absolute-URI call with a nonce, each proven by its own receipt.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { type Budget, OVER_BUDGET } from './budget.ts';
import { type Line, openLine, type Reach } from './call.ts';
import { isPush } from './decode/object.ts';
import { type Lane, makeLane } from './lane.ts';
import {
  HEALTH_MS,
  HEALTH_POLL_MS,
  SCAN_CONNECTIONS,
  SCAN_MS,
  SCAN_MS_PER_MB,
  SCAN_PARTS_AT_ONCE,
  SCAN_QUEUE,
  SCAN_WAIT_MS,
  BODY_BYTES,
  WINDOWED_AT_ONCE,
} from './limits.ts';
import type { Field, RequestHead, Target, Unit } from './message.ts';
import { parts, type ScannerLimits, type ScanName, type ScanPart } from './parts.ts';
import { present } from './present.ts';
import { valuesOf } from './request.ts';
import { TIMED_OUT } from './respond.ts';
import { NONCE_FIELD, PART_FIELD, receiptOf } from './receipt.ts';
import type { Secrets } from './secrets.ts';
import { selfTest } from './selftest.ts';
import { type ScanResult, verdictOf } from './verdict.ts';
import { scanWindowed } from './windowed.ts';
import { holdsPack, mayExpand } from './windows.ts';

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
  /** What the parts are kept in while they are scanned. */
  readonly budget: Budget;
  /** Look at what goes out: known values never do. */
  readonly review?: Secrets['review'];
  readonly inWindows?: Secrets['inWindows'];
  /** Bytes of one window of a body that is too large to be scanned as one. */
  readonly windowBytes: number;
  /** Bytes beyond which a body to this target is not scanned; known values are looked for all the same. */
  readonly unscannedOver?: (target: Target) => number | undefined;
  /** Milliseconds for a part of so many bytes. */
  readonly deadline?: (bytes: number) => number;
  readonly connections?: number;
  readonly queue?: number;
  /** Milliseconds that a part waits for its turn. */
  readonly patienceMs?: number;
}

export function connectScanner(options: ScannerOptions): Scanner {
  const { reach, connections = SCAN_CONNECTIONS, queue = SCAN_QUEUE } = options;
  const line = openLine(reach, connections, () => trusted.forget());
  const lane = makeLane(connections, queue, options.patienceMs ?? SCAN_WAIT_MS);
  const means = { line, lane, windowed: makeLane(WINDOWED_AT_ONCE, queue), options };
  const scan: Scanner['scan'] = (...request) => scanUnit(means, request);
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

/** What every scan works with. */
interface Means {
  readonly line: Line;
  readonly lane: Lane;
  /** Where large bodies wait for their turn. */
  readonly windowed: Lane;
  readonly options: ScannerOptions;
}

type Request = Parameters<Scanner['scan']>;

/** As one, in windows, or its head alone. */
async function scanUnit(means: Means, request: Request): Promise<ScanResult> {
  const [, head, unit] = request;
  const { limits, unscannedOver } = means.options;
  if (unit.message) return scanWhole(means, request);
  const over = unscannedOver?.(head.target) ?? Number.POSITIVE_INFINITY;
  if (unit.size > over) return scanLarge(means, request, 'body');
  if (unit.size > Math.min(BODY_BYTES, limits.bodyBytes)) return scanLarge(means, request, 'nothing');
  if (hidesKnown(means, head, unit)) return scanLarge(means, request, 'nothing');
  const result = await scanWhole(means, request);
  const tooMuch = result.kind === 'refused' && result.status === 413;
  return tooMuch && mayExpand(unit) ? scanLarge(means, request, 'nothing') : result;
}

/** Known values are looked for in what the scanner is given. One that reads packs by itself is given them closed, but for windows. */
function hidesKnown({ options: { limits, inWindows } }: Means, head: RequestHead, unit: Unit): boolean {
  if (limits.reads === 'plain' || inWindows?.(head) === undefined) return false;
  return isPush(valuesOf(head.fields, 'content-type')) || holdsPack(unit);
}

/** Every part must be proven. A block says more than an error, so it is what is told of the two. */
async function scanWhole(means: Means, [id, head, unit, gone]: Request): Promise<ScanResult> {
  const { review, budget, limits } = means.options;
  const prepared = parts(nameOf(id), head, unit, limits);
  if (prepared.kind !== 'prepared') return prepared;
  const reviewed = review?.(prepared.parts) ?? prepared.parts;
  if ('finding' in reviewed) return { kind: 'block', finding: reviewed.finding };
  if (!budget.take(prepared.copied)) return OVER_BUDGET;
  try {
    const no = await scanParts(reviewed, (part) => scanPart(means, part, gone));
    return no ?? { kind: 'allow', ...(prepared.masked.length > 0 ? { masked: prepared.masked } : {}) };
  } finally {
    budget.give(prepared.copied);
  }
}

async function scanLarge(
  means: Means,
  [id, head, unit, gone]: Request,
  leave: 'nothing' | 'body',
): Promise<ScanResult> {
  const { limits, windowBytes, inWindows, review } = means.options;
  const slot = await means.windowed.enter(gone); // whoever waits holds no memory
  if (slot === 'full') return { kind: 'error', cause: 'too many large bodies are waiting' };
  if (typeof slot === 'string') return { kind: 'error', cause: 'the agent left before the scan' };
  try {
    return await scanWindowed(head, unit, {
      name: nameOf(id),
      limits,
      windowBytes,
      review: inWindows?.(head),
      leave,
      ask: async (part, seen) => {
        const reviewed = seen === 'seen' ? [part] : (review?.([part]) ?? [part]);
        if ('finding' in reviewed) return { kind: 'block', finding: reviewed.finding };
        return await scanPart(means, reviewed[0] ?? part, gone);
      },
    });
  } finally {
    slot.leave();
  }
}

function nameOf(id: string): ScanName {
  return { id, nonce: `${id}-${randomBytes(16).toString('hex')}` };
}

/** Undefined: every one of them is proven. */
async function scanParts(
  reviewed: readonly ScanPart[],
  scan: (part: ScanPart) => Promise<ScanResult>,
): Promise<ScanResult | undefined> {
  for (let at = 0; at < reviewed.length; at += SCAN_PARTS_AT_ONCE) {
    const some = reviewed.slice(at, at + SCAN_PARTS_AT_ONCE);
    const results = await Promise.all(some.map(scan));
    const no = results.find(({ kind }) => kind === 'block') ?? results.find(({ kind }) => kind !== 'allow');
    if (no) return no;
  }
  return reviewed.length > 0 ? undefined : { kind: 'error', cause: 'nothing was scanned' };
}

async function scanPart({ line, lane, options }: Means, plain: ScanPart, gone: AbortSignal): Promise<ScanResult> {
  const { reach, key, deadline = scanDeadline } = options;
  const part = reach.kind === 'tcp' ? present(plain) : plain;
  const slot = await lane.enter(gone);
  if (slot === 'full') return { kind: 'error', cause: 'too many scans are waiting' };
  if (slot === 'late') return { kind: 'error', cause: 'the scanner was busy with others for too long' };
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
