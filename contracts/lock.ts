/** `bottle.lock`: which image each reference of a manifest stood for when it was locked. */
import { z } from 'zod';

const sha256 = z.string().regex(/^sha256:[0-9a-f]{64}$/, 'must be sha256: and 64 hex digits');

export const lockSchema = z.strictObject({
  version: z.literal(1),
  images: z.record(
    z.string(),
    z.strictObject({
      /** As the manifest names it, or the Dockerfile that it is built from. */
      reference: z.string(),
      /** `digest`: a registry's, the same everywhere. `id`: of an image that no registry has; it says nothing on another machine. */
      by: z.enum(['digest', 'id']),
      value: sha256,
    }),
  ),
});
export type Lock = z.infer<typeof lockSchema>;
