/** What a command may use of the world. Everything that differs between a user's machine and a test is here. */
import type { Backend, Owner } from '../backend.ts';
import type { History } from '../history.ts';
import type { Caller } from '../session.ts';
import type { Trust } from '../trust.ts';

export interface Deps {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** The caller's home folder. */
  readonly home: string;
  /** Folder of this package, with the example manifest. */
  readonly packageFolder: string;
  readonly version: string;
  /** Folder of bottle's own records. */
  readonly state: string;
  readonly trust: Trust;
  readonly history: History;
  readonly io: Io;
  /** Connects on first use. @throws BackendError */
  backend(): Promise<Backend>;
  owner(): Owner;
  now(): Date;
  random(bytes: number): Buffer;
}

export interface Io {
  readonly caller: Caller;
  /** True if the caller can be asked: both standard input and standard error are terminals. */
  readonly interactive: boolean;
  /** To standard output, as it is. */
  print(text: string): void;
  /** One line to standard error, with the program's name in front. */
  say(line: string): void;
  /** A slow step: one changing line on a terminal, plain lines elsewhere. */
  progress(line: string): void;
  /** Takes the changing line away. */
  settle(): void;
  ask(question: string): Promise<string>;
}
