/** What a launch needs from a container engine. Everything that is created comes back as a handle that disposes of it. */
import type { Readable, Writable } from 'node:stream';
import type { Late } from '../contracts/plan.ts';
import type { ContainerSpec, ImageSpec, NetworkSpec, VolumeSpec } from '../contracts/plan.ts';

/** A spec in which every named reference has been replaced by its value. */
export type Bound<T> = T extends Late
  ? string
  : T extends readonly (infer E)[]
    ? Bound<E>[]
    : T extends object
      ? { [K in keyof T]: Bound<T[K]> }
      : T;

/** Who owns a session: written into labels, compared by the sweep. */
export interface Owner {
  readonly machine_id: string;
  readonly boot_id: string;
  /** Inode of the pid namespace, as `/proc/self/ns/pid` names it. */
  readonly pid_namespace: string;
  readonly pid: number;
  /** Start time of the process in clock ticks since boot (`/proc/PID/stat`, field 22). */
  readonly start_time: string;
}

export interface SessionId {
  readonly slug: string;
  readonly owner: Owner;
  /** ISO time of the launch. */
  readonly started: string;
}

/** What the engine knows of an image. */
export interface Image {
  readonly id: string;
  /** `sha256:…` under which the registry has it; undefined for one that was built or loaded here. */
  readonly digest: string | undefined;
  /** The image's USER, '' for root. */
  readonly user: string;
  readonly env: Readonly<Record<string, string>>;
}

/** A file (or, with `content` undefined, a folder) to be put into a container. */
export interface FileEntry {
  /** Absolute path. */
  readonly path: string;
  readonly content?: Buffer | string;
  readonly mode: number;
  readonly uid?: number;
  readonly gid?: number;
}

/** A session as the engine's labels show it. */
export interface SessionState {
  readonly session: SessionId;
  /** `running`: its sidecar runs. `dead`: its owner is gone. `starting`: its owner lives, but its sidecar does not run (yet, or any more). `foreign`: owned on another machine or in another pid namespace. */
  readonly state: 'running' | 'starting' | 'dead' | 'foreign';
  readonly containers: readonly { readonly name: string; readonly role: string; readonly running: boolean }[];
}

/** Where slow steps say what they do. */
export type Progress = (line: string) => void;

export interface Backend {
  /** Finds or builds the image. @throws BackendError */
  ensureImage(spec: ImageSpec, progress: Progress, signal: AbortSignal): Promise<Image>;
  /** Creates the network on a free subnet of our own choosing. @throws BackendError */
  createNetwork(spec: NetworkSpec, session: SessionId, signal: AbortSignal): Promise<Network>;
  /** Of several sessions at once that make a volume of the same name, one gets it. @throws BackendError in the others */
  createVolume(spec: VolumeSpec, session: SessionId, signal: AbortSignal): Promise<Volume>;
  createContainer(spec: Bound<ContainerSpec>, session: SessionId, signal: AbortSignal): Promise<Container>;
  /** Removes by label whatever is left of this session, and nothing of another one that has its name. Idempotent. */
  sweep(session: SessionId): Promise<void>;
  /** All sessions that have anything left on this engine. */
  sessions(): Promise<SessionState[]>;
  /** A handle on an existing container of a session, or undefined. It is not owned: disposing it is the caller's decision. */
  find(slug: string, role: string): Promise<Container | undefined>;
  /** Names of the kept homes. */
  homes(): Promise<string[]>;
  removeHome(name: string): Promise<void>;
}

export interface Network extends AsyncDisposable {
  readonly name: string;
  /** CIDR, e.g. `10.211.3.8/29`. */
  readonly subnet: string;
  /** The n-th host address of the subnet, from 1. */
  address(n: number): string;
}

export interface Volume extends AsyncDisposable {
  readonly name: string;
}

export interface Container extends AsyncDisposable {
  readonly id: string;
  readonly name: string;
  start(signal: AbortSignal): Promise<void>;
  /** Attaches standard input only, before start. Its end reaches the container when this process ends. */
  lifeline(): Promise<Lifeline>;
  /** Attaches all three streams, before start. */
  attach(terminal: boolean): Promise<Attachment>;
  /** First line of standard output that is a JSON object. @throws BackendError when the container ends or the time is over */
  readyLine(timeoutMs: number, signal: AbortSignal): Promise<string>;
  /** The last lines of its log, control characters removed. */
  logs(lines: number): Promise<string[]>;
  /**
   * Puts files in by the engine's archive API, also before start. Parent folders must exist, unless they are among the entries.
   * Where the root is read-only, `folder` has to name a writable volume that all of them lie in.
   */
  put(files: readonly FileEntry[], folder?: string): Promise<void>;
  /** A file's content, also of a container that does not run; undefined if it is not there. Links are followed. */
  get(path: string): Promise<Buffer | undefined>;
  /** True if there is anything at this path, also in a container that does not run; a link counts wherever it leads. */
  has(path: string): Promise<boolean>;
  exec(command: readonly string[], options: { user: string }): Promise<{ status: number; output: string }>;
  /** Exit status. Call before `start` so that none is missed. */
  wait(): Promise<number>;
  kill(signal: string): Promise<void>;
  running(): Promise<boolean>;
}

export interface Lifeline extends Disposable {
  write(line: string): void;
}

export interface Attachment extends Disposable {
  /** Pipes until the container's output ends. Resolves when all output has been written out. */
  pipe(stdin: Readable, stdout: Writable, stderr: Writable): Promise<void>;
  resize(columns: number, rows: number): Promise<void>;
}
