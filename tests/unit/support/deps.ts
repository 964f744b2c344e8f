/** What a command may use of the world, in a folder of its own and with an engine in memory. */
import { join, resolve } from 'node:path';
import { run } from '../../../src/cli/program.ts';
import type { Deps } from '../../../src/cli/deps.ts';
import { historyIn } from '../../../src/history.ts';
import { trustIn } from '../../../src/trust.ts';
import { FakeBackend, type Script } from './backend.ts';
import { makeFolder, type Folder } from './folder.ts';
import { makeCaller, SESSION, type TestCaller } from './launching.ts';

export const NOW = new Date('2026-01-02T03:04:05.678Z');

export interface World extends Disposable {
  readonly folder: Folder;
  /** The folder that commands are given in. */
  readonly project: string;
  readonly backend: FakeBackend;
  readonly caller: TestCaller;
  readonly deps: Deps;
  /** To standard output. */
  printed(): string;
  /** Lines to standard error. */
  readonly said: string[];
  readonly asked: string[];
  /** How often the engine was connected to. */
  readonly connected: { times: number };
  /** Writes `bottle.yaml` of the project. */
  manifest(text: string): void;
  run(...args: string[]): Promise<number>;
}

export interface WorldOptions extends Script {
  readonly interactive?: boolean;
  /** What the user answers. */
  readonly answer?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** The folder that commands are given in, in place of `work/project`. */
  readonly cwd?: string;
  readonly backend?: () => Promise<FakeBackend>;
}

/** The agent ends at once, unless the script says otherwise. */
export function makeWorld(options: WorldOptions = {}): World {
  const folder = makeFolder();
  const project = folder.folder(options.cwd ?? 'home/work/project');
  const backend = new FakeBackend({
    started: (container) => void (container.spec.role === 'agent' && container.exit(0)),
    ...options,
  });
  const caller = makeCaller();
  const [out, said, asked]: [string[], string[], string[]] = [[], [], []];
  const connected = { times: 0 };
  const state = folder.at('home/.local/state/bottle');
  let bytes = 0;
  const deps: Deps = {
    env: options.env ?? {},
    cwd: project,
    home: folder.folder('home'),
    packageFolder: resolve(import.meta.dirname, '../../..'),
    version: '1.2.3',
    state,
    trust: trustIn(state),
    history: historyIn(state),
    io: {
      caller,
      interactive: options.interactive ?? false,
      print: (text) => void out.push(text),
      say: (line) => void said.push(line),
      progress: () => {},
      settle: () => {},
      ask: (question) => {
        asked.push(question);
        return Promise.resolve(options.answer ?? '');
      },
    },
    backend: () => {
      connected.times += 1;
      return options.backend?.() ?? Promise.resolve(backend);
    },
    owner: () => SESSION.owner,
    now: () => NOW,
    random: (count) => Buffer.alloc(count, (bytes += 1)),
  };
  return {
    folder,
    project,
    backend,
    caller,
    deps,
    said,
    asked,
    connected,
    printed: () => out.join(''),
    manifest: (text) => void folder.write(join('home/work/project', 'bottle.yaml'), text),
    run: (...args) => run(args, deps),
    [Symbol.dispose]: () => folder[Symbol.dispose](),
  };
}
