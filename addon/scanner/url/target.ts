/** The parts of an absolute URI, as they stand. */

export interface Target {
  readonly kind: 'target';
  /** Lower case. */
  readonly scheme: string;
  /** As it stands: case counts when it carries data. Without user, port and brackets. */
  readonly host: string;
  readonly path: string;
  /** Without "?". */
  readonly query: string;
}

/** The host in its usual writing: lower case, no trailing dot. */
export function hostOf(target: Target): string {
  return target.host.toLowerCase().replace(/\.$/, '');
}

export function parseTarget(url: string): Target | { kind: 'invalid' } {
  const parts = /^([A-Za-z][A-Za-z0-9+.-]{0,31}):\/\/([^/?#]{1,1024})([^?#]*)(?:\?([^#]*))?/.exec(url);
  if (!parts) return { kind: 'invalid' };
  const [, scheme = '', authority = '', path = '', query = ''] = parts;
  const host = /^(?:[^@]*@)?(\[[^\]@]*\]|[^:@]*)(?::\d{0,5})?$/.exec(authority)?.[1];
  if (!host) return { kind: 'invalid' };
  return { kind: 'target', scheme: scheme.toLowerCase(), host: host.replace(/^\[|\]$/g, ''), path, query };
}
