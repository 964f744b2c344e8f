/**
 * One reading of a request's head, and a refusal of whatever another parser could read differently. What comes out is written
 * anew towards scanner and upstream; nothing of the agent's bytes is relayed raw. RFC 9110 and 9112.
 */
import { METHODS } from 'node:http';
import { type Host, parseHost } from '../contracts/host.ts';
import { requestFraming } from './h1/framing.ts';
import type { RequestLine } from './h1/head.ts';
import { HEAD_FIELDS } from './limits.ts';
import { type Field, type Refusal, refused, type RequestHead, type Target } from './message.ts';
import { isPerHop, SCAN_ID_FIELD } from './receipt.ts';

/** A head as the parser delivers it. */
export type RawHead = RequestLine;

/** The tunnel that a request came through. */
export interface Tunnel {
  readonly target: Target;
  /** Server name of the ClientHello, if there was one. */
  readonly sni: string | undefined;
}

/** `head.target` is best effort if there is a refusal; it is what the journal says. */
export interface Reading {
  readonly head: RequestHead;
  readonly refusal: Refusal | undefined;
}

export const NOWHERE: Target = { scheme: 'http', host: { kind: 'name', text: '' }, port: 0 };

/** `switches`: the protocols, in lower case, that a request may switch to. */
export function readHead(raw: RawHead, tunnel: Tunnel | undefined, switches: Switches = NO_SWITCHES): Reading {
  const line = tunnel ? readTunnelled(raw, tunnel.target) : readProxied(raw);
  const target = tunnel?.target ?? ('kind' in line ? NOWHERE : line.target);
  const path = 'kind' in line ? '/' : line.path;
  const upgrade = switchOf(raw, switches);
  const head = {
    method: raw.method,
    target,
    path,
    fields: endToEnd(raw.fields),
    ...(upgrade === undefined ? {} : { upgrade }),
  };
  const refusal =
    ambiguity(raw) ?? ('kind' in line ? line : misdirection(raw, target, tunnel)) ?? unsupported(raw, upgrade);
  return { head, refusal };
}

/** Where a CONNECT wants to go. A body would be the tunnel's first bytes to one reader, and not to another. */
export function readConnect(raw: RawHead): { host: Host; port: number } | Refusal {
  const place = readAuthority(raw.url);
  if ('kind' in place) return refused(403, `the CONNECT target ${place.why}`);
  const framing = requestFraming(raw);
  if (framing.kind === 'malformed') return refused(framing.status, framing.reason);
  if (framing.kind !== 'none') return refused(400, 'a CONNECT has no body');
  return ambiguity(raw) ?? place;
}

/** `host:port` of a CONNECT. The port is required (RFC 9110 section 9.3.6). */
export function readAuthority(text: string): { host: Host; port: number } | { kind: 'invalid'; why: string } {
  if (text.includes('@')) return { kind: 'invalid', why: 'has user information in it' };
  const found = /^(\[[^\]]*\]|[^:]*):(\d{1,5})$/.exec(text);
  if (!found) return { kind: 'invalid', why: 'is not host:port' };
  const host = parseHost(found[1] ?? '');
  // Without what stands in brackets there: it quotes the text, and this may be a field's value.
  if (host.kind === 'invalid') return { kind: 'invalid', why: `names a host that ${host.why.replace(/ \(.*/s, '')}` };
  // It would be judged as one address and dialled as another.
  if (MAPPED.test(host.text)) return { kind: 'invalid', why: 'names a host that is an IPv4 address inside IPv6' };
  const port = Number(found[2]);
  if (port < 1 || port > 65535) return { kind: 'invalid', why: 'has a port outside 1–65535' };
  return { host, port };
}

/** The port that a URL of this scheme leaves out. */
export function defaultPort(scheme: Target['scheme']): number {
  return scheme === 'https' ? 443 : 80;
}

/** A server name of TLS is for this host, and for it alone. */
export function isSameName(name: string, { text }: Host): boolean {
  const host = parseHost(name);
  return host.kind !== 'invalid' && host.text === text;
}

/** Values of all fields of this (lower-case) name, in order. */
export function valuesOf(fields: readonly Field[], name: string): string[] {
  const values: string[] = [];
  for (const [given, value] of fields) {
    if (given.length === name.length && given.toLowerCase() === name) values.push(value); // most differ in length already
  }
  return values;
}

/** Lower-case names of the fields that `Connection` makes this hop's own (RFC 9110 section 7.6.1). */
export function namedByConnection(fields: readonly Field[]): ReadonlySet<string> {
  const options = valuesOf(fields, 'connection').flatMap((value) => value.split(','));
  return new Set(options.map((option) => option.trim().toLowerCase()));
}

type Line = { readonly target: Target; readonly path: string };
type Switches = { has(protocol: string): boolean };

/** Outside a tunnel only the absolute form of plain HTTP is served. */
function readProxied({ method, url }: RawHead): Line | Refusal {
  if (url.startsWith('/') || url === '*') return refused(400, 'this is a proxy; it has no pages of its own');
  if (/^https:/i.test(url)) return refused(400, 'https needs a CONNECT tunnel');
  return readAbsolute(method, url);
}

function readTunnelled({ method, url }: RawHead, target: Target): Line | Refusal {
  if (url === '*' && method === 'OPTIONS') return { target, path: '*' };
  if (url.startsWith('/')) return readPath(url, target);
  const line = readAbsolute(method, url);
  if ('kind' in line) return line;
  const { scheme, host, port } = line.target;
  if (scheme !== target.scheme || host.text !== target.host.text || port !== target.port)
    return refused(400, 'the absolute request target names another host than the tunnel');
  return { target, path: line.path };
}

function readAbsolute(method: string, url: string): Line | Refusal {
  const found = /^(https?):\/\/([^/?#]*)(.*)$/is.exec(url);
  if (!found) return refused(400, 'the request target is neither a path nor an absolute http URL');
  const [, letters = '', authority = '', rest = ''] = found;
  const scheme = letters.toLowerCase() === 'https' ? 'https' : 'http';
  const place = readAuthority(/:\d*$/.test(authority) ? authority : `${authority}:${defaultPort(scheme)}`);
  if ('kind' in place) return refused(400, `the request target ${place.why}`);
  const target = { scheme, ...place } as const;
  if (rest === '' && method === 'OPTIONS') return { target, path: '*' }; // RFC 9112 section 3.2.4
  return readPath(rest.startsWith('/') ? rest : `/${rest}`, target);
}

function readPath(path: string, target: Target): Line | Refusal {
  if (path.includes('#')) return refused(400, 'the request target has a fragment');
  if (/[^\x21-\x7e]/.test(path)) return refused(400, 'the request target has a character that is not visible ASCII');
  return { target, path };
}

/** What two parsers could frame or read differently. */
function ambiguity(raw: RawHead): Refusal | undefined {
  const { version, fields } = raw;
  if (version !== '1.0' && version !== '1.1') return refused(400, 'the HTTP version is neither 1.0 nor 1.1');
  if (fields.length > HEAD_FIELDS) return refused(431, `there are more than ${HEAD_FIELDS} header fields`);
  const broken = fields.find(([name, value]) => !TOKEN.test(name) || /[^\t\x20-\x7e\x80-\xff]/.test(value));
  if (broken) return refused(400, 'a header field has a character that is not allowed there');
  for (const name of ['host', 'content-type', 'content-encoding', 'expect']) {
    if (valuesOf(fields, name).length > 1) return refused(400, `the field ${name} is repeated`);
  }
  const framing = requestFraming(raw);
  return framing.kind === 'malformed' ? refused(framing.status, framing.reason) : undefined;
}

/** CONNECT target, server name and Host must be the same host; otherwise what was judged is not what is asked for. */
function misdirection({ version, fields }: RawHead, target: Target, tunnel: Tunnel | undefined): Refusal | undefined {
  if (tunnel?.sni !== undefined && !isSameName(tunnel.sni, target.host))
    return refused(421, 'the TLS server name is another host than the tunnel');
  const [host] = valuesOf(fields, 'host');
  if (host === undefined) return version === '1.0' ? undefined : refused(400, 'the field host is missing');
  const place = readAuthority(/:\d*$/.test(host) && !host.endsWith(']') ? host : `${host}:${target.port}`);
  if ('kind' in place) return refused(400, `the field host ${place.why}`);
  if (place.host.text !== target.host.text || place.port !== target.port)
    return refused(421, `the field host is another host than ${tunnel ? 'the tunnel' : 'the request target'}`);
  return undefined;
}

/** The protocol that a request switches to, if it asks for exactly one that is carried, and has no body (RFC 9110 section 7.8). */
function switchOf(raw: RawHead, switches: Switches): string | undefined {
  const [wanted, ...more] = valuesOf(raw.fields, 'upgrade');
  const protocol = wanted?.toLowerCase();
  if (protocol === undefined || more.length > 0 || !switches.has(protocol)) return undefined;
  const asked = raw.method === 'GET' && raw.version === '1.1' && namedByConnection(raw.fields).has('upgrade');
  return asked && requestFraming(raw).kind === 'none' ? protocol : undefined;
}

/** What the sidecar does not carry. */
function unsupported({ method, fields }: RawHead, upgrade: string | undefined): Refusal | undefined {
  if (method === 'TRACE') return refused(405, 'TRACE is not served: it would echo credentials');
  if (method === 'CONNECT') return refused(405, 'a tunnel inside a tunnel is not served');
  if (!METHODS.includes(method)) return refused(405, 'the method is not known');
  const upgrades = valuesOf(fields, 'upgrade').flatMap((value) => value.split(','));
  // A client that offers h2c goes on with HTTP/1.1 when nobody takes it up (RFC 9110 section 7.8); others wait for the switch.
  if (upgrade === undefined && upgrades.some((protocol) => protocol.trim().toLowerCase() !== 'h2c'))
    return refused(
      426,
      'a switch to this protocol is not carried, or the manifest refuses it (egress.websockets); use plain requests',
    );
  const [expect] = valuesOf(fields, 'expect');
  if (expect !== undefined && expect.toLowerCase() !== '100-continue')
    return refused(417, 'an expectation other than 100-continue');
  return undefined;
}

/** Without the fields of this hop, those that `Connection` names, those of the scan call and those of the proxy. */
function endToEnd(fields: readonly Field[]): Field[] {
  const named = namedByConnection(fields);
  return fields.filter(([name]) => {
    const lower = name.toLowerCase();
    return !isPerHop(lower) && !named.has(lower) && !lower.startsWith('proxy-') && lower !== SCAN_ID_FIELD;
  });
}

/** `::ffff:0:0/96` in its canonical form (RFC 4291 section 2.5.5.2). */
const MAPPED = /^::ffff:[0-9a-f]{1,4}:[0-9a-f]{1,4}$/;
const NO_SWITCHES: Switches = new Set();
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
