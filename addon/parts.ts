/**
 * A unit as it goes to a scanner, in such parts that what the scanner reads is what will be sent. Pure. Part 0 is the request itself,
 * under a type and a coding that the scanner takes; the others are the extract: what stands in the request and a reader of part 0
 * does not see. What is sent upstream is the unit and nothing of this.
 */
import type { Host } from '../contracts/host.ts';
import { bytesInMemory } from './body.ts';
import { decodeContent } from './decode/inflate.ts';
import { readJson } from './decode/json.ts';
import { decodedLayers } from './decode/layers.ts';
import { readEnvelope } from './decode/multipart.ts';
import { readPairs } from './decode/pairs.ts';
import { Work } from './decode/work.ts';
import { EXTRACT_FIELD_BYTES, EXTRACT_OVERLAP, EXTRACT_SPARE } from './limits.ts';
import type { Field, Message, RequestHead, Unit } from './message.ts';
import { type ScannedPart, sha256 } from './receipt.ts';
import { valuesOf } from './request.ts';

/** One part as it is sent. */
export interface ScanPart extends ScannedPart {
  readonly body: Buffer;
}

/** What a scanner can do by itself. */
export interface ScannerLimits {
  /**
   * `all`: it decodes as much as we do, so the request itself is the only part. `plain`: it reads well-formed bodies of a few types
   * and decodes little; the rest is given to it in plain.
   */
  readonly reads: 'all' | 'plain';
  /** Bytes of one part's body, and so of a request's. */
  readonly bodyBytes: number;
}

/** The unit cannot be put in a form in which it could be scanned, so it must not be sent. */
export interface Unscannable {
  readonly kind: 'unscannable';
  readonly reason: string;
}

/** What all parts of one scan carry. */
export interface ScanName {
  /** The exchange's, in a field that pipelock writes into every line of its log. */
  readonly id: string;
  /** Random. */
  readonly nonce: string;
}

/** The field of part 0 that holds the extract of the request's head. */
export const EXTRACT_FIELD = 'X-Scan-Extract';

export function parts(
  { id, nonce }: ScanName,
  head: RequestHead,
  unit: Unit,
  limits: ScannerLimits,
): readonly ScanPart[] | Unscannable {
  const { read, body: sent } = unit.message
    ? { read: messageHead(head, unit.message), body: unit.message.bytes }
    : { read: head, body: bytesInMemory(unit) };
  if (!sent) return { kind: 'unscannable', reason: 'the body is not in memory' };
  const form = limits.reads === 'all' ? asItIs(read, unit, sent) : inPlain(read, unit, sent, limits);
  if ('kind' in form) return form;
  const host = scanHost(head.target.host);
  const extracts = windows(form.extract, limits.bodyBytes);
  const named: Field = ['X-Pipelock-Agent', id];
  const count = 1 + extracts.length;
  const first: Omit<ScanPart, 'bodySha256'> = {
    nonce,
    index: 0,
    count,
    method: read.method,
    // Scheme and port are in the journal: a network scanner's every name and port is the sink's.
    url: `http://${host}${read.path}`,
    fields: [...form.fields, named],
    trailers: [],
    body: form.body,
  };
  const further = extracts.map((body, at) => ({
    ...first,
    index: 1 + at,
    method: 'POST',
    url: `http://${host}/`,
    fields: [['Content-Type', PLAIN_TEXT], named] as const,
    body,
  }));
  return [first, ...further].map((part) => ({ ...part, bodySha256: sha256(part.body) }));
}

/**
 * The host as the scanner sees it. An address gets a name: whether it may be dialled is decided by policy and `allow_private`, and a
 * scanner that is a forward proxy would refuse it (private) or try to dial it past its only resolver (public, 10 s).
 */
export function scanHost(host: Host): string {
  if (host.kind === 'name') return host.text;
  return `ip-${host.text.replace(/::$/, '::0').replaceAll(/[.:]/g, '-')}.literal.invalid`;
}

/** A message is read under its own type; the head that began its stream was scanned with the first unit. */
function messageHead(head: RequestHead, { type }: Message): RequestHead {
  const fields = type === undefined ? [] : [['Content-Type', type] as const];
  return { method: 'POST', target: head.target, path: '/', fields };
}

/** A request in the form for one scanner. */
interface Form {
  readonly fields: readonly Field[];
  readonly body: Buffer;
  /** Empty: a reader of the rest sees everything. */
  readonly extract: Buffer;
}

/** Trailers stand among the fields: the call itself has none. */
function asItIs(head: RequestHead, unit: Unit, body: Buffer): Form {
  const trailers = unit.trailers.map(([name, value]): Field => [EXTRACT_FIELD, `${name} ${value}`]);
  return { fields: [...head.fields, ...trailers], body, extract: NOTHING };
}

function inPlain(head: RequestHead, unit: Unit, sent: Buffer, { bodyBytes }: ScannerLimits): Form | Unscannable {
  const content = decodeContent(sent, valuesOf(head.fields, 'content-encoding'), new Work(bodyBytes));
  if (content.kind === 'unscannable') return { ...content, reason: `the body ${content.reason}` };
  const { body } = content;
  if (body.length > bodyBytes)
    return { kind: 'unscannable', reason: `the body is larger than the scanner's ${bodyBytes} bytes` };

  const [declared] = valuesOf(head.fields, 'content-type');
  const reading = readBody(body, declared);
  const most = 2 * body.length + EXTRACT_SPARE;
  const layers = decodedLayers(reading.text, new Work(bodyBytes), most);
  const inHead = headExtract(head, unit.trailers, most);
  if (!layers || !inHead) return TOO_MUCH;
  const inField = inHead.length <= EXTRACT_FIELD_BYTES;
  const extract = joined([...reading.unseen, ...layers, inField ? NOTHING : inHead]);

  const kept = head.fields.filter(([name]) => !REWRITTEN.has(name.toLowerCase()));
  const type = reading.type === undefined ? [] : [['Content-Type', reading.type] as const];
  const trimmed = inHead.toString('latin1').replaceAll(/^[\t ]+|[\t ]+$/g, ''); // as every reader of a field does
  const inFields = inField ? [[EXTRACT_FIELD, trimmed] as const] : [];
  return { fields: [...kept, ...type, ...inFields], body, extract };
}

/** How the scanner reads the body under `type`. */
interface Reading {
  readonly type: string | undefined;
  /** What it reads, as text: whatever is encoded in it is looked for here. */
  readonly text: Buffer;
  /** What it does not read at all. */
  readonly unseen: readonly Buffer[];
}

/** A body that a strict reader of its type could refuse, or read in another way than we do, is plain text to the scanner. */
function readBody(body: Buffer, declared: string | undefined): Reading {
  const plain: Reading = { type: PLAIN_TEXT, text: body, unseen: [] };
  if (body.length === 0) return { ...plain, type: undefined };
  const type = declared === undefined ? undefined : readType(declared);
  if (type === undefined) return plain;
  if (type.essence === 'application/json' || type.essence.endsWith('+json')) {
    const json = readJson(body);
    if (!json) return plain;
    const numbers = Buffer.from(json.numbers, 'latin1');
    return {
      type: 'application/json',
      text: json.strings,
      unseen: json.isPlain ? [numbers] : [numbers, json.strings],
    };
  }
  if (type.essence === 'application/x-www-form-urlencoded') {
    const pairs = readPairs(body);
    return pairs ? { type: type.essence, text: pairs, unseen: [] } : plain;
  }
  if (type.essence === 'multipart/form-data') {
    const envelope = type.boundary === undefined ? undefined : readEnvelope(body, type.boundary);
    return envelope ? { type: declared, text: body, unseen: [envelope] } : plain;
  }
  return plain;
}

/** Undefined: not a media type with well-formed parameters. */
function readType(declared: string): { essence: string; boundary: string | undefined } | undefined {
  const found = TYPE.exec(declared);
  if (!found) return undefined;
  const boundary = /;\s*boundary=(?:"([^"]+)"|([^\s;"]+))\s*$/i.exec(declared);
  return { essence: (found[1] ?? '').toLowerCase(), boundary: boundary?.[1] ?? boundary?.[2] };
}

/**
 * Method, names of fields, the fields that the copy has in another form, trailers, and whatever path, host and values decode to.
 * Without control characters, which no field can hold; a tab stands for each, which scanners leave out like the others.
 */
function headExtract(
  { method, target, path, fields }: RequestHead,
  trailers: readonly Field[],
  most: number,
): Buffer | undefined {
  const names = [...fields, ...trailers].map(([name]) => name);
  const rewritten = [...fields.filter(([name]) => REWRITTEN.has(name.toLowerCase())), ...trailers].map(
    ([, value]) => value,
  );
  const read = [path, ...[...fields, ...trailers].map(([, value]) => value)];
  // The host by itself: beside something encoded it would be shown without its dots, and look like what it is not.
  const texts = [read.join(' '), target.host.text.replaceAll('.', '')];
  const layers = texts.map((text) => decodedLayers(latin1(text), new Work(EXTRACT_SPARE), most));
  if (layers.includes(undefined)) return undefined;
  const extract = joined([
    ...layers.flatMap((layer) => layer ?? []),
    latin1([...rewritten, ...names, method].join(' ')),
  ]);
  for (let at = 0; at < extract.length; at += 1) {
    const byte = extract[at] as number;
    if (byte < 0x20 || byte === 0x7f) extract[at] = TAB;
  }
  return extract;
}

/** A space between any two, none where there is nothing. */
function joined(texts: readonly Buffer[]): Buffer {
  const [only = NOTHING, ...more] = texts.filter((text) => text.length > 0);
  return more.length === 0 ? only : Buffer.concat([only, ...more.flatMap((text) => [ONE_SPACE, text])]);
}

/** The text in pieces that a scanner takes, each with the end of the one before it. */
function windows(text: Buffer, size: number): Buffer[] {
  const pieces: Buffer[] = [];
  const shared = Math.min(EXTRACT_OVERLAP, Math.floor(size / 2));
  for (let from = 0; from < text.length; from += size - shared) {
    pieces.push(text.subarray(from, from + size));
    if (from + size >= text.length) break;
  }
  return pieces;
}

function latin1(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

const NOTHING = Buffer.alloc(0);
const ONE_SPACE = Buffer.from(' ');
const TAB = 0x09;
const PLAIN_TEXT = 'text/plain';
/** Fields that the copy has anew, or not at all. */
const REWRITTEN = new Set(['content-type', 'content-encoding']);
const TOO_MUCH: Unscannable = { kind: 'unscannable', reason: 'the request decodes to more than can be scanned' };

/** `type/subtype` and parameters (RFC 9110 section 8.3.1). */
const TYPE = (() => {
  const token = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
  return new RegExp(`^(${token}/${token})(?:\\s*;\\s*${token}=(?:${token}|"[^"\\\\]*"))*\\s*$`);
})();
