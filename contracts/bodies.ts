/** How large the bodies of requests may be, and which of them pass without a scan. */
import { z } from 'zod';
import type { Host } from './host.ts';
import { PIPELOCK_BODY_BYTES } from './pipelock.ts';
import { formatRule, parseRule, ruleCoversHost, ruleSchema } from './policy.ts';

const MIB = 1024 ** 2;

/** Bytes of one body where nothing else is said: the embedded scanner looks at so much in half a minute or so. */
const BODY_LIMIT_BYTES = 2048 * MIB;
/** pipelock needs 3 s for each megabyte, so by itself it gets no more than it takes at once. */
const LIMITS = { embedded: BODY_LIMIT_BYTES, pipelock: PIPELOCK_BODY_BYTES } as const;

/** Bytes of `512m`, `4g`: powers of 1024, as the engine reads them. */
export function memoryBytes(text: string): number {
  const unit = { k: 1024, m: 1024 ** 2, g: 1024 ** 3 }[text.slice(-1).toLowerCase()] ?? 1;
  return Math.floor(Number.parseFloat(text) * unit);
}

export const sizeSchema = z
  .string()
  .regex(/^[1-9]\d{0,6}(\.\d+)?[kmgKMG]$/, 'must be a number with k, m or g (64m, 2g)')
  .refine((text) => memoryBytes(text) >= MIB && memoryBytes(text) <= 64 * 1024 * MIB, 'must be between 1m and 64g');

/** Larger bodies to this host are not scanned. */
export const unscannedWishSchema = z.strictObject({
  host: z.string().superRefine((text, context) => {
    const parsed = parseRule(text);
    if ('kind' in parsed) context.addIssue(`"${text}" ${parsed.why}; allowed: host, host:port`);
    else if (parsed.match === 'suffix')
      context.addIssue(`"${text}" must be one host: an agent could choose among many`);
  }),
  over: sizeSchema,
});
export type UnscannedWish = z.infer<typeof unscannedWishSchema>;

export const bodiesSchema = z.object({
  /** Bytes of one body. */
  limit_bytes: z.number().int(),
  /** Bodies of more bytes than this, to these hosts, pass unscanned; they have a limit of at least 2 GiB. */
  unscanned: z.array(ruleSchema.extend({ over_bytes: z.number().int() })),
});
export type Bodies = z.infer<typeof bodiesSchema>;

interface Wish {
  readonly scanner: keyof typeof LIMITS;
  readonly limit: string | undefined;
  readonly unscanned: readonly UnscannedWish[];
}

export function readBodies({ scanner, limit, unscanned }: Wish): Bodies {
  return {
    limit_bytes: limit === undefined ? LIMITS[scanner] : memoryBytes(limit),
    unscanned: unscanned.flatMap(({ host, over }) => {
      const rule = parseRule(host);
      return 'kind' in rule ? [] : [{ ...rule, over_bytes: memoryBytes(over) }]; // the schema has refused those
    }),
  };
}

/** Bytes that one body to this host and port may have. */
export function bodyLimit(bodies: Bodies, host: Host, port: number): number {
  const unscanned = unscannedOver(bodies, host, port) !== undefined;
  return unscanned ? Math.max(bodies.limit_bytes, BODY_LIMIT_BYTES) : bodies.limit_bytes;
}

/** Bytes beyond which a body to this host and port is not scanned; undefined: all are. */
export function unscannedOver({ unscanned }: Bodies, host: Host, port: number): number | undefined {
  const over = unscanned
    .filter((rule) => ruleCoversHost(rule, host) && rule.ports.includes(port))
    .map(({ over_bytes }) => over_bytes);
  return over.length === 0 ? undefined : Math.max(...over);
}

/** What a user is told of each such host. */
export function formatUnscanned({ over_bytes, ...rule }: Bodies['unscanned'][number]): string {
  return `bodies over ${formatBytes(over_bytes)} to ${formatRule(rule)} pass UNSCANNED`;
}

/** `3.2 GiB`, `64 MiB`, `17 bytes`. */
export function formatBytes(bytes: number): string {
  const units = ['KiB', 'MiB', 'GiB'];
  let [value, unit] = [bytes, 'bytes'];
  for (const larger of units) {
    if (value < 1024) break;
    [value, unit] = [value / 1024, larger];
  }
  return `${value >= 100 || Number.isInteger(value) ? Math.round(value) : value.toFixed(1)} ${unit}`;
}
