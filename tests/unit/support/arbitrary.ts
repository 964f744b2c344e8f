/** Arbitrary values of the shared vocabulary. */
import fc from 'fast-check';
import { type Host, parseHost } from '../../../contracts/host.ts';

const label = fc.oneof(fc.stringMatching(/^[a-z0-9_]([a-z0-9_-]{0,20}[a-z0-9_])?$/), fc.constant('xn--bcher-kva'));
const number = fc.oneof(
  fc.nat(300).map(String),
  fc.stringMatching(/^0[0-7]{1,4}$/),
  fc.stringMatching(/^0x[0-9a-f]{0,8}$/),
);
const group = fc.oneof(fc.constant('0'), fc.stringMatching(/^[0-9a-fA-F]{1,4}$/));

/** Texts that are hosts, nearly hosts, or anything at all. */
export const hostTexts: fc.Arbitrary<string> = fc.oneof(
  fc.array(label, { minLength: 1, maxLength: 5 }).map((labels) => labels.join('.')),
  fc.array(fc.oneof(label, number), { minLength: 1, maxLength: 5 }).map((labels) => labels.join('.')),
  fc.array(number, { minLength: 1, maxLength: 5 }).map((parts) => parts.join('.')),
  fc.ipV4().map((text) => text),
  fc.ipV6().map((text) => `[${text}]`),
  fc.array(group, { minLength: 1, maxLength: 9 }).map((groups) => `[${groups.join(':')}]`),
  fc
    .tuple(fc.array(group, { maxLength: 7 }), fc.array(group, { maxLength: 7 }))
    .map(([head, tail]) => `[${head.join(':')}::${tail.join(':')}]`),
  fc.string({ unit: 'binary' }),
  fc.stringMatching(/^[a-zA-Z0-9.:[\]%_-]{0,30}$/),
  fc.webAuthority({ withIPv4: true, withIPv6: true, withPort: true, withUserInfo: true }),
);

/** Canonical hosts of all kinds. */
export const hosts: fc.Arbitrary<Host> = hostTexts.map(parseHost).filter((host) => host.kind !== 'invalid');
