/** Launches against an engine in memory. */
import { PassThrough } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import type { SessionId } from '../../../src/backend.ts';
import type { LaunchPlan } from '../../../contracts/plan.ts';
import { launch, type LaunchInput } from '../../../src/launch.ts';
import { PROVISIONERS } from '../../../src/provision/list.ts';
import type { Caller, Terminal } from '../../../src/session.ts';
import { FakeBackend, type Script } from './backend.ts';
import { fullPlan } from './plans.ts';

export const SESSION: SessionId = {
  slug: 'demo',
  owner: { machine_id: 'm', boot_id: 'b', pid_namespace: '1', pid: 1, start_time: '1' },
  started: '2026-01-02T03:04:05.678Z',
};

export interface TestInput extends LaunchInput {
  readonly said: string[];
}

export function makeInput(own: Partial<LaunchInput> = {}): TestInput {
  const said: string[] = [];
  return {
    session: SESSION,
    secrets: {},
    credentials: {
      values: { ANTHROPIC_API_KEY: { value: 'sk-ant-value', placeholder: 'sk-ant-placeholder' } },
      follow: () => ({ [Symbol.dispose]: () => {} }),
    },
    upstream: { proxy: 'shown-outside:proxy', 'cert.0': 'shown-outside-cert', 'key.0': 'shown-outside-key' },
    key: Buffer.alloc(32, 1),
    terminal: false,
    provisioners: PROVISIONERS,
    progress: () => {},
    say: (line) => said.push(line),
    checkMounts: () => {},
    said,
    ...own,
  };
}

/** Never aborted. */
export const never: AbortSignal = new AbortController().signal;

/** What the plan with everything in it takes from the caller's environment. */
export const secrets = { TOKEN: 'canary' };

/** A launch of a plan with everything in it, whose agent has not begun. */
export async function launched(script: Script = {}, plan: LaunchPlan = fullPlan(), own: Partial<LaunchInput> = {}) {
  const backend = new FakeBackend(script);
  const input = makeInput({ secrets, ...own });
  const session = await launch(plan, backend, input, never);
  return { backend, input, session };
}

export interface TestCaller extends Caller {
  readonly stdin: PassThrough;
  readonly stdout: PassThrough;
  /** Delivers a signal to the latest listener. @returns false if nobody listens */
  signal(name: NodeJS.Signals): boolean;
  /** How deep the terminal is in raw mode. */
  raw: number;
  resize(): void;
}

export function makeCaller({ terminal = false } = {}): TestCaller {
  const listeners: ((signal: NodeJS.Signals) => void)[] = [];
  const resized = new Set<() => void>();
  const caller: TestCaller = {
    stdin: new PassThrough(),
    stdout: new PassThrough(),
    stderr: new PassThrough(),
    terminal: undefined,
    raw: 0,
    onSignal(listener) {
      listeners.push(listener);
      return { [Symbol.dispose]: () => void listeners.splice(listeners.indexOf(listener), 1) };
    },
    signal(name) {
      listeners.at(-1)?.(name);
      return listeners.length > 0;
    },
    resize: () => {
      for (const listener of resized) listener();
    },
  };
  const screen: Terminal = {
    size: () => ({ columns: 80, rows: 24 }),
    onResize(listener) {
      resized.add(listener);
      return { [Symbol.dispose]: () => void resized.delete(listener) };
    },
    raw() {
      caller.raw += 1;
      return { [Symbol.dispose]: () => void (caller.raw -= 1) };
    },
  };
  return terminal ? Object.assign(caller, { terminal: screen }) : caller;
}

/** Lets everything happen that can happen without time passing. */
export async function settle(): Promise<void> {
  for (let left = 50; left > 0; left -= 1) await turn();
}

/** A call that never ends, but for its signal. */
export function hang(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason as Error)));
}
