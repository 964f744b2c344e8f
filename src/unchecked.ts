/** Looks into a value that no schema has taken yet. */

/** A field of it; undefined if it has none. */
export function field(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
}

/** A list in a section of it; empty if there is none. */
export function listIn(value: unknown, section: string, key: string): unknown[] {
  const list = field(field(value, section), key);
  return Array.isArray(list) ? list : [];
}
