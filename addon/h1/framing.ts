/** How long a message's body is: one reading, or none. And whether another message may follow it. RFC 9112 sections 6.3 and 9.3. */
import type { Field } from '../receipt.ts';
import type { RequestLine, StatusLine } from './head.ts';
import { type Malformed, malformed } from './section.ts';

export type Framing =
  | { readonly kind: 'none' }
  /** `bytes`: at least 1. */
  | { readonly kind: 'length'; readonly bytes: number }
  | { readonly kind: 'chunked' }
  /** Up to the end of the connection; responses only. */
  | { readonly kind: 'close' };

export function requestFraming({ version, fields }: Pick<RequestLine, 'version' | 'fields'>): Framing | Malformed {
  return readFraming(version, fields, NONE);
}

/**
 * `method`: of the request that is answered. Status 101 and an accepted CONNECT end what this protocol can say: `none`, and what
 * follows is another's.
 */
export function responseFraming(method: string, { version, status, fields }: StatusLine): Framing | Malformed {
  if (status < 200 && !persists({ version, fields })) return malformed('an interim answer ends the connection');
  const framing = readFraming(version, fields, CLOSE);
  const isBodiless = method === 'HEAD' || status < 200 || status === 204 || status === 304;
  const isTunnel = method === 'CONNECT' && status < 300;
  return framing.kind !== 'malformed' && (isBodiless || isTunnel) ? NONE : framing;
}

/** Another message may follow on the connection, as far as the head says. `Proxy-Connection` is what some clients tell a proxy instead. */
export function persists({ version, fields }: Pick<RequestLine, 'version' | 'fields'>): boolean {
  let isKept = version === '1.1';
  for (const [name, value] of fields) {
    if (!/^(proxy-)?connection$/i.test(name)) continue;
    const options = value.toLowerCase().split(',');
    if (options.some((option) => option.trim() === 'close')) return false;
    if (options.some((option) => option.trim() === 'keep-alive')) isKept = true;
  }
  return isKept;
}

function readFraming(version: string, fields: readonly Field[], unless: Framing): Framing | Malformed {
  let coding: string | undefined;
  let length: string | undefined;
  for (const [name, value] of fields) {
    if (name.length === 14 && name.toLowerCase() === 'content-length') {
      if (length !== undefined) return malformed('the field content-length is repeated');
      length = value;
    } else if (name.length === 17 && name.toLowerCase() === 'transfer-encoding') {
      if (coding !== undefined) return malformed('the field transfer-encoding is repeated');
      coding = value;
    }
  }
  if (coding !== undefined) {
    if (length !== undefined) return malformed('both transfer-encoding and content-length are given');
    if (coding.toLowerCase() !== 'chunked' || version === '1.0')
      return malformed('the transfer-encoding is not exactly "chunked", in HTTP/1.1');
    return CHUNKED;
  }
  if (length === undefined) return unless;
  // Fifteen digits: every such number is exact.
  if (!/^\d{1,15}$/.test(length)) return malformed('the content-length is not a number');
  const bytes = Number(length);
  return bytes === 0 ? NONE : { kind: 'length', bytes };
}

const NONE = { kind: 'none' } as const;
const CHUNKED = { kind: 'chunked' } as const;
const CLOSE = { kind: 'close' } as const;
