/**
 * The one reading of a host name or address. Manifest, policy and every request go through `parseHost`;
 * nothing else in the project compares or normalises hosts.
 */

/** A host in its one canonical form: lower case, no trailing dot, no brackets, no userinfo. */
export interface Host {
  readonly kind: 'name' | 'ipv4' | 'ipv6';
  /** Canonical text. IPv6 without brackets, compressed as in RFC 5952. */
  readonly text: string;
}

/** Why a text is not a host; a sentence fragment for error messages. */
export interface NotAHost {
  readonly kind: 'invalid';
  readonly why: string;
}

const LABEL = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/;
const MAX_HOST = 253; // RFC 1035 section 2.3.4, without the root dot

/**
 * Parses a host as it stands in an authority (`example.com`, `192.0.2.1`, `[2001:db8::1]`).
 * Upper case is folded. Whatever another parser could read differently is refused rather than repaired: a trailing dot,
 * non-ASCII, IPv4 in octal, hexadecimal, short or decimal form (RFC 3986 section 7.4), IPv4 inside IPv6, zone ids.
 */
export function parseHost(text: string): Host | NotAHost {
  if (text === '') return invalid('is empty');
  if (text.startsWith('['))
    return text.endsWith(']') ? parseIpv6(text.slice(1, -1)) : invalid('has an unclosed bracket');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  if (/[^\x21-\x7e]/.test(text)) return invalid('has a character outside printable ASCII (write it as xn--…)');
  const host = text.toLowerCase();
  if (host.length > MAX_HOST) return invalid(`is longer than ${MAX_HOST} characters`);
  if (host.endsWith('.')) return invalid('ends with a dot');
  const labels = host.split('.');
  const bad = labels.find((label) => !LABEL.test(label));
  if (bad !== undefined) return invalid(bad === '' ? 'has an empty label' : `has a bad label (${bad.slice(0, 64)})`);
  if (looksNumeric(labels.at(-1) ?? '')) {
    return isDottedQuad(host)
      ? { kind: 'ipv4', text: host }
      : invalid('is an IPv4 address in another form than a.b.c.d');
  }
  return { kind: 'name', text: host };
}

/** The host as it stands in a URL or a `Host` field: IPv6 in brackets. */
export function hostInUrl(host: Host): string {
  return host.kind === 'ipv6' ? `[${host.text}]` : host.text;
}

/** A last label of digits, or of 0x and hex digits, makes every URL parser read the host as IPv4 (WHATWG URL, "ends in a number"). */
function looksNumeric(label: string): boolean {
  return /^(\d+|0x[0-9a-f]*)$/.test(label);
}

function isDottedQuad(host: string): boolean {
  const parts = host.split('.');
  return parts.length === 4 && parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255);
}

function parseIpv6(text: string): Host | NotAHost {
  if (!/^[0-9a-fA-F:]+$/.test(text))
    return invalid('is an IPv6 address with a zone, an embedded IPv4 address or another foreign character');
  const halves = text.toLowerCase().split('::');
  if (halves.length > 2) return invalid('is an IPv6 address with more than one "::"');
  const groups = halves.map((half) => (half === '' ? [] : half.split(':')));
  const given = groups.flat();
  if (given.some((group) => !/^[0-9a-f]{1,4}$/.test(group))) return invalid('is not an IPv6 address');
  const missing = 8 - given.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return invalid('is not an IPv6 address of eight groups');
  const [head = [], tail = []] = groups;
  const all = [...head, ...(halves.length === 2 ? Array<string>(missing).fill('0') : []), ...tail].map((group) =>
    Number.parseInt(group, 16),
  );
  return { kind: 'ipv6', text: compress(all) };
}

/** RFC 5952 section 4: the first longest run of at least two zero groups becomes "::". */
function compress(groups: readonly number[]): string {
  let best = { start: -1, length: 1 };
  for (let start = 0; start < groups.length; start += 1) {
    let length = 0;
    while (start + length < groups.length && groups[start + length] === 0) length += 1;
    if (length > best.length) best = { start, length };
  }
  const hex = (part: readonly number[]) => part.map((group) => group.toString(16)).join(':');
  return best.start < 0
    ? hex(groups)
    : `${hex(groups.slice(0, best.start))}::${hex(groups.slice(best.start + best.length))}`;
}

function invalid(why: string): NotAHost {
  return { kind: 'invalid', why };
}
