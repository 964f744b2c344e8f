/** A name that says "secret", and a literal value that looks like one. */
import { isExpression, isOpaqueKey, isStandIn, isStrongPassword } from '../checks/values.ts';
import { anyCase, BASE62, HEX, made, type Rule } from './rule.ts';

/**
 * After the name's secret word: the rest of the name, then an assignment of JSON, YAML, a shell, a program, XML or a
 * connection string, then a value in quotes or up to the next separator.
 */
const ASSIGNED =
  /[A-Za-z0-9_-]{0,24}(?:["'`\]]{0,2}\s{0,4}(?::=|=>|[:=])[ \t]{0,4}|["'],\s{0,4}(?=["'])|>)(?:"([^"\r\n]{6,256})"|'([^'\r\n]{6,256})'|`([^`\r\n]{6,256})`|([^\s"'`,;&<>(){}[\]|\\]{6,256})(?=[\s"'`,;&<|}\]\\]|$))/y;

const PASSWORDS = ['password', 'passwd', 'passphrase', 'pwd'] as const;
const KEYS = [
  'secret',
  'token',
  'api_key',
  'apikey',
  'api-key',
  'access_key',
  'accesskey',
  'private_key',
  'privatekey',
  'auth_key',
  'encryption_key',
  'signing_key',
  'credential',
] as const;

/** Names with a secret word in them that hold no secret: positions, counts, kinds, hashes, tests against forgery, a local socket's key. */
const HARMLESS_NAME =
  /(?:next|prev|page|paging|continuation|cursor|sync|csrf|xsrf|antiforgery|cancel(?:lation)?|abort|cache|max|min|num|count|total|input|output|prompt|completion|start|end|stop|eos|bos|pad|unk|mask|sep|special|design|syntax|parse|lex(?:er)?|public|idempotency|sort|partition|primary|foreign|form|re?captcha|upload|resume|change|device|push|fcm|apns|registration|verification|confirm(?:ation)?|invalid|forgot|reset|old|hash(?:ed)?|encrypted|no|claude_code_messaging)[_-]?$/i;
const HARMLESS_REST =
  /^(?:s?[_-]?(?:type|kind|name|names|id|ids|count|limit|length|len|size|hash|digest|url|uri|endpoint|path|file|field|label|hint|policy|expir\w*|ttl|at|ref|reference|arn|version|format|regex|pattern|prefix|placeholder|manager|provider|store|ring|chain|usage|budget|index|list|map|set|class|rules?|scope|scopes|env|var|header|param\w*)(?![a-z])|i[sz]|er|ed|fields?|ly)/i;

export const ASSIGNMENT_RULES: readonly Rule[] = [
  {
    name: 'Password Assignment',
    issuer: 'configuration, environment and connection strings',
    severity: 'high',
    trigger: anyCase(...PASSWORDS),
    edge: 'none',
    pattern: new RegExp(`(?:${PASSWORDS.join('|')})${ASSIGNED.source}`, 'i'),
    check: (match, before) => isAssignedSecret(match, before, PASSWORDS, isStrongPassword),
    places: ['body'],
    examples: [
      'password: SuperSecretDB' + 'Pass!2026',
      `"password": "${made(10)}!7"`,
      `DB_PASSWORD=${made(14)}4`,
      `Server=db;User Id=sa;Password=${made(12)}#9;`,
      `<password>${made(12)}7!</password>`,
    ],
    lookalikes: [
      'password: process.env.DB_PASSWORD_2',
      'password = os.environ["DB_PASSWORD"]',
      'export DB_PASSWORD=changeme',
      'ENV POSTGRES_PASSWORD=postgres',
      'password: string',
      'password: ${DB_PASSWORD1}',
      'const password = await prompt2("x")',
      'password=hashPassword2(value)',
      'PASSWORD_RESET_URL=https://example.com/Reset1',
      '"password": "********"',
      'password: "your-Password-1"',
    ],
  },
  {
    name: 'Environment Variable Secret',
    issuer: 'environment, configuration and source code',
    severity: 'high',
    trigger: anyCase(...KEYS),
    edge: 'none',
    pattern: new RegExp(`(?:${KEYS.join('|')})${ASSIGNED.source}`, 'i'),
    check: (match, before) => isAssignedSecret(match, before, KEYS, isOpaqueKey),
    places: ['body'],
    examples: [
      `MY_API_KEY=${made(32)}`,
      `"client_secret": "${made(40)}"`,
      `SESSION_SECRET='${made(48, HEX)}'`,
      `auth_token: ${made(40, BASE62)}`,
    ],
    lookalikes: [
      'MY_API_KEY=process.env.API_KEY',
      'OPENAI_API_KEY = os.environ["OPENAI_API_KEY_2"]',
      '; token = lexer.next()',
      ';token=c.d',
      `"next_page_token": "${made(60)}"`,
      `nextPageToken=${made(40)}`,
      '"max_tokens": 32000, "x": 1',
      'secret: "my-application-config-name-2"',
      'token: CancellationTokenSource2Implementation',
      'API_KEY=${{ secrets.API_KEY_2026 }}',
      `csrf_token=${made(40)}`,
      `CLAUDE_CODE_MESSAGING_TOKEN=${made(32, HEX)}`,
      'token_type: "urn:ietf:params:oauth:token-type:jwt2"',
    ],
  },
  {
    name: 'Credential in URL',
    issuer: 'query strings',
    severity: 'high',
    trigger: anyCase('password', 'passwd', 'secret', 'token', 'apikey', 'api_key', 'api-key'),
    edge: 'none',
    pattern: /(?:password|passwd|secret|token|api[_-]?key)=([^&#\s]{8,256})/i,
    check: (match, before) =>
      /[?&;](?:[a-z]{1,12}[_-])?$/i.test(before) &&
      !HARMLESS_NAME.test(before.replace(/^.*[?&;]/s, '')) &&
      (match[1] ?? '').replace(/\D/g, '').length >= 2 &&
      /[A-Za-z]/.test(match[1] ?? '') &&
      !isStandIn(match[1] ?? '') &&
      !isExpression(match[1] ?? ''),
    places: ['url'],
    examples: [`https://example.com/?password=${made(10)}42`, `https://example.com/?x=1&api_key=${made(24)}42`],
    lookalikes: [
      'https://example.com/?token=abc',
      'https://example.com/?csrf_token=abc12345678',
      'https://example.com/password=abc12345678',
      '/?token=your-token-12',
    ],
  },
];

function isAssignedSecret(
  match: RegExpExecArray,
  before: string,
  words: readonly string[],
  isSecret: (value: string) => boolean,
): boolean {
  const quoted = match[1] ?? match[2] ?? match[3];
  const value = quoted ?? match[4] ?? '';
  if (/\s/.test(value) || !isSecret(value)) return false;
  const name = /[A-Za-z0-9_.-]*$/.exec(before)?.[0] ?? '';
  const word = words.find((candidate) => match[0].toLowerCase().startsWith(candidate)) ?? '';
  if (HARMLESS_NAME.test(name) || HARMLESS_REST.test(match[0].slice(word.length))) return false;
  // Without quotes an identifier is code; it needs to look random.
  return (
    quoted !== undefined || !/^[A-Za-z_$][\w$]*$/.test(value) || /\d[A-Za-z]+\d|[A-Za-z]\d+[A-Za-z]+\d/.test(value)
  );
}
