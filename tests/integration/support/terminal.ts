/** A terminal of its own for a program: `script`, which every Debian has, makes it. */
import { type ChildProcessWithoutNullStreams, execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BOTTLE, eventually, type World } from './world.ts';

/** Why there can be none here, or false. */
export function noTerminal(): string | false {
  return spawnSync('script', ['--version']).status === 0 ? false : 'there is no "script" (util-linux)';
}

export interface Size {
  readonly rows: number;
  readonly columns: number;
}

export class Terminal implements AsyncDisposable {
  readonly child: ChildProcessWithoutNullStreams;
  /** The program's exit status. */
  readonly ended: Promise<number | null>;
  /** All that the terminal has shown. */
  shown = '';
  readonly #folder: string;
  #over = false;

  /** Runs bottle in a terminal of that size. `redirect` is what a shell would have after its arguments. */
  constructor(world: World, args: readonly string[], { rows, columns }: Size, redirect = '') {
    this.#folder = mkdtempSync(join(world.folder, 'terminal-'));
    const program = [process.execPath, BOTTLE, ...args].map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
    const lines = [
      `cd '${world.folder}'`,
      `stty rows ${rows} cols ${columns}`,
      `tty > '${this.#folder}/tty'`,
      `stty -g > '${this.#folder}/before'`,
      `sh -c 'echo $$ > "$0"; exec "$@"' '${this.#folder}/pid' ${program} ${redirect}`,
      'status=$?',
      `stty -g > '${this.#folder}/after'`,
      'exit $status',
    ];
    this.child = spawn('script', ['-qefc', lines.join('\n'), '/dev/null'], {
      env: world.env({ SHELL: '/bin/sh' }),
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.child.stdin.on('error', () => {});
    this.child.stdout.setEncoding('utf8').on('data', (text: string) => (this.shown += text));
    this.ended = new Promise((resolve) => {
      this.child.on('close', (status) => {
        this.#over = true;
        resolve(status);
      });
    });
  }

  type(keys: string): void {
    this.child.stdin.write(keys);
  }

  /** Waits until the terminal shows it. */
  async shows(what: string | RegExp): Promise<void> {
    const found = () => (typeof what === 'string' ? this.shown.includes(what) : what.test(this.shown));
    await eventually(() => found() || this.#over, 30_000);
    if (!found()) throw new Error(`the program ended, and did not show ${String(what)}: ${this.shown}`);
  }

  resize({ rows, columns }: Size): void {
    execFileSync('stty', ['-F', this.#read('tty'), 'rows', String(rows), 'cols', String(columns)]);
  }

  /** The terminal's settings, before and after the program. */
  settings(): { before: string; after: string } {
    return { before: this.#read('before'), after: this.#read('after') };
  }

  #read(file: string): string {
    return readFileSync(join(this.#folder, file), 'utf8').trim();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#over) return;
    this.child.kill('SIGKILL'); // which closes the terminal
    await this.ended;
    const program = Number(this.#read('pid'));
    await eventually(() => !runs(program)); // it takes its session down first
  }
}

function runs(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8') !== ''; // empty where only its unreaped remains are there
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
