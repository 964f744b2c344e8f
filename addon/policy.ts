/** May this request go there? Pure: same policy, same target, same answer. */
import { DEFAULT_PORTS, formatRule, type Policy, ruleCoversHost } from '../contracts/policy.ts';
import type { Target } from './message.ts';

export type Decision =
  | { readonly kind: 'allow'; readonly rule: string }
  | { readonly kind: 'deny'; readonly why: string };

/** Default deny: a rule must cover host and port. */
export function decide(policy: Policy, target: Target): Decision {
  const covering = policy.rules.filter((rule) => ruleCoversHost(rule, target.host));
  const rule = covering.find((candidate) => candidate.ports.includes(target.port));
  if (rule) return { kind: 'allow', rule: formatRule(rule) };
  return covering.length > 0
    ? { kind: 'deny', why: `no rule allows port ${target.port} of ${target.host.text}` }
    : { kind: 'deny', why: `no rule allows ${target.host.text}` };
}

/** Is the TLS of a tunnel to this place to be relayed unopened? Only what is allowed is. */
export function isUnopened(policy: Policy, target: Target): boolean {
  const named = policy.unopened.some((rule) => ruleCoversHost(rule, target.host) && rule.ports.includes(target.port));
  return named && decide(policy, target).kind === 'allow';
}

/**
 * May a tunnel to this port be opened at all? Other hosts than the policy's get theirs too, to be told inside it: clients
 * retry for long when CONNECT itself is refused.
 */
export function isTunnelPort(policy: Policy, port: number): boolean {
  return DEFAULT_PORTS.some((known) => known === port) || policy.rules.some((rule) => rule.ports.includes(port));
}
