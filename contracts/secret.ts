/** Credentials that the agent never has: the manifest's wish for one, and what the sidecar is told of it. */
import { z } from 'zod';
import { parseHost } from './host.ts';
import { parseRule, type Rule, ruleCoversHost, ruleSchema } from './policy.ts';

const host = z.string().superRefine((text, context) => {
  const parsed = parseRule(text);
  if ('kind' in parsed) context.addIssue(`"${text}" ${parsed.why}; allowed: host, *.suffix, host:port`);
});

const identity = z.enum(['bound', 'open']);

/** A host by itself is a bound one. */
const boundHost = z.preprocess(
  (value) => (typeof value === 'string' ? { host: value } : value),
  z.strictObject({
    host,
    /** `bound`: no other credential is let through to this host. `open`: any is. */
    identity: identity.default('bound'),
  }),
);

/** A text with exactly one `{}`, where the value stands. */
const template = z
  .string()
  .regex(/^[\x20-\x7e]*$/, 'must be printable ASCII')
  .refine((text) => text.split('{}').length === 2, 'must have "{}" exactly once, where the value stands');

const fieldName = z
  .string()
  .regex(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/, 'is not a header name')
  .refine((name) => !FRAMING.test(name), 'is written by the sidecar itself');
const FRAMING =
  /^(host|connection|keep-alive|te|trailer|transfer-encoding|upgrade|expect|content-length|content-encoding|content-type|accept-encoding|proxy-.*|x-bottle-.*|x-pipelock-.*)$/i;

const seconds = z.number().positive().max(604_800);

/** A variable of the caller's environment. */
export const variableSchema = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'is not a variable name');

/** Where a value comes from. Read at the launch, never before the manifest is confirmed. */
const source = z
  .strictObject({
    env: variableSchema.optional(),
    /** Relative to the manifest's folder, or beginning with `~/`. */
    file: z.string().min(1).optional(),
    /** Program and arguments, run on this machine without a shell. Prints the value, or JSON `{ value, expires_at }`. */
    command: z.array(z.string().min(1)).min(1).optional(),
    /** Seconds that the command has. */
    timeout: seconds.max(300).default(30),
    /** Seconds that a printed value is good for; it is renewed before. */
    expires: seconds.min(2).optional(),
  })
  .superRefine(({ env, file, command, expires }, context) => {
    if ([env, file, command].filter((given) => given !== undefined).length !== 1)
      context.addIssue('must have exactly one of env, file, command');
    if (expires !== undefined && command === undefined) context.addIssue('"expires" belongs to a command');
  });

export const secretWishSchema = z
  .strictObject({
    from: source,
    hosts: z.array(boundHost).min(1, 'must name at least one host'),
    /** Places where the value may stand; one at least. */
    header: fieldName.optional(),
    /** The header's value, or several that clients use; "{}" is the value. Default "Bearer {}" for authorization, else "{}". */
    format: z.preprocess((value) => (typeof value === 'string' ? [value] : value), z.array(template).min(1)).optional(),
    /** Half of HTTP Basic that the value is. */
    basic: z.enum(['username', 'password']).optional(),
    /** A parameter of the URL's query. */
    query: z
      .string()
      .regex(/^[A-Za-z0-9_.~-]+$/, 'must be letters, digits and _ . ~ -')
      .optional(),
    /** How the URL's path begins, "{}" being the value: /bot{}/ */
    path: template.refine((text) => text.startsWith('/'), 'must begin with "/"').optional(),
    /** Fields that the sidecar sets in every request to these hosts, in place of the agent's own: a tenant, for example. */
    headers: z
      .record(fieldName, z.string().regex(/^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/, 'must be printable ASCII'))
      .default({}),
  })
  .superRefine(({ header, basic, query, path, format }, context) => {
    if ([header, basic, query, path].every((place) => place === undefined))
      context.addIssue('must say where the value stands: header, basic, query or path');
    if (format !== undefined && header === undefined)
      context.addIssue({ code: 'custom', path: ['format'], message: 'belongs to a header; name it' });
  });
export type SecretWish = z.infer<typeof secretWishSchema>;

/** One place of a request, as the sidecar looks at it. */
const secretPlaceSchema = z.discriminatedUnion('kind', [
  /** `name` in lower case. */
  z.strictObject({ kind: z.literal('header'), name: z.string(), prefix: z.string(), suffix: z.string() }),
  z.strictObject({ kind: z.literal('basic'), half: z.enum(['username', 'password']) }),
  z.strictObject({ kind: z.literal('query'), name: z.string() }),
  z.strictObject({ kind: z.literal('path'), prefix: z.string(), suffix: z.string() }),
]);
export type SecretPlace = z.infer<typeof secretPlaceSchema>;

/** A secret as the sidecar gets it, by standard input and by nothing else. */
export const boundSecretSchema = z.object({
  name: z.string(),
  /** What the agent holds in its place. */
  placeholder: z.string(),
  value: z.string(),
  hosts: z.array(
    ruleSchema.extend({
      identity,
      /** The port stands in the manifest: only then the value may go over plain HTTP. */
      explicit: z.boolean(),
    }),
  ),
  places: z.array(secretPlaceSchema).min(1),
  headers: z.record(z.string(), z.string()),
});
export type BoundSecret = z.infer<typeof boundSecretSchema>;
export type BoundHost = BoundSecret['hosts'][number];

/** A later line of the sidecar's standard input that is no heartbeat: values that take the place of earlier ones, by name. */
export const renewalSchema = z.strictObject({ secrets: z.record(z.string(), z.string()) });
export type Renewal = z.infer<typeof renewalSchema>;

/** Shortest value that can be looked for without finding it everywhere. */
const SECRET_MIN = 8;
const SECRET_MAX = 8_192;

/** Why a text cannot be a secret's value; never quotes it. */
export function whyNoValue(text: string): string | undefined {
  if (text.length < SECRET_MIN) return `is shorter than ${SECRET_MIN} characters: it could not be told from other text`;
  if (text.length > SECRET_MAX) return `is longer than ${SECRET_MAX} characters`;
  return /^[\x20-\x7e]+$/.test(text) ? undefined : 'has a character that is not printable ASCII (more than one line?)';
}

/** The hosts of a wish, as rules. */
export function hostsOf({ hosts }: Pick<SecretWish, 'hosts'>): BoundHost[] {
  return hosts.flatMap((wish) => {
    const rule = parseRule(wish.host);
    // The schema has refused those that are none.
    return 'kind' in rule ? [] : [{ ...rule, identity: wish.identity, explicit: rule.ports.length === 1 }];
  });
}

/** The places of a wish; each format of a header is one. */
export function placesOf({ header, format, basic, query, path }: SecretWish): SecretPlace[] {
  const name = header?.toLowerCase();
  const formats = format ?? [name === 'authorization' ? 'Bearer {}' : '{}'];
  return [
    ...(name === undefined ? [] : formats.map((text): SecretPlace => ({ kind: 'header', name, ...halves(text) }))),
    ...(basic === undefined ? [] : [{ kind: 'basic', half: basic } as const]),
    ...(query === undefined ? [] : [{ kind: 'query', name: query } as const]),
    ...(path === undefined ? [] : [{ kind: 'path', ...halves(path) } as const]),
  ];
}

/** The place as a user would name it. */
export function formatPlace(place: SecretPlace): string {
  switch (place.kind) {
    case 'header':
      return `header ${place.name}: ${place.prefix}{}${place.suffix}`;
    case 'basic':
      return `the ${place.half} of HTTP Basic`;
    case 'query':
      return `query parameter ${place.name}`;
    case 'path':
      return `path ${place.prefix}{}${place.suffix}`;
  }
}

/** Where a value comes from, as a user would name it. Never the value. */
export function formatSource({ env, file, command }: Partial<SecretWish['from']>): string {
  if (env !== undefined) return `${env} of your environment`;
  return file === undefined ? `what this prints on your machine: ${JSON.stringify(command)}` : `the file ${file}`;
}

/** True if every host and port of `wish` is covered by one of the rules that allow. */
export function isAllowed(wish: Rule, allow: readonly Rule[]): boolean {
  const parsed = parseHost(wish.host.includes(':') ? `[${wish.host}]` : wish.host);
  if (parsed.kind === 'invalid') return false;
  const covering = allow.filter((rule) =>
    wish.match === 'exact'
      ? ruleCoversHost(rule, parsed)
      : rule.match === 'suffix' && (rule.host === wish.host || wish.host.endsWith(`.${rule.host}`)),
  );
  // A rule without a port stands for both; the host is covered if either of the two may be reached.
  return wish.ports.some((port) => covering.some((rule) => rule.ports.includes(port)));
}

function halves(text: string): { prefix: string; suffix: string } {
  const [prefix = '', suffix = ''] = text.split('{}');
  return { prefix, suffix };
}
