/**
 * The receipt: proof that exactly this part of exactly this unit was scanned. Sidecar and scanner compute it from what each
 * of them sees; a reply is an allow only if the two agree.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

/** One field as it stood on the wire. */
export type Field = readonly [name: string, value: string];

/** A part of a unit, as it goes to the scanner. */
export interface ScannedPart {
  /** Random, one per unit. */
  readonly nonce: string;
  /** From 0. */
  readonly index: number;
  /** `*`: nobody knew it when this part went out. */
  readonly count: number | '*';
  readonly method: string;
  /** The absolute URI of the scan call. */
  readonly url: string;
  /** All fields of the scan call; those that `isPerHop` names do not count. */
  readonly fields: readonly Field[];
  readonly trailers: readonly Field[];
  /** SHA-256 of the part's body, lower-case hex. */
  readonly bodySha256: string;
}

/** Request fields of the scan call. */
export const NONCE_FIELD = 'x-bottle-nonce';
/** `index/count`, decimal; the count may be `*`. */
export const PART_FIELD = 'x-bottle-part';
/** Request field that names the scan in the scanner's log; a forward proxy keeps it for itself, so that it is no part of the proof. */
export const SCAN_ID_FIELD = 'x-pipelock-agent';
/** Response field of an allow (status 204). */
export const RECEIPT_FIELD = 'x-bottle-receipt';

/** What a part's field says of its place; undefined if that is malformed. */
export function readPlace(text: string): Pick<ScannedPart, 'index' | 'count'> | undefined {
  const [, index, count] = /^(\d{1,6})\/(\d{1,6}|\*)$/.exec(text) ?? [];
  if (index === undefined || count === undefined) return undefined;
  const place = { index: Number(index), count: count === '*' ? count : Number(count) } as const;
  return place.count === '*' || place.index < place.count ? place : undefined;
}

/** HMAC-SHA-256 under the session's key, lower-case hex. */
export function receiptOf(key: Buffer, part: ScannedPart): string {
  return createHmac('sha256', key).update(canonical(part)).digest('hex');
}

/** Compares in constant time. */
export function isReceipt(expected: string, given: string): boolean {
  const [a, b] = [Buffer.from(expected), Buffer.from(given)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** SHA-256, lower-case hex. */
export function sha256(body: Uint8Array): string {
  return createHash('sha256').update(body).digest('hex');
}

/**
 * Fields that belong to one hop (RFC 9110 section 7.6.1) or to the scan call itself: never part of the proof, and stripped by
 * the sidecar before the call, so that none of them can carry anything.
 */
export function isPerHop(name: string): boolean {
  const lower = name.toLowerCase();
  return PER_HOP.has(lower) || lower.startsWith('x-bottle-');
}

const PER_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authorization',
  'proxy-authenticate',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'expect',
  'host', // stands in the URL
  'content-length', // follows from the body
]);

/** One unambiguous text. Sorted by name, because a forward proxy may reorder fields; values of one name keep their order. */
function canonical(part: ScannedPart): string {
  const fields = sorted(part.fields.filter(([name]) => !isPerHop(name) && name.toLowerCase() !== SCAN_ID_FIELD));
  return JSON.stringify([
    'bottle-receipt-1',
    part.nonce,
    part.index,
    part.count,
    part.method,
    part.url,
    fields,
    sorted(part.trailers),
    part.bodySha256,
  ]);
}

function sorted(fields: readonly Field[]): Field[] {
  return fields
    .map(([name, value]): Field => [name.toLowerCase(), value])
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
}
