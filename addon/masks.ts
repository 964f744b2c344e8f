/**
 * Leaves out of what a scanner of others is shown what it would wrongly take for a secret. Pure. A mask covers a run that is wholly base64,
 * at a declared place of a body that our own strict reader takes for JSON; or what has one of a few exact forms, a lockfile's hash or a
 * token that is worth nothing elsewhere. Never plain text. What it covers is given back, to be searched in another way.
 */
import type { Host } from '../contracts/host.ts';
import { type Mask, type Masked, sumMasked } from '../contracts/mask.ts';
import { ruleCoversHost } from '../contracts/policy.ts';
import type { Covered } from './covered.ts';
import { type JsonText, readJson } from './decode/json.ts';
import { type Place, placesOf } from './decode/places.ts';
import { LEAST_MASKED } from './limits.ts';

/** The masks towards one host. */
export interface HostMasks {
  readonly top: Place;
  /** The mask of each declared place, in the order of the places. */
  readonly names: readonly string[];
  /** The mask of hashes, if one is on. */
  readonly hashes: string | undefined;
}

export type Masks = (host: Host) => HostMasks;

/** What is left of a text, and what was taken out of it. */
export interface Unmasked {
  readonly text: Buffer;
  readonly runs: readonly Run[];
}

export interface Run {
  readonly mask: string;
  readonly bytes: Buffer;
}

export function makeMasks(masks: readonly Mask[]): Masks {
  const known = new Map<string, HostMasks>();
  return (host) => {
    const here = masks.filter(({ hosts }) => hosts?.some((rule) => ruleCoversHost(rule, host)) ?? true);
    const key = here.map((mask) => masks.indexOf(mask)).join(); // not the host: an agent can make up as many as it likes
    const made = known.get(key) ?? compile(here);
    known.set(key, made);
    return made;
  };
}

export const NO_MASKS: Masks = makeMasks([]);

function compile(masks: readonly Mask[]): HostMasks {
  const places = masks.flatMap((mask) => mask.places.map((place) => ({ place, name: mask.name })));
  return {
    top: placesOf(places.map(({ place }) => place)),
    names: places.map(({ name }) => name),
    hashes: masks.find(({ hashes }) => hashes)?.name,
  };
}

/** JSON without what the masks cover, read anew. Undefined: it is no JSON. */
export function maskJson(body: Buffer, masks: HostMasks): (Unmasked & { readonly json: JsonText }) | undefined {
  const read = readCovered(body, masks);
  if (!read) return undefined;
  const left = without(body, read.covered);
  // A word without quotes or backslashes takes the place of another inside a string: it is JSON as before.
  const again = left.runs.length === 0 ? read.json : readJson(left.text);
  return again && { ...left, json: again };
}

/** What the masks cover of a message of this type; nothing of what is no JSON. */
export function coveredIn(type: string | undefined, bytes: Buffer, masks: HostMasks): readonly Covered[] {
  if (type !== 'application/json' || (masks.top.isBarren && masks.hashes === undefined)) return [];
  return readCovered(bytes, masks)?.covered ?? [];
}

/** JSON and what the masks cover of it. Undefined: it is no JSON. */
function readCovered(body: Buffer, masks: HostMasks): { json: JsonText; covered: Covered[] } | undefined {
  const covered: Covered[] = [];
  const json = readJson(body, {
    top: masks.top,
    found([first = 0], from, to) {
      const start = base64In(body, from, to);
      if (start !== undefined) covered.push({ mask: masks.names[first] ?? '', from: start, to });
    },
  });
  return json && { json, covered: [...covered, ...hashesIn(body, masks)] };
}

/** Text without the hashes that a mask covers. */
export function maskHashes(text: Buffer, masks: HostMasks): Unmasked {
  return without(text, hashesIn(text, masks));
}

/** Bytes by mask. */
export function countMasked(runs: readonly Run[]): Masked[] {
  return sumMasked(runs.map(({ mask, bytes }) => ({ mask, bytes: bytes.length })));
}

/** Where base64 begins that reaches from there to the end, alone or behind the head of a `data:` URL. */
function base64In(bytes: Buffer, from: number, to: number): number | undefined {
  const [head = ''] = DATA_URL.exec(bytes.toString('latin1', from, Math.min(to, from + LONGEST_HEAD))) ?? [];
  const start = from + head.length;
  let end = to;
  while (end > start && end > to - 2 && bytes[end - 1] === EQUALS) end -= 1;
  if (end - start < LEAST_MASKED) return undefined;
  for (let at = start; at < end; at += 1) if (BASE64[bytes[at] as number] === 0) return undefined;
  return start;
}

function hashesIn(bytes: Buffer, { hashes }: HostMasks): Covered[] {
  if (hashes === undefined) return [];
  const spans: Covered[] = [];
  for (const { prefix, form } of [...HASHES, LOCAL_TOKEN])
    for (let at = bytes.indexOf(prefix); at >= 0; at = bytes.indexOf(prefix, at + prefix.length)) {
      const from = at + prefix.length;
      const [hash] = form.exec(bytes.toString('latin1', from, from + LONGEST_HASH)) ?? [];
      if (hash !== undefined && isFree(bytes, at)) spans.push({ mask: hashes, from, to: from + hash.length });
    }
  return spans;
}

/** Nothing that could belong to it stands in front; the letter of an escape (`\n`) does not. */
function isFree(bytes: Buffer, at: number): boolean {
  const before = bytes.toString('latin1', Math.max(0, at - 2), at);
  return !/[A-Za-z0-9+/=_-]$/.test(before) || /^\\[nrt]$/.test(before);
}

/** Text without what is known to be covered of it. */
export function without(text: Buffer, spans: readonly Covered[]): Unmasked {
  const runs: Run[] = [];
  const pieces: Buffer[] = [];
  let done = 0;
  for (const { mask, from, to } of spans.toSorted((a, b) => a.from - b.from)) {
    if (from < done) continue; // a hash inside a run that is covered as a whole
    pieces.push(text.subarray(done, from), WORD);
    runs.push({ mask, bytes: text.subarray(from, to) });
    done = to;
  }
  return runs.length === 0 ? { text, runs } : { text: Buffer.concat([...pieces, text.subarray(done)]), runs };
}

/** Stands where something was taken out. */
const WORD = Buffer.from('masked');
const EQUALS = 0x3d;
const BASE64 = new Uint8Array(256);
for (const character of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_')
  BASE64[character.charCodeAt(0)] = 1;

/** Media type, parameters and the word that says that it is base64 (RFC 2397). */
const DATA_URL = /^data:[\w.+-]{1,60}\/[\w.+-]{1,60}(?:;[\w-]{1,30}=[\w.+-]{1,60}){0,4};base64,/;
const LONGEST_HEAD = 300;

/** Forms of hashes in lockfiles (Subresource Integrity section 3.5, and go.sum): exactly as long as the hash is, and nothing of base64 behind. */
const HASHES = [
  { prefix: 'sha1-', characters: 27, padding: '=' },
  { prefix: 'sha256-', characters: 43, padding: '=' },
  { prefix: 'sha384-', characters: 64, padding: '' },
  { prefix: 'sha512-', characters: 86, padding: '==' },
  { prefix: 'h1:', characters: 43, padding: '=' },
].map(({ prefix, characters, padding }) => ({
  prefix: Buffer.from(prefix),
  form: new RegExp(`^[A-Za-z0-9+/]{${characters}}${padding}(?![A-Za-z0-9+/=_-])`),
}));
/** Claude Code's own, in the environment of all that it runs; worth nothing outside the agent, where its socket is. */
const LOCAL_TOKEN = { prefix: Buffer.from('CLAUDE_CODE_MESSAGING_TOKEN='), form: /^[0-9a-f]{32}(?![0-9a-f])/ };
const LONGEST_HASH = 92;
