/** Keys and addresses of cryptocurrencies. All are checked by their own checksum, so random text is none. */
import { base58Check, bech32, isBase58Check, isBech32 } from '../checks/coins.ts';
import { BASE58, exact, HEX, made, type Rule } from './rule.ts';

const bytes = (length: number) => Buffer.from(made(length * 2, HEX), 'hex');

export const COIN_RULES: readonly Rule[] = [
  {
    name: 'Bitcoin WIF Private Key',
    issuer: 'Bitcoin',
    severity: 'critical',
    trigger: { kind: 'token', first: '5KLc9', least: 51, most: 52 },
    pattern: /[5KLc9][1-9A-HJ-NP-Za-km-z]{50,51}/,
    check: (match) => isBase58Check(match[0], match[0].length === 51 ? 37 : 38),
    examples: [
      base58Check(Buffer.concat([Buffer.of(0x80), bytes(32)])),
      base58Check(Buffer.concat([Buffer.of(0x80), bytes(32), Buffer.of(1)])),
    ],
    lookalikes: [`K${made(51, BASE58)}`],
  },
  {
    name: 'Extended Private Key',
    issuer: 'BIP 32',
    severity: 'critical',
    trigger: exact('xprv', 'yprv', 'zprv', 'tprv'),
    pattern: /[xyzt]prv[1-9A-HJ-NP-Za-km-z]{107,108}(?![A-Za-z0-9])/,
    examples: [`xprv${made(107, BASE58)}`],
    lookalikes: ['xprv9s21', `xprv${made(120, BASE58)}`],
  },
  {
    name: 'Ethereum Private Key',
    issuer: 'Ethereum',
    severity: 'critical',
    trigger: { kind: 'token', first: '0', least: 66, most: 66 },
    pattern: /0x[0-9a-fA-F]{64}(?![0-9A-Za-z])/,
    // 32 bytes are a hash, a topic or a word of memory far more often: only where the text calls it a key.
    check: (_match, before) =>
      /(?:priv(?:ate)?|secret|signer|wallet|deployer|eth)[_ -]?(?:key|pk)?["'`\]]{0,2}\s{0,4}[:=(]{1,2}\s{0,4}["'`]?$|--private-key[ =]$/i.test(
        before,
      ),
    examples: [`PRIVATE_KEY=0x${made(64, HEX)}`, `"privateKey": "0x${made(64, HEX)}"`],
    lookalikes: [`"txHash": "0x${made(64, HEX)}"`, `0x${made(64, HEX)}`, `block = 0x${made(40, HEX)}`],
  },
  {
    name: 'Bitcoin Address',
    issuer: 'Bitcoin',
    severity: 'medium',
    trigger: { kind: 'token', first: '13', least: 26, most: 35 },
    pattern: /[13][1-9A-HJ-NP-Za-km-z]{25,34}/,
    check: (match) => isBase58Check(match[0], 25),
    examples: [`1A1zP1eP5QGefi2DMPTf${'TL5SLmv7DivfNa'}`, base58Check(Buffer.concat([Buffer.of(5), bytes(20)]))],
    lookalikes: [`1A1zP1eP5QGefi2DMPTf${'TL5SLmv7DivfNb'}`, `1${made(32, BASE58)}`],
  },
  {
    name: 'Bitcoin SegWit Address',
    issuer: 'Bitcoin',
    severity: 'medium',
    trigger: exact('bc1q', 'bc1p', 'ltc1q'),
    pattern: /(?:bc1[qp]|ltc1q)[ac-hj-np-z02-9]{38,58}(?![A-Za-z0-9])/,
    check: (match) => isBech32(match[0]),
    examples: [bech32('bc', [0, ...Array.from(made(32, HEX)).map((digit) => Number.parseInt(digit, 16))])],
    lookalikes: [`bc1q${'c'.repeat(38)}`, 'bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdx'],
  },
  {
    name: 'Ethereum Address in URL',
    issuer: 'Ethereum',
    severity: 'low',
    trigger: { kind: 'token', first: '0', least: 42, most: 42 },
    pattern: /0x(?=[0-9]{0,39}[a-fA-F])[0-9a-fA-F]{40}(?![0-9A-Za-z])/,
    // Without Keccak its checksum cannot be told, and code is full of contract addresses: only in a URL.
    places: ['url'],
    examples: [`0x${made(40, HEX)}`],
    lookalikes: [`0x${made(38, HEX)}`, `0x${made(64, HEX)}`],
  },
  {
    name: 'Nostr or Cardano Secret Key',
    issuer: 'Nostr, Cardano',
    severity: 'critical',
    trigger: exact('nsec1', 'ed25519_sk1', 'xprv1'),
    pattern: /(?:nsec1|ed25519_sk1|xprv1)[ac-hj-np-z02-9]{58,170}(?![A-Za-z0-9])/,
    check: (match) => isBech32(match[0]),
    examples: [
      bech32(
        'nsec',
        Array.from(made(52, HEX)).map((digit) => Number.parseInt(digit, 16)),
      ),
    ],
    lookalikes: [`nsec1${'q'.repeat(58)}`],
  },
];
