/** Heads as HTTP/2 carries them, read and written. Pure. RFC 9113 sections 8.2 and 8.3, RFC 8441 section 4. */
import { HEAD_BYTES } from './limits.ts';
import { type Field, type Refusal, refused } from './message.ts';
import type { RawHead } from './request.ts';

/** A request's field section. */
export interface StreamHead {
  /**
   * As HTTP/1.1 would say it: `:authority` is `Host`, the crumbs of a cookie are one field (section 8.2.3), an extended CONNECT is a GET
   * with `Upgrade`.
   */
  readonly raw: RawHead;
  /** What an extended CONNECT asks for. */
  readonly protocol: string | undefined;
  /** What HTTP/1.1 cannot even say. */
  readonly refusal: Refusal | undefined;
}

/** `list`: names and values in turn, as they came. That pseudo-fields stand in front and once is the framer's matter. */
export function readStreamHead(list: readonly string[]): StreamHead {
  const pseudo = new Map<string, string>();
  const fields: Field[] = [];
  const crumbs: string[] = [];
  let cookieAt = 0;
  for (let at = 0; at + 1 < list.length; at += 2) {
    const [name = '', value = ''] = [list[at], list[at + 1]];
    if (name.startsWith(':')) pseudo.set(name, value);
    else if (name !== 'cookie') fields.push([name, value]);
    else if (crumbs.push(value) === 1) cookieAt = fields.length;
  }
  if (crumbs.length > 0) fields.splice(cookieAt, 0, ['cookie', crumbs.join('; ')]);
  const [authority, method = '', url = ''] = [':authority', ':method', ':path'].map((name) => pseudo.get(name));
  const protocol = pseudo.get(':protocol');
  const hosts = fields.filter(([name]) => name === 'host');
  const named: Field[] = authority === undefined ? hosts : [['host', authority]];
  return {
    raw: {
      method: protocol === undefined ? method : 'GET',
      url,
      version: '1.1',
      fields: [...named, ...switching(protocol), ...fields.filter(([name]) => name !== 'host')],
    },
    protocol,
    refusal: excess(list) ?? contradiction(pseudo, hosts),
  };
}

/** Names and values in turn: lower-case, without fields of a connection, which HTTP/2 has none of. Throws if a value would be two fields. */
export function writeFields(fields: readonly Field[]): string[] {
  const list: string[] = [];
  for (const [name, value] of fields) {
    const lower = name.toLowerCase();
    if (CONNECTION.has(lower)) continue;
    if (/[^\t\x20-\x7e\x80-\xff]/.test(value)) throw new Error('a field has a character that is not allowed there');
    list.push(lower, value.replace(/^[\t ]+|[\t ]+$/g, ''));
  }
  return list;
}

/** The same by name, which is all that Node takes for interim heads and trailers. */
export function writeFieldMap(fields: readonly Field[]): Record<string, string[]> {
  const list = writeFields(fields);
  const map: Record<string, string[]> = Object.create(null) as Record<string, string[]>; // a field may be named __proto__
  for (let at = 0; at + 1 < list.length; at += 2) (map[list[at] ?? ''] ??= []).push(list[at + 1] ?? '');
  return map;
}

/** What came, without pseudo-fields. */
export function readFields(list: readonly string[]): Field[] {
  const fields: Field[] = [];
  for (let at = 0; at + 1 < list.length; at += 2) fields.push([list[at] ?? '', list[at + 1] ?? '']);
  return fields.filter(([name]) => !name.startsWith(':'));
}

/** Calls whose status is in trailers, and whose servers want to hear that the caller reads them. */
export function isGrpc(fields: readonly Field[]): boolean {
  const [, type = ''] = fields.find(([name]) => name.toLowerCase() === 'content-type') ?? [];
  return /^application\/grpc(?:\+|;|\s*$)/i.test(type);
}

/** As `SETTINGS_MAX_HEADER_LIST_SIZE` counts (section 6.5.2). It is advice, and Node counts less. */
function excess(list: readonly string[]): Refusal | undefined {
  const size = list.reduce((sum, part) => sum + part.length + 16, 0);
  if (size <= HEAD_BYTES) return undefined;
  return refused(431, `the head is larger than ${HEAD_BYTES} bytes`);
}

function switching(protocol: string | undefined): Field[] {
  if (protocol === undefined) return [];
  return [
    ['connection', 'upgrade'],
    ['upgrade', protocol],
  ];
}

function contradiction(pseudo: ReadonlyMap<string, string>, hosts: readonly Field[]): Refusal | undefined {
  const authority = pseudo.get(':authority');
  const path = pseudo.get(':path') ?? '';
  if (pseudo.has(':protocol') && pseudo.get(':method') !== 'CONNECT')
    return refused(400, 'only a CONNECT may have the field :protocol');
  if (pseudo.get(':scheme') !== 'https') return refused(400, 'the scheme is not https');
  if (authority !== undefined && hosts.some(([, host]) => host !== authority))
    return refused(400, 'the fields :authority and host are not the same');
  if (!path.startsWith('/') && path !== '*') return refused(400, 'the path does not begin with "/"');
  return undefined;
}

/** RFC 9113 section 8.2.2. */
const CONNECTION = new Set([
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
]);
