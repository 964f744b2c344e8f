/** Fills a plan's named references in, each with the one value that the launch has found for it. */
import type { Bound } from './backend.ts';

/** Returns a copy in which every `{ late: name }` is replaced. @throws Error if a name has no value */
export function bind<T>(spec: T, values: ReadonlyMap<string, string>): Bound<T> {
  return replace(spec, values) as Bound<T>; // the type follows the value: see Bound
}

function replace(value: unknown, values: ReadonlyMap<string, string>): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => replace(item, values));
  const name = lateName(value);
  if (name === undefined)
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, replace(item, values)]));
  const found = values.get(name);
  if (found === undefined) throw new Error(`the plan refers to ${name}, which was never bound`);
  return found;
}

function lateName(value: object): string | undefined {
  const name: unknown = Reflect.get(value, 'late');
  return typeof name === 'string' && Object.keys(value).length === 1 ? name : undefined;
}
