/**
 * Finds many short texts in one pass over bytes. Every text is known by its rarest pair of neighbours; one look-up for each byte
 * says whether a pair is one of them. 1 MB costs some milliseconds whatever the number of texts, and no input costs much more.
 */

export interface Literal {
  /** ASCII, at least three characters. */
  readonly text: string;
  /** `any`: upper and lower case are the same. */
  readonly case: 'exact' | 'any';
}

/** From frequent to rare in English and in code; what is missing counts as rarest. */
const FREQUENT = ' etaoinsrlcdupmfghbvy/.=w-kx_qjz0123456789';

interface Entry {
  readonly id: number;
  /** Folded to lower case if `any`. */
  readonly bytes: Uint8Array;
  readonly fold: boolean;
  /** Where in the literal its pair stands; never at the beginning. */
  readonly at: number;
}

export class LiteralIndex {
  /** For each pair of bytes, the place of its entries; 0 for most. */
  readonly #bucket = new Uint16Array(65_536);
  /** 1 for each hash of a pair and the byte before it: keeps most places from a closer look. */
  readonly #seen = new Uint8Array(65_536);
  readonly #entries: Entry[][] = [[]];

  constructor(literals: readonly Literal[]) {
    for (const [id, literal] of literals.entries()) this.#add(id, literal);
  }

  /** Calls `onHit` with the literal's index and offset, for every occurrence, until it returns false. */
  find(bytes: Uint8Array, onHit: (literal: number, offset: number) => boolean): void {
    const [bucket, seen, length] = [this.#bucket, this.#seen, bytes.length];
    let before = bytes[0] ?? 0;
    for (let at = 1; at < length; at += 1) {
      const byte = bytes[at] as number;
      const pair = before | (byte << 8);
      before = byte;
      const place = bucket[pair] as number;
      if (place === 0 || at < 2 || seen[hashOf(bytes[at - 2] as number, pair)] === 0) continue;
      for (const entry of this.#entries[place] as Entry[]) {
        const offset = at - 1 - entry.at;
        if (standsAt(bytes, offset, entry) && !onHit(entry.id, offset)) return;
      }
    }
  }

  #add(id: number, literal: Literal): void {
    const fold = literal.case === 'any';
    const bytes = Buffer.from(fold ? literal.text.toLowerCase() : literal.text, 'latin1');
    if (bytes.length < 3) throw new Error(`literal too short: ${literal.text}`);
    const at = rarestPair(bytes);
    const entry: Entry = { id, bytes, fold, at };
    for (const pair of pairs(bytes[at], bytes[at + 1], fold)) {
      if (this.#bucket[pair] === 0) this.#bucket[pair] = this.#entries.push([]) - 1;
      this.#entries[this.#bucket[pair] as number]?.push(entry);
      for (const first of cases(bytes[at - 1] as number, fold)) this.#seen[hashOf(first, pair)] = 1;
    }
  }
}

function standsAt(bytes: Uint8Array, offset: number, entry: Entry): boolean {
  const wanted = entry.bytes;
  if (offset < 0 || offset + wanted.length > bytes.length) return false;
  for (let i = 0; i < wanted.length; i += 1) {
    const byte = bytes[offset + i] as number;
    const read = entry.fold && byte >= 65 && byte <= 90 ? byte | 32 : byte;
    if (read !== wanted[i]) return false;
  }
  return true;
}

/** Two bytes as one number, in every case they may come in. */
function pairs(first = 0, second = 0, fold: boolean): number[] {
  return cases(first, fold).flatMap((a) => cases(second, fold).map((b) => a | (b << 8)));
}

function cases(byte: number, fold: boolean): number[] {
  return fold && byte >= 97 && byte <= 122 ? [byte, byte - 32] : [byte];
}

function hashOf(first: number, pair: number): number {
  return (pair ^ (first * 0x9e5)) & 0xffff;
}

function rarestPair(bytes: Uint8Array): number {
  const rarity = Array.from(bytes, (byte) => {
    const rank = FREQUENT.indexOf(String.fromCharCode(byte));
    return rank < 0 ? FREQUENT.length : rank;
  });
  let [best, at] = [-1, 1];
  for (let start = 1; start + 1 < bytes.length; start += 1) {
    const score = (rarity[start] ?? 0) + (rarity[start + 1] ?? 0);
    if (score > best) [best, at] = [score, start];
  }
  return at;
}
