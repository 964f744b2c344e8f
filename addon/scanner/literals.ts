/**
 * Finds many short texts in one pass over bytes (Wu and Manber, 1994: blocks of two bytes, windows of three). One pass over
 * 1 MB costs about a millisecond whatever the number of texts, and hostile input cannot make it worse than linear.
 */

export interface Literal {
  /** ASCII, at least three characters. */
  readonly text: string;
  /** `any`: upper and lower case are the same. */
  readonly case: 'exact' | 'any';
}

const WINDOW = 3;
/** From frequent to rare in English and in code; what is missing counts as rarest. */
const FREQUENT = 'etaoinsrlcdupmfghbvywkxqjz_-./0123456789';

interface Entry {
  readonly id: number;
  /** Folded to lower case if `any`. */
  readonly bytes: Uint8Array;
  readonly fold: boolean;
  /** Where in the literal the window of three stands that is searched for. */
  readonly at: number;
}

export class LiteralIndex {
  readonly #shift = new Uint8Array(65_536).fill(WINDOW - 1);
  readonly #bucket = new Uint16Array(65_536);
  readonly #entries: Entry[][] = [[]];

  constructor(literals: readonly Literal[]) {
    for (const [id, literal] of literals.entries()) this.#add(id, literal);
  }

  /** Calls `onHit` with the literal's index and offset, for every occurrence, until it returns false. */
  find(bytes: Uint8Array, onHit: (literal: number, offset: number) => boolean): void {
    const [shift, last] = [this.#shift, bytes.length - 1];
    let at = 1;
    while (at < last) {
      const pair = (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
      const step = shift[pair] as number;
      if (step !== 0) {
        at += step;
        continue;
      }
      for (const entry of this.#entries[this.#bucket[pair] as number] as Entry[]) {
        const offset = at - 1 - entry.at;
        if (standsAt(bytes, offset, entry) && !onHit(entry.id, offset)) return;
      }
      at += 1;
    }
  }

  #add(id: number, literal: Literal): void {
    const fold = literal.case === 'any';
    const bytes = Buffer.from(fold ? literal.text.toLowerCase() : literal.text, 'latin1');
    if (bytes.length < WINDOW) throw new Error(`literal too short: ${literal.text}`);
    const at = rarestWindow(bytes);
    const entry: Entry = { id, bytes, fold, at };
    for (const pair of pairs(bytes[at], bytes[at + 1], fold))
      this.#shift[pair] = Math.min(this.#shift[pair] as number, 1);
    for (const pair of pairs(bytes[at + 1], bytes[at + 2], fold)) {
      this.#shift[pair] = 0;
      if (this.#bucket[pair] === 0) this.#bucket[pair] = this.#entries.push([]) - 1;
      this.#entries[this.#bucket[pair] as number]?.push(entry);
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
  const cases = (byte: number) => (fold && byte >= 97 && byte <= 122 ? [byte, byte - 32] : [byte]);
  return cases(first).flatMap((a) => cases(second).map((b) => a | (b << 8)));
}

function rarestWindow(bytes: Uint8Array): number {
  const rarity = [...bytes].map((byte) => {
    const rank = FREQUENT.indexOf(String.fromCharCode(byte));
    return rank < 0 ? FREQUENT.length : rank;
  });
  let [best, at] = [-1, 0];
  for (let start = 0; start + WINDOW <= bytes.length; start += 1) {
    // The second pair decides how often a place is looked at closely.
    const score = (rarity[start] ?? 0) + 2 * (rarity[start + 1] ?? 0) + 2 * (rarity[start + 2] ?? 0);
    if (score > best) [best, at] = [score, start];
  }
  return at;
}
