/** What is wrong with a URL itself, whatever credentials it holds. The order is that of the answers of real scanners. */
import type { Finding, UrlScanner } from '../finding.ts';
import { internalAddress } from './address.ts';
import { blockedBy } from './blocklist.ts';
import { randomPart } from './entropy.ts';
import { dataInHost } from './labels.ts';
import { hostOf, type Target } from './target.ts';

/** Times that a URL may be percent-encoded. Twice is usual where a URL is a parameter, three times happens in logins. */
const MAX_ENCODINGS = 3;

/** Where a request goes to: looked at before its contents. */
export function judgeDestination(target: Target, url: string): Finding | undefined {
  if (target.scheme !== 'http' && target.scheme !== 'https')
    return found('scheme', 'scheme not allowed: only http and https');
  if (/[\r\n]/.test(url)) return found('crlf_injection', 'raw CRLF bytes in URL');
  // A line end that begins a header field. A line end alone is any text of several lines.
  if (/%0d%0a[a-z][a-z0-9-]{1,40}(?::|%3a)(?:%20|\+| )/i.test(url))
    return found('crlf_injection', 'CRLF injection sequence in URL');
  if (/(?:^|[/\\])\.\.(?:[/\\]|$)/.test(target.path.replace(/%2e/gi, '.').replace(/%2f/gi, '/').replace(/%5c/gi, '\\')))
    return found('path_traversal', 'path traversal sequence in URL');
  const host = hostOf(target);
  const entry = blockedBy(host);
  if (entry !== undefined) return found('blocklist', `domain blocked: matches ${entry}`);
  const address = internalAddress(host);
  if (address !== undefined) return found('core_ssrf', `core SSRF: ${address} is a private/internal IP address`);
  return undefined;
}

/** What no rule knows by its form, but looks like data on its way out: looked at after the rules. */
export function judgeShape(target: Target): Finding | undefined {
  const data = dataInHost(target.host);
  if (data !== undefined) return found('subdomain_entropy', data);
  if (encodings(`${target.path}?${target.query}`) > MAX_ENCODINGS)
    return found('encoding', `URL is percent-encoded more than ${MAX_ENCODINGS} times`);
  const random = randomPart(target);
  return random === undefined ? undefined : found('entropy', random);
}

/** How many rounds of decoding still change something. */
function encodings(text: string): number {
  let [rounds, current] = [0, text];
  while (rounds <= MAX_ENCODINGS && /%[0-9a-fA-F]{2}/.test(current)) {
    current = current.replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
    rounds += 1;
  }
  return rounds;
}

function found(scanner: UrlScanner, reason: string): Finding {
  return { kind: 'url', scanner, reason };
}
