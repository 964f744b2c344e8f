/** The embedded scanner in this process, on a socket in a folder of its own. */
import { once } from 'node:events';
import { createScanner } from '../../../../addon/scanner/serve.ts';
import { type Folder, makeFolder } from '../../support/folder.ts';
import { KEY } from '../rig.ts';

export interface EmbeddedScanner extends Disposable {
  /** Gone with the scanner. */
  readonly folder: Folder;
  /** As a sidecar's configuration has it. */
  readonly config: { readonly kind: 'embedded'; readonly socket: string };
}

export async function startEmbedded(): Promise<EmbeddedScanner> {
  const folder = makeFolder();
  const socket = folder.at('scanner.sock');
  const server = createScanner({ key: KEY, own: [], log: () => undefined }).listen(socket);
  await once(server, 'listening');
  return {
    folder,
    config: { kind: 'embedded', socket },
    [Symbol.dispose]() {
      server.closeAllConnections();
      server.close();
      folder[Symbol.dispose]();
    },
  };
}
