/**
 * A host that a secret is bound to accepts that identity and no other: a key of somebody else could carry data into his account
 * there. Pure; what is found is named by its kind, never by its value.
 */
import type { BoundSecret, SecretPlace } from '../contracts/secret.ts';
import { formatPlace } from '../contracts/secret.ts';
import { isKeyField, isKeyParameter, looksLikeKey } from './keynames.ts';
import type { Member } from './members.ts';
import type { Field, RequestHead } from './message.ts';

/**
 * `own`: the secrets that the request's host is bound to. `members`: what `isKeyMember` names in the body, which is undefined if it is
 * too large to be read as one, or if more of the request follows. Undefined if the request stands under one of the secrets or is harmless.
 */
export function identityProblem(
  head: RequestHead,
  body: Buffer | undefined,
  members: readonly Member[],
  own: readonly BoundSecret[],
): string | undefined {
  const foreigner = foreignField(head, own) ?? foreignParameter(head, own) ?? foreignPath(head, own);
  if (foreigner !== undefined) return foreign(foreigner);
  const inBody = foreignMember(members, own);
  if (inBody !== undefined) return inBody;
  if (own.some((secret) => secret.places.some((place) => stands(place, secret, head)))) return undefined;
  if (isHarmless(head, body)) return undefined;
  const wanted = own.map(({ name, places }) => `${name} (${places.map(formatPlace).join(', or ')})`);
  return `blocked: this host is bound to ${wanted.join(' or ')}; without it only GET and HEAD without a body are sent (the manifest's "identity: open" lets others through)`;
}

function stands(place: SecretPlace, secret: BoundSecret, { path, fields }: RequestHead): boolean {
  return (
    fields.some(([name, value]) => standsInField(place, secret, name.toLowerCase(), value)) ||
    queryOf(path, '&').some(({ name, value }) => standsInQuery(place, secret, name, value)) ||
    standsInPath(place, secret, path)
  );
}

function foreignField({ fields }: RequestHead, own: readonly BoundSecret[]): string | undefined {
  for (const [name, value] of fields) {
    const lower = name.toLowerCase();
    const isNamed = own.some(({ places }) => places.some((place) => place.kind === 'header' && place.name === lower));
    const isKey =
      isNamed || isKeyField(lower) || (lower === 'sec-websocket-protocol' && looksLikeKey(without(value, own)));
    if (!isKey || value.trim() === '') continue;
    const isOwn = own.some(
      (secret) =>
        isOnlyPlaceholder(secret, value) || secret.places.some((place) => standsInField(place, secret, lower, value)),
    );
    if (!isOwn) return `the field ${lower.slice(0, 40)}`;
  }
  return undefined;
}

/** Some servers take a semicolon for a separator as well, and a name in any case. */
function foreignParameter({ path }: RequestHead, own: readonly BoundSecret[]): string | undefined {
  const named = own.flatMap(({ places }) => places.flatMap((place) => (place.kind === 'query' ? [place.name] : [])));
  const names = new Set(named.map((name) => name.toLowerCase()));
  const found = queryOf(path, /[&;]/).find(
    ({ name, value }) =>
      (isKeyParameter(name) || names.has(name.toLowerCase())) &&
      value !== '' &&
      !own.some(({ placeholder }) => value === placeholder),
  );
  return found && `the query parameter ${found.name.toLowerCase().slice(0, 40)}`;
}

/** Where a path begins like a secret's, as the laxest server reads it, the secret has to follow. */
function foreignPath({ path }: RequestHead, own: readonly BoundSecret[]): string | undefined {
  const [before = ''] = path.split('?', 1);
  const read = pathSegments(before);
  const places = own.flatMap((secret) => secret.places.map((place) => ({ secret, place })));
  const begun = places.filter(({ place }) => place.kind === 'path' && read.startsWith(place.prefix.toLowerCase()));
  const isOwn = places.some(({ secret, place }) => standsInPath(place, secret, path));
  return begun.length > 0 && !isOwn ? 'the path' : undefined;
}

function without(value: string, own: readonly BoundSecret[]): string {
  return own.reduce((left, { placeholder }) => left.replaceAll(placeholder, ''), value);
}

/** Decoded once, without empty and dot segments, in lower case. */
function pathSegments(path: string): string {
  const segments: string[] = [];
  const given = decoded(path.replaceAll('+', '%2B')).toLowerCase().split(/[/\\]/);
  for (const segment of given) {
    if (segment === '..') segments.pop();
    else if (segment !== '' && segment !== '.') segments.push(segment);
  }
  return `/${segments.join('/')}${/[/\\]$/.test(path) && segments.length > 0 ? '/' : ''}`;
}

/** The finding about a member of a body that names somebody else. */
export function foreignMember(members: readonly Member[], own: readonly BoundSecret[]): string | undefined {
  const found = members.find(({ value }) => value !== '' && !own.some(({ placeholder }) => value === placeholder));
  return found && foreign(`the ${found.kind} ${found.name.toLowerCase().slice(0, 40)}`);
}

/** True if the field is this place, and holds the placeholder there. `name` in lower case. */
export function standsInField(
  place: SecretPlace,
  { placeholder }: Pick<BoundSecret, 'placeholder'>,
  name: string,
  value: string,
): boolean {
  if (place.kind === 'header') {
    const { prefix, suffix } = place;
    return (
      name === place.name &&
      value.length === prefix.length + placeholder.length + suffix.length &&
      value.slice(0, prefix.length).toLowerCase() === prefix.toLowerCase() &&
      value.slice(prefix.length) === `${placeholder}${suffix}`
    );
  }
  if (place.kind !== 'basic' || name !== 'authorization') return false;
  const halves = readBasic(value);
  if (!halves) return false;
  const { username, password } = halves;
  return place.half === 'username' ? isHalf(placeholder, username, password) : isHalf(placeholder, password, username);
}

export function standsInQuery(
  place: SecretPlace,
  { placeholder }: Pick<BoundSecret, 'placeholder'>,
  name: string,
  value: string,
): boolean {
  return place.kind === 'query' && place.name === name && value === placeholder;
}

export function standsInPath(
  place: SecretPlace,
  { placeholder }: Pick<BoundSecret, 'placeholder'>,
  path: string,
): boolean {
  if (place.kind !== 'path') return false;
  const [before = ''] = path.split('?', 1);
  const wanted = `${place.prefix}${placeholder}${place.suffix}`;
  return before.startsWith(wanted) && pathSegments(before).startsWith(wanted.toLowerCase());
}

/** Scheme as it stands, user name and password of HTTP Basic (RFC 7617). */
export function readBasic(value: string): { scheme: string; username: string; password: string } | undefined {
  const [, scheme, text] = /^(basic +)([A-Za-z0-9+/_-]+={0,2})$/i.exec(value) ?? [];
  if (scheme === undefined || text === undefined) return undefined;
  const pair = Buffer.from(text, 'base64').toString('latin1');
  const colon = pair.indexOf(':');
  return colon < 0 ? undefined : { scheme, username: pair.slice(0, colon), password: pair.slice(colon + 1) };
}

/** Parameters of a path's query, decoded once, in order. */
function queryOf(path: string, separator: string | RegExp): { name: string; value: string }[] {
  const at = path.indexOf('?');
  return at < 0
    ? []
    : path
        .slice(at + 1)
        .split(separator)
        .map(readPair);
}

/** `name=value` of a query or a form, decoded once. */
export function readPair(raw: string): { name: string; value: string } {
  const at = raw.indexOf('=');
  return at < 0
    ? { name: decoded(raw), value: '' }
    : { name: decoded(raw.slice(0, at)), value: decoded(raw.slice(at + 1)) };
}

function decoded(text: string): string {
  return text
    .replaceAll('+', ' ')
    .replaceAll(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

/** The placeholder by itself, in whatever form a client writes it: worthless, and nobody else's. */
function isOnlyPlaceholder({ placeholder }: BoundSecret, value: string): boolean {
  const basic = readBasic(value);
  if (basic)
    return isHalf(placeholder, basic.username, basic.password) || isHalf(placeholder, basic.password, basic.username);
  return /^([A-Za-z]{1,16} +)?$/.test(value.trim().replace(placeholder, '')) && value.includes(placeholder);
}

/** Some servers take either half of HTTP Basic for a token. */
function isHalf(placeholder: string, half: string, other: string): boolean {
  return half === placeholder && (other === placeholder || !looksLikeKey(other));
}

/** It changes nothing and brings nothing, now or later. */
function isHarmless({ method, fields, upgrade }: RequestHead, body: Buffer | undefined): boolean {
  if ((method !== 'GET' && method !== 'HEAD') || body?.length !== 0 || upgrade !== undefined) return false;
  return !fields.some(([name]: Field) => /^x-(http-)?method(-override)?$/i.test(name));
}

function foreign(where: string): string {
  return `blocked: ${where} holds a credential other than the one that this host is bound to`;
}
