/** One row of the matrix of clients: a real program that asks one thing of a stand-in host, with no flag for proxy or trust. */

/** `core` has the light ones, `all` the heavy ones, and `here` those that this machine lends. */
export const IMAGES = ['core', 'all', 'here'] as const;

export interface Row {
  /** Names it in the table and, as letters and hyphens, in the URL that it asks for. */
  readonly client: string;
  /** In which image it is. */
  readonly image: (typeof IMAGES)[number];
  /** For bash; `$U` is its own URL at the stand-in host. */
  readonly command: string;
  /**
   * `works`: the request reached the host, and the program ended with 0. `reaches`: the request reached it, and the program does
   * not like what the stand-in answers. `refused`: it does not use the proxy, so nothing leaves, and it fails.
   */
  readonly expect: 'works' | 'reaches' | 'refused';
  /** Absolute paths of this machine that its image is given. */
  readonly lent?: readonly string[];
  /** Where its URL at the host is not `$U` or below. */
  readonly path?: string;
  /** Why it is not `works`. */
  readonly why?: string;
  /** What it prints of that, where it could as well fail by something else. */
  readonly says?: RegExp;
}

export function slugOf({ client }: Pick<Row, 'client'>): string {
  return client
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '');
}

export const row = (client: string, command: string, more: Partial<Row> = {}): Row => ({
  client,
  command,
  image: 'core',
  expect: 'works',
  ...more,
});

export const BRINGS_A_SOCKET = { expect: 'refused', why: 'connects by itself, whatever the variables say' } as const;
export const NOT_A_REGISTRY = { expect: 'reaches', why: 'the stand-in is no such registry' } as const;
export const NOT_AN_API = { expect: 'reaches', why: 'the stand-in has no such API' } as const;
