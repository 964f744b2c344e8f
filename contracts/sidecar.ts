/** What the launcher sends to the containers of a session by standard input, and what they print when they are ready. */
import { z } from 'zod';
import { bodiesSchema } from './bodies.ts';
import { ownCredentialSchema } from './credential.ts';
import { maskSchema } from './mask.ts';
import { policySchema, webSocketsSchema } from './policy.ts';
import { boundSecretSchema } from './secret.ts';
import { clientCertificateConfigSchema, proxyConfigSchema } from './upstream.ts';

/** Standard base64 of the session's 32-byte key for receipts. */
const sessionKey = z.string();

/** The embedded scanner's unix socket. */
export const embeddedSchema = z.object({ kind: z.literal('embedded'), socket: z.string() });

/** A scanner that is a forward proxy, alone on a network where every name and every answer is the sidecar's. */
export const pipelockSchema = z.object({
  kind: z.literal('pipelock'),
  /** The scanner's address and port. */
  address: z.string(),
  port: z.number().int(),
  /** What the sidecar serves on that network: where the scanner's requests end, and its only resolver. */
  sink: z.object({ address: z.string(), port: z.number().int(), dns_port: z.number().int() }),
  /** Bytes of one call that it scans. */
  body_bytes: z.number().int(),
  /** What it is not shown. */
  masks: z.array(maskSchema),
});
export type PipelockScanner = z.infer<typeof pipelockSchema>;

/**
 * First line of the sidecar's standard input, as one line of JSON. Every later line is a heartbeat, one with a JSON object in it a `Renewal`
 * as well; its end is the launcher's.
 */
export const sidecarConfigSchema = z.object({
  version: z.literal(1),
  session: z.string(),
  key: sessionKey,
  /** Addresses on the agent's network. Only `gate` may connect. */
  listen: z.object({ address: z.string(), gate: z.string(), proxy_port: z.number().int(), dns_port: z.number().int() }),
  /** Names under which the sidecar itself can be reached; a request for one is a loop. */
  own_names: z.array(z.string()),
  policy: policySchema,
  websockets: webSocketsSchema,
  /** PEM texts of further roots for upstream TLS. */
  upstream_ca: z.array(z.string()),
  /** null: hosts are dialled directly. */
  upstream_proxy: proxyConfigSchema.nullable(),
  client_certificates: z.array(clientCertificateConfigSchema),
  scanner: z.discriminatedUnion('kind', [embeddedSchema, pipelockSchema]),
  /** Credentials that are put into requests; their values stand here and in later lines, and nowhere else. */
  secrets: z.array(boundSecretSchema),
  bodies: bodiesSchema,
  /** File that journal lines are appended to. */
  journal: z.string(),
});
export type SidecarConfig = z.infer<typeof sidecarConfigSchema>;

/** First line of the embedded scanner's standard input. */
export const scannerConfigSchema = z.object({
  version: z.literal(1),
  key: sessionKey,
  socket: z.string(),
  own_credentials: z.array(ownCredentialSchema),
});
export type ScannerConfig = z.infer<typeof scannerConfigSchema>;

/** First line of the gate's standard input, as one line of JSON. */
export const gateConfigSchema = z.object({
  version: z.literal(1),
  /** The sidecar's address on the agent's network. */
  sidecar: z.string(),
  proxy_port: z.number().int(),
  dns_port: z.number().int(),
});

/** The one line that a container prints on standard output when it serves; before it, nothing may be relied on. */
export const readyLineSchema = z.discriminatedUnion('role', [
  z.object({
    event: z.literal('ready'),
    role: z.literal('bump'),
    /** PEM of the session's CA certificate. */
    certificate: z.string(),
    /** SHA-256 of its DER, lower-case hex. */
    fingerprint: z.string().regex(/^[0-9a-f]{64}$/),
  }),
  z.object({ event: z.literal('ready'), role: z.literal('scanner') }),
  z.object({ event: z.literal('ready'), role: z.literal('gate') }),
]);
export type ReadyLine = z.infer<typeof readyLineSchema>;

/** Milliseconds between two heartbeats of the launcher. */
export const HEARTBEAT_MS = 2_000;
/** After so many milliseconds without one the sidecar cuts its tunnels and refuses until the next. */
export const HEARTBEAT_LOST_MS = 8_000;
