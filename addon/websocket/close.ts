/** How a WebSocket ends: the agent's close, checked, and ours, which says why (RFC 6455 sections 5.5.1 and 7.4). */
import type { Outcome } from '../../contracts/exchange.ts';
import { isUtf8 } from 'node:buffer';
import { type Refusal, refused } from '../message.ts';
import { CONTROL_BYTES, frameHead, malformed } from './frame.ts';

/** Why this is no payload of a close frame, if so. */
export function readClose(payload: Buffer): Refusal | undefined {
  if (payload.length === 0) return undefined;
  if (payload.length === 1) return malformed('a close frame has half a code');
  const code = payload.readUInt16BE(0);
  if (!isSendable(code)) return malformed(`a close frame has the code ${code}, which is never sent`);
  return isUtf8(payload.subarray(2)) ? undefined : NO_TEXT;
}

/** The frame that tells an agent why its WebSocket ends. Undefined: nobody ends it but the network, so nothing is said. */
export function closeFrame(outcome: Outcome): Buffer | undefined {
  const why = closeOf(outcome);
  if (!why) return undefined;
  const reason = cut(why.reason, CONTROL_BYTES - 2);
  const payload = Buffer.concat([Buffer.alloc(2), reason]);
  payload.writeUInt16BE(why.code, 0);
  return Buffer.concat([frameHead('close', payload.length), payload]);
}

function closeOf(outcome: Outcome): { code: number; reason: string } | undefined {
  switch (outcome.kind) {
    case 'blocked':
      return { code: POLICY_VIOLATION, reason: outcome.finding };
    case 'denied':
      return { code: POLICY_VIOLATION, reason: outcome.rule };
    case 'refused':
      return { code: BY_STATUS[outcome.status] ?? POLICY_VIOLATION, reason: outcome.reason };
    case 'failed':
      return outcome.stage === 'upstream' ? undefined : { code: INTERNAL_ERROR, reason: outcome.cause };
    case 'forwarded':
    case 'passed':
      return undefined;
  }
}

/** The registered codes, without those that stand for a close that never came (RFC 6455 section 7.4.1), and the private ones. */
function isSendable(code: number): boolean {
  if (code >= 3_000) return code <= 4_999;
  return code >= 1_000 && code <= 1_014 && ![1_004, 1_005, 1_006].includes(code);
}

/** At most so many bytes, and no half character. */
function cut(text: string, most: number): Buffer {
  const bytes = Buffer.from(text);
  if (bytes.length <= most) return bytes;
  let end = most;
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.subarray(0, end);
}

const POLICY_VIOLATION = 1_008;
const INTERNAL_ERROR = 1_011;
/** Protocol error, invalid payload data, message too big, try again later. */
const BY_STATUS: Readonly<Record<number, number>> = { 400: 1_002, 422: 1_007, 413: 1_009, 503: 1_013 };
const NO_TEXT = refused(422, 'the reason of a close frame is not UTF-8');
