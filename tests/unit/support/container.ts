/** A container that exists in memory only. It behaves as the engine's do where a launch depends on it. */
import type { ContainerSpec } from '../../../contracts/plan.ts';
import type { Attachment, Bound, Container, FileEntry, Lifeline } from '../../../src/backend.ts';
import { BackendError } from '../../../src/errors.ts';

import type { FakeBackend } from './backend.ts';

export class FakeContainer implements Container {
  readonly id: string;
  readonly name: string;
  readonly spec: Bound<ContainerSpec>;
  /** What was written to its lifeline. */
  readonly input: string[] = [];
  readonly signals: string[] = [];
  readonly sizes: [columns: number, rows: number][] = [];
  /** What the engine waits for before it takes a size. */
  resizing: Promise<void> | undefined;
  readonly placed: FileEntry[] = [];
  /** What `get` finds. */
  readonly files = new Map<string, string>();
  log: string[] = [];
  state: 'created' | 'running' | 'ended' | 'gone' = 'created';
  attachedTo: 'nothing' | 'lifeline' | 'streams' | 'terminal' = 'nothing';
  /** Connections to it that nobody has closed. */
  connections = 0;
  readonly #backend: FakeBackend;
  readonly #end = Promise.withResolvers<number>();
  readonly #started = Promise.withResolvers<void>();

  constructor(spec: Bound<ContainerSpec>, backend: FakeBackend) {
    this.id = `id-of-${spec.name}`;
    this.name = spec.name;
    this.spec = spec;
    this.#backend = backend;
    this.#end.promise.catch(() => {}); // those who wait hear of it
  }

  start(signal: AbortSignal): Promise<void> {
    return this.#call(
      'start',
      () => {
        this.state = 'running';
        this.#started.resolve();
        if (this.spec.attach === 'none') this.exit(0);
        this.#backend.script.started?.(this);
      },
      signal,
    );
  }

  /** It ends by itself. */
  exit(status: number): void {
    if (this.state !== 'running') return;
    this.state = 'ended';
    this.#end.resolve(status);
  }

  async lifeline(): Promise<Lifeline> {
    const lifeline = await this.#call('lifeline', (): Lifeline => {
      if (this.state !== 'created') throw new BackendError(`${this.name} runs: too late to attach`);
      this.attachedTo = 'lifeline';
      return {
        write: (line: string) => {
          if (this.state !== 'gone') this.input.push(line);
        },
        [Symbol.dispose]: () => {
          this.connections -= 1;
          this.exit(0);
        },
      };
    });
    this.connections += 1; // one whose answer is lost is the engine's to close
    return lifeline;
  }

  async attach(terminal: boolean): Promise<Attachment> {
    const attachment = await this.#call('attach', (): Attachment => {
      if (this.state !== 'created') throw new BackendError(`${this.name} runs: too late to attach`);
      this.attachedTo = terminal ? 'terminal' : 'streams';
      return {
        pipe: async (stdin, stdout) => {
          stdin.on('data', (chunk: Buffer) => stdout.write(chunk));
          await this.#end.promise;
        },
        resize: async (columns, rows) => {
          await this.resizing;
          this.sizes.push([columns, rows]);
        },
        [Symbol.dispose]: () => void (this.connections -= 1),
      };
    });
    this.connections += 1;
    return attachment;
  }

  async readyLine(_timeoutMs: number, signal: AbortSignal): Promise<string> {
    await this.#started.promise;
    return this.#call(
      'readyLine',
      () => {
        if (this.input.length === 0) throw new BackendError(`${this.name} has no configuration, so it is not ready`);
        return this.#backend.readyLine(this.spec.role);
      },
      signal,
    );
  }

  logs(lines: number): Promise<string[]> {
    return this.#call('logs', () => this.log.slice(-lines));
  }

  put(files: readonly FileEntry[]): Promise<void> {
    return this.#call('put', () => void this.placed.push(...files));
  }

  get(path: string): Promise<Buffer | undefined> {
    return this.#call(`get ${path}`, () => {
      const text = this.files.get(path);
      return text === undefined ? undefined : Buffer.from(text);
    });
  }

  has(path: string): Promise<boolean> {
    return this.#call(`has ${path}`, () => this.files.has(path));
  }

  exec(command: readonly string[], { user }: { user: string }): Promise<{ status: number; output: string }> {
    return this.#call(`exec ${command.join(' ')} as ${user}`, () => {
      if (this.state !== 'running') throw new BackendError(`${this.name} does not run`);
      return this.#backend.script.exec?.(command) ?? { status: 0, output: '' };
    });
  }

  async wait(): Promise<number> {
    await this.#call('wait', () => {});
    return this.#end.promise;
  }

  kill(signal: string): Promise<void> {
    return this.#call(`kill ${signal}`, () => {
      if (this.state !== 'running') throw new BackendError(`${this.name} does not run`);
      this.signals.push(signal);
      if (signal === 'SIGKILL') this.exit(137);
      else this.#backend.script.signalled?.(this, signal);
    });
  }

  running(): Promise<boolean> {
    return this.#call('running', () => this.state === 'running');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#backend.call(`remove ${this.name}`, () => this.remove());
  }

  /** Removed by force; whoever waits for its end is told so if it never ran. */
  remove(): void {
    this.exit(137);
    if (this.state === 'created') this.#end.reject(new BackendError(`${this.name} is gone`));
    this.state = 'gone';
    this.#backend.forget(`container ${this.name}`);
  }

  #call<T>(what: string, effect: () => T, signal?: AbortSignal): Promise<T> {
    const [verb, ...more] = what.split(' ');
    return this.#backend.call(
      [verb, this.name, ...more].join(' '),
      () => {
        if (this.state === 'gone') throw new BackendError(`${this.name} is gone`);
        return effect();
      },
      signal,
    );
  }
}
