/** An agent's own credential towards its own provider is left out of the scan: exactly the value, at exactly its place. */
import type { OwnCredential } from '../../contracts/credential.ts';

/** True if this header field's whole value is one. */
export function isOwnHeader(own: readonly OwnCredential[], host: string, name: string, value: string): boolean {
  return own.some(
    (one) =>
      one.place.kind === 'header' &&
      one.place.name.toLowerCase() === name &&
      one.hosts.includes(host) &&
      hasShape(one, value),
  );
}

/** The body with own credentials blanked. Everything else in it stays as it is. */
export function withoutOwnMembers(own: readonly OwnCredential[], host: string, path: string, body: Buffer): Buffer {
  const here = own.filter((one) => one.place.kind === 'body' && one.place.path === path && one.hosts.includes(host));
  if (here.length === 0) return body;
  const spans = body[firstInk(body)] === 0x7b ? jsonMembers(body) : formMembers(body);
  const copy = Buffer.from(body);
  for (const span of spans) {
    const isOwn = here.some(
      (one) => one.place.kind === 'body' && one.place.field === span.name && hasShape(one, span.value),
    );
    if (isOwn) copy.fill(0x20, span.start, span.end);
  }
  return copy;
}

function hasShape(one: OwnCredential, value: string): boolean {
  return new RegExp(`^(?:${one.shape})$`).test(value);
}

interface Member {
  readonly name: string;
  readonly value: string;
  /** Bytes of the value. */
  readonly start: number;
  readonly end: number;
}

/** Top-level members with a string value. Stops where the text is no JSON: what was not read is scanned. */
function jsonMembers(body: Buffer): Member[] {
  const text = body.toString('latin1');
  const token = /"(?:[^"\\]|\\.)*"|[{}[\]:,]|[^\s"{}[\]:,]+/gs;
  const members: Member[] = [];
  let [depth, name, expects]: [number, string | undefined, 'name' | 'value' | 'nothing'] = [0, undefined, 'nothing'];
  for (let match = token.exec(text); match !== null; match = token.exec(text)) {
    const [word] = match;
    if (word === '{' || word === '[') depth += 1;
    else if (word === '}' || word === ']') depth -= 1;
    if (depth === 1 && (word === '{' || word === ',')) expects = 'name';
    else if (depth === 1 && word === ':') expects = 'value';
    else if (depth === 1 && word.startsWith('"')) {
      const read = readString(word);
      if (read === undefined) return members;
      if (expects === 'name') name = read;
      else if (expects === 'value' && name !== undefined)
        members.push({ name, value: read, start: match.index + 1, end: match.index + word.length - 1 });
      expects = 'nothing';
    } else expects = 'nothing';
  }
  return members;
}

function readString(literal: string): string | undefined {
  try {
    const value: unknown = JSON.parse(literal);
    return typeof value === 'string' ? value : undefined;
  } catch {
    return undefined;
  }
}

function formMembers(body: Buffer): Member[] {
  const members: Member[] = [];
  let at = 0;
  for (const pair of body.toString('latin1').split('&')) {
    const split = pair.indexOf('=');
    if (split > 0) {
      const [name, value] = [readForm(pair.slice(0, split)), readForm(pair.slice(split + 1))];
      members.push({ name, value, start: at + split + 1, end: at + pair.length });
    }
    at += pair.length + 1;
  }
  return members;
}

function readForm(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return text;
  }
}

function firstInk(body: Buffer): number {
  let at = 0;
  while (at < body.length && (body[at] as number) <= 0x20) at += 1;
  return at;
}
