/**
 * The record: `admitted` before the first byte leaves, `closed` once after. Synchronous appends to one file (4 µs a line); a
 * line that cannot be written ends the service, because what is not recorded must not happen.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import type { JournalLine, Outcome, Repeated } from '../contracts/exchange.ts';
import type { Masked } from '../contracts/mask.ts';
import { JOURNAL_BYTES, PATH_CHARACTERS, REFUSAL_KINDS, REFUSALS_COUNTED_MS, REFUSALS_LISTED } from './limits.ts';
import type { RequestHead, Target } from './message.ts';

/** What is recorded of a request; never fields, bodies or the query. */
export interface Subject {
  readonly id: string;
  readonly method: string;
  readonly target: Target;
}

export interface Ending {
  readonly outcome: Outcome;
  readonly sent: number;
  readonly received: number;
  readonly durationMs: number;
  readonly admitted: boolean;
  /** Of a stream: the agent's messages that were sent. */
  readonly messages?: number | undefined;
  /** What the scanner was not shown of them. */
  readonly masked?: readonly Masked[];
}

/** What is recorded of a request that may go out. */
export interface Admission {
  readonly path: string;
  /** Bytes of its body. */
  readonly bytes: number;
  /** Secrets whose placeholder stands in it outside its place. */
  readonly elsewhere?: readonly string[];
  /** Bytes of it that no scanner was asked about. */
  readonly unscanned?: number;
  /** What the scanner was not shown of it. */
  readonly masked?: readonly Masked[];
}

export interface Journal {
  /** Throws if the line could not be written; then nothing may be sent. */
  admit(subject: Subject, admission: Admission): void;
  close(subject: Subject, ending: Ending): void;
  /** Writes the counts that are still open. */
  flush(): void;
  [Symbol.dispose](): void;
}

export interface JournalOptions {
  readonly file: string;
  /** Called when a line could not be written or the file is full: there must be no service any more. */
  readonly onBroken: (why: string) => void;
  readonly maxBytes?: number;
}

/** Throws if the file cannot be opened. */
export function openJournal(options: JournalOptions): Journal {
  const fd = openSync(options.file, 'a', 0o600);
  const maxBytes = options.maxBytes ?? JOURNAL_BYTES;
  const refusals = new Map<string, Refusals>();
  let written = 0;
  let broken = false;

  function append(line: JournalLine): void {
    if (broken) throw new Error('the journal is broken');
    try {
      const bytes = Buffer.from(`${JSON.stringify(line)}\n`);
      written += bytes.length;
      if (written > maxBytes) throw new Error(`the journal is full (${maxBytes} bytes)`);
      if (writeSync(fd, bytes) !== bytes.length) throw new Error('a line was cut off');
    } catch (error) {
      broken = true;
      options.onBroken(error instanceof Error ? error.message : 'unknown');
      throw error;
    }
  }

  /** A refusal that repeats is listed a few times, then counted: a client that retries without end must not fill the disk. */
  function isOnlyCounted(target: Target, outcome: Outcome): boolean {
    const full = refusals.size >= REFUSAL_KINDS && !refusals.has(keyOf(target, outcome));
    const [host, port] = full ? ['*', 0] : [target.host.text, target.port];
    const key = full ? `*${outcome.kind}` : keyOf(target, outcome);
    const seen = refusals.get(key) ?? { host, port, outcome, listed: 0, counted: 0, idle: false };
    refusals.set(key, seen);
    seen.idle = false;
    if (!full && seen.listed < REFUSALS_LISTED) {
      seen.listed += 1;
      return false;
    }
    seen.counted += 1;
    return true;
  }

  function flush(): void {
    for (const [key, seen] of refusals) {
      const { host, port, outcome, counted } = seen;
      if (counted === 0) {
        if (seen.idle) refusals.delete(key);
        seen.idle = true;
        continue;
      }
      seen.counted = 0;
      append({ event: 'repeated', at: new Date().toISOString(), host, port, outcome, count: counted });
    }
  }

  const timer = setInterval(() => quietly(flush), REFUSALS_COUNTED_MS).unref();
  return {
    admit(subject, { path, bytes, elsewhere = [], unscanned = 0, masked = [] }) {
      append({
        event: 'admitted',
        ...subjectLine(subject),
        path: recordedPath(path),
        body_bytes: bytes,
        ...(elsewhere.length > 0 ? { placeholders: [...elsewhere] } : {}),
        ...(unscanned > 0 ? { unscanned_bytes: unscanned } : {}),
        ...maskedIn(masked),
      });
    },
    close(subject, { outcome, sent, received, durationMs, admitted, messages, masked = [] }) {
      if (!admitted && outcome.kind !== 'forwarded' && isOnlyCounted(subject.target, outcome)) return;
      quietly(() =>
        append({
          event: 'closed',
          ...subjectLine(subject),
          outcome: bare(outcome),
          sent_bytes: sent,
          received_bytes: received,
          ...(messages === undefined ? {} : { messages }),
          ...maskedIn(masked),
          duration_ms: Math.round(durationMs * 100) / 100,
        }),
      );
    },
    flush: () => quietly(flush),
    [Symbol.dispose]() {
      clearInterval(timer);
      quietly(flush);
      broken = true; // whatever comes later is not recorded, so it must not happen
      closeSync(fd);
    },
  };
}

/** Path without the query, bounded. */
export function recordedPath(path: RequestHead['path']): string {
  return (path.split('?', 1)[0] ?? '').slice(0, PATH_CHARACTERS);
}

interface Refusals extends Pick<Repeated, 'host' | 'port' | 'outcome'> {
  listed: number;
  counted: number;
  /** True if nothing came since the last count. */
  idle: boolean;
}

function keyOf(target: Target, outcome: Outcome): string {
  return JSON.stringify([target.host.text, target.port, bare(outcome)]);
}

/** Exactly the fields of the contract: what else an object may carry stays out of the record. */
function bare(outcome: Outcome): Outcome {
  switch (outcome.kind) {
    case 'forwarded':
      return { kind: outcome.kind, status: outcome.status };
    case 'passed':
      return { kind: outcome.kind };
    case 'denied':
      return { kind: outcome.kind, rule: outcome.rule };
    case 'blocked':
      return { kind: outcome.kind, finding: outcome.finding };
    case 'refused':
      return { kind: outcome.kind, status: outcome.status, reason: outcome.reason };
    case 'failed':
      return { kind: outcome.kind, stage: outcome.stage, cause: outcome.cause };
  }
}

/** Missing where there is nothing. */
function maskedIn(masked: readonly Masked[]): { masked?: Masked[] } {
  return masked.length > 0 ? { masked: masked.map(({ mask, bytes }) => ({ mask, bytes })) } : {};
}

function subjectLine({ id, method, target }: Subject) {
  const { scheme, host, port } = target;
  return { id, at: new Date().toISOString(), method, scheme, host: host.text, port };
}

/** The failure has been reported by `onBroken` already; here nothing depends on it any more. */
function quietly(write: () => void): void {
  try {
    write();
  } catch {}
}
