/** How a scanner of others reads the body of a request, and what it would not see of it. Pure. */
import { readEnvelope } from './decode/multipart.ts';
import { isPush } from './decode/object.ts';
import { readPacks } from './decode/pack.ts';
import { readPairs } from './decode/pairs.ts';
import { SPACE } from './decode/sink.ts';
import type { Work } from './decode/work.ts';
import type { Covered } from './covered.ts';
import { type HostMasks, maskHashes, maskJson, type Run, without } from './masks.ts';
import { type Refusal, refused } from './message.ts';

/** How the scanner reads the body under `type`. */
export interface Reading {
  readonly type: string | undefined;
  /** What it is given. */
  readonly body: Buffer;
  /** What was taken out of it. */
  readonly runs: readonly Run[];
  /** What it reads, as text: whatever is encoded in it is looked for here. */
  readonly text: Buffer;
  /** What it does not read at all. */
  readonly unseen: readonly Buffer[];
}

/** A body that a strict reader of its type could refuse, or read in another way than we do, is plain text to the scanner. */
export function readBody(body: Buffer, declared: string | undefined, masks: HostMasks): Reading {
  const plain: Reading = { type: PLAIN_TEXT, body, runs: [], text: body, unseen: [] };
  if (body.length === 0) return { ...plain, type: undefined };
  const type = declared === undefined ? undefined : readType(declared);
  if (type === undefined) return plain;
  if (type.essence === 'application/json' || type.essence.endsWith('+json')) {
    const left = maskJson(body, masks);
    if (!left) return plain;
    const { json } = left;
    const numbers = Buffer.from(json.numbers, 'latin1');
    return {
      type: 'application/json',
      body: left.text,
      runs: left.runs,
      text: json.strings,
      unseen: json.isPlain ? [numbers] : [numbers, json.strings],
    };
  }
  if (type.essence === 'application/x-www-form-urlencoded') {
    const pairs = readPairs(body);
    return pairs ? { ...plain, type: type.essence, text: pairs } : plain;
  }
  if (type.essence === 'multipart/form-data') {
    const envelope = type.boundary === undefined ? undefined : readEnvelope(body, type.boundary);
    return envelope ? { ...plain, type: declared, unseen: [envelope] } : plain;
  }
  return plain;
}

/** Plain text, of which it is known what is covered. */
export function readText(text: Buffer, covered: readonly Covered[]): Reading {
  const left = without(text, covered);
  return { type: PLAIN_TEXT, body: left.text, runs: left.runs, text: left.text, unseen: [] };
}

/** The contents of the git packs in a body, without what is masked in them. A push that cannot be read to its end is not sent. */
export function readPacked(
  body: Buffer,
  declared: string | undefined,
  work: Work,
  masks: HostMasks,
): { readonly text: Buffer; readonly runs: readonly Run[] } | Refusal {
  const packed = readPacks(body, work, SPACE);
  if (work.exhausted !== undefined) return refused(413, `the request ${work.exhausted}`);
  if (!packed) return { text: NOTHING, runs: [] };
  if (!packed.isWhole && declared !== undefined && isPush([declared]))
    return refused(400, 'the git objects of the body cannot be read; they cannot be scanned for secrets');
  return maskHashes(packed.content, masks);
}

/** Undefined: not a media type with well-formed parameters. */
function readType(declared: string): { essence: string; boundary: string | undefined } | undefined {
  const found = TYPE.exec(declared);
  if (!found) return undefined;
  const boundary = /;\s*boundary=(?:"([^"]+)"|([^\s;"]+))\s*$/i.exec(declared);
  return { essence: (found[1] ?? '').toLowerCase(), boundary: boundary?.[1] ?? boundary?.[2] };
}

export const NOTHING: Buffer = Buffer.alloc(0);
export const PLAIN_TEXT = 'text/plain';

/** `type/subtype` and parameters (RFC 9110 section 8.3.1). */
const TYPE = (() => {
  const token = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
  return new RegExp(`^(${token}/${token})(?:\\s*;\\s*${token}=(?:${token}|"[^"\\\\]*"))*\\s*$`);
})();
