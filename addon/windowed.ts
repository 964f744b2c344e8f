/**
 * The scan of a body that is too large for one look. The head goes to the scanner as a request without a body, then window after
 * window as a text of its own; each must be proven. How many there are is known at the end only, and only whoever made them has to know it.
 */
import { type Masked, sumMasked } from '../contracts/mask.ts';
import { decodedLayers, textIn } from './decode/layers.ts';
import { isPush } from './decode/object.ts';
import { SPACE } from './decode/sink.ts';
import { Work } from './decode/work.ts';
import { EXTRACT_SPARE } from './limits.ts';
import { countMasked, maskHashes, NO_MASKS } from './masks.ts';
import { type Field, refused, type RequestHead, type Unit } from './message.ts';
import {
  BETWEEN_RUNS,
  parts,
  scanHost,
  type ScannerLimits,
  type ScanName,
  type ScanPart,
  searchHidden,
} from './parts.ts';
import { sha256 } from './receipt.ts';
import { valuesOf } from './request.ts';
import type { WindowReview } from './secrets.ts';
import type { ScanResult } from './verdict.ts';
import { type Window, windowsOf } from './windows.ts';

export interface WindowedScan {
  readonly name: ScanName;
  readonly limits: ScannerLimits;
  /** Bytes of one window. */
  readonly windowBytes: number;
  /** Looks at a window before it goes out; undefined if there is nothing to look for. */
  readonly review: ((window: Buffer, begins: boolean) => WindowReview) | undefined;
  /** What the scanner is not asked about, so that only known values are looked for. */
  readonly leave: 'nothing' | 'body';
  /** Asks the scanner; never rejects. `seen`: known values have been looked for in the part's body. */
  readonly ask: (part: ScanPart, seen: 'seen' | 'unseen') => Promise<ScanResult>;
}

/** While one window is being scanned, the next is made. Never rejects. */
export async function scanWindowed(head: RequestHead, unit: Unit, scan: WindowedScan): Promise<ScanResult> {
  const first = parts(scan.name, head, { ...unit, size: 0, chunks: () => [NOTHING] }, scan.limits);
  if (first.kind !== 'prepared') return first;
  let index = 0;
  for (const part of first.parts) {
    const result = await scan.ask({ ...part, index, count: '*' }, 'unseen');
    if (result.kind !== 'allow') return result;
    index += 1;
  }
  try {
    return await scanBody(head, unit, index, scan);
  } catch {
    return { kind: 'error', cause: 'the body could not be read from the disk again' };
  }
}

async function scanBody(head: RequestHead, unit: Unit, first: number, scan: WindowedScan): Promise<ScanResult> {
  const { leave, review, windowBytes: size, limits } = scan;
  const unscanned = leave === 'body' ? { unscanned: unit.size } : {};
  if (leave === 'body' && !review) return { kind: 'allow', ...unscanned };
  const encodings = valuesOf(head.fields, 'content-encoding');
  const push = isPush(valuesOf(head.fields, 'content-type'));
  const separator = limits.reads === 'plain' ? { separator: SPACE } : {};
  const elsewhere = new Set<string>();
  let masked: readonly Masked[] = [];
  let index = first;
  let asked: Promise<ScanResult> = Promise.resolve(ALLOWED);
  for await (const window of windowsOf(unit, { size, encodings, push, ...separator })) {
    if (window.kind === 'refused' && leave === 'body') break; // nobody was to read it
    const shown = window.kind === 'refused' ? window : show(window, head, scan);
    const before = await asked;
    if (before.kind !== 'allow') return before;
    if (shown.kind !== 'shown') return shown;
    for (const name of shown.elsewhere) elsewhere.add(name);
    masked = sumMasked([...masked, ...shown.masked]);
    const some = shown.texts.map((text, at) => textPart(scan, head, text, index + at));
    index += some.length;
    asked = askAll(some, scan);
  }
  const last = await asked;
  if (last.kind !== 'allow') return last;
  const hidden = masked.length > 0 ? { masked } : {};
  return { ...last, ...unscanned, ...hidden, elsewhere: [...elsewhere] };
}

/** One window as the scanner is given it. */
interface Shown {
  readonly kind: 'shown';
  readonly texts: readonly Buffer[];
  readonly elsewhere: readonly string[];
  readonly masked: readonly Masked[];
}

type No = Exclude<ScanResult, { kind: 'allow' }>;

function show({ bytes, begins, packed }: Window, head: RequestHead, scan: WindowedScan): Shown | No {
  const { review, leave, limits } = scan;
  const reviewed = review ? review(bytes, begins) : ({ kind: 'reviewed', bytes, elsewhere: [] } as const);
  if (reviewed.kind === 'block') return reviewed;
  const { elsewhere } = reviewed;
  if (leave === 'body') return { kind: 'shown', texts: [], elsewhere, masked: [] };
  if (limits.reads === 'all') return { kind: 'shown', texts: [reviewed.bytes], elsewhere, masked: [] };
  const masks = packed && limits.masking ? limits.masking.masks : NO_MASKS;
  const { text, runs } = maskHashes(reviewed.bytes, masks(head.target.host));
  const hidden = searchHidden(runs, limits.masking);
  if ('kind' in hidden) return hidden;
  const extract = extractOf(hidden.length > 0 ? Buffer.concat([text, BETWEEN_RUNS, hidden]) : text, limits);
  if (!extract) return TOO_MUCH;
  const shown = packed ? textIn(text) : text; // of a picture there is nothing to be read
  return {
    kind: 'shown',
    texts: extract.length > 0 ? [shown, extract] : [shown],
    elsewhere,
    masked: countMasked(runs),
  };
}

async function askAll(some: readonly ScanPart[], { ask }: WindowedScan): Promise<ScanResult> {
  for (const [at, part] of some.entries()) {
    const result = await ask(part, at === 0 ? 'seen' : 'unseen');
    if (result.kind !== 'allow') return result;
  }
  return ALLOWED;
}

/** What a reader that decodes little does not see in a window. Undefined: too much. */
function extractOf(window: Buffer, { bodyBytes }: ScannerLimits): Buffer | undefined {
  const layers = decodedLayers(window, new Work(bodyBytes), 2 * window.length + EXTRACT_SPARE);
  const extract = layers && Buffer.concat(layers.flatMap((layer) => [layer, ONE_SPACE]));
  return extract && extract.length <= bodyBytes ? extract : undefined;
}

/** To a reader that refuses no form, a form stays one: its plus signs are spaces. Everything else is read as it stands. */
function textPart(
  { name: { id, nonce }, limits }: WindowedScan,
  head: RequestHead,
  body: Buffer,
  index: number,
): ScanPart {
  const [declared = ''] = valuesOf(head.fields, 'content-type');
  const type = limits.reads === 'all' && FORM.test(declared) ? 'application/x-www-form-urlencoded' : 'text/plain';
  const fields: Field[] = [
    ['Content-Type', type],
    ['X-Pipelock-Agent', id],
  ];
  const url = `http://${scanHost(head.target.host)}/`;
  return { nonce, index, count: '*', method: 'POST', url, fields, trailers: [], body, bodySha256: sha256(body) };
}

const FORM = /^application\/x-www-form-urlencoded\s*(;|$)/i;
const NOTHING = Buffer.alloc(0);
const ONE_SPACE = Buffer.from(' ');
const ALLOWED = { kind: 'allow' } as const;
const TOO_MUCH = refused(413, 'the body decodes to more than can be scanned');
