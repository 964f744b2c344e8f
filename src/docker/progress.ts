/** The engine's progress: JSON objects, one a line. */
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { BackendError } from '../errors.ts';
import { printable } from './printable.ts';

/** What an object of the stream may hold. */
interface Message {
  readonly stream?: string;
  readonly status?: string;
  readonly id?: string;
  readonly error?: string;
  readonly progressDetail?: object;
}

/** Reads to the end. Bars are left out: they would be thousands of lines. @throws BackendError with the engine's words */
export async function follow(source: NodeJS.ReadableStream, say: (line: string) => void): Promise<void> {
  let failed: string | undefined;
  for await (const line of createInterface({ input: source as Readable })) {
    const message = parse(line);
    if (message.error !== undefined) failed = printable(message.error);
    const bar = message.progressDetail !== undefined && Object.keys(message.progressDetail).length > 0;
    const text = printable(message.stream ?? [message.id, message.status].filter(Boolean).join(': '));
    if (text !== '' && !bar) say(text);
  }
  if (failed !== undefined) throw new BackendError(failed);
}

function parse(line: string): Message {
  try {
    const value: unknown = JSON.parse(line);
    // The engine's own stream, typed above by what its API says; every field is optional.
    return typeof value === 'object' && value !== null ? (value as Message) : {};
  } catch {
    return {};
  }
}
