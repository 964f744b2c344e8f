/** What of the user's machine may be mounted: resolved to its real path, and checked, each time that it is used. */
import { realpathSync, statSync } from 'node:fs';
import { join, sep } from 'node:path';

/** The source of a mount, as it was found. */
export interface MountSource {
  readonly kind: 'source';
  /** Absolute, without links. */
  readonly real: string;
  readonly owner: { readonly uid: number; readonly gid: number };
  /** Device and inode: another folder put in its place does not have them. */
  readonly identity: string;
}

/** Resolves and checks one source. `state` is bottle's own state folder, which holds what the user has confirmed. */
export function resolveMountSource(
  path: string,
  state: string,
  env: Readonly<Record<string, string | undefined>>,
): MountSource | { kind: 'invalid'; why: string } {
  let real: string;
  try {
    real = realpathSync(path);
  } catch {
    return { kind: 'invalid', why: `${path} does not exist` };
  }
  const socket = engineSockets(env).find((candidate) => holds(real, candidate) || holds(real, realOf(candidate)));
  if (socket !== undefined)
    return {
      kind: 'invalid',
      why: `${path} is, or holds, the container engine's socket (${socket}): whoever has it owns this machine`,
    };
  if (holds(real, realOf(state)) || holds(realOf(state), real)) {
    return {
      kind: 'invalid',
      why: `${path} holds, or lies in, bottle's own records (${state}): mount a folder beside them`,
    };
  }
  const found = statSync(real);
  if (!found.isDirectory() && !found.isFile())
    return { kind: 'invalid', why: `${path} is neither a folder nor a file` };
  return { kind: 'source', real, owner: { uid: found.uid, gid: found.gid }, identity: `${found.dev}:${found.ino}` };
}

/** Sockets of container engines that may be on this machine. */
function engineSockets(env: Readonly<Record<string, string | undefined>>): string[] {
  const runtime = env['XDG_RUNTIME_DIR'];
  const named = env['DOCKER_HOST'];
  return [
    '/var/run/docker.sock',
    '/run/docker.sock',
    '/run/containerd/containerd.sock',
    '/run/podman/podman.sock',
    '/run/crio/crio.sock',
    ...(runtime ? [join(runtime, 'docker.sock'), join(runtime, 'podman/podman.sock')] : []),
    ...(named?.startsWith('unix://') ? [named.slice('unix://'.length)] : []),
  ];
}

function holds(folder: string, path: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}

/** The real path, also of what does not exist yet: its nearest existing folder is resolved. */
function realOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const cut = path.lastIndexOf(sep);
    return cut <= 0 ? path : join(realOf(path.slice(0, cut)), path.slice(cut + 1));
  }
}
