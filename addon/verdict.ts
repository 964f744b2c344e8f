/**
 * What one reply of the scanner means. Only the receipt is an allow, only the scanner's own fingerprint is a block, and
 * everything else is "could not tell", which is treated as no.
 */
import type { Masked } from '../contracts/mask.ts';
import { FINDING_CHARACTERS } from './limits.ts';
import type { Field, Refusal } from './message.ts';
import { valuesOf } from './request.ts';
import { isReceipt, NONCE_FIELD, RECEIPT_FIELD } from './receipt.ts';

export interface Reply {
  readonly status: number;
  readonly fields: readonly Field[];
  readonly body: Buffer;
  /** A reply to HEAD has no body. */
  readonly bodiless: boolean;
}

export type ScanResult =
  | {
      readonly kind: 'allow';
      /** What the scanner was not shown. */
      readonly masked?: readonly Masked[];
      /** Bytes that a manifest lets pass unasked. */
      readonly unscanned?: number;
      /** Secrets whose placeholder only the scan has come across. */
      readonly elsewhere?: readonly string[];
    }
  | { readonly kind: 'block'; readonly finding: string }
  /** There is no form in which it could be scanned. */
  | Refusal
  | { readonly kind: 'error'; readonly cause: string };

/** `expected`: the receipt of exactly the part that was sent. */
export function verdictOf(reply: Reply, expected: string): ScanResult {
  if (reply.status === 204) {
    const receipts = valuesOf(reply.fields, RECEIPT_FIELD);
    const [receipt] = receipts;
    if (receipt === undefined) return error('the scanner answered 204 without a receipt');
    if (receipts.length > 1 || !isReceipt(expected, receipt))
      return error('the scanner answered with the receipt of something else');
    return { kind: 'allow' };
  }
  if (isKillSwitch(reply)) return { kind: 'block', finding: 'blocked: kill switch active' };
  if (!NOES.includes(reply.status)) return error(`the scanner answered ${reply.status}`);
  // The sink writes these: what carries one has passed the scanner, and is no answer of its own.
  if ([RECEIPT_FIELD, NONCE_FIELD].some((name) => valuesOf(reply.fields, name).length > 0))
    return error(`the scanner answered ${reply.status} from behind it`);
  const plain = /^text\/plain\s*(;|$)/i.test(valuesOf(reply.fields, 'content-type')[0] ?? '');
  const reason = valuesOf(reply.fields, 'x-pipelock-block-reason')[0];
  const line = sanitise(reply.body.toString('utf8'));
  if (reply.status === 400 || reply.status === 413)
    return plain && line.startsWith(REFUSED)
      ? { kind: 'refused', status: reply.status, reason: line.slice(REFUSED.length) }
      : error(`the scanner answered ${reply.status}`);
  if (ERRORS.some((prefix) => line.startsWith(prefix))) return error(`the scanner could not scan: ${line}`);
  if (plain && BLOCKS.some((prefix) => line.startsWith(prefix))) return { kind: 'block', finding: line };
  if (reason !== undefined) return { kind: 'block', finding: line || `blocked: ${sanitise(reason)}` };
  if (reply.bodiless && plain && reply.status === 403)
    return { kind: 'block', finding: 'blocked: (HEAD, no finding named)' };
  return error(`the scanner answered ${reply.status} in an unknown form`);
}

/** Everything is refused because somebody said so. */
function isKillSwitch({ status, fields, body }: Reply): boolean {
  if (status !== 503 || !/^application\/json\s*(;|$)/i.test(valuesOf(fields, 'content-type')[0] ?? '')) return false;
  try {
    const answer: unknown = JSON.parse(body.toString('utf8'));
    return typeof answer === 'object' && answer !== null && 'error' in answer && answer.error === 'kill_switch_active';
  } catch {
    return false;
  }
}

/** First line, printable ASCII only: a scanner's reason echoes the agent's text. */
export function sanitise(text: string): string {
  const [line = ''] = text.trimStart().split(/[\r\n]/, 1);
  return line
    .replace(/[^\x20-\x7e]/g, '?')
    .slice(0, FINDING_CHARACTERS)
    .trimEnd();
}

/** Statuses by which a scanner says no: to what it found, or to what it cannot read. */
const NOES = [400, 403, 413, 429];
/** How the embedded scanner begins when a request cannot be read. */
const REFUSED = 'refused: ';

/** How a block begins, in the scanners that speak this contract. */
const BLOCKS = ['blocked: ', 'blocked by request policy: ', 'airlock: ', 'session anomaly: '];

/** Blocks by form that only say that the scanner failed. */
const ERRORS = [
  'blocked: error reading request body',
  'blocked: SSRF check failed: DNS resolution error',
  'blocked: request context',
  'blocked: response ',
  'blocked: compressed',
  'blocked: media_policy',
  'blocked: a2a: response',
  'blocked: redaction error',
  'blocked: redaction runtime',
  'blocked: mediation envelope',
];

function error(cause: string): ScanResult {
  return { kind: 'error', cause };
}
