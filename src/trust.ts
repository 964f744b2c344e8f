/** Which manifests, by content, the user has confirmed on this machine. A manifest lies where the agent can write. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LoadedManifest } from './manifest.ts';

export interface Trust {
  /** True if this content was confirmed, or needs no confirmation. */
  knows(manifest: LoadedManifest): boolean;
  /** Remembers this content as confirmed. @throws when the state folder cannot be written */
  confirm(manifest: LoadedManifest): void;
}

/** Confirmed contents are empty files named by hash, so that two launches at once cannot spoil each other's list. */
export function trustIn(stateFolder: string): Trust {
  const folder = join(stateFolder, 'trusted');
  return {
    knows: (manifest) => manifest.source.kind === 'built-in' || existsSync(join(folder, manifest.contentHash)),
    confirm(manifest) {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      writeFileSync(join(folder, manifest.contentHash), '', { mode: 0o600 });
    },
  };
}
