/** What can become of a request, and the journal lines that record it. */
import { z } from 'zod';
import { maskedSchema } from './mask.ts';

/** Everything that can become of a request. */
export const outcomeSchema = z.discriminatedUnion('kind', [
  /** Policy allowed it, it was proven to be scanned, upstream answered. */
  z.object({ kind: z.literal('forwarded'), status: z.number().int() }),
  /** Policy allowed it, and the manifest wants it relayed unopened (`egress.tls_bump_ignore`): nothing of it was scanned. */
  z.object({ kind: z.literal('passed') }),
  /** Policy said no. */
  z.object({ kind: z.literal('denied'), rule: z.string() }),
  /** The scanner said no; `finding` is its own sanitised line. */
  z.object({ kind: z.literal('blocked'), finding: z.string() }),
  /** The request itself is ambiguous, oversized, unsupported or a loop. `status` is the answer's. */
  z.object({ kind: z.literal('refused'), status: z.number().int(), reason: z.string() }),
  /** Could not tell, or could not deliver: treated as no. */
  z.object({ kind: z.literal('failed'), stage: z.enum(['scan', 'upstream', 'internal']), cause: z.string() }),
]);
export type Outcome = z.infer<typeof outcomeSchema>;

/** What the journal says of a request's target. Never header values, bodies or query strings. */
const subject = {
  /** Exchange id, `[a-z0-9-]+`; also the scan call's nonce prefix. */
  id: z.string(),
  at: z.iso.datetime(),
  method: z.string(),
  scheme: z.enum(['http', 'https']),
  host: z.string(),
  port: z.number().int(),
};

/** Written before the first byte leaves for the upstream. */
const admittedSchema = z.object({
  event: z.literal('admitted'),
  ...subject,
  /** Path without query, at most 256 characters; only of requests that were scanned and let through. */
  path: z.string(),
  body_bytes: z.number().int(),
  /** Names of secrets whose placeholder stood in the request outside its place: worthless there, so it was let through. */
  placeholders: z.array(z.string()).optional(),
  /** Bytes of the body that no scanner was asked about, because the manifest says so for this host. */
  unscanned_bytes: z.number().int().optional(),
  /** What the scanner was not shown, by the mask that covers it. It was searched by the sidecar itself. */
  masked: z.array(maskedSchema).optional(),
});

/** Written exactly once for every request, whatever became of it. */
const closedSchema = z.object({
  event: z.literal('closed'),
  ...subject,
  outcome: outcomeSchema,
  /** Bytes of the request that left for the upstream, head and body. 0 unless it was admitted. */
  sent_bytes: z.number().int(),
  /** Bytes of the response's body that were relayed to the agent; of a WebSocket, what came behind the answer's head. */
  received_bytes: z.number().int(),
  /** Of a stream, as a WebSocket is one: the agent's messages that were sent, each scanned by itself. */
  messages: z.number().int().optional(),
  duration_ms: z.number(),
});

/** A refusal that repeats (same host, port and reason) is listed a few times and then only counted. */
const repeatedSchema = z.object({
  event: z.literal('repeated'),
  at: z.iso.datetime(),
  host: z.string(),
  port: z.number().int(),
  outcome: outcomeSchema,
  /** How many more than were listed, since the last such line. */
  count: z.number().int().min(1),
});

export const journalLineSchema = z.discriminatedUnion('event', [admittedSchema, closedSchema, repeatedSchema]);
export type Admitted = z.infer<typeof admittedSchema>;
export type Closed = z.infer<typeof closedSchema>;
export type Repeated = z.infer<typeof repeatedSchema>;
export type JournalLine = z.infer<typeof journalLineSchema>;
