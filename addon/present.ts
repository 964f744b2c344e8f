/**
 * A part as a forward proxy has to be given it, so that it arrives at the sink as it was sent: what such a proxy drops or writes anew
 * is shown to it in another form that it leaves alone. Nothing is left out: all of it is scanned, and the receipt is over this form.
 */
import type { Field, ScannedPart } from './receipt.ts';

/** In front of the name of a field that the proxy would not pass on as it is. */
const ALIAS = 'Agent-Field-';
/** In front of the name of a trailer: a proxy passes trailers on unscanned. */
const TRAILER_ALIAS = 'Agent-Trailer-';
/** A request without this field gets the proxy's own; of several, one is passed on. */
const AGENT: Field = ['User-Agent', 'bottle'];

/** Pure, and the same for a form that it made itself except for the user agent. */
export function present<P extends ScannedPart>(part: P): P {
  const fields = part.fields.map(([name, value]): Field => [isAltered(name) ? `${ALIAS}${name}` : name, value]);
  const trailers = part.trailers.map(([name, value]): Field => [`${TRAILER_ALIAS}${name}`, value]);
  return { ...part, url: stableUrl(part.url), fields: [...fields, ...trailers, AGENT], trailers: [] };
}

/** True for a field that a forward proxy takes out, adds to or sends once only. */
function isAltered(name: string): boolean {
  const lower = name.toLowerCase();
  return ALTERED.has(lower) || /^(x-forwarded-|x-pipelock-(?!agent$)|pipelock-)/.test(lower);
}

const ALTERED = new Set([
  'forwarded',
  'via',
  'x-real-ip',
  'signature',
  'signature-input',
  'user-agent',
  'pragma', // "no-cache" makes Go add a Cache-Control
]);

/**
 * An absolute URL in the one spelling that Go's net/url gives back unchanged: in a path that has one character which it would escape it
 * writes every character anew, `%2F` as a slash among them. Characters above 0xff never come here.
 */
export function stableUrl(url: string): string {
  const start = url.indexOf('/', url.indexOf('://') + 3);
  const origin = start < 0 ? url : url.slice(0, start);
  const rest = start < 0 ? '/' : url.slice(start);
  const cut = rest.indexOf('?');
  const path = cut < 0 ? rest : rest.slice(0, cut);
  return `${origin}${escape(path, PATH)}${cut < 0 ? '' : `?${stableQuery(rest.slice(cut + 1))}`}`;
}

/** The parameter `agent` names the proxy's client and is taken out; a pair with ";" in it is not read at all. */
function stableQuery(query: string): string {
  return escape(query, QUERY)
    .split('&')
    .map((pair) => {
      const [name = ''] = pair.split('=', 1);
      return decoded(name) === 'agent' ? `agent-${pair.slice(name.length)}` : pair;
    })
    .join('&');
}

function decoded(name: string): string {
  return name
    .replaceAll('+', ' ')
    .replaceAll(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

/** A "%" that begins no escape, and every character that is not kept. */
function escape(text: string, others: RegExp): string {
  return text
    .replaceAll(/%(?![0-9a-f]{2})/gi, '%25')
    .replaceAll(others, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`);
}

const PATH = /[^A-Za-z0-9\-_.~!$&'()*+,;=:@/[\]%]/g;
const QUERY = /[^\x21-\x3a\x3c-\x7e]/g;
