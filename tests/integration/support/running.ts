/** A session whose agent waits, so that a test can look around, and do harm, while it runs. */
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { DockerBackend } from '../../../src/docker/backend.ts';
import { eventually, type Result, type World } from './world.ts';

/** The agent's word that it runs. */
const UP = 'up';

export interface RunningOptions {
  readonly manifest?: string;
  /** What the agent does once it has said that it is up; by default it waits for the end of its input. */
  readonly does?: string;
  readonly flags?: readonly string[];
  readonly env?: Record<string, string>;
  readonly cwd?: string;
  /** False: `./bottle.yaml`, or the built-in default. */
  readonly file?: boolean;
}

/** What a command in a container did. */
export interface Done {
  readonly status: number;
  readonly output: string;
  /** Milliseconds. */
  readonly took: number;
}

export class Running implements AsyncDisposable {
  readonly slug: string;
  readonly child: ChildProcessWithoutNullStreams;
  readonly backend: DockerBackend;
  /** When the program has ended and all its output is read. */
  readonly ended: Promise<Result>;
  stdout = '';
  stderr = '';
  #over = false;

  private constructor(world: World, slug: string, args: readonly string[], options: RunningOptions) {
    this.slug = slug;
    this.backend = new DockerBackend(world.docker, process.env);
    this.child = world.spawn(args, {
      ...(options.env && { env: options.env }),
      ...(options.cwd && { cwd: options.cwd }),
    });
    this.child.stdin.on('error', () => {}); // the program may end without reading it
    this.child.stdout.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    this.child.stderr.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.ended = new Promise((resolve) => {
      this.child.on('close', (status) => {
        this.#over = true;
        resolve({ status, stdout: this.stdout, stderr: this.stderr });
      });
    });
  }

  /** Begins a session, and does not wait for anything. */
  static begin(world: World, slug: string, options: RunningOptions = {}): Running {
    const file = options.file === false ? [] : ['-f', options.manifest ?? world.manifest()];
    const script = `echo ${UP}; ${options.does ?? 'exec cat'}`;
    const flags = ['--trust', '--name', slug, ...(options.flags ?? [])];
    return new Running(world, slug, ['start', ...file, ...flags, '--', 'sh', '-c', script], options);
  }

  /** Begins a session, and waits until its agent runs. */
  static async start(world: World, slug: string, options: RunningOptions = {}): Promise<Running> {
    const running = Running.begin(world, slug, options);
    try {
      await eventually(() => running.stdout.includes(UP) || running.#over, 60_000);
      if (running.#over) throw new Error(`the session ended before its agent was up: ${running.stderr}`);
      return running;
    } catch (error) {
      await running[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Runs a shell script in one of the session's containers, as `docker exec` would. */
  async exec(script: string, options: { role?: string; user?: string; shell?: string } = {}): Promise<Done> {
    const container = await this.backend.find(this.slug, options.role ?? 'agent');
    if (!container) throw new Error(`${this.slug} has no ${options.role ?? 'agent'}`);
    const began = performance.now();
    const done = await container.exec([options.shell ?? 'sh', '-c', script], { user: options.user ?? '' });
    return { ...done, took: performance.now() - began };
  }

  /** The status of a request that the agent makes with curl, and `000` with curl's own complaint if there is none. */
  async request(url: string, flags = ''): Promise<string> {
    const { output } = await this.exec(`curl -sS -m 20 -o /dev/null -w '%{http_code}' ${flags} ${url} 2>&1`);
    return output;
  }

  /** Ends the agent's input, which ends an agent that waits for it. */
  async end(): Promise<Result> {
    this.child.stdin.end();
    return this.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#over) {
      this.child.kill('SIGCONT');
      this.child.stdin.end();
      this.child.kill('SIGTERM');
      await Promise.race([this.ended, delay(3_000, undefined, { ref: false })]);
      if (!this.#over) this.child.kill('SIGKILL');
      await this.ended;
    }
    const sessions = await this.backend.sessions();
    for (const { session } of sessions) if (session.slug === this.slug) await this.backend.sweep(session);
  }
}
