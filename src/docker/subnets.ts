/** Small subnets of our own choosing: the engine's default pools hold about thirty networks, a /16 of /29s holds 8192. */
import { randomInt } from 'node:crypto';
import { networkInterfaces } from 'node:os';

/** Private, and not what engines, virtual machines and cluster networks take by default. */
const POOL = 0x0ad5_0000; // 10.213.0.0/16
const POOL_SUBNETS = 8192;
const PREFIX = 29;
const SIZE = 8;

/** `count` different subnets in CIDR form, from a random place in the pool; none that this machine has an address in. */
export function candidates(count: number, first: number = randomInt(POOL_SUBNETS)): string[] {
  const own = ownAddresses();
  const found: string[] = [];
  // An odd step visits every subnet of the pool once; a large one leaves a busy neighbourhood at once.
  for (let step = 0; step < POOL_SUBNETS && found.length < count; step += 1) {
    const base = POOL + ((first + step * 1021) % POOL_SUBNETS) * SIZE;
    if (!own.some((address) => address >= base && address < base + SIZE)) found.push(`${dotted(base)}/${PREFIX}`);
  }
  return found;
}

/** The n-th host address of a subnet, from 1. @throws RangeError if the subnet has none */
export function hostAddress(subnet: string, n: number): string {
  const [base = '', prefix = ''] = subnet.split('/');
  const hosts = 2 ** (32 - Number(prefix)) - 2;
  if (!Number.isInteger(n) || n < 1 || n > hosts) throw new RangeError(`${subnet} has no host address ${n}`);
  return dotted(parse(base) + n);
}

function ownAddresses(): number[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ family }) => family === 'IPv4')
    .map(({ address }) => parse(address));
}

function parse(address: string): number {
  return address.split('.').reduce((value, octet) => value * 256 + Number(octet), 0);
}

function dotted(address: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.');
}
