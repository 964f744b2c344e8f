/** What is put into the agent before it runs: an ordered list of steps over a `Container` handle. */
import type { Container, FileEntry } from '../backend.ts';
import type { Environment } from './programs.ts';

/** What the launch knows by the time that files are put in. */
export interface ProvisionContext {
  /** PEM of the session's CA certificate. */
  readonly certificate: string;
  /** Whom the agent runs as: `''` for root, else a name or uid, with or without `:group`. */
  readonly user: string;
  /** The agent's home, mounted from its volume. */
  readonly home: string;
}

/** Of a folder that anybody may look into. */
export const FOLDER_MODE = 0o755;

/** A file of root's that anybody may read. */
export function rootFile(path: string, content: string | Buffer): FileEntry {
  return { path, content, mode: 0o644, uid: 0, gid: 0 };
}

/** One thing that an agent needs. Its parts run at the three moments that a launch offers. */
export interface Provisioner {
  readonly name: string;
  /** `essential`: its failure ends the launch. `optional`: it is said, and the launch goes on. */
  readonly need: 'essential' | 'optional';
  /** Looks into the created container, while the sidecar still comes up. The result is handed to `files`. */
  inspect(agent: Container, env: Environment): Promise<ReadyProvisioner>;
}

export interface ReadyProvisioner {
  /** What to put in before the first instruction. */
  files(context: ProvisionContext): readonly FileEntry[];
  /** Runs beside the agent's first steps; an agent that ends first takes it along, which is no failure. */
  readonly follow?: (agent: Container) => Promise<void>;
}
