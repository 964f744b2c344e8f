/** Named values in a body, as a server reads them that looks there for who asks: forms, multipart forms, the top of a JSON text. */
import { readJson } from './decode/json.ts';
import type { Place } from './decode/places.ts';
import { readPair } from './identity.ts';

export interface Member {
  readonly kind: 'form field' | 'JSON member';
  readonly name: string;
  readonly value: string;
}

/** Says whether a name is looked for. */
export type Wanted = (name: string, kind: Member['kind']) => boolean;

/**
 * Those whose name is `wanted`. `type`: the Content-Type. JSON is known by its first character, because servers take it under any type; it is
 * read up to where it stops being JSON.
 */
export function membersOf(type: string, body: Buffer, wanted: Wanted): Member[] {
  const members = [...(isJsonObject(body) ? jsonMembers(body, wanted) : []), ...fieldsOf(type, body)];
  return members.filter(({ name, kind }) => wanted(name, kind));
}

/**
 * The same in one window of a body that is too large to be read as one. `begins`: it is the first. `unreadable`: members cannot be told
 * from anything else in this kind of body, a piece at a time.
 */
export function membersInWindow(
  type: string,
  window: Buffer,
  begins: boolean,
  wanted: Wanted,
): Member[] | 'unreadable' {
  if (FORM.test(type) || (begins && isJsonObject(window))) return 'unreadable';
  return fieldsOf(type, window).filter(({ name, kind }) => wanted(name, kind));
}

function fieldsOf(type: string, body: Buffer): Member[] {
  if (FORM.test(type)) return body.toString('latin1').split('&').map(readPair).map(asField);
  return /^multipart\/form-data\s*(;|$)/i.test(type) ? partFields(body.toString('latin1')) : [];
}

const FORM = /^application\/x-www-form-urlencoded\s*(;|$)/i;

function asField({ name, value }: { name: string; value: string }): Member {
  return { kind: 'form field', name, value };
}

/** The name of each part, and the first line of its content (RFC 7578). In steps, so that no body is slow to read. */
function partFields(text: string): Member[] {
  return Array.from(
    text.matchAll(/\ncontent-disposition:([^\r\n]{0,4000})/gi),
    ({ 0: line, 1: parameters = '', index }) => {
      const [, name = ''] = /[;\s]name="?([^";]{1,100})/i.exec(parameters) ?? [];
      const behind = index + line.length;
      const [, first = ''] = /\n\r?\n([^\r\n]*)/.exec(text.slice(behind, behind + LONGEST_HEAD)) ?? [];
      return asField({ name, value: first });
    },
  );
}

/** Characters of the rest of a part's head and of the first line behind it. */
const LONGEST_HEAD = 8_000;

function isJsonObject(body: Buffer): boolean {
  return /^(\xef\xbb\xbf)?[ \t\r\n]{0,100}\{/.test(body.toString('latin1', 0, 104));
}

function jsonMembers(body: Buffer, wanted: Wanted): Member[] {
  const members: Member[] = [];
  let name = '';
  const top: Place = {
    at: [],
    isBarren: false,
    member(key) {
      name = key;
      return wanted(key, 'JSON member') ? HERE : NOWHERE;
    },
    element: () => NOWHERE,
  };
  const text = body[0] === 0xef ? body.subarray(3) : body;
  readJson(text, {
    top,
    found(_, from, to) {
      // The reader has taken it for a string of JSON.
      const value = JSON.parse(`"${text.toString('utf8', from, to)}"`) as string;
      members.push({ kind: 'JSON member', name, value });
    },
  });
  return members;
}

const NOWHERE: Place = { at: [], isBarren: true, member: () => NOWHERE, element: () => NOWHERE };
const HERE: Place = { ...NOWHERE, at: [0] };
