/** What the schema of a manifest complains of, in the words of whoever wrote it. */
import { z } from 'zod';
import { manifestSchema } from '../contracts/manifest.ts';
import type { ManifestIssue } from './errors.ts';
import { field } from './unchecked.ts';

/** Zod's issue as ours, with the path as a user would write it; a union's or record's inner issues are taken out. */
export function issuesOf(issue: z.core.$ZodIssue): ManifestIssue[] {
  const path = formatPath(issue.path);
  if (issue.code === 'unrecognized_keys') {
    const allowed = allowedKeys(issue.path);
    return issue.keys.map((key) => ({
      path: formatPath([...issue.path, key]),
      message: `unknown key; allowed here: ${allowed.join(', ')}`,
    }));
  }
  if (issue.code === 'invalid_key') {
    return issue.issues.map(({ message }) => ({ path, message }));
  }
  return [{ path, message: issue.message }];
}

function formatPath(path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (text, step) =>
      typeof step === 'number' ? `${text}[${step}]` : text === '' ? String(step) : `${text}.${String(step)}`,
    '',
  );
}

/** The keys that the schema has at a path, read from its JSON Schema. */
function allowedKeys(path: readonly PropertyKey[]): string[] {
  let schema: unknown = z.toJSONSchema(manifestSchema, { io: 'input' });
  for (const step of path)
    schema =
      typeof step === 'number'
        ? field(schema, 'items')
        : (field(field(schema, 'properties'), String(step)) ?? field(schema, 'additionalProperties'));
  return Object.keys(Object(field(schema, 'properties')));
}
