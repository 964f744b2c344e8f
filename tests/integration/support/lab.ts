/** A session of the backend alone: specs with defaults, and everything gone at the end. */
import { randomBytes } from 'node:crypto';
import { Readable, Writable } from 'node:stream';
import type Dockerode from 'dockerode';
import type { ContainerSpec } from '../../../contracts/plan.ts';
import type { Bound, Container, SessionId } from '../../../src/backend.ts';
import { HARDENED } from '../../../src/container.ts';
import { DockerBackend } from '../../../src/docker/backend.ts';
import { currentOwner } from '../../../src/docker/owner.ts';

export type Changes = Partial<Bound<ContainerSpec>>;

export interface Ran {
  readonly status: number;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

export class Lab implements AsyncDisposable {
  readonly backend: DockerBackend;
  readonly session: SessionId;
  /** Never aborted. */
  readonly signal = new AbortController().signal;
  #image = '';

  constructor(docker: Dockerode, slug = `backendtest-${randomBytes(3).toString('hex')}`) {
    this.backend = new DockerBackend(docker, process.env);
    this.session = { slug, owner: currentOwner(), started: new Date().toISOString() };
  }

  /** The sidecar's image, built if need be. It has a shell, Node and iptables. */
  async prepare(): Promise<this> {
    const spec = { kind: 'built', name: 'sidecar', dockerfile: 'Dockerfile.sidecar' } as const;
    this.#image = (await this.backend.ensureImage(spec, () => undefined, this.signal)).id;
    return this;
  }

  name(part: string): string {
    return `bottle-${this.session.slug}-${part}`;
  }

  spec(part: string, entrypoint: readonly string[], changes: Changes = {}): Bound<ContainerSpec> {
    return {
      name: this.name(part),
      role: 'agent',
      image: this.#image,
      entrypoint: [...entrypoint],
      command: null,
      user: null,
      workdir: null,
      env: {},
      network: { kind: 'none' },
      dns: [],
      mounts: [],
      hardening: HARDENED,
      limits: { memory_bytes: 256 * 1024 * 1024, cpus: null, pids: 64 },
      attach: 'lifeline',
      terminal: 'none',
      log: 'capped',
      ...changes,
    };
  }

  async create(part: string, entrypoint: readonly string[], changes: Changes = {}): Promise<Container> {
    return await this.backend.createContainer(this.spec(part, entrypoint, changes), this.session, this.signal);
  }

  /** Runs to the end with `input` on standard input, as an agent is run. */
  async run(entrypoint: readonly string[], input: Buffer, changes: Changes = {}): Promise<Ran> {
    await using container = await this.create('run', entrypoint, { attach: 'streams', log: 'none', ...changes });
    using attachment = await container.attach(changes.terminal === 'caller');
    const stdout = new Sink();
    const stderr = new Sink();
    const ended = container.wait();
    await container.start(this.signal);
    const [status] = await Promise.all([ended, attachment.pipe(Readable.from([input]), stdout, stderr)]);
    return { status, stdout: stdout.bytes, stderr: stderr.bytes };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.backend.sweep(this.session);
  }
}

/** Status of a shell command in a running container, and what it printed. */
export async function sh(container: Container, command: string): Promise<{ status: number; output: string }> {
  return await container.exec(['bash', '-c', command], { user: '65534' });
}

/** Connects and prints what the other side sends first. Status 124: nothing answered in 3 s. */
export const tcp = (host: string, port: number): string => `timeout 3 bash -c 'cat < /dev/tcp/${host}/${port}'`;

class Sink extends Writable {
  readonly #chunks: Buffer[] = [];

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#chunks.push(chunk);
    setImmediate(done); // slower than the container, so that backpressure is at work
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }
}
