/**
 * Masks: what a scanner of others is not shown, because a rule of it that nobody can switch off takes any long base64 for a key. A mask
 * covers base64 alone, at declared places of JSON towards declared hosts, and hashes in the forms of lockfiles.
 */
import { z } from 'zod';
import { formatRule, parseRule, type Rule, ruleSchema, rulesOf } from './policy.ts';
import { isAllowed } from './secret.ts';

/** Keys from the top of a JSON text, joined by dots; `*` is every element of an array. */
const place = z
  .string()
  .max(200)
  .regex(/^[^.\s]+(\.[^.\s]+)*$/, 'must be keys joined by dots, with "*" for the elements of an array');

const masked = {
  name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,39}$/, 'must be 1–40 of a–z, 0–9 and "-"'),
  /** Strings at these places are not shown if they are wholly base64, or a `data:` URL of it. */
  places: z.array(place).max(100),
  /** Whether hashes such as `sha512-…` are not shown, wherever they stand in a text. */
  hashes: z.boolean(),
};

/** As the sidecar is told of it. `hosts`: null for every host. */
export const maskSchema = z.strictObject({ ...masked, hosts: z.array(ruleSchema).nullable() });
export type Mask = z.infer<typeof maskSchema>;

/** What one mask covered in one request, or in all messages of a stream. */
export const maskedSchema = z.object({ mask: z.string(), bytes: z.number().int() });
export type Masked = z.infer<typeof maskedSchema>;

/** One of each mask, with all of its bytes. */
export function sumMasked(all: readonly Masked[]): Masked[] {
  const sums = new Map<string, number>();
  for (const { mask, bytes } of all) sums.set(mask, (sums.get(mask) ?? 0) + bytes);
  return Array.from(sums, ([mask, bytes]) => ({ mask, bytes }));
}

/** Places in which the APIs of models carry files, signatures and what only they can read. */
const MODELS = {
  anthropic: {
    hosts: ['api.anthropic.com'],
    places: [
      'messages.*.content.*.source.data',
      'messages.*.content.*.content.*.source.data',
      'messages.*.content.*.signature',
      'messages.*.content.*.data',
      'messages.*.content.*.content.*.encrypted_content',
      'messages.*.content.*.citations.*.encrypted_index',
    ],
  },
  openai: {
    hosts: ['api.openai.com', 'chatgpt.com', 'openrouter.ai'],
    places: [
      'messages.*.content.*.image_url.url',
      'messages.*.content.*.input_audio.data',
      'messages.*.content.*.file.file_data',
      'input.*.content.*.image_url',
      'input.*.content.*.file_data',
      'input.*.content.*.input_audio.data',
      'input.*.output.image_url',
      'input.*.output.*.image_url',
      'input.*.output.*.file_data',
      'input.*.encrypted_content',
      'input.*.result',
    ],
  },
  gemini: {
    hosts: ['generativelanguage.googleapis.com', 'aiplatform.googleapis.com', 'cloudcode-pa.googleapis.com'],
    places: ['contents.*.parts', 'contents.parts', 'request.contents.*.parts'].flatMap((parts) =>
      ['inline_data.data', 'inlineData.data', 'thought_signature', 'thoughtSignature'].map(
        (field) => `${parts}.*.${field}`,
      ),
    ),
  },
} as const;
const MODEL_NAMES = ['anthropic', 'openai', 'gemini'] as const;

const host = z.string().superRefine((text, context) => {
  const parsed = parseRule(text);
  if ('kind' in parsed) context.addIssue(`"${text}" ${parsed.why}; allowed: host, *.suffix, host:port`);
});

/** The manifest's wishes. */
export const masksWishSchema = z.strictObject({
  /** The masks that come with bottle, for those of their hosts that `egress.allow` names. */
  built_in: z.boolean().default(true),
  own: z
    .array(
      z
        .strictObject({
          name: masked.name,
          hosts: z.array(host).min(1),
          /** The places of a built-in mask, for a gateway that speaks the same API. */
          like: z.enum(MODEL_NAMES).optional(),
          places: masked.places.default([]),
          hashes: masked.hashes.default(false),
        })
        .refine(
          ({ like, places, hashes }) => like !== undefined || places.length > 0 || hashes,
          'must have at least one of like, places, hashes',
        ),
    )
    .max(100)
    .default([]),
});
export type MasksWish = z.infer<typeof masksWishSchema>;

/** The masks that are on. Built-in ones stand for the hosts that are allowed, so that a plan names nothing that cannot happen. */
export function masksOf(wish: MasksWish, allow: readonly Rule[]): Mask[] {
  const own = wish.own.map(({ name, hosts, like, places, hashes }) => ({
    name,
    hosts: rulesOf(hosts),
    places: [...(like === undefined ? [] : MODELS[like].places), ...places],
    hashes,
  }));
  if (!wish.built_in) return own;
  const models = MODEL_NAMES.map((name) => ({
    name,
    hosts: rulesOf(MODELS[name].hosts).filter((rule) => isAllowed(rule, allow)),
    places: [...MODELS[name].places],
    hashes: false,
  })).filter(({ hosts }) => hosts.length > 0);
  // Exact forms of what is no secret elsewhere. Lockfiles are read to models, pushed to every forge, and published.
  return [...models, { name: 'known-forms', hosts: null, places: [], hashes: true }, ...own];
}

export function formatMask({ name, hosts, places, hashes }: Mask): string {
  const what = [
    ...(hashes ? ['hashes as in lockfiles, and the local token of Claude Code'] : []),
    ...(places.length > 0 ? [places.join(', ')] : []),
  ];
  return `${name}: towards ${hosts?.map(formatRule).join(', ') ?? 'every host'}: ${what.join('; ')}`;
}
