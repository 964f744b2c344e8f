/** Whether the scanner really finds: what is harmless must be proven, and a made-up secret must come back as a block wherever it stands. */
import { unitInMemory } from './body.ts';
import type { RequestHead, Unit } from './message.ts';
import type { ScanResult } from './verdict.ts';

export type Scan = (head: RequestHead, unit: Unit) => Promise<ScanResult>;

/** All that is wrong with the scanner, or undefined. Never rejects. */
export async function selfTest(scan: Scan): Promise<string | undefined> {
  const [first, ...others] = PROBES;
  // One alone at first: a scanner that does not answer is waited for once.
  const failure = await tryOne(scan, first);
  if (failure !== undefined) return failure;
  const failures = await Promise.all(others.map((probe) => tryOne(scan, probe)));
  return failures.filter((found) => found !== undefined).join('; ') || undefined;
}

async function tryOne(scan: Scan, { name, head, body, block }: Probe): Promise<string | undefined> {
  const result = await scan({ ...HEAD, ...head }, unitOf(body));
  if (result.kind === 'error') return `${name}: ${result.cause}`;
  if (result.kind === 'refused') return `${name} was refused: ${result.reason}`;
  if (result.kind === 'allow') return block ? `${name} was let pass` : undefined;
  return block?.test(result.finding) ? undefined : `${name} was answered "${result.finding}"`;
}

interface Probe {
  readonly name: string;
  readonly head: Partial<RequestHead>;
  readonly body: string;
  /** How its finding begins; none: it must be proven. */
  readonly block?: RegExp;
}

const JSON_FIELDS: RequestHead['fields'] = [['Content-Type', 'application/json']];
const HEAD: RequestHead = {
  method: 'POST',
  target: { scheme: 'https', host: { kind: 'name', text: 'self-test.invalid' }, port: 443 },
  path: '/self-test',
  fields: JSON_FIELDS,
};

/** Shaped like credentials, and nobody's. Put together here, so that this file is no finding of anyone's. */
const [AWS, ANTHROPIC, GITHUB] = [
  ['AKIA', 'Q3EGRZPXV4T7KWJB'],
  ['sk-ant-', 'api03-Zq3vT8mKw5Xr9Lb2'],
  ['ghp_', 'Zq3vT8mKw5Xr9Lb2Nc6Yd4Hs7Jf1Gt0PeUaB'],
].map((parts) => parts.join(''));

const PROBES: readonly [Probe, ...Probe[]] = [
  { name: 'a harmless request', head: {}, body: '{"text":"hello"}' },
  {
    name: 'a harmless request with a dozen keys of one name',
    head: {},
    body: JSON.stringify(Array.from({ length: 12 }, () => ({ type: 'text' }))),
  },
  {
    name: 'a secret in a body',
    head: {},
    body: JSON.stringify({ text: AWS }),
    block: /^blocked: request body contains secret: /,
  },
  {
    name: 'a secret in a header field',
    head: { fields: [...JSON_FIELDS, ['X-Note', ANTHROPIC ?? '']] },
    body: '{}',
    block: /^blocked: request header contains secret/,
  },
  {
    name: 'a secret in a URL',
    head: { method: 'GET', path: `/self-test?note=${GITHUB}`, fields: [] },
    body: '',
    block: /^blocked: (core )?DLP match: /,
  },
];

function unitOf(text: string): Unit {
  return unitInMemory(Buffer.from(text));
}
