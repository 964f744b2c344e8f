/** Which addresses may be dialled. What is not plainly public is refused, unless the manifest's `allow_private` covers it. */
import { BlockList, isIP } from 'node:net';
import { parseCidr } from '../../contracts/cidr.ts';

export type AddressCheck = { readonly kind: 'public' } | { readonly kind: 'refused'; readonly why: string };

/** Throws if a block of `allowPrivate` is not a CIDR block: the configuration is broken then. */
export function addressCheck(allowPrivate: readonly string[]): (address: string) => AddressCheck {
  const allowed = new BlockList();
  for (const text of allowPrivate) addBlock(allowed, text);
  const special = SPECIAL.map(([what, ...blocks]) => {
    const list = new BlockList();
    for (const text of blocks) addBlock(list, text);
    return { what, list };
  });
  return (address) => {
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    if (isIP(address) === 0) return { kind: 'refused', why: 'is not an address' };
    if (allowed.check(address, family)) return { kind: 'public' };
    const found = special.find(({ list }) => list.check(address, family));
    if (found) return { kind: 'refused', why: `is ${found.what}` };
    // Only 2000::/3 is given out as global unicast (RFC 4291, IANA registry).
    if (family === 'ipv6' && !GLOBAL.check(address, 'ipv6')) return { kind: 'refused', why: 'is not a global address' };
    return { kind: 'public' };
  };
}

/** Why an address of this name is not dialled, and what would allow it. */
export function refusalOf(name: string, address: string, why: string): string {
  const subject = name === address ? address : `${name} resolves to ${address}, which`;
  const block = `${address}/${address.includes(':') ? 128 : 32}`;
  return `${subject} ${why}; such an address is dialled only if the manifest names it: egress.allow_private: ["${block}"]`;
}

function addBlock(list: BlockList, text: string): void {
  const cidr = parseCidr(text);
  if ('kind' in cidr) throw new Error(`${text} ${cidr.why}`);
  list.addSubnet(cidr.address, cidr.prefix, cidr.family);
}

/** IANA special-purpose registries (RFC 6890 and successors), by what a user would call them. The first that fits names it. */
const SPECIAL: readonly (readonly [what: string, ...blocks: string[]])[] = [
  // Mapped and translated addresses first: they hide any of the others.
  ['an address inside another one', '64:ff9b::/96', '64:ff9b:1::/48', '2002::/16', '2001::/32'],
  ['a metadata address', '169.254.169.254/32', '169.254.170.2/32', '100.100.100.200/32', 'fd00:ec2::254/128'],
  ['a loopback address', '127.0.0.0/8', '::1/128'],
  ['a private address', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7', 'fec0::/10'],
  ['a shared (carrier-grade NAT) address', '100.64.0.0/10'],
  ['a link-local address', '169.254.0.0/16', 'fe80::/10'],
  ['an unspecified address', '0.0.0.0/8', '::/128'],
  ['a multicast address', '224.0.0.0/4', 'ff00::/8'],
  ['a documentation address', '192.0.2.0/24', '198.51.100.0/24', '203.0.113.0/24', '2001:db8::/32', '3fff::/20'],
  ['a reserved address', '192.0.0.0/24', '192.88.99.0/24', '198.18.0.0/15', '240.0.0.0/4', '2001::/23', '100::/64'],
];

const GLOBAL = new BlockList();
GLOBAL.addSubnet('2000::', 3, 'ipv6');
