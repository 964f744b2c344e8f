/** Private keys and tokens of formats that no single issuer has. */
import { bech32 } from '../checks/coins.ts';
import { beginsWithKey, isJwtHeader } from '../checks/tokens.ts';
import { BASE62, exact, HEX, made, type Rule } from './rule.ts';

export const KEY_RULES: readonly Rule[] = [
  {
    name: 'Private Key Header',
    issuer: 'RFC 7468, OpenSSH, OpenPGP',
    severity: 'critical',
    trigger: exact('-----BEGIN'),
    edge: 'none',
    // Some key must follow: the header alone stands in every manual and in much code. Line ends may be written as \n.
    pattern:
      /-----BEGIN(?: (?:RSA|EC|DSA|OPENSSH|ENCRYPTED|PGP|SSH2 ENCRYPTED))? PRIVATE KEY(?: BLOCK)?-----([^]{0,400})/,
    check: (match) => beginsWithKey(match[1] ?? ''),
    reach: 600,
    examples: [
      `-----BEGIN RSA ${'PRIVATE'} KEY-----\nMIIE${made(60)}\n`,
      `-----BEGIN ${'PRIVATE'} KEY-----\\nMIIE${made(60)}\\n`,
      `-----BEGIN PGP ${'PRIVATE'} KEY BLOCK-----\nVersion: GnuPG v2\n\nlQdG${made(60)}`,
    ],
    lookalikes: [
      '-----BEGIN PRIVATE KEY-----',
      "startsWith('-----BEGIN RSA PRIVATE KEY-----')",
      `-----BEGIN CERTIFICATE-----\nMIIE${made(60)}`,
    ],
  },
  {
    name: 'PuTTY Private Key',
    issuer: 'PuTTY',
    severity: 'critical',
    trigger: exact('PuTTY-User-Key-File-'),
    pattern: /PuTTY-User-Key-File-[23]: ?(?:ssh|ecdsa)-[a-z0-9-]{2,30}(?:\\[nr]|\s){1,4}Encryption: ?[a-z]/,
    examples: [`PuTTY-User-Key-${'File'}-3: ssh-ed25519\nEncryption: none\n`],
    lookalikes: ['PuTTY-User-Key-File-3 is the header'],
  },
  {
    name: 'age Secret Key',
    issuer: 'age',
    severity: 'critical',
    trigger: exact('AGE-SECRET-KEY-1', 'AGE-PLUGIN-'),
    pattern: /AGE-(?:SECRET-KEY-1|PLUGIN-[A-Z0-9-]{1,20}-1)[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}/,
    examples: [
      bech32(
        'age-secret-key-',
        Array.from(made(52, HEX)).map((digit) => Number.parseInt(digit, 16)),
      ).toUpperCase(),
    ],
    lookalikes: ['AGE-SECRET-KEY-1', 'AGE-PLUGIN-YUBIKEY'],
  },
  {
    name: 'JWT Token',
    issuer: 'RFC 7519',
    severity: 'high',
    trigger: exact('eyJ', 'ewog', 'ewoJ'),
    // The signature may lie beyond the reach; the header says enough.
    reach: 2048,
    pattern: /(e[yw][A-Za-z0-9_=-]{14,1024})\.[A-Za-z0-9_=-]{8,}(?:\.[A-Za-z0-9_=-]{8,}|$)/,
    check: (match) => isJwtHeader(match[1] ?? ''),
    examples: [
      `${Buffer.from('{"alg":"HS256","typ":"JWT"}').toString('base64url')}.${Buffer.from('{"sub":"1234567890"}').toString('base64url')}.${made(43)}`,
    ],
    lookalikes: [
      'eyJhbGciOiJIUzI1NiJ9',
      `${Buffer.from('{"version":3,"sources":["a.ts"]}').toString('base64url')}.${made(20)}.${made(20)}`,
      'eyJ.eyJ.eyJ',
    ],
  },
  {
    name: 'Kubernetes Service Account Token',
    issuer: 'Kubernetes',
    severity: 'critical',
    trigger: exact('kubernetes.io/serviceaccount'),
    edge: 'none',
    // The payload of such a token, once it is decoded.
    pattern: /kubernetes\.io\/serviceaccount\/(?:secret\.name|service-account\.uid)"\s{0,4}:\s{0,4}"[^"]{4,128}"/,
    examples: [`{"kubernetes.io/serviceaccount/${'secret'}.name":"default-token-${made(5)}"}`],
    lookalikes: ['/var/run/secrets/kubernetes.io/serviceaccount/token'],
  },
  {
    name: 'WireGuard Private Key',
    issuer: 'WireGuard',
    severity: 'critical',
    trigger: exact('PrivateKey', 'PresharedKey'),
    pattern: /(?:PrivateKey|PresharedKey) {0,4}= {0,4}(?=[A-Za-z+/]{0,42}[0-9])[A-Za-z0-9+/]{43}=(?![A-Za-z0-9+=])/,
    examples: [`PrivateKey = ${made(42, BASE62)}E=`],
    lookalikes: ['PrivateKey = <key>', 'PrivateKey=crypto.generateKeyPairSync'],
  },
  {
    name: 'JWK Private Key',
    issuer: 'RFC 7517',
    severity: 'critical',
    trigger: exact('"kty"', '"d"'),
    edge: 'none',
    reach: 900,
    pattern:
      /"kty"\s{0,4}:\s{0,4}"(?:RSA|EC|OKP)"(?=[^{}]{0,600}?"d"\s{0,4}:\s{0,4}"[A-Za-z0-9_-]{40})|"d"\s{0,4}:\s{0,4}"[A-Za-z0-9_-]{40,700}"(?=[^{}]{0,400}?"kty")/,
    examples: [
      `{"kty":"OKP","crv":"Ed25519","x":"${made(43)}","d":"${made(43)}"}`,
      `{"d":"${made(43)}","crv":"P-256","kty":"EC"}`,
    ],
    lookalikes: [`{"kty":"OKP","crv":"Ed25519","x":"${made(43)}"}`],
  },
  {
    name: 'Htpasswd or Shadow Hash',
    issuer: 'crypt(3)',
    severity: 'high',
    trigger: exact(':$6$', ':$5$', ':$y$', ':$2y$', ':$2b$', ':$apr1$', ':$1$'),
    edge: 'none',
    pattern: /:\$(?:6|5|1|apr1|y|2[yb])\$[A-Za-z0-9./$=,]{22,}/,
    check: (_match, before) => /[A-Za-z_][\w.-]{0,31}$/.test(before),
    examples: [`root:$6$${made(16)}$${made(86)}:19000:0:99999:7:::`],
    lookalikes: ['root:*:19000:0', 'root:$6$salt$hash'],
  },
];
