/** Manifests in a folder of a test's own, read as a user's are. */
import { rootCertificates } from 'node:tls';
import { ManifestError, type ManifestIssue } from '../../../src/errors.ts';
import { type LoadedManifest, type ManifestContext, readManifest } from '../../../src/manifest.ts';
import type { Folder } from './folder.ts';

/** Two certificates that Node has anyway. */
export const [PEM = '', OTHER_PEM = ''] = rootCertificates;

export function read(folder: Folder, text: string, env: ManifestContext['env'] = {}): LoadedManifest {
  return readManifest(folder.write('bottle.yaml', text), { env, stateFolder: `${folder.path}-state` });
}

/** What reading it complains of. */
export function issues(folder: Folder, text: string, env: ManifestContext['env'] = {}): readonly ManifestIssue[] {
  try {
    read(folder, text, env);
  } catch (error) {
    if (error instanceof ManifestError) return error.issues;
    throw error;
  }
  return [];
}
