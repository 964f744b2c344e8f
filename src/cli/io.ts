/** The process's streams, terminal and signals. */
import { spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline/promises';
import { visible } from '../describe.ts';
import { Cancelled } from '../errors.ts';
import type { Caller, Terminal } from '../session.ts';
import type { Io } from './deps.ts';

const FORWARDED: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

export function processIo(process: NodeJS.Process): Io {
  const { stdin, stdout, stderr } = process;
  let transient = false;
  const settle = () => {
    if (transient) stderr.write('\r\u001b[K');
    transient = false;
  };
  return {
    caller: { stdin, stdout, stderr, terminal: terminalOf(process), onSignal: signals(process) },
    interactive: stdin.isTTY && stderr.isTTY,
    print: (text) => void stdout.write(text),
    say(line) {
      settle();
      stderr.write(`bottle: ${visible(line)}\n`);
    },
    progress(line) {
      if (!stderr.isTTY) return void stderr.write(`bottle: ${visible(line)}\n`);
      const columns = Math.max(20, stderr.columns - 1);
      stderr.write(`\r\u001b[K${`bottle: ${visible(line)}`.slice(0, columns)}`);
      transient = true;
    },
    settle,
    async ask(question) {
      settle();
      const lines = createInterface({ input: stdin, output: stderr });
      const ended = Promise.withResolvers<string>();
      lines.once('SIGINT', () => ended.reject(new Cancelled('interrupted before the agent ran')));
      lines.once('close', () => ended.resolve('')); // nobody answers any more
      try {
        return await Promise.race([lines.question(visible(question)), ended.promise]);
      } finally {
        lines.close();
      }
    },
  };
}

function terminalOf({ stdin, stdout }: NodeJS.Process): Terminal | undefined {
  if (!stdin.isTTY || !stdout.isTTY) return undefined;
  return {
    size: () => ({ columns: stdout.columns, rows: stdout.rows }),
    onResize(listener) {
      stdout.on('resize', listener);
      return { [Symbol.dispose]: () => stdout.off('resize', listener) };
    },
    raw() {
      stdin.setRawMode(true);
      passOutput(stdin.fd);
      return { [Symbol.dispose]: () => stdin.setRawMode(false) };
    },
  };
}

/**
 * Node's raw mode still makes "\n" into "\r\n" on the way out. The agent's own terminal has done so already, where it should; where a
 * full-screen program has said no, a line feed alone moves the cursor down and nothing else. Leaving raw mode undoes this, too.
 */
function passOutput(terminal: number): void {
  // A machine without stty shows some programs askew, and that is all.
  spawnSync('stty', ['-opost'], { stdio: [terminal, 'ignore', 'ignore'] });
}

/** One listener at a time: the latest. Without one, a signal does what it does to any program. */
function signals(process: NodeJS.Process): Caller['onSignal'] {
  const listeners: ((signal: NodeJS.Signals) => void)[] = [];
  const deliver = (signal: NodeJS.Signals) => listeners.at(-1)?.(signal);
  return (listener) => {
    if (listeners.length === 0) for (const signal of FORWARDED) process.on(signal, deliver);
    listeners.push(listener);
    return {
      [Symbol.dispose]() {
        const index = listeners.indexOf(listener);
        if (index >= 0) listeners.splice(index, 1);
        if (listeners.length === 0) for (const signal of FORWARDED) process.off(signal, deliver);
      },
    };
  };
}
