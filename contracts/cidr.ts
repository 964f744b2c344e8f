/** Reading of CIDR blocks, as `allow_private` holds them. */
import { parseHost } from './host.ts';

export interface Cidr {
  readonly family: 'ipv4' | 'ipv6';
  readonly address: string;
  readonly prefix: number;
}

/** Parses `192.0.2.0/24`, `2001:db8::/32` or a single address. Returns why not otherwise. */
export function parseCidr(text: string): Cidr | { kind: 'invalid'; why: string } {
  const [address = '', prefix, ...rest] = text.split('/');
  if (rest.length > 0) return { kind: 'invalid', why: 'is not ADDRESS/PREFIX' };
  const host = parseHost(address.includes(':') ? `[${address}]` : address);
  if (host.kind === 'invalid' || host.kind === 'name')
    return { kind: 'invalid', why: 'does not begin with an IP address' };
  const bits = host.kind === 'ipv4' ? 32 : 128;
  if (prefix === undefined) return { family: host.kind, address: host.text, prefix: bits };
  if (!/^\d{1,3}$/.test(prefix) || Number(prefix) > bits)
    return { kind: 'invalid', why: `has a prefix length outside 0–${bits}` };
  return { family: host.kind, address: host.text, prefix: Number(prefix) };
}
