/** What is told of errors, also to the agent. */

/** What is said of an error that nobody expects here. Its name only: a message may quote what was sent. */
export function unexpected(error: unknown): string {
  return `unexpected ${error instanceof Error ? error.name : 'error'}`;
}

/** The code of a system or library error; never its message, which may quote what was sent. */
export function codeOf(error: unknown): string {
  if (typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string')
    return error.code;
  return error instanceof Error ? error.name : 'unknown error';
}
