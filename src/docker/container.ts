/** A handle on one container. */
import type Dockerode from 'dockerode';
import type { Attachment, Container, FileEntry, Lifeline } from '../backend.ts';
import { BackendError } from '../errors.ts';
import { getFile, hasPath, putFiles } from './archive.ts';
import { openAttachment, openLifeline } from './attach.ts';
import { readAll, stream } from './dial.ts';
import { failure, statusOf, tolerate } from './failure.ts';
import { demultiplex } from './frames.ts';
import { printableLine } from './printable.ts';
import { firstReadyLine } from './ready.ts';
import { removeContainer } from './remove.ts';

/** What an `exec` may print before the rest is dropped. */
const MAX_EXEC_OUTPUT = 1 << 20;

export class DockerContainer implements Container {
  readonly id: string;
  readonly name: string;
  readonly #docker: Dockerode;
  readonly #handle: Dockerode.Container;
  readonly #terminal: boolean;
  /** Made here and not started yet: `wait` then waits for the next end, not for the present state. */
  #fresh: boolean;
  #waiting: Promise<unknown> = Promise.resolve();

  constructor(docker: Dockerode, id: string, name: string, state: { terminal: boolean; fresh: boolean }) {
    this.id = id;
    this.name = name;
    this.#docker = docker;
    this.#handle = docker.getContainer(id);
    this.#terminal = state.terminal;
    this.#fresh = state.fresh;
  }

  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await this.#waiting; // the engine has taken every `wait`: an end, however quick, is not missed
    signal.throwIfAborted();
    await this.#say('container cannot be started', () => this.#handle.start());
    this.#fresh = false;
  }

  async lifeline(): Promise<Lifeline> {
    return await this.#say('container cannot be attached', () => openLifeline(this.#docker, this.id));
  }

  async attach(terminal: boolean): Promise<Attachment> {
    return await this.#say('container cannot be attached', () => openAttachment(this.#docker, this.id, terminal));
  }

  async readyLine(timeoutMs: number, signal: AbortSignal): Promise<string> {
    const over = AbortSignal.timeout(timeoutMs);
    let why = 'it ended before it was ready';
    try {
      const line = await firstReadyLine(this.#docker, this.id, AbortSignal.any([signal, over]));
      if (line !== undefined) return line;
    } catch (error) {
      signal.throwIfAborted();
      if (!over.aborted) throw failure(`container's log cannot be read: ${this.name}`, error);
      why = `no ready line in ${timeoutMs / 1000} s`;
    }
    const last = await this.logs(10).catch(() => []);
    throw new BackendError([`container did not become ready: ${this.name} (${why})`, ...last].join('\n  | '));
  }

  async logs(lines: number): Promise<string[]> {
    let output: Buffer;
    try {
      output = await this.#handle.logs({ stdout: true, stderr: true, tail: lines });
    } catch (error) {
      if (statusOf(error) === 404 || statusOf(error) === 501) return []; // gone, or created without a log
      throw failure(`container's log cannot be read: ${this.name}`, error);
    }
    const text = (this.#terminal ? output : demultiplex(output)).toString('utf8').trimEnd();
    return text === '' ? [] : text.split('\n').slice(-lines).map(printableLine);
  }

  async put(files: readonly FileEntry[], folder?: string): Promise<void> {
    await this.#say('files cannot be put into container', () => putFiles(this.#handle, files, folder));
  }

  async get(path: string): Promise<Buffer | undefined> {
    return await this.#say(`file ${path} cannot be read from container`, () => getFile(this.#handle, path));
  }

  async has(path: string): Promise<boolean> {
    return await this.#say(`path ${path} cannot be looked for in container`, () => hasPath(this.#handle, path));
  }

  async exec(command: readonly string[], options: { user: string }): Promise<{ status: number; output: string }> {
    return await this.#say(`${command[0]} cannot be run in container`, async () => {
      const exec = await this.#handle.exec({
        Cmd: [...command],
        User: options.user,
        AttachStdout: true,
        AttachStderr: true,
      });
      const output = await readAll(await exec.start({ Detach: false, Tty: false }), MAX_EXEC_OUTPUT);
      const { ExitCode } = await exec.inspect();
      return { status: ExitCode ?? 255, output: demultiplex(output).toString('utf8') };
    });
  }

  wait(): Promise<number> {
    const condition = this.#fresh ? 'next-exit' : 'not-running';
    const taken = stream(this.#docker, 'POST', `/containers/${this.id}/wait`, { condition });
    this.#waiting = Promise.allSettled([this.#waiting, taken]);
    return this.#say('end of container cannot be waited for', async () => {
      const answer: unknown = JSON.parse((await readAll(await taken, MAX_EXEC_OUTPUT)).toString('utf8'));
      if (typeof answer === 'object' && answer !== null && 'StatusCode' in answer) return Number(answer.StatusCode);
      throw new Error('the engine gave no status');
    });
  }

  async kill(signal: string): Promise<void> {
    // 404: gone; 409: not running. Either way there is nothing left to be told.
    await this.#say('container cannot be signalled', () => tolerate([404, 409], () => this.#handle.kill({ signal })));
  }

  async running(): Promise<boolean> {
    try {
      return (await this.#handle.inspect()).State.Running;
    } catch (error) {
      if (statusOf(error) === 404) return false;
      throw failure(`container cannot be looked at: ${this.name}`, error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await removeContainer(this.#handle);
  }

  async #say<T>(what: string, action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (error) {
      throw failure(`${what}: ${this.name}`, error);
    }
  }
}
