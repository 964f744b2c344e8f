/**
 * Names under which servers look for who asks: of header fields, of parameters of a URL, of members of a body. Pure. Names are compared
 * without case, and with an underscore for a dash: CGI and its heirs tell neither apart.
 */

/** A field by which servers recognise who asks. */
export function isKeyField(name: string): boolean {
  const plain = plainName(name);
  return KEY_FIELDS.has(plain) || (KEY_FIELD.test(plain) && !HARMLESS_FIELD.test(plain) && !HARMLESS_TOKEN.test(plain));
}

const KEY_FIELDS = new Set([
  'cookie',
  'cookie2',
  'x-honeycomb-team',
  'x-ms-authorization-auxiliary',
  'client-cert',
  'x-client-cert',
  'x-ssl-client-cert',
  'x-forwarded-client-cert',
]);
const KEY_FIELD =
  /(^|-)([a-z]*key|[a-z]*token|[a-z]*secret|[a-z]*auth|[a-z]*authorization|authentication|assertion|bearer|credentials?|dpop|jwt|passw(or)?d|signature)$/;
/** They name a thing that is asked for, or a connection. */
const HARMLESS_FIELD =
  /^sec-websocket-key$|(^|-)(idempotency|cache|surrogate|partition|routing|request|deduplication|dedup|affinity|public)-?key$/;

/** A parameter of a URL by which servers recognise who asks, signed URLs included. */
export function isKeyParameter(name: string): boolean {
  const plain = plainName(name);
  return KEY_PARAMETER.test(plain) && !HARMLESS_TOKEN.test(plain);
}

/** A key by itself, or somebody's: a `projectKey` is a name of something. */
const KEY =
  '(api|app|application|auth|access|account|client|consumer|hapi|license|master|private|secret|service|subscription|user)-?key';
const KEY_PARAMETER = new RegExp(
  `^(x-(amz|goog|ms|oss)-|x-|oauth-)?(key|${KEY}|access-?key-?id|awsaccesskeyid|googleaccessid|auth|authorization|bearer|credentials?|jwt|pass|passw(or)?d|pwd|sas|(api|app|client|consumer|oauth|user)?-?secret|sig|signature|[a-z0-9-]*token)$`,
);
/** Where in a list to go on, and what is worth nothing without a cookie. */
const HARMLESS_TOKEN =
  /(^|-)((next|prev|previous)-?)?(page|next|previous|pagination|continuation|continue|sync|start|resume|cursor|csrf|xsrf|authenticity)-?token$/;

/** A name in a body by which servers recognise who asks, and that stands for nothing else. */
export function isKeyMember(name: string, kind: 'form field' | 'JSON member'): boolean {
  const plain = plainName(name);
  return KEY_MEMBER.test(plain) || (kind === 'form field' && plain === 'token'); // Slack, and whoever reads forms like a query
}

const KEY_MEMBER =
  /^((x-)?api-?key|auth-?key|secret-?key|(client|api|consumer)-?secret|(access|auth|api|bearer|private|oauth|job|refresh|session)-?token)$/;

function plainName(name: string): string {
  return name
    .toLowerCase()
    .replaceAll('_', '-')
    .replace(/\[\d*\]$/, '');
}

/** True for a text that holds what may be a key: letters and digits without an end. A UUID is a name. */
export function looksLikeKey(text: string): boolean {
  return (text.replaceAll(UUID, '').match(/[A-Za-z0-9_-]{20,}/g) ?? []).some(
    (run) => /[A-Za-z]/.test(run) && /\d.*\d/.test(run),
  );
}

const UUID = /\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/gi;
