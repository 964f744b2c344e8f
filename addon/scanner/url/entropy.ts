/** Path segments and query values that are random: what no rule knows by its form. Only long, mixed, undeclared ones. */
import { entropy, mixing } from '../checks/values.ts';
import { hostOf, type Target } from './target.ts';

const THRESHOLD = 4;
const LEAST = 20;

/** Hosts that name documents, objects and builds by random ids in paths or queries. */
const RANDOM_IS_USUAL =
  /(?:^|\.)(?:google\.com|googleapis\.com|googleusercontent\.com|gstatic\.com|youtube\.com|notion\.so|figma\.com|dropbox\.com|slack\.com|docker\.com|docker\.io|pkg\.dev|ghcr\.io|quay\.io|huggingface\.co|hf\.co|npmjs\.org|yarnpkg\.com|pypi\.org|pythonhosted\.org|golang\.org|crates\.io|github\.com|githubusercontent\.com|githubassets\.com|gitlab\.com|amazonaws\.com|cloudfront\.net|windows\.net|r2\.cloudflarestorage\.com|anthropic\.com|claude\.ai|claude\.com|openai\.com|chatgpt\.com|sentry\.io|statsig\.com|microsoftonline\.com|jsdelivr\.net|unpkg\.com)$/;

/** Parameters that are random by their purpose: signatures, state of a login, positions in a list, versions. */
const RANDOM_PARAMETER =
  /^(?:x-[a-z]+-.*|.*sig(?:nature)?|.*hmac|policy|key-pair-id|expires|code|state|nonce|code_challenge|code_verifier|session_state|.*cursor|.*page_?token|.*continuation(?:_?token)?|after|before|since_id|etag|hash|integrity|digest|checksum|v|ver|version|rev|_rsc|cache_?key|cb|_|t|ts|trace_?id|request_?id|correlation_?id|se|sp|sv|sr|skoid|sktid|hdnea|hdnts|awsaccesskeyid|saml(?:request|response)|relaystate|fbclid|gclid|msclkid|utm_.*|_ga|_gl)$/i;

/** Beginnings, in base64, of pictures, fonts and documents that are put into URLs. */
const KNOWN_DATA = /^(?:iVBORw0KGgo|\/9j\/|_9j_|R0lGOD|UklGR|JVBERi|PHN2Zy|AAABAA|d09GM|T1RUTw|Qk[01])/;

/** Why it is too random, in the words of the answer. */
export function randomPart(target: Target): string | undefined {
  if (RANDOM_IS_USUAL.test(hostOf(target))) return undefined;
  for (const segment of target.path.split('/')) {
    const bits = randomness(decoded(segment));
    if (bits > 0) return `high entropy path segment (${bits.toFixed(2)} > ${THRESHOLD.toFixed(2)} threshold)`;
  }
  for (const pair of target.query.split(/[&;]/)) {
    const split = pair.indexOf('=');
    const [name, value] = split < 0 ? ['', pair] : [pair.slice(0, split), pair.slice(split + 1)];
    if (RANDOM_PARAMETER.test(name)) continue;
    const bits = Math.max(randomness(decoded(value)), randomness(decoded(name)));
    if (bits > 0) return `high entropy query param (${bits.toFixed(2)} > ${THRESHOLD.toFixed(2)} threshold)`;
  }
  return undefined;
}

/** Bits per character of the longest piece of letters and digits, if that piece is random; otherwise 0. */
function randomness(text: string): number {
  if (text.length < LEAST || KNOWN_DATA.test(text)) return 0;
  const piece = (text.match(/[A-Za-z0-9]+/g) ?? []).reduce((a, b) => (b.length > a.length ? b : a), '');
  if (piece.length < LEAST || !/[a-z]/.test(piece) || !/[A-Z]/.test(piece)) return 0;
  if (piece.replace(/\D/g, '').length < 3 || mixing(piece) < 0.45) return 0;
  const bits = entropy(piece);
  return bits > THRESHOLD ? bits : 0;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
