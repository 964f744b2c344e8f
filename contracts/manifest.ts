/** What the user writes. One schema; defaults are filled in by it, files and folders are checked by `src/manifest.ts`. */
import { z } from 'zod';
import { memoryBytes, sizeSchema, unscannedWishSchema } from './bodies.ts';
import { parseCidr } from './cidr.ts';
import { masksWishSchema } from './mask.ts';
import { PIPELOCK_VERSIONS, versionOfImage } from './pipelock.ts';
import { formatRule, parseRule, type Rule, rulesOf, webSocketsSchema } from './policy.ts';
import { hostsOf, isAllowed, secretWishSchema } from './secret.ts';
import { clientCertificateSchema, upstreamProxySchema } from './upstream.ts';
import { isReservedVariable } from './variables.ts';

/** The session's name: part of every container's name. */
export const slugSchema = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,39}$/, 'must be 1–40 of a–z, 0–9 and "-", not beginning with "-"');

const rule = z.string().superRefine((text, context) => {
  const parsed = parseRule(text);
  if ('kind' in parsed) context.addIssue(`"${text}" ${parsed.why}; allowed: host, *.suffix, host:port`);
});

const cidr = z.string().superRefine((text, context) => {
  const parsed = parseCidr(text);
  if ('kind' in parsed) context.addIssue(`"${text}" ${parsed.why}; allowed: 10.0.0.0/8, fd00::/8`);
});

const memory = z
  .string()
  .regex(/^[1-9]\d{0,6}(\.\d+)?[kmgKMG]$/, 'must be a number with k, m or g (512m, 4g)')
  .refine((text) => memoryBytes(text) >= 6 * 1024 ** 2, 'must be at least 6m, the least that an engine takes');

const absolute = z
  .string()
  .startsWith('/', 'must be an absolute path')
  .refine((path) => !path.split('/').includes('..'), 'must not contain ".."');

const variableName = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'is not a variable name (letters, digits, "_")')
  .refine((name) => !isReservedVariable(name), 'is set by bottle itself (proxy, trust, home); remove it');
const env = z.record(variableName, z.union([z.string(), z.number(), z.boolean()]).transform(String));

const mount = z.strictObject({
  /** Relative to the manifest's folder. */
  source: z.string().min(1),
  target: absolute.refine((path) => path !== '/', 'must not be the root folder'),
  read_only: z.boolean().default(false),
});

const manifest = z.strictObject({
  version: z.literal(1, 'must be 1'),
  agent: z
    .strictObject({
      image: z.string().min(1).optional(),
      command: z.array(z.string()).min(1).optional(),
      user: z
        .string()
        .regex(
          /^[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?$/,
          'must be a user, uid, user:group or uid:gid',
        )
        .optional(),
      home: z.enum(['keep', 'fresh']).default('keep'),
      workdir: absolute.default('/workspace'),
      env: env.default({}),
      mounts: z.array(mount).default([]),
      limits: z
        .strictObject({
          memory: memory.default('4g'),
          cpus: z.number().positive().max(1024).optional(),
          pids: z.number().int().min(16).max(4_194_304).default(1024),
        })
        .prefault({}),
    })
    .prefault({}),
  egress: z
    .strictObject({
      allow: z.array(rule).default([]),
      upstream_ca: z.array(z.string().min(1)).default([]),
      /** A company's proxy, which everything goes through. */
      upstream_proxy: upstreamProxySchema.optional(),
      /** What is shown to hosts that ask for a certificate. */
      client_certificates: z.array(clientCertificateSchema).default([]),
      /** Hosts whose TLS is relayed unopened, because they pin their certificate: nothing of it is scanned. */
      tls_bump_ignore: z.array(rule).default([]),
      websockets: webSocketsSchema.default('allow'),
      networks: z.array(z.string().regex(/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/, 'is not a network name')).default([]),
      allow_private: z.array(cidr).default([]),
      /** Of one request's body; without it what the scanner can be asked about in reasonable time. */
      body_limit: sizeSchema.optional(),
      /** Larger bodies to these hosts are not scanned. */
      unscanned: z.array(unscannedWishSchema).default([]),
    })
    .prefault({}),
  scanner: z
    .strictObject({
      kind: z.enum(['embedded', 'pipelock']).default('embedded'),
      /** pipelock's image, in place of the published one. */
      image: z.string().min(1).optional(),
      /** The release line of that image, where its tag does not say it. */
      version: z.enum(PIPELOCK_VERSIONS).optional(),
      /** What pipelock is not shown, because its rules take it for keys; all built-in masks if absent. */
      masks: masksWishSchema.optional(),
    })
    .superRefine(({ kind, image, version, masks }, context) => {
      if (kind === 'pipelock') {
        if (image !== undefined && version === undefined && versionOfImage(image) === undefined)
          context.addIssue({
            code: 'custom',
            path: ['version'],
            message: `is needed: the image's tag names none of the lines that a configuration can be made for, ${PIPELOCK_VERSIONS.join(', ')}`,
          });
        return;
      }
      for (const [key, value] of Object.entries({ image, version, masks }))
        if (value !== undefined)
          context.addIssue({
            code: 'custom',
            path: [key],
            message: 'belongs to kind: pipelock; remove it, or set the kind',
          });
    })
    .prefault({}),
  /** Credentials that the agent never has, by the variable that holds a placeholder in its place. */
  secrets: z.record(variableName, secretWishSchema).default({}),
});

/** What one section says of another. */
export const manifestSchema = manifest.superRefine(({ agent, egress, scanner, secrets }, context) => {
  const allow = rulesOf(egress.allow);
  for (const [index, { host }] of egress.unscanned.entries())
    if (!rulesOf([host]).every((rule) => isAllowed(rule, allow)))
      context.addIssue({
        code: 'custom',
        path: ['egress', 'unscanned', index, 'host'],
        message: `"${host}" is not in egress.allow: nothing could be sent there`,
      });
  for (const [mask, { hosts }] of scanner.masks?.own.entries() ?? [])
    for (const [index, host] of hosts.entries())
      if (!rulesOf([host]).every((rule) => isAllowed(rule, allow)))
        context.addIssue({
          code: 'custom',
          path: ['scanner', 'masks', 'own', mask, 'hosts', index],
          message: `"${host}" is not in egress.allow: nothing could be sent there`,
        });
  const unopened = rulesOf(egress.tls_bump_ignore);
  for (const [index, host] of unopened.entries())
    if (!isAllowed(host, allow))
      context.addIssue({
        code: 'custom',
        path: ['egress', 'tls_bump_ignore', index],
        message: `"${formatRule(host)}" is not in egress.allow: nothing could be sent there`,
      });
  for (const [index, { host }] of egress.client_certificates.entries()) {
    const path = ['egress', 'client_certificates', index, 'host'];
    const [written] = rulesOf([host]);
    // Without a port it is about all that may be reached.
    const rule =
      written && written.ports.length > 1 ? { ...written, ports: allow.flatMap(({ ports }) => ports) } : written;
    if (rule && !isAllowed(rule, allow))
      context.addIssue({
        code: 'custom',
        path,
        message: `"${host}" is not in egress.allow: nothing could be sent there`,
      });
    if (rule && unopened.some((other) => overlaps(other, rule)))
      context.addIssue({
        code: 'custom',
        path,
        message: `"${host}" is in egress.tls_bump_ignore: the handshake there is the agent's own`,
      });
  }
  for (const [name, wish] of Object.entries(secrets)) {
    if (Object.hasOwn(agent.env, name))
      context.addIssue({
        code: 'custom',
        path: ['agent', 'env', name],
        message: 'is set by secrets; remove it from one of the two',
      });
    for (const [index, host] of hostsOf(wish).entries()) {
      if (unopened.some((rule) => overlaps(rule, host)))
        context.addIssue({
          code: 'custom',
          path: ['secrets', name, 'hosts', index],
          message: `"${wish.hosts[index]?.host ?? ''}" is in egress.tls_bump_ignore: nothing can be put into what is not opened`,
        });
      if (!isAllowed(host, allow))
        context.addIssue({
          code: 'custom',
          path: ['secrets', name, 'hosts', index],
          message: `"${wish.hosts[index]?.host ?? ''}" is not in egress.allow: nothing could be sent there`,
        });
    }
  }
});
export type Manifest = z.infer<typeof manifestSchema>;

/** Some host and port are covered by both. */
function overlaps(one: Rule, other: Rule): boolean {
  return isAllowed(one, [other]) || isAllowed(other, [one]);
}
