/** Files into and out of containers, as the tar streams that the engine's archive API wants. */
import type { IncomingMessage } from 'node:http';
import { posix } from 'node:path';
import { buffer } from 'node:stream/consumers';
import type Dockerode from 'dockerode';
import { extract, pack } from 'tar-stream';
import { BackendError } from '../errors.ts';
import type { FileEntry } from '../backend.ts';
import { ifThere } from './failure.ts';

/** A tar of `files`, in their order. Names are relative to `folder`. */
export async function tarOf(files: readonly FileEntry[], mtime = new Date(), folder = '/'): Promise<Buffer> {
  const archive = pack();
  for (const { path, content, mode, uid = 0, gid = 0 } of files) {
    const name = posix.relative(folder, posix.resolve('/', path));
    if (content === undefined) archive.entry({ name, type: 'directory', mode, uid, gid, mtime });
    else archive.entry({ name, type: 'file', mode, uid, gid, mtime }, Buffer.from(content));
  }
  archive.finalize();
  return await buffer(archive);
}

export async function putFiles(
  container: Dockerode.Container,
  files: readonly FileEntry[],
  folder = '/',
): Promise<void> {
  await container.putArchive(await tarOf(files, new Date(), folder), { path: folder });
}

/** Asks for the path's metadata alone: nothing is packed. */
export async function hasPath(container: Dockerode.Container, path: string): Promise<boolean> {
  const response: NodeJS.ReadableStream | undefined = await ifThere(container.infoArchive({ path }));
  (response as IncomingMessage | undefined)?.destroy(); // unread, it would keep the connection, and this process, alive
  return response !== undefined;
}

/** More links than any image has on the way to one file. */
const MAX_LINKS = 10;

/** A file's bytes; undefined if there is none. @throws BackendError if it is not a file, or its links lead in a circle */
export async function getFile(container: Dockerode.Container, path: string): Promise<Buffer | undefined> {
  let here = path;
  for (let links = 0; links < MAX_LINKS; links += 1) {
    const found = await getEntry(container, here);
    if (found === undefined || Buffer.isBuffer(found)) return found;
    here = found.link;
  }
  throw new BackendError(`file cannot be read: ${path} (more than ${MAX_LINKS} links). Look at it in the container.`);
}

async function getEntry(container: Dockerode.Container, path: string): Promise<Buffer | { link: string } | undefined> {
  const response: NodeJS.ReadableStream | undefined = await ifThere(container.getArchive({ path }));
  if (!response) return undefined;
  const archive = extract();
  response.on('error', (error) => archive.destroy(error instanceof Error ? error : new Error(String(error))));
  response.pipe(archive);
  try {
    for await (const entry of archive) {
      if (entry.header.type === 'file') return await buffer(entry);
      if (entry.header.type === 'symlink') return { link: linkTarget(response, path, entry.header.linkname ?? '') };
      throw new BackendError(
        `file cannot be read: ${path} (it is a ${entry.header.type}). Look at it in the container.`,
      );
    }
    return undefined;
  } finally {
    (response as IncomingMessage).destroy(); // a rest that nobody reads would keep the connection, and this process, alive
  }
}

/** Where a link leads: the engine says it with the links of its folder resolved, else it is relative to its folder. */
function linkTarget(response: NodeJS.ReadableStream, path: string, linkname: string): string {
  const header = (response as IncomingMessage).headers['x-docker-container-path-stat']; // dockerode hands over the response
  if (typeof header === 'string') {
    const stat: unknown = JSON.parse(Buffer.from(header, 'base64').toString('utf8'));
    if (typeof stat === 'object' && stat !== null && 'linkTarget' in stat && typeof stat.linkTarget === 'string') {
      if (stat.linkTarget.startsWith('/')) return stat.linkTarget;
    }
  }
  return posix.resolve(posix.dirname(path), linkname);
}
