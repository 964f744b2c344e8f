/**
 * A unit as it goes to a scanner, in such parts that what the scanner reads is what will be sent. Pure. Part 0 is the request itself,
 * under a type and a coding that the scanner takes; the others are the extract: what stands in the request and a reader of part 0
 * does not see. What is sent upstream is the unit and nothing of this.
 */
import type { Host } from '../contracts/host.ts';
import { trimBlanks } from './blanks.ts';
import { bytesInMemory } from './body.ts';
import type { Masked } from '../contracts/mask.ts';
import { decodeContent } from './decode/inflate.ts';
import { decodedLayers, textIn } from './decode/layers.ts';
import { Work } from './decode/work.ts';
import { EXTRACT_FIELD_BYTES, EXTRACT_OVERLAP, EXTRACT_SPARE } from './limits.ts';
import { countMasked, type Masks, NO_MASKS, type Run } from './masks.ts';
import { type Field, type Message, type Refusal, refused, type RequestHead, type Unit } from './message.ts';
import { NOTHING, PLAIN_TEXT, readBody, readPacked, readText } from './reading.ts';
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
  /** Without it, it is shown everything. */
  readonly masking?: Masking;
}

/** What a scanner is not shown, and what is searched in its place. */
export interface Masking {
  readonly masks: Masks;
  /** Names of the rules that find a secret. */
  readonly secretsIn: (hidden: Buffer) => readonly string[];
}

/** A unit in the form in which it is scanned. */
export interface Prepared {
  readonly kind: 'prepared';
  readonly parts: readonly ScanPart[];
  /** What is in none of the parts as it stands, and was searched here. */
  readonly masked: readonly Masked[];
  /** Bytes of the parts that are no part of the unit itself: they are held until all are scanned. */
  readonly copied: number;
}

/**
 * What making the parts came to. A refusal: there is no form in which the unit could be scanned. A block: a secret stands in what is
 * masked.
 */
export type Preparation = Prepared | Refusal | { readonly kind: 'block'; readonly finding: string };

/** What all parts of one scan carry. */
export interface ScanName {
  /** The exchange's, in a field that pipelock writes into every line of its log. */
  readonly id: string;
  /** Random. */
  readonly nonce: string;
}

/** The field of part 0 that holds the extract of the request's head. */
export const EXTRACT_FIELD = 'X-Scan-Extract';

export function parts({ id, nonce }: ScanName, head: RequestHead, unit: Unit, limits: ScannerLimits): Preparation {
  const { read, body: sent } = unit.message
    ? { read: messageHead(head, unit.message), body: unit.message.bytes }
    : { read: head, body: bytesInMemory(unit) };
  if (!sent) return refused(413, 'the body is too large to be read as one');
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
    url: `http://${host}${read.path === '*' ? '/*' : read.path}`, // no URI has the asterisk by itself
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
  return {
    kind: 'prepared',
    parts: [first, ...further].map((part) => ({ ...part, bodySha256: sha256(part.body) })),
    masked: form.masked,
    copied: (form.body === sent ? 0 : form.body.length) + form.extract.length,
  };
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
  readonly masked: readonly Masked[];
}

/** Trailers stand among the fields: the call itself has none. */
function asItIs(head: RequestHead, unit: Unit, body: Buffer): Form {
  const trailers = unit.trailers.map(([name, value]): Field => [EXTRACT_FIELD, `${name} ${value}`]);
  return { fields: [...head.fields, ...trailers], body, extract: NOTHING, masked: [] };
}

function inPlain(
  head: RequestHead,
  unit: Unit,
  sent: Buffer,
  { bodyBytes, masking }: ScannerLimits,
): Form | Exclude<Preparation, Prepared> {
  const content = decodeContent(sent, valuesOf(head.fields, 'content-encoding'), new Work(bodyBytes));
  if (content.kind === 'unscannable') return refused(content.why === 'size' ? 413 : 400, `the body ${content.reason}`);
  if (content.body.length > bodyBytes) return refused(413, `the body is larger than the scanner's ${bodyBytes} bytes`);

  const [declared] = valuesOf(head.fields, 'content-type');
  const here = (masking?.masks ?? NO_MASKS)(head.target.host);
  const covered = masking && unit.message?.covered;
  const reading = covered ? readText(content.body, covered) : readBody(content.body, declared, here);
  const packed = readPacked(content.body, declared, new Work(bodyBytes), here);
  if ('kind' in packed) return packed;
  const runs = [...reading.runs, ...packed.runs];
  const hidden = searchHidden(runs, masking);
  if ('kind' in hidden) return hidden;

  const most = 2 * (content.body.length + packed.text.length) + EXTRACT_SPARE;
  const work = new Work(bodyBytes);
  const encoded = packed.text.length > 0 ? Buffer.concat([reading.text, BETWEEN_RUNS, packed.text]) : reading.text;
  const inText = decodedLayers(encoded, work, most);
  // By itself: around an escape a layer has the text as it stands, and what is hidden would be shown there.
  const inHidden = inText && decodedLayers(hidden, work, most - inText.reduce((sum, { length }) => sum + length, 0));
  const inHead = headExtract(head, unit.trailers, most);
  if (!inHidden || !inHead) return refused(413, 'the request decodes to more than can be scanned');
  const inField = inHead.length <= EXTRACT_FIELD_BYTES;
  const extract = joined([...reading.unseen, textIn(packed.text), ...inText, ...inHidden, inField ? NOTHING : inHead]);

  const kept = head.fields.filter(([name]) => !REWRITTEN.has(name.toLowerCase()));
  const type = reading.type === undefined ? [] : [['Content-Type', reading.type] as const];
  const trimmed = trimBlanks(inHead.toString('latin1')); // as every reader of a field does
  const inFields = inField ? [[EXTRACT_FIELD, trimmed] as const] : [];
  return { fields: [...kept, ...type, ...inFields], body: reading.body, extract, masked: countMasked(runs) };
}

/** What masks cover, as one text; a block if a secret stands in it. */
export function searchHidden(
  runs: readonly Run[],
  masking: Masking | undefined,
): Buffer | Extract<Preparation, { kind: 'block' }> {
  const hidden = Buffer.concat(runs.flatMap(({ bytes }) => [bytes, BETWEEN_RUNS]));
  const names = runs.length > 0 && masking ? masking.secretsIn(hidden) : [];
  if (names.length === 0) return hidden;
  return { kind: 'block', finding: `blocked: request body contains secret: ${names.join(', ')}` };
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

const ONE_SPACE = Buffer.from(' ');
const TAB = 0x09;
/** Fields that the copy has anew, or not at all. */
const REWRITTEN = new Set(['content-type', 'content-encoding']);
/** Of no alphabet, and no line end: base64 does not go on behind it. */
export const BETWEEN_RUNS = Buffer.from('\f');
