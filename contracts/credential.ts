/** An agent's own credential towards its own provider: the one place where a secret's shape is no finding. */
import { z } from 'zod';

export const ownCredentialSchema = z.object({
  /** Who issued it, for people. */
  issuer: z.string(),
  /** Exact hosts (canonical) towards which it is no finding. */
  hosts: z.array(z.string()).min(1),
  /** A request header field by its lower-case name, or a top-level string member of a JSON or form body. */
  place: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('header'), name: z.string() }),
    z.object({ kind: z.literal('body'), field: z.string(), path: z.string() }),
  ]),
  /** Regular expression (source, no flags) that the whole value must match; anything else there is scanned as usual. */
  shape: z.string(),
});
export type OwnCredential = z.infer<typeof ownCredentialSchema>;
