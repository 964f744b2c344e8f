/** Attaching to a container that is about to start. */
import type { Duplex, Readable, Writable } from 'node:stream';
import type Dockerode from 'dockerode';
import type { Attachment, Lifeline } from '../backend.ts';
import { hijack } from './dial.ts';
import { tolerate } from './failure.ts';
import { Demultiplexer } from './frames.ts';

/**
 * The engine holds back what may be the begin of its detach keys until the next key comes, and cannot be told to have
 * none. These bytes never occur in UTF-8, so nothing that is typed waits. Engines 20.10 and 28 accept them.
 */
const DETACH_KEYS = 'detachKeys=%FF,%FE';

/**
 * Standard input only. With its output attached as well, a launcher that is stopped (SIGSTOP) would fill the
 * connection and freeze the container at its next line.
 */
export async function openLifeline(docker: Dockerode, id: string): Promise<Lifeline> {
  const input = await openInput(docker, id);
  return {
    write: (line) => {
      if (input.writable) input.write(line.endsWith('\n') ? line : `${line}\n`);
    },
    [Symbol.dispose]: () => {
      input.destroy();
    },
  };
}

/**
 * All three streams, on two connections: an error in writing (the container ended without reading its input) would end
 * a shared connection, and with it output that is still to be read.
 */
export async function openAttachment(docker: Dockerode, id: string, terminal: boolean): Promise<Attachment> {
  const output = await hijack(docker, `/containers/${id}/attach`, `stream=1&stdout=1&stderr=1&${DETACH_KEYS}`);
  let input: Duplex;
  try {
    input = await openInput(docker, id);
  } catch (error) {
    output.destroy();
    throw error;
  }
  const close = (): void => {
    output.destroy();
    input.destroy();
  };
  return {
    async pipe(stdin, stdout, stderr) {
      stdin.pipe(input); // its end half-closes the connection, which ends the container's standard input
      try {
        await (terminal ? copy(output, stdout) : split(output, stdout, stderr));
      } finally {
        stdin.unpipe(input);
        stdin.pause(); // else a terminal keeps this process alive and swallows what is typed next
        close();
      }
    },
    async resize(columns, rows) {
      // 409 and 500: not started yet, or ended.
      await tolerate([404, 409, 500], () => docker.getContainer(id).resize({ h: rows, w: columns }));
    },
    [Symbol.dispose]: close,
  };
}

async function openInput(docker: Dockerode, id: string): Promise<Duplex> {
  const input = await hijack(docker, `/containers/${id}/attach`, `stream=1&stdin=1&${DETACH_KEYS}`);
  // The container may end, or the engine go, at any time; whoever waits for the container hears of it there.
  input.on('error', () => input.destroy());
  input.resume(); // nothing comes, but its end is seen only by who reads
  return input;
}

async function copy(source: Readable, stdout: Writable): Promise<void> {
  for await (const chunk of source) await write(stdout, chunk);
}

async function split(source: Readable, stdout: Writable, stderr: Writable): Promise<void> {
  const frames = new Demultiplexer();
  for await (const chunk of source) {
    for (const { stream, bytes } of frames.push(chunk)) await write(stream === 'stdout' ? stdout : stderr, bytes);
  }
}

/** Resolves when the bytes are written out: one piece at a time, so that a slow reader slows the container. */
function write(target: Writable, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    target.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
}
