/** Where programs lie in an image that cannot be listed: each place costs a question to the engine, so there are few. */

import type { Container } from '../backend.ts';

/** Variables as the agent will have them: the image's, the manifest's and ours. */
export type Environment = Readonly<Record<string, string>>;

/** Paths under which an image would have a program of one of these names: usual folders, and others of its PATH. */
export function programPaths(names: readonly string[], env: Environment): string[] {
  const more = (env['PATH'] ?? '').split(':').filter((folder) => folder.startsWith('/') && !PASSED_OVER.has(folder));
  return [...new Set([...USUAL, ...more])].flatMap((folder) => names.map((name) => `${folder}/${name}`));
}

export async function hasAny(agent: Container, paths: readonly string[]): Promise<boolean> {
  return (await Promise.all(paths.map((path) => agent.has(path)))).includes(true);
}

const USUAL = ['/usr/bin', '/usr/local/bin'];
/** Parts of /usr/bin by another name, or folders of what only root runs. */
const PASSED_OVER = new Set(['/bin', '/sbin', '/usr/sbin', '/usr/local/sbin']);
