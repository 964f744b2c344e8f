/**
 * A host that a secret is bound to accepts that identity and no other: a key of somebody else could carry data into his account
 * there. Pure; what is found is named by its kind, never by its value.
 */
import type { BoundSecret, SecretPlace } from '../contracts/secret.ts';
import { formatPlace } from '../contracts/secret.ts';
import type { Member } from './members.ts';
import type { Field, RequestHead } from './message.ts';

/**
 * `own`: the secrets that the request's host is bound to. `members`: what `isKeyMember` names in the body, which is undefined if it is
 * too large to be read as one. Undefined if the request stands under one of the secrets or is harmless.
 */
export function identityProblem(
  head: RequestHead,
  body: Buffer | undefined,
  members: readonly Member[],
  own: readonly BoundSecret[],
): string | undefined {
  let proven = false;
  for (const [name, value] of head.fields) {
    const lower = name.toLowerCase();
    if (own.some((secret) => secret.places.some((place) => standsInField(place, secret, lower, value)))) proven = true;
    else if (isKeyField(lower) && value.trim() !== '' && !own.some((secret) => isOnlyPlaceholder(secret, value)))
      return foreign(`the field ${lower.slice(0, 40)}`);
  }
  for (const { name, value } of queryOf(head.path, '&')) {
    if (own.some((secret) => secret.places.some((place) => standsInQuery(place, secret, name, value)))) proven = true;
  }
  // Some servers take a semicolon for a separator as well.
  for (const { name, value } of queryOf(head.path, /[&;]/)) {
    if (isKeyParameter(name) && value !== '' && !own.some(({ placeholder }) => value === placeholder))
      return foreign(`the query parameter ${name.toLowerCase().slice(0, 40)}`);
  }
  if (own.some((secret) => secret.places.some((place) => standsInPath(place, secret, head.path)))) proven = true;
  const inBody = foreignMember(members, own);
  if (inBody !== undefined) return inBody;
  if (proven || isHarmless(head, body)) return undefined;
  const wanted = own.map(({ name, places }) => `${name} (${places.map(formatPlace).join(', or ')})`);
  return `blocked: this host is bound to ${wanted.join(' or ')}; without it only GET and HEAD without a body are sent`;
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
  return halves?.[place.half] === placeholder;
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
  return before.startsWith(`${place.prefix}${placeholder}${place.suffix}`);
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

/** A field by which servers recognise who asks. `name` in lower case. */
export function isKeyField(name: string): boolean {
  return KEY_FIELDS.has(name) || (KEY_FIELD.test(name) && !/csrf|xsrf/.test(name));
}

const KEY_FIELDS = new Set([
  'authorization',
  'authentication',
  'cookie',
  'cookie2',
  'dpop',
  'signature',
  'key',
  'auth',
  'x-auth',
  'x-key',
  'ocp-apim-subscription-key',
  'x-functions-key',
  'x-rapidapi-key',
  'x-shopify-access-token',
  'x-client-cert',
  'x-ssl-client-cert',
  'client-cert',
  'x-forwarded-client-cert',
]);
const KEY_FIELD =
  /(^|[-_])(api-?key|access-?key|auth-?key|secret(-?key)?|password|passwd|[a-z]*token|authorization|credentials?|jwt)$/;

/** A parameter of a URL by which servers recognise who asks, signed URLs included. */
function isKeyParameter(name: string): boolean {
  return KEY_PARAMETER.test(name);
}

const KEY_PARAMETER =
  /^(key|auth|jwt|sig|signature|authorization|password|passwd|secret|client[-_]?secret|api[-_]?key|access[-_]?key([-_]?id)?|awsaccesskeyid|googleaccessid|sas|(x-(amz|goog|ms|oss)-)(signature|credential|security-token)|([a-z]+[-_]?)?token)$/i;

/** A name in a body by which servers recognise who asks, and that stands for nothing else. */
export function isKeyMember(name: string): boolean {
  return KEY_MEMBER.test(name);
}

const KEY_MEMBER = /^((access|private|oauth|job|refresh)[-_]?token|client[-_]?secret|api[-_]?key)$/i;

/** The placeholder by itself, in whatever form a client writes it: worthless, and nobody else's. */
function isOnlyPlaceholder({ placeholder }: BoundSecret, value: string): boolean {
  const basic = readBasic(value);
  if (basic) return basic.username === placeholder || basic.password === placeholder;
  return /^([A-Za-z]{1,16} +)?$/.test(value.trim().replace(placeholder, '')) && value.includes(placeholder);
}

/** It changes nothing and brings nothing. */
function isHarmless({ method, fields }: RequestHead, body: Buffer | undefined): boolean {
  if ((method !== 'GET' && method !== 'HEAD') || body?.length !== 0) return false;
  return !fields.some(([name]: Field) => /^x-(http-)?method(-override)?$/i.test(name));
}

function foreign(where: string): string {
  return `blocked: ${where} holds a credential other than the one that this host is bound to`;
}
