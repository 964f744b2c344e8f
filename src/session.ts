/** A session that stands: its agent can be run once, and everything goes with it. */
import type { Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { debuglog } from 'node:util';
import type { Attachment, Container } from './backend.ts';
import { Cancelled } from './errors.ts';
import type { ReadyProvisioner } from './provision/provisioner.ts';
import type { Serving } from './serving.ts';

/** The caller's streams, terminal and signals. */
export interface Caller {
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
  /** Raw mode and size, if the caller has a terminal. */
  readonly terminal: Terminal | undefined;
  /** Signals go to the latest listener until it is disposed of. */
  onSignal(listener: (signal: NodeJS.Signals) => void): Disposable;
}

export interface Terminal {
  size(): { columns: number; rows: number };
  onResize(listener: () => void): Disposable;
  /** Until disposed of, keys go to the agent one by one. */
  raw(): Disposable;
}

/** How the agent's run ended. */
export interface Ended {
  readonly status: number;
  /** Containers of ours that ended while the agent ran: it had no way out from then on. */
  readonly lost: readonly string[];
}

interface Parts {
  readonly container: Container;
  readonly attachment: Attachment;
  readonly provisioners: readonly ReadyProvisioner[];
  readonly terminal: boolean;
  readonly fingerprint: string;
  readonly supports: readonly Serving[];
  readonly checkMounts: () => void;
  readonly owned: AsyncDisposableStack;
}

const debug = debuglog('bottle-session');

/** Milliseconds that the engine has to start the agent. */
const START_MS = 60_000;
/** Milliseconds that the agent has to end after a signal, and the sidecar after its lifeline has. */
const AGENT_GRACE_MS = 10_000;
const SIDECAR_GRACE_MS = 3_000;
/** Within so many milliseconds after its last process, an agent's end is known. */
const AFTER_END_MS = 2_000;
/** A second signal within so many milliseconds ends everything at once. */
const IMPATIENT_MS = 1_000;

export class Session implements AsyncDisposable {
  readonly #parts: Parts;
  readonly #lost: string[] = [];

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** SHA-256 of the CA certificate's DER, lower-case hex. */
  get fingerprint(): string {
    return this.#parts.fingerprint;
  }

  /**
   * Runs the agent with the caller's streams until it ends. `cancel` counts until it runs; from then on signals are the agent's.
   * @throws LaunchError if it cannot start or is not to be trusted, Cancelled
   */
  async attach(caller: Caller, cancel: AbortSignal): Promise<Ended> {
    const { container, attachment, provisioners, terminal, checkMounts } = this.#parts;
    using scope = new DisposableStack();
    checkMounts();
    const ended = container.wait();
    const output = attachment.pipe(caller.stdin, caller.stdout, caller.stderr).catch(forgiveBrokenPipe);
    // Both are waited for below; if the start itself fails, their failing too is no news.
    for (const promise of [ended, output]) promise.catch((error: unknown) => debug('%o', error));
    scope.use(this.#endOnBrokenPipe(caller.stdout));
    if (terminal && caller.terminal) scope.use(caller.terminal.raw());
    debug('agent starts at %d', Math.round(performance.now()));
    await start(container, cancel);
    scope.use(this.#forwardSignals(caller));
    if (terminal && caller.terminal) scope.use(this.#followSize(caller.terminal));
    this.#watchSupports();
    const followers = this.#follow(provisioners, checkMounts, ended);
    const [status] = await Promise.all([followers, output]);
    debug('agent ended at %d', Math.round(performance.now()));
    return { status, lost: [...this.#lost] };
  }

  /** Whoever reads our output has gone: the agent hears of it as a program in a pipeline does. */
  #endOnBrokenPipe(stdout: Writable): Disposable {
    const listener = () => this.#send('SIGPIPE');
    stdout.on('error', listener);
    return { [Symbol.dispose]: () => stdout.off('error', listener) };
  }

  #forwardSignals(caller: Caller): Disposable {
    let last = Number.NEGATIVE_INFINITY;
    let grace: NodeJS.Timeout | undefined;
    const subscription = caller.onSignal((signal) => {
      const now = performance.now();
      const impatient = now - last < IMPATIENT_MS;
      last = now;
      this.#send(impatient ? 'SIGKILL' : signal);
      grace ??= setTimeout(() => this.#send('SIGKILL'), AGENT_GRACE_MS);
    });
    return {
      [Symbol.dispose]: () => {
        clearTimeout(grace);
        subscription[Symbol.dispose]();
      },
    };
  }

  #followSize(terminal: Terminal): Disposable {
    let before = Promise.resolve();
    const tell = async () => {
      const { columns, rows } = terminal.size();
      await this.#parts.attachment.resize(columns, rows);
    };
    const resize = () => {
      // One after another: of two at once the older could come last. One that is too late for a container that has just ended changes nothing.
      before = before.then(tell).catch((error: unknown) => debug('resize: %o', error));
    };
    resize();
    return terminal.onResize(resize);
  }

  #watchSupports(): void {
    for (const { role, container } of this.#parts.supports) {
      container.wait().then(
        (status) => this.#lost.push(`${role} (status ${status})`),
        (error: unknown) => debug('wait for %s: %o', role, error),
      );
    }
  }

  /** Resolves with the agent's status. A failure of trust, or a mount that was exchanged, ends the agent. */
  async #follow(
    provisioners: readonly ReadyProvisioner[],
    checkMounts: () => void,
    ended: Promise<number>,
  ): Promise<number> {
    try {
      checkMounts();
    } catch (error) {
      this.#send('SIGKILL');
      throw error;
    }
    try {
      await Promise.race([ended, Promise.all(provisioners.map(async ({ follow }) => follow?.(this.#parts.container)))]);
    } catch (error) {
      // What runs beside an agent goes with it, and the engine may say so before it says that the agent has ended.
      const status = await Promise.race([ended, delay(AFTER_END_MS, undefined, { ref: false })]);
      if (status !== undefined) return status;
      this.#send('SIGKILL');
      throw error;
    }
    return ended;
  }

  /** A signal that finds the agent ended already is of no use to anyone. */
  #send(signal: string): void {
    this.#parts.container.kill(signal).catch((error: unknown) => debug('kill %s: %o', signal, error));
  }

  /** A container of the session, for what is to be kept of it. */
  find(role: Serving['role']): Container | undefined {
    return this.#parts.supports.find((support) => support.role === role)?.container;
  }

  /**
   * Lets the sidecar write its last lines and end; until then its journal is not whole. The others end beside it, so that removing them
   * is quick.
   */
  async settle(): Promise<void> {
    const { container: agent, supports } = this.#parts;
    const ended = supports
      .find(({ role }) => role === 'bump')
      ?.container.wait()
      .catch((error: unknown) => debug('wait for bump: %o', error)); // another command may have removed it
    for (const { lifeline } of supports) lifeline?.[Symbol.dispose]();
    await Promise.all([
      agent[Symbol.asyncDispose](),
      Promise.race([ended, delay(SIDECAR_GRACE_MS, undefined, { ref: false })]),
    ]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.owned.disposeAsync();
  }
}

async function start(agent: Container, cancel: AbortSignal): Promise<void> {
  try {
    await agent.start(AbortSignal.any([cancel, AbortSignal.timeout(START_MS)]));
    cancel.throwIfAborted();
  } catch (error) {
    throw cancel.aborted ? new Cancelled('interrupted before the agent ran', { cause: error }) : error;
  }
}

/** The reader of our output may go before the agent does. */
function forgiveBrokenPipe(error: unknown): void {
  if (!(error instanceof Error && 'code' in error && error.code === 'EPIPE')) throw error;
}
