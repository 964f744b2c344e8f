/**
 * The scan of a body that is too large for one look. The head goes to the scanner as a request without a body, then window after
 * window as a text of its own; each must be proven. How many there are is known at the end only, and only whoever made them has to know it.
 */
import { decodedLayers } from './decode/layers.ts';
import { Work } from './decode/work.ts';
import { EXTRACT_SPARE } from './limits.ts';
import type { Field, RequestHead, Unit } from './message.ts';
import { parts, scanHost, type ScannerLimits, type ScanName, type ScanPart } from './parts.ts';
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
  const { leave, review, windowBytes, limits } = scan;
  const unscanned = leave === 'body' ? { unscanned: unit.size } : {};
  if (leave === 'body' && !review) return { kind: 'allow', ...unscanned };
  const encodings = valuesOf(head.fields, 'content-encoding');
  const elsewhere = new Set<string>();
  let index = first;
  let asked: Promise<ScanResult> = Promise.resolve(ALLOWED);
  for await (const window of windowsOf(unit, { size: windowBytes, encodings })) {
    if (window.kind === 'refused' && leave === 'body') break; // nobody was to read it
    const made = window.kind === 'window' ? reviewed(window, review) : window;
    const texts = made.kind === 'reviewed' && leave === 'nothing' ? textsOf(made.bytes, limits) : [];
    const before = await asked;
    if (before.kind !== 'allow') return before;
    if (made.kind !== 'reviewed') return made;
    if (!texts) return TOO_MUCH;
    for (const name of made.elsewhere) elsewhere.add(name);
    const some = texts.map((text, at) => textPart(scan, head, text, index + at));
    index += some.length;
    asked = askAll(some, scan);
  }
  const last = await asked;
  return last.kind === 'allow' ? { ...last, ...unscanned, elsewhere: [...elsewhere] } : last;
}

function reviewed({ bytes, begins }: Window, review: WindowedScan['review']): WindowReview {
  return review ? review(bytes, begins) : { kind: 'reviewed', bytes, elsewhere: [] };
}

async function askAll(some: readonly ScanPart[], { ask }: WindowedScan): Promise<ScanResult> {
  for (const [at, part] of some.entries()) {
    const result = await ask(part, at === 0 ? 'seen' : 'unseen');
    if (result.kind !== 'allow') return result;
  }
  return ALLOWED;
}

/** The window, and what a reader that decodes little does not see in it. Undefined: too much. */
function textsOf(window: Buffer, { reads, bodyBytes }: ScannerLimits): readonly Buffer[] | undefined {
  if (reads === 'all') return [window];
  const layers = decodedLayers(window, new Work(bodyBytes), 2 * window.length + EXTRACT_SPARE);
  if (!layers) return undefined;
  const extract = Buffer.concat(layers.flatMap((layer) => [layer, SPACE]));
  if (extract.length > bodyBytes) return undefined;
  return extract.length === 0 ? [window] : [window, extract];
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
const SPACE = Buffer.from(' ');
const ALLOWED = { kind: 'allow' } as const;
const TOO_MUCH: ScanResult = { kind: 'refused', status: 413, reason: 'the body decodes to more than can be scanned' };
