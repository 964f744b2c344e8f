/**
 * What is in a request that should not leave. Pure: same request, same findings. URL, then body, then header fields; the first of
 * them with a finding ends the scan.
 */
import type { OwnCredential } from '../../contracts/credential.ts';
import { type Field, isPerHop, SCAN_ID_FIELD } from '../receipt.ts';
import { decodeContent } from '../decode/inflate.ts';
import { nextLayer } from '../decode/layer.ts';
import type { Finding, Place, ScanRequest } from './finding.ts';
import { Matcher } from './match.ts';
import { isOwnHeader, withoutOwnMembers } from './own.ts';
import type { Rule } from './rules/rule.ts';
import { RULES } from './rules/table.ts';
import { valueWithoutCarriers, withoutCarriers } from './url/carriers.ts';
import { judgeDestination, judgeShape } from './url/judge.ts';
import { hostOf, parseTarget, type Target } from './url/target.ts';
import { readPacks } from '../decode/pack.ts';
import { Work } from '../decode/work.ts';

/** Layers of encoding that are undone, one inside the other. Three are promised; percent alone may take some more. */
const MAX_LAYERS = 8;
/** A body is looked at in pieces of this size, so that its decoded copies stay small beside it. */
const PIECE = 8 * 1024 * 1024;
/** What two pieces share: more than any rule reaches, encoded three times. */
const OVERLAP = 32 * 1024;

const matcher = new Matcher(RULES);

export function detect(request: ScanRequest, own: readonly OwnCredential[], work = new Work()): Finding[] {
  const target = parseTarget(request.url);
  if (target.kind === 'invalid') return [{ kind: 'url', scanner: 'parser', reason: 'invalid URL' }];
  const inUrl = scanUrl(request, target, work);
  if (inUrl.length > 0) return inUrl;
  const inBody = scanBody(request, target, own, work);
  if (inBody.length > 0) return inBody;
  return scanFields(request, target, own, work);
}

/** The rules that match a text as it stands, undecoded. */
export function secretsIn(text: Buffer): string[] {
  const found = new Set<Rule>();
  const work = new Work();
  matcher.match(text, 'body', work, found);
  return work.exhausted === undefined || found.size > 0 ? [...found].map(({ name }) => name) : [work.exhausted];
}

function scanUrl(request: ScanRequest, target: Target, work: Work): Finding[] {
  const destination = judgeDestination(target, request.url);
  if (destination) return [destination];
  const url = withoutCarriers(request.url, hostOf(target));
  const joined = target.host.replaceAll('.', ''); // a credential cut into labels
  const text = [url, formSpaces(url), joined].join('\f');
  const secrets = scanText(Buffer.from(text, 'latin1'), { kind: 'url' }, work);
  if (secrets.length > 0) return secrets;
  const shape = judgeShape(target);
  return shape ? [shape] : [];
}

function scanBody(request: ScanRequest, target: Target, own: readonly OwnCredential[], work: Work): Finding[] {
  const place = { kind: 'body' } as const;
  const encodings = request.fields
    .filter(([name]) => name.toLowerCase() === 'content-encoding')
    .map(([, value]) => value);
  const content = decodeContent(request.body, encodings, work);
  if (content.kind === 'unscannable') return [{ ...content, place }];
  const body = withoutOwnMembers(own, hostOf(target), target.path, content.body);
  const isForm = request.fields.some(
    ([name, value]) => name.toLowerCase() === 'content-type' && /urlencoded/i.test(value),
  );
  for (const piece of pieces(body)) {
    const found = scanText(piece, place, work);
    if (found.length > 0) return found;
    const spaced = isForm ? scanText(Buffer.from(formSpaces(piece.toString('latin1')), 'latin1'), place, work) : [];
    if (spaced.length > 0) return spaced;
  }
  // A body whose coding no header says is opened by its first bytes; see nextLayer.
  return scanPacks(request, content.body, work);
}

/** Of the body as a whole: a pack has to be read from its beginning. */
function scanPacks({ fields }: ScanRequest, body: Buffer, work: Work): Finding[] {
  const place = { kind: 'body' } as const;
  const packed = readPacks(body, work);
  if (!packed) return [];
  for (const piece of pieces(packed.content)) {
    const found = scanText(piece, place, work);
    if (found.length > 0) return found;
  }
  if (work.exhausted !== undefined) return [{ kind: 'unscannable', place, why: 'size', reason: work.exhausted }];
  const isPush = fields.some(
    ([name, value]) => name.toLowerCase() === 'content-type' && /^application\/x-git-receive-pack-request/i.test(value),
  );
  return packed.isWhole || !isPush
    ? []
    : [{ kind: 'unscannable', place, why: 'form', reason: 'holds git objects that cannot be read' }];
}

function* pieces(text: Buffer): Generator<Buffer> {
  for (let from = 0; from < text.length; from += PIECE) yield text.subarray(from, from + PIECE + OVERLAP);
}

/** A form writes spaces as "+"; base64 in a form that is not quite one has a "+" of its own, so both are looked at. */
function formSpaces(text: string): string {
  return text.includes('+') ? text.replaceAll('+', ' ') : '';
}

/** All fields are looked at as one text; only if there is something in it, one by one to say where. */
function scanFields(request: ScanRequest, target: Target, own: readonly OwnCredential[], work: Work): Finding[] {
  const host = hostOf(target);
  const fields: Field[] = [[':method', request.method] as const, ...request.fields, ...request.trailers]
    .map(([name, value]): Field => [name.toLowerCase(), value])
    .filter(([name, value]) => !isPerHop(name) && !isScanId(name, value) && !isOwnHeader(own, host, name, value))
    .map(([name, value]): Field => [name, valueWithoutCarriers(name, value, host)]);
  const all = fields.map(([name, value]) => `${name}\f${value}`).join('\f');
  const found = scanText(Buffer.from(all, 'latin1'), { kind: 'header', name: '' }, work);
  if (found.length === 0) return [];
  const named = fields.flatMap(([name, value]) =>
    scanText(Buffer.from(`${name}\f${value}`, 'latin1'), { kind: 'header', name }, new Work()),
  );
  return named.length > 0 ? named : found;
}

/** The caller's name for this scan (see `serve.ts`); anything longer or other in that field is looked at. */
function isScanId(name: string, value: string): boolean {
  return name === SCAN_ID_FIELD && /^[a-z0-9-]{1,64}$/.test(value);
}

/** The text as it is, and whatever it decodes to, layer by layer. */
function scanText(text: Buffer, place: Place, work: Work): Finding[] {
  const found = new Set<Rule>();
  let layer = text;
  for (let depth = 0; depth <= MAX_LAYERS && layer.length > 0 && found.size === 0; depth += 1) {
    if (work.scan(layer.length)) matcher.match(layer, place.kind, work, found);
    if (found.size > 0 || work.exhausted !== undefined) break;
    layer = nextLayer(layer, work);
  }
  if (found.size === 0 && work.exhausted !== undefined)
    return [{ kind: 'unscannable', place, why: 'size', reason: work.exhausted }];
  return [...found].map((rule) => ({ kind: 'secret', place, rule: rule.name, severity: rule.severity }));
}
