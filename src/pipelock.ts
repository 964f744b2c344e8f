/** pipelock's configuration, made for agents and for the release line that runs. Pure. */
import { PIPELOCK_BODY_BYTES, type PipelockVersion } from '../contracts/pipelock.ts';
import { late, type Late } from '../contracts/plan.ts';

export const PIPELOCK_PORT = 8888;
/** A volume is mounted at the folder: a file can be put there although the container's root is read-only. */
export const PIPELOCK_FOLDER = '/etc/pipelock';
export const PIPELOCK_FILE = `${PIPELOCK_FOLDER}/config.yaml`;

type Value = string | number | boolean | Late | readonly Value[] | { readonly [key: string]: Value };

/**
 * One key that a release line does not know stops it, so the keys depend on the line. What is not written has the defaults of a
 * program for people at a desk: a limit of 60 requests a minute, warnings in place of blocks, lock-outs after a few findings.
 */
export function pipelockConfig(version: PipelockVersion): Record<string, Value> {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const since = (from: number, step: number): boolean => major > from || (major === from && minor >= step);
  return {
    version: 1,
    mode: 'balanced', // hosts are the policy's matter
    enforce: true,
    explain_blocks: false,
    fetch_proxy: {
      listen: `0.0.0.0:${PIPELOCK_PORT}`,
      timeout_seconds: 30, // of the way to the sink; a scan has no limit of its own
      monitoring: {
        max_url_length: 16_384,
        entropy_threshold: 4.5,
        subdomain_entropy_threshold: 4,
        max_requests_per_minute: 1_000_000, // 0 would be the default
        blocklist: [],
      },
    },
    forward_proxy: { enabled: true },
    websocket_proxy: OFF,
    request_body_scanning: {
      enabled: true,
      action: 'block',
      max_body_bytes: PIPELOCK_BODY_BYTES,
      scan_headers: true,
      header_mode: 'all',
      // A shorter list than the default one, which leaves out User-Agent and Content-Type.
      ignore_headers: ['X-Bottle-Nonce', 'X-Bottle-Part', 'X-Pipelock-Agent', 'Connection', 'Content-Length', 'Host'],
      ...(since(3, 4) ? { content_entropy_action: 'warn' } : {}), // 4.5 bits per character: any hash, any UUID
      ...(since(3, 6) ? { trusted_hosts: [] } : {}),
    },
    dlp: { scan_env: false, include_defaults: true, patterns: [...PATTERNS] },
    seed_phrase_detection: OFF, // a dozen keys called "type" in one JSON text are a valid seed phrase
    response_scanning: OFF,
    media_policy: OFF,
    session_profiling: OFF,
    adaptive_enforcement: OFF,
    taint: OFF,
    cross_request_detection: OFF, // after one finding it refuses every body for five minutes
    tls_interception: OFF,
    kill_switch: { health_exempt: false, metrics_exempt: false, api_exempt: false },
    ssrf: { ip_allowlist: [late('cidr.sink')] }, // every name resolves to the sink, a private address
    default_agent_identity: 'bottle', // not bound: X-Pipelock-Agent names each request in the log
    sentry: OFF,
    logging: { format: 'json', output: 'stdout', include_allowed: true, include_blocked: true },
  };
}

const OFF = { enabled: false } as const;

/**
 * Under the names of shipped patterns, which they replace because those stop ordinary work. `token = lexer.next()` and
 * `KEY = os.environ[…]` were secrets: here a value needs two digits. (Nothing need stand in front of a name: pipelock deletes line ends.) Every tenth `4.123456789012345` was a card, because pipelock
 * also reads texts without their points, and so were UUIDs: here a card has its digits in groups, or a word in front. An IBAN has upper case, as runs of base64
 * have not. One pattern costs every body a few per cent of its scan, and many times that if it begins with a choice of characters.
 */
const PATTERNS = [
  {
    name: 'Environment Variable Secret',
    severity: 'high',
    regex:
      '(?-i:[A-Z][A-Z0-9_-]*[_-](?:(?:API|ACCESS|SECRET|PRIVATE)[_-]?KEY|TOKEN|SECRET|PASSWORD|PASSWD))\\s*=\\s*["\']?(?:[A-Za-z_+/-]*[0-9]){2}[A-Za-z0-9_+/=-]{6,}',
  },
  {
    name: 'Credential in URL',
    severity: 'high',
    regex: '(?:^|[?&;])\\s*(?:passw(?:or)?d|secret|token|api[_-]?key)=(?:[A-Za-z_%+/-]*[0-9]){2}[A-Za-z0-9_%+/-]*',
  },
  {
    name: 'Credit Card Number',
    severity: 'medium',
    regex:
      '(?:^|[^\\w.])\\d{4}(?:(?:[- ]\\d{4}){3}(?:[- ]\\d{3})?|[- ]\\d{6}[- ]\\d{5})\\b|(?:card|ccn|visa|amex)[A-Za-z_ ]{0,16}["\']?\\s{0,2}[:=#]?\\s{0,2}["\']?\\d{15,19}\\b',
    validator: 'luhn',
  },
  {
    name: 'IBAN',
    severity: 'medium',
    regex: '(?-i:\\b[A-Z]{2}\\d{2}[A-Z0-9]{11,30}\\b)',
    validator: 'mod97',
  },
] as const;
