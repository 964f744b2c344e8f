/** The way out beyond the sidecar: a company's proxy, and what is shown to hosts that ask for a certificate. */
import { z } from 'zod';
import { type Host, parseHost } from './host.ts';
import { parseRule, type Rule, ruleCoversHost, ruleSchema } from './policy.ts';
import { variableSchema } from './secret.ts';

const rule = z.string().superRefine((text, context) => {
  const parsed = parseRule(text);
  if ('kind' in parsed) context.addIssue(`"${text}" ${parsed.why}; allowed: host, *.suffix, host:port`);
});

export const upstreamProxySchema = z.strictObject({
  /** `http://host:port` and nothing else: what is in it is printed. */
  url: z.string().superRefine((text, context) => {
    const place = parseProxyUrl(text);
    if ('why' in place) context.addIssue(place.why);
  }),
  /** Where `user:password` of HTTP Basic comes from. */
  credentials: z
    .strictObject({
      env: variableSchema.optional(),
      /** Relative to the manifest's folder, or beginning with `~/`. */
      file: z.string().min(1).optional(),
    })
    .refine(({ env, file }) => (env === undefined) !== (file === undefined), 'must have exactly one of env, file')
    .optional(),
  /** Hosts that are dialled without it. */
  no_proxy: z.array(rule).default([]),
});

export const clientCertificateSchema = z.strictObject({
  host: rule,
  /** PEM files, relative to the manifest's folder, or beginning with `~/`. */
  cert: z.string().min(1),
  key: z.string().min(1),
});

/** What the sidecar is told of the proxy, by standard input and by nothing else. */
export const proxyConfigSchema = z.object({
  /** Canonical host text. */
  host: z.string(),
  port: z.number().int(),
  /** `user:password`. */
  credentials: z.string().nullable(),
  direct: z.array(ruleSchema),
});
export type ProxyConfig = z.infer<typeof proxyConfigSchema>;

/** What it is told of a certificate, the same way. PEM texts. */
export const clientCertificateConfigSchema = z.object({ host: ruleSchema, cert: z.string(), key: z.string() });

/** Reads `http://host:port`. Never quotes a text that may have a password in it. */
export function parseProxyUrl(text: string): { host: Host; port: number } | { why: string } {
  if (text.includes('@'))
    return { why: 'must not have credentials in it; they go into egress.upstream_proxy.credentials' };
  const found = /^http:\/\/(\[[^\]]*\]|[^:/?#]*):(\d{1,5})\/?$/.exec(text);
  if (!found) return { why: 'must be http://host:port' };
  const [, name = '', digits] = found;
  const host = parseHost(name);
  if (host.kind === 'invalid') return { why: `names a host that ${host.why}` };
  const port = Number(digits);
  return port < 1 || port > 65535 ? { why: 'has a port outside 1–65535' } : { host, port };
}

/** True if the rule is about this host and port; here one that names no port is about all of them. */
export function isAbout(rule: Rule, host: Host, port: number): boolean {
  return ruleCoversHost(rule, host) && (rule.ports.length > 1 || rule.ports.includes(port));
}

/** Why a text is not `user:password`; never quotes it. RFC 7617 section 2. */
export function whyNoCredentials(text: string): string | undefined {
  if (text === '') return 'is empty';
  if (text.length > 1_024) return 'is longer than 1024 characters';
  if (/\p{Cc}/u.test(text)) return 'has a control character (more than one line?)';
  return text.includes(':') ? undefined : 'is not user:password';
}
