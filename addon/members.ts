/** Named values in a body, as a server reads them that looks there for who asks: forms, multipart forms, the top of a JSON text. */
import { readJson } from './decode/json.ts';
import type { Place } from './decode/places.ts';
import { readPair } from './identity.ts';

export interface Member {
  readonly kind: 'form field' | 'JSON member';
  readonly name: string;
  readonly value: string;
}

/**
 * Those whose name is `wanted`. `type`: the Content-Type. JSON is known by its first character, because servers take it under any type; it is
 * read up to where it stops being JSON.
 */
export function membersOf(type: string, body: Buffer, wanted: (name: string) => boolean): Member[] {
  const members = isJsonObject(body)
    ? jsonMembers(body, wanted)
    : FORM.test(type)
      ? body.toString('latin1').split('&').map(readPair).map(asField)
      : MULTIPART.test(type)
        ? inParts(body)
        : [];
  return members.filter(({ name }) => wanted(name));
}

/**
 * The same in one window of a body that is too large to be read as one. `begins`: it is the first. `unreadable`: members cannot be told
 * from anything else in this kind of body, a piece at a time.
 */
export function membersInWindow(
  type: string,
  window: Buffer,
  begins: boolean,
  wanted: (name: string) => boolean,
): Member[] | 'unreadable' {
  if (FORM.test(type) || (begins && isJsonObject(window))) return 'unreadable';
  return MULTIPART.test(type) ? inParts(window).filter(({ name }) => wanted(name)) : [];
}

function inParts(body: Buffer): Member[] {
  return Array.from(body.toString('latin1').matchAll(PART), ([, name = '', value = '']) => asField({ name, value }));
}

const FORM = /^application\/x-www-form-urlencoded\s*(;|$)/i;
const MULTIPART = /^multipart\/form-data\s*(;|$)/i;

function asField({ name, value }: { name: string; value: string }): Member {
  return { kind: 'form field', name, value };
}

/** A part's name, and the first line of its content (RFC 7578). Bounded, so that no body is slow to read. */
const PART =
  /\ncontent-disposition:[^\r\n]{0,200}?[;\s]name="?([^";\r\n]{1,100})[^\r\n]{0,300}(?:\r?\n[^\r\n]{1,300}){0,10}\r?\n\r?\n([^\r\n]{0,4000})/gi;

function isJsonObject(body: Buffer): boolean {
  return /^(\xef\xbb\xbf)?[ \t\r\n]{0,100}\{/.test(body.toString('latin1', 0, 104));
}

function jsonMembers(body: Buffer, wanted: (name: string) => boolean): Member[] {
  const members: Member[] = [];
  let name = '';
  const top: Place = {
    at: [],
    isBarren: false,
    member(key) {
      name = key;
      return wanted(key) ? HERE : NOWHERE;
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
