/** The ways in which a value may be written in a message, and the search for any of them. Pure; spellings are made once. */

/**
 * Every spelling that is looked for, always in the same order and, for two values of the same letters-and-digits length, of the same
 * lengths: so that one can be put in the place of the other.
 */
export function spellingsOf(value: string): Buffer[] {
  const bytes = Buffer.from(value, 'latin1');
  const hex = bytes.toString('hex');
  const percent = hex.replaceAll(/../g, '%$&');
  const json = JSON.stringify(value).slice(1, -1);
  const unicode = hex.replaceAll(/../g, '\\u00$&');
  return [
    value,
    ...base64At(bytes),
    hex,
    hex.toUpperCase(),
    percent,
    percent.toUpperCase(),
    encodeURIComponent(value),
    encodeURIComponent(value).replaceAll(/%../g, (code) => code.toLowerCase()),
    json,
    json.replaceAll('/', '\\/'),
    unicode,
    unicode.replaceAll(/\\u00../g, (code) => `\\u${code.slice(2).toUpperCase()}`),
    value.split('').toReversed().join(''),
  ].map((text) => Buffer.from(text, 'latin1'));
}

/** The characters of base64 that depend on the value alone, for each offset that it may have in a longer text, in both alphabets. */
function base64At(bytes: Buffer): string[] {
  return [0, 1, 2].flatMap((offset) => {
    const text = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64');
    const own = text.slice(Math.ceil((offset * 8) / 6), Math.floor(((offset + bytes.length) * 8) / 6));
    return [own, own.replaceAll('+', '-').replaceAll('/', '_')];
  });
}

/** Looks for any spelling of any of some values. */
export class Search {
  /** Bytes of the longest spelling. */
  readonly longest: number;
  readonly #needles: readonly { readonly name: string; readonly bytes: Buffer }[];
  readonly #folded: readonly { readonly name: string; readonly text: string }[];

  constructor(values: Iterable<readonly [name: string, value: string]>) {
    const needles = new Map<string, { name: string; bytes: Buffer }>();
    for (const [name, value] of values)
      for (const bytes of spellingsOf(value)) needles.set(bytes.toString('latin1'), { name, bytes });
    this.#needles = [...needles.values()];
    this.#folded = [...needles].map(([text, { name }]) => ({ name, text: text.toLowerCase() }));
    this.longest = Math.max(0, ...this.#needles.map(({ bytes }) => bytes.length));
  }

  /** The name of a value that stands in the bytes as one of its spellings. */
  inBytes(bytes: Buffer): string | undefined {
    return this.#needles.find((needle) => bytes.includes(needle.bytes))?.name;
  }

  /** The same, also behind percent signs and JSON escapes of any kind. */
  inRequest(bytes: Buffer): string | undefined {
    const direct = this.inBytes(bytes);
    if (direct !== undefined || this.#needles.length === 0) return direct;
    const plain = unescaped(bytes);
    return plain === bytes ? undefined : this.inBytes(plain);
  }

  /** In a host's name, where case is lost and a dot may stand anywhere. */
  inHost(host: string): string | undefined {
    const text = host.replaceAll('.', '');
    return this.#folded.find((needle) => host.includes(needle.text) || text.includes(needle.text))?.name;
  }
}

/** With every `%41`, `\u0041` and `\/` as what it stands for; the same bytes if there are none. */
export function unescaped(bytes: Buffer): Buffer {
  let from = nextEscape(bytes, 0);
  if (from < 0) return bytes;
  const out = Buffer.allocUnsafe(bytes.length);
  let size = 0;
  let kept = 0;
  while (from >= 0) {
    const escape = readEscape(bytes, from);
    if (escape === undefined) {
      from = nextEscape(bytes, from + 1);
      continue;
    }
    size += bytes.copy(out, size, kept, from);
    out[size] = escape.byte;
    size += 1;
    kept = from + escape.length;
    from = nextEscape(bytes, kept);
  }
  size += bytes.copy(out, size, kept);
  return out.subarray(0, size);
}

const PERCENT = 0x25;
const BACKSLASH = 0x5c;

function nextEscape(bytes: Buffer, from: number): number {
  for (let at = from; at < bytes.length; at += 1) if (bytes[at] === PERCENT || bytes[at] === BACKSLASH) return at;
  return -1;
}

function readEscape(bytes: Buffer, at: number): { byte: number; length: number } | undefined {
  if (bytes[at] === PERCENT) return readHex(bytes, at + 1, 3);
  const kind = bytes[at + 1];
  if (kind === 0x75 && bytes[at + 2] === 0x30 && bytes[at + 3] === 0x30) return readHex(bytes, at + 4, 6); // \u00
  if (kind === 0x2f || kind === 0x22 || kind === BACKSLASH) return { byte: kind, length: 2 }; // \/ \" \\
  return undefined;
}

function readHex(bytes: Buffer, at: number, length: number): { byte: number; length: number } | undefined {
  const [high, low] = [digit(bytes[at]), digit(bytes[at + 1])];
  return high < 0 || low < 0 ? undefined : { byte: high * 16 + low, length };
}

function digit(byte = 0): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
