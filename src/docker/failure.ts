/** The engine's errors, as the launcher's. */
import { BackendError, BottleError } from '../errors.ts';
import { printable } from './printable.ts';

/** `what` failed, in the form *what failed: which thing (why). What to do.* */
export function failure(what: string, error: unknown, todo?: string): BottleError {
  if (error instanceof BottleError) return error; // said already
  const message = `${what} (${reason(error)})${todo === undefined ? '' : `. ${todo}`}`;
  return new BackendError(message, { cause: error });
}

/** HTTP status of the engine's answer, undefined if it gave none. */
export function statusOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('statusCode' in error)) return undefined;
  return typeof error.statusCode === 'number' ? error.statusCode : undefined;
}

/** The engine's own words, on one line. */
export function reason(error: unknown): string {
  if (typeof error === 'object' && error !== null && 'json' in error) {
    const json = error.json;
    if (typeof json === 'object' && json !== null && 'message' in json && typeof json.message === 'string') {
      return printable(json.message);
    }
  }
  return printable(error instanceof Error ? error.message : String(error));
}

/** What the engine answers; undefined where it has no such thing (404). */
export async function ifThere<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (statusOf(error) === 404) return undefined;
    throw error;
  }
}

/** Runs `action`; an answer with one of `statuses` counts as done. */
export async function tolerate(statuses: readonly number[], action: () => Promise<unknown>): Promise<void> {
  try {
    await action();
  } catch (error) {
    if (!statuses.includes(statusOf(error) ?? 0)) throw error;
  }
}
