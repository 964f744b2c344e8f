/** The switch to WebSocket (RFC 6455 section 4, RFC 7692 section 5): what an agent asks for, and whether an answer is one to it. Pure. */
import { createHash } from 'node:crypto';
import { trimBlanks } from '../blanks.ts';
import { type Field, type Refusal, refused } from '../message.ts';
import type { Deflate } from './deflate.ts';

/** Why this request for a WebSocket cannot be served, if so. */
export function handshakeProblem(fields: readonly Field[]): Refusal | undefined {
  const versions = valuesOf(fields, 'sec-websocket-version');
  if (versions.length !== 1 || versions[0] !== '13') return refused(400, 'the version of the WebSocket is not 13');
  const keys = valuesOf(fields, 'sec-websocket-key');
  if (keys.length !== 1 || !KEY.test(keys[0] ?? '')) return refused(400, 'the field sec-websocket-key is not 16 bytes');
  if (!listOf(fields, 'sec-websocket-protocol').every((name) => TOKEN.test(name)))
    return refused(400, 'the field sec-websocket-protocol is not a list of tokens');
  return readExtensions(fields) ? undefined : refused(400, 'the field sec-websocket-extensions is not a list of them');
}

/** The fields without extensions that nobody here reads. An offer that is not taken up costs nothing; one that is would end the switch. */
export function knownExtensions(fields: readonly Field[]): readonly Field[] {
  const offered = readExtensions(fields) ?? [];
  if (offered.every(isDeflate)) return fields;
  const known = offered.filter(isDeflate);
  const rest = fields.filter(([name]) => name.toLowerCase() !== 'sec-websocket-extensions');
  return known.length === 0 ? rest : [...rest, ['Sec-WebSocket-Extensions', known.map(({ text }) => text).join(', ')]];
}

/** What a switch has agreed upon. `deflate` undefined: nothing is compressed. */
export interface Agreed {
  readonly kind: 'agreed';
  readonly deflate: Deflate | undefined;
}

export interface WrongSwitch {
  readonly kind: 'wrong';
  readonly why: string;
}

/** Reads the answer to a request for a switch, with all its fields. `sent`: the fields of the request as it left. */
export function readSwitch(sent: readonly Field[], answer: readonly Field[]): Agreed | WrongSwitch {
  const upgrade = listOf(answer, 'upgrade').map((name) => name.toLowerCase());
  if (upgrade.length !== 1 || upgrade[0] !== WEBSOCKET) return wrong('does not name WebSocket');
  if (!listOf(answer, 'connection').some((name) => name.toLowerCase() === 'upgrade'))
    return wrong('has no "Connection: Upgrade"');
  const [key = ''] = valuesOf(sent, 'sec-websocket-key');
  const accepts = valuesOf(answer, 'sec-websocket-accept');
  if (accepts.length !== 1 || accepts[0] !== acceptOf(key))
    return wrong('does not have the sec-websocket-accept of this request');
  return readAgreement(sent, answer);
}

/** What was agreed upon: the fields that every version of HTTP has. */
export function readAgreement(sent: readonly Field[], answer: readonly Field[]): Agreed | WrongSwitch {
  const protocols = valuesOf(answer, 'sec-websocket-protocol');
  if (protocols.length > 1 || protocols.some((name) => !listOf(sent, 'sec-websocket-protocol').includes(name.trim())))
    return wrong('names a sub-protocol that was not offered');
  const taken = readExtensions(answer);
  if (!taken || taken.length > 1 || !taken.every(isDeflate)) return wrong('takes up an extension that was not offered');
  const [deflate] = taken;
  if (!deflate) return { kind: 'agreed', deflate: undefined };
  if (!(readExtensions(sent) ?? []).some((offer) => isDeflate(offer) && answersOffer(offer, deflate)))
    return wrong('agrees to a compression that was not offered');
  return { kind: 'agreed', deflate: { clientNoContextTakeover: deflate.parameters.has('client_no_context_takeover') } };
}

/** What an endpoint answers to this key (RFC 6455 section 4.2.2). */
export function acceptOf(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
}

/** Its name in `Upgrade`. */
export const WEBSOCKET = 'websocket';

interface Extension {
  readonly name: string;
  /** By lower-case name; a parameter without a value has an empty one. */
  readonly parameters: ReadonlyMap<string, string>;
  /** As it stood there. */
  readonly text: string;
}

/** permessage-deflate with the parameters of RFC 7692 section 7.1, each with a value that it may have. */
function isDeflate({ name, parameters }: Extension): boolean {
  return name === 'permessage-deflate' && [...parameters].every(([key, value]) => PARAMETERS[key]?.test(value));
}

const BITS = /^(?:[89]|1[0-5])$/;
const PARAMETERS: Readonly<Record<string, RegExp | undefined>> = Object.assign(Object.create(null), {
  client_no_context_takeover: /^$/,
  server_no_context_takeover: /^$/,
  client_max_window_bits: /^(?:|[89]|1[0-5])$/,
  server_max_window_bits: BITS,
});

/** True if this can be the answer to that offer (RFC 7692 section 7.1). */
function answersOffer(offer: Extension, answer: Extension): boolean {
  const [asked, given] = [offer.parameters, answer.parameters];
  if (asked.has('server_no_context_takeover') && !given.has('server_no_context_takeover')) return false;
  const server = asked.get('server_max_window_bits');
  if (server !== undefined && Number(given.get('server_max_window_bits') ?? 99) > Number(server)) return false;
  const [most, client] = [asked.get('client_max_window_bits'), given.get('client_max_window_bits')];
  if (client === undefined) return true;
  return most !== undefined && BITS.test(client) && Number(client) <= Number(most || 15);
}

/** Undefined: it is no list of extensions (RFC 6455 section 9.1), or one of them has a parameter twice. */
function readExtensions(fields: readonly Field[]): Extension[] | undefined {
  const extensions: Extension[] = [];
  for (const value of valuesOf(fields, 'sec-websocket-extensions')) {
    for (const part of value.split(',')) {
      // A quoted value must be a token (section 9.1), so no comma and no semicolon stands inside quotes.
      const text = trimBlanks(part);
      if (text === '') continue; // RFC 9110 section 5.6.1
      const [name = '', ...rest] = text.split(';').map(trimBlanks);
      const parameters = new Map<string, string>();
      for (const piece of rest) {
        const found = PARAMETER.exec(piece);
        const key = (found?.[1] ?? '').toLowerCase();
        if (!found || parameters.has(key)) return undefined;
        parameters.set(key, found[2] ?? found[3] ?? '');
      }
      if (!TOKEN.test(name)) return undefined;
      extensions.push({ name: name.toLowerCase(), parameters, text });
    }
  }
  return extensions;
}

function listOf(fields: readonly Field[], name: string): string[] {
  const items = valuesOf(fields, name).flatMap((value) => value.split(','));
  return items.map(trimBlanks).filter((item) => item !== '');
}

function valuesOf(fields: readonly Field[], name: string): string[] {
  return fields.filter(([given]) => given.toLowerCase() === name).map(([, value]) => value);
}

function wrong(why: string): WrongSwitch {
  return { kind: 'wrong', why: `its answer to the request for a WebSocket ${why}` };
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const PARAMETER =
  /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+)(?:[\t ]*=[\t ]*(?:([!#$%&'*+\-.^_`|~0-9A-Za-z]+)|"([!#$%&'*+\-.^_`|~0-9A-Za-z]+)"))?$/;
/** Base64 of 16 bytes. */
const KEY = /^[A-Za-z0-9+/]{21}[AQgw]==$/;
