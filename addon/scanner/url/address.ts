/** Hosts that lead inside: private, loopback, link-local and metadata addresses, in whatever form they are written. */
import { BlockList, isIP, isIPv6 } from 'node:net';

const INTERNAL = new BlockList();
for (const [address, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10], // carrier-grade NAT; Alibaba's metadata service is in it
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
] as const)
  INTERNAL.addSubnet(address, prefix, 'ipv4');
for (const [address, prefix] of [
  ['::', 127], // unspecified and loopback
  ['fc00::', 7],
  ['fe80::', 10],
] as const)
  INTERNAL.addSubnet(address, prefix, 'ipv6');

const METADATA = new Set(['169.254.169.254', '169.254.170.2', '100.100.100.200', '168.63.129.16', 'fd00:ec2::254']);
const INTERNAL_NAMES = /^(?:localhost|ip6-localhost|metadata|metadata\.google\.internal|instance-data)$|\.localhost$/;
/** Public names that answer with the address that is written in them. */
const WILDCARD_DNS = /(?:^|[.-])(\d{1,3})[.-](\d{1,3})[.-](\d{1,3})[.-](\d{1,3})\.(?:nip\.io|sslip\.io|xip\.io)$/;
const LOOPBACK_NAMES = /(?:^|\.)(?:localtest\.me|lvh\.me|vcap\.me|lacolhost\.com)$/;

/** The internal address that a host stands for, in its usual form; undefined if it stands for none. */
export function internalAddress(host: string): string | undefined {
  if (INTERNAL_NAMES.test(host))
    return host.startsWith('metadata') || host === 'instance-data' ? '169.254.169.254' : '127.0.0.1';
  if (LOOPBACK_NAMES.test(host)) return '127.0.0.1';
  const embedded = WILDCARD_DNS.exec(host)?.slice(1).join('.');
  if (embedded !== undefined) return isInternal(embedded) ? embedded : undefined;
  const address = addressOf(host);
  return address !== undefined && isInternal(address) ? address : undefined;
}

/** Reads an address as a URL parser does: octal, hexadecimal, short, decimal, IPv4 in IPv6. */
function addressOf(host: string): string | undefined {
  const url = URL.parse(`http://${isIPv6(host) || host.includes(':') ? `[${host}]` : host}/`);
  const text = url?.hostname.replace(/^\[|\]$/g, '') ?? '';
  if (isIP(text) === 0) return undefined;
  const mapped =
    /^(?:::ffff:|::|64:ff9b::)([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(text) ??
    /^2002:([0-9a-f]{1,4}):([0-9a-f]{1,4}):/.exec(text);
  if (!mapped) return text;
  const [high, low] = [Number.parseInt(mapped[1] ?? '0', 16), Number.parseInt(mapped[2] ?? '0', 16)];
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}

function isInternal(address: string): boolean {
  if (METADATA.has(address)) return true;
  const family = isIP(address);
  return family !== 0 && INTERNAL.check(address, family === 6 ? 'ipv6' : 'ipv4');
}
