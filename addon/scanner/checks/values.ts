/** Tells a literal secret from the code, the placeholders and the names that stand in the same places. */

/** Bits per character. */
export function entropy(text: string): number {
  const counts = new Map<string, number>();
  for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= (count / text.length) * Math.log2(count / text.length);
  return bits;
}

/** How often neighbours are of different classes (upper, lower, digit, other): 0 to 1. Random text has about 0.6, names 0.2. */
export function mixing(text: string): number {
  let changes = 0;
  for (let i = 1; i < text.length; i += 1)
    if (classOf(text.charCodeAt(i)) !== classOf(text.charCodeAt(i - 1))) changes += 1;
  return text.length < 2 ? 0 : changes / (text.length - 1);
}

/** A password as a person or a generator makes it, written out: not a placeholder, not an expression. */
export function isStrongPassword(value: string): boolean {
  if (value.length < 8 || value.length > 128 || !/[0-9]/.test(value) || !/[A-Za-z]/.test(value)) return false;
  if (!isText(value) || isStandIn(value) || isExpression(value)) return false;
  const kinds = [/[a-z]/, /[A-Z]/, /[0-9]/, /[^A-Za-z0-9]/].filter((kind) => kind.test(value)).length;
  return (kinds >= 3 || value.length >= 12) && entropy(value) >= 2.7;
}

/** Somebody could have typed it. In 35 MB of anything compressed, random bytes stand behind a `pwd=` about once in fourteen times. */
function isText(value: string): boolean {
  return /^(?:[\t\x20-\x7e]|[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3})*$/.test(value);
}

/** An opaque key: long, with digits among the letters, and not the name of something. */
export function isOpaqueKey(value: string): boolean {
  if (value.length < 16 || value.length > 512 || value.replace(/[^0-9]/g, '').length < 3) return false;
  if (!isText(value) || isStandIn(value) || isExpression(value) || isName(value)) return false;
  return /[A-Za-z]/.test(value) && entropy(value) >= 3.2 && (mixing(value) >= 0.3 || /^[a-f0-9]+$/.test(value));
}

const STAND_IN =
  /x{4}|\*{3}|\.{3}|…|your|chang[ei]|replace|placeholder|redacted|insert|dummy|sample|example|hidden|masked|undefined|null|none|todo|<[a-z]|(?:^|[^a-z])(?:fake|test(?:ing)?|secret|token|password|passwd|mock|foo|bar|baz|qwerty|hunter2|correct.?horse)(?:[^a-z]|$)/i;

/** What documentation and tests write where a secret would stand. */
export function isStandIn(value: string): boolean {
  return (
    STAND_IN.test(value) ||
    new Set(value).size <= 4 ||
    /^(?:pass(?:word|wd)?|admin|user|root|postgres|secret|token)[0-9]{0,4}[!.]?$/i.test(value)
  );
}

/** A reference, a call, a template: something that a program would evaluate. */
export function isExpression(value: string): boolean {
  if (/[${}()<>[\]`\\]|%[A-Z_]+%|^[@!&*#]|::|->|=>|\+\+|&&|\|\||^--|;$/.test(value)) return true;
  if (/^[A-Za-z_$][\w$]*(?:[.?!][A-Za-z_$][\w$]*)+$/.test(value)) return true; // process.env.NAME
  return (
    /^[a-z][a-z0-9+.-]*:\/\//i.test(value) ||
    /^(?:\.{0,2}|~)\/[\w./-]*$/.test(value) ||
    /\.(?:js|ts|py|go|rs|json|ya?ml|pem|txt|key|crt|md|html?)$/i.test(value)
  );
}

/** Words joined by case, dashes, dots or underscores; a UUID; a version; a date. */
function isName(value: string): boolean {
  if (/^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i.test(value)) return true;
  if (/^v?\d+(?:[.:T-]\d+)+[\w.:+-]*$/.test(value)) return true;
  // Every part is a word with at most a number at its end.
  return value.split(/[\s_./:,-]+/).every((part) => /^(?:[A-Z]?[a-z]*|[A-Z]+|(?:[A-Z]?[a-z]+)*)\d{0,4}$/.test(part));
}

function classOf(code: number): number {
  if (code >= 48 && code <= 57) return 0;
  if (code >= 65 && code <= 90) return 1;
  return code >= 97 && code <= 122 ? 2 : 3;
}
