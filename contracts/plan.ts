/** The launch plan: what will exist, as data. Printed by `--dry-run --format=json`, executed by `launch`. */
import { z } from 'zod';
import { bodiesSchema } from './bodies.ts';
import { maskSchema } from './mask.ts';
import { PIPELOCK_VERSIONS } from './pipelock.ts';
import { policySchema, webSocketsSchema } from './policy.ts';
import { boundSecretSchema } from './secret.ts';
import {
  embeddedSchema,
  gateConfigSchema,
  pipelockSchema,
  scannerConfigSchema,
  sidecarConfigSchema,
} from './sidecar.ts';
import { clientCertificateConfigSchema, proxyConfigSchema } from './upstream.ts';

/** A named reference to what only the launch can know; every name is listed under `late_bound`. */
const lateSchema = z.strictObject({ late: z.string() });
export type Late = z.infer<typeof lateSchema>;
export const late = (name: string): Late => ({ late: name });

/** A value from the caller's environment. It stands in no plan; it prints as `<set>`. */
export const SECRET_PRINTED = '<set>';

const text = z.union([z.string(), lateSchema]);

const imageSpecSchema = z.discriminatedUnion('kind', [
  /** An image that the engine has or can pull. */
  z.strictObject({ kind: z.literal('named'), reference: z.string() }),
  /** One of ours, built on first use from the named Dockerfile of this package and tagged by content. */
  z.strictObject({ kind: z.literal('built'), name: z.enum(['agent', 'sidecar']), dockerfile: z.string() }),
]);
export type ImageSpec = z.infer<typeof imageSpecSchema>;

const networkSpecSchema = z.strictObject({
  name: z.string(),
  /** `agent`, `scan`: internal, without an address of the host. `egress`: an ordinary bridge. */
  role: z.enum(['agent', 'scan', 'egress']),
  subnet: text,
});
export type NetworkSpec = z.infer<typeof networkSpecSchema>;

const volumeSpecSchema = z.strictObject({
  name: z.string(),
  /** `journal`: disk. `scan`: tmpfs for the scanner's socket. `config`: disk, what a scanner of others reads. `home`: disk, kept after the session if `keep`. */
  role: z.enum(['journal', 'scan', 'config', 'home']),
  keep: z.boolean(),
});
export type VolumeSpec = z.infer<typeof volumeSpecSchema>;

const mountSpecSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('bind'), source: z.string(), target: z.string(), read_only: z.boolean() }),
  z.strictObject({ kind: z.literal('volume'), source: z.string(), target: z.string(), read_only: z.boolean() }),
  z.strictObject({ kind: z.literal('tmpfs'), target: z.string(), size_bytes: z.number().int() }),
]);
export type MountSpec = z.infer<typeof mountSpecSchema>;

const roleSchema = z.enum(['gate', 'bump', 'scanner', 'agent', 'route', 'check']);
export type Role = z.infer<typeof roleSchema>;

const containerSpecSchema = z.strictObject({
  name: z.string(),
  role: roleSchema,
  image: lateSchema,
  /** null: the image's own. */
  entrypoint: z.array(z.string()).nullable(),
  command: z.array(text).nullable(),
  user: text.nullable(),
  workdir: z.string().nullable(),
  env: z.record(z.string(), text),
  network: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('none') }),
    /** The namespace of another container, by its name. */
    z.strictObject({ kind: z.literal('container'), name: z.string() }),
    /** Networks by name, in order of connecting; an address where it must be known beforehand. */
    z.strictObject({
      kind: z.literal('networks'),
      networks: z.array(z.strictObject({ name: z.string(), address: text.nullable() })),
    }),
  ]),
  dns: z.array(text),
  mounts: z.array(mountSpecSchema),
  hardening: z.strictObject({
    cap_drop: z.array(z.string()),
    cap_add: z.array(z.string()),
    no_new_privileges: z.boolean(),
    read_only_root: z.boolean(),
    init: z.boolean(),
    sysctls: z.record(z.string(), z.string()),
  }),
  limits: z.strictObject({ memory_bytes: z.number().int(), cpus: z.number().nullable(), pids: z.number().int() }),
  /** `lifeline`: standard input only, held by the launcher. `streams`: all three are the caller's. `none`: runs once. `alone`: runs until it is removed. */
  attach: z.enum(['lifeline', 'streams', 'none', 'alone']),
  /** `caller`: has a terminal if the caller has one. */
  terminal: z.enum(['none', 'caller']),
  /** `capped`: the engine keeps the last megabytes. `none`: what it prints is the caller's alone. */
  log: z.enum(['capped', 'none']),
});
export type ContainerSpec = z.infer<typeof containerSpecSchema>;

export const planSchema = z.strictObject({
  version: z.literal(1),
  session: z.string(),
  /** Where the wishes came from: a manifest's real path, or the built-in default. */
  manifest: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('file'), path: z.string() }),
    z.strictObject({ kind: z.literal('built-in') }),
  ]),
  images: z.strictObject({ sidecar: imageSpecSchema, agent: imageSpecSchema, scanner: imageSpecSchema.optional() }),
  networks: z.array(networkSpecSchema),
  volumes: z.array(volumeSpecSchema),
  containers: z.strictObject({
    gate: containerSpecSchema,
    scanner: containerSpecSchema,
    bump: containerSpecSchema,
    agent: containerSpecSchema,
    route: containerSpecSchema.nullable(),
    /** Looks at the scanner's configuration before the scanner starts. */
    check: containerSpecSchema.nullable(),
  }),
  /** What goes in by standard input. */
  config: z.strictObject({
    gate: gateConfigSchema.extend({ sidecar: lateSchema }),
    bump: sidecarConfigSchema.extend({
      key: lateSchema,
      secrets: z.array(boundSecretSchema.extend({ value: lateSchema, placeholder: lateSchema })),
      upstream_proxy: proxyConfigSchema.extend({ credentials: lateSchema.nullable() }).nullable(),
      client_certificates: z.array(clientCertificateConfigSchema.extend({ cert: lateSchema, key: lateSchema })),
      scanner: z.discriminatedUnion('kind', [
        embeddedSchema,
        pipelockSchema.extend({
          address: lateSchema,
          sink: pipelockSchema.shape.sink.extend({ address: lateSchema }),
        }),
      ]),
      listen: sidecarConfigSchema.shape.listen.extend({ address: lateSchema, gate: lateSchema }),
    }),
    /** null: a scanner that reads a file. */
    scanner: scannerConfigSchema.extend({ key: lateSchema }).nullable(),
  }),
  /** For people: the rules as a user writes them, and what goes with them. */
  egress: z.strictObject({
    allow: z.array(z.string()),
    policy: policySchema,
    /** Rules of `policy.unopened`, likewise. */
    unopened: z.array(z.string()),
    websockets: webSocketsSchema,
    networks: z.array(z.string()),
    upstream_ca: z.array(z.string()),
    /** A company's proxy: its place, where its credentials come from, and the hosts that are dialled without it. */
    upstream_proxy: z
      .strictObject({ url: z.string(), credentials: z.string().nullable(), no_proxy: z.array(z.string()) })
      .nullable(),
    /** Files of what is shown to hosts that ask for a certificate. */
    client_certificates: z.array(z.strictObject({ host: z.string(), cert: z.string(), key: z.string() })),
    bodies: bodiesSchema,
    mitm: z.strictObject({ enabled: z.literal(true), ca_fingerprint: z.null() }),
  }),
  scanner: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('embedded') }),
    z.strictObject({
      kind: z.literal('pipelock'),
      /** The release line that the configuration is made for. */
      version: z.enum(PIPELOCK_VERSIONS),
      /** Where the configuration is put before the start, and what it says: JSON, which is YAML. */
      file: z.string(),
      config: z.json(),
      /** What the scanner is not shown. */
      masks: z.array(maskSchema),
    }),
  ]),
  /** Credentials that the agent does not have: what they are called, where they come from and where they go. Never a value. */
  secrets: z.array(
    z.strictObject({
      name: z.string(),
      from: z.string(),
      hosts: z.array(z.strictObject({ rule: z.string(), identity: z.enum(['bound', 'open']) })),
      places: z.array(z.string()),
      headers: z.record(z.string(), z.string()),
    }),
  ),
  trust: z.strictObject({
    files: z.array(z.string()),
    variables: z.record(z.string(), z.string()),
    update_ca_certificates: z.boolean(),
  }),
  home: z.strictObject({ kind: z.enum(['keep', 'fresh']), volume: z.string(), path: z.string() }),
  /** Whom the agent runs as. `owner-if-root`: the image's own user; if that is root, the owner of a writable mount. */
  agent_user: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('fixed'), user: z.string() }),
    z.strictObject({ kind: z.literal('image') }),
    z.strictObject({
      kind: z.literal('owner-if-root'),
      uid: z.number().int(),
      gid: z.number().int(),
      source: z.string(),
    }),
  ]),
  /** Name → what it is and why it is not known yet. */
  late_bound: z.record(z.string(), z.string()),
  /** Things worth saying once before the start. */
  notes: z.array(z.string()),
});
export type LaunchPlan = z.infer<typeof planSchema>;
