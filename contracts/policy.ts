/** Who may be talked to: the policy as data, and the reading and writing of its rules. */
import { z } from 'zod';
import { type Host, hostInUrl, parseHost } from './host.ts';

/** Ports of a rule that names none. */
export const DEFAULT_PORTS = [443, 80] as const;

export const ruleSchema = z.object({
  /** `exact`: this host. `suffix`: one or more labels in front of it, never the suffix itself. */
  match: z.enum(['exact', 'suffix']),
  /** Canonical host text (see `parseHost`); for `suffix` without the `*.`. */
  host: z.string(),
  ports: z.array(z.number().int().min(1).max(65535)).min(1),
});
export type Rule = z.infer<typeof ruleSchema>;

/** What becomes of a request for a WebSocket: `refuse` answers 426 at once, so that clients that can do without one go on. */
export const webSocketsSchema = z.enum(['allow', 'refuse']);

export const policySchema = z.object({
  rules: z.array(ruleSchema),
  /** CIDR blocks of private, loopback or link-local addresses that may be dialled all the same. */
  allow_private: z.array(z.string()),
  /** Hosts and ports whose TLS is relayed unopened; each is covered by `rules` as well. */
  unopened: z.array(ruleSchema),
});
export type Policy = z.infer<typeof policySchema>;

/** Reads `host`, `*.suffix`, `host:port`, `[v6]:port`. Returns the rule, or why the text is not one. */
export function parseRule(text: string): Rule | { kind: 'invalid'; why: string } {
  const found = /^(\*\.)?(\[[^\]]*\]|[^:]*)(?::(\d{1,5}))?$/.exec(text);
  if (!found) return { kind: 'invalid', why: 'is not a host, "*.suffix" or either with ":port"' };
  const [, wildcard, name = '', port] = found;
  if (name === '*') return { kind: 'invalid', why: 'is a bare "*"; name the hosts, or "*.suffix"' };
  const host = parseHost(name);
  if (host.kind === 'invalid') return { kind: 'invalid', why: host.why };
  if (wildcard && host.kind !== 'name') return { kind: 'invalid', why: 'has "*." in front of an address' };
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65535))
    return { kind: 'invalid', why: 'has a port outside 1–65535' };
  return {
    match: wildcard ? 'suffix' : 'exact',
    host: host.text,
    ports: port === undefined ? [...DEFAULT_PORTS] : [Number(port)],
  };
}

/** The rules among these texts; a schema has complained of the others. */
export function rulesOf(texts: readonly string[]): Rule[] {
  return texts.map(parseRule).filter((parsed) => 'ports' in parsed);
}

/** The rule as a user would write it. */
export function formatRule(rule: Rule): string {
  const parsed = parseHost(rule.host.includes(':') ? `[${rule.host}]` : rule.host);
  const name = parsed.kind === 'invalid' ? rule.host : hostInUrl(parsed);
  const port = rule.ports.length === 1 ? `:${rule.ports[0]}` : '';
  return `${rule.match === 'suffix' ? '*.' : ''}${name}${port}`;
}

/** True if the rule covers this host, whatever the port. A suffix rule never covers an address. */
export function ruleCoversHost(rule: Rule, host: Host): boolean {
  if (rule.match === 'exact') return rule.host === host.text;
  return host.kind === 'name' && host.text.endsWith(`.${rule.host}`);
}
