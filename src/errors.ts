/** The launcher's errors, one kind per thing that the caller does next. Only `main.ts` maps them to exit statuses. */

/** Base class. `code` is stable; the message is one sentence that names the thing and says what to do. */
export abstract class BottleError extends Error {
  abstract readonly code: string;
}

/** The command line is wrong: say how it is called. */
export class UsageError extends BottleError {
  override readonly name = 'UsageError';
  readonly code = 'BOTTLE_USAGE';
}

/** One thing that is wrong with a manifest. */
export interface ManifestIssue {
  /** Path in the file, e.g. `egress.allow[2]`; '' for the whole. */
  readonly path: string;
  readonly message: string;
}

/** The manifest is wrong: every problem, with its path in the file. */
export class ManifestError extends BottleError {
  override readonly name = 'ManifestError';
  readonly code = 'BOTTLE_MANIFEST';
  readonly issues: readonly ManifestIssue[];
  constructor(file: string, issues: readonly ManifestIssue[], options?: ErrorOptions) {
    super(
      [
        `${file} is not a manifest that bottle can run:`,
        ...issues.map(({ path, message }) => `  ${path === '' ? '' : `${path}: `}${message}`),
      ].join('\n'),
      options,
    );
    this.issues = issues;
  }
}

/** The user has not confirmed the manifest. */
export class TrustError extends BottleError {
  override readonly name = 'TrustError';
  readonly code = 'BOTTLE_NOT_TRUSTED';
}

/** The engine refused, or cannot be reached: a sentence and one command to try. */
export class BackendError extends BottleError {
  override readonly name = 'BackendError';
  readonly code = 'BOTTLE_BACKEND';
}

/** A stage of the launch failed; `log` has the last lines of that container. */
export class LaunchError extends BottleError {
  override readonly name = 'LaunchError';
  readonly code = 'BOTTLE_LAUNCH';
  readonly stage: string;
  constructor(stage: string, message: string, log: readonly string[] = [], options?: ErrorOptions) {
    super([`${stage}: ${message}`, ...log.map((line) => `  | ${line}`)].join('\n'), options);
    this.stage = stage;
  }
}

/** Interrupted before the agent ran. */
export class Cancelled extends BottleError {
  override readonly name = 'Cancelled';
  readonly code = 'BOTTLE_CANCELLED';
}

/** What went wrong first: a teardown that fails because of it, or after it, hides it in a `SuppressedError`. */
export function firstError(error: unknown): unknown {
  return error instanceof SuppressedError ? firstError(error.suppressed) : error;
}

/** Why the machine did not do what it was asked; of a system error without the call and the path, which we name ourselves. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message.replace(/^(E[A-Z]+: [^,]*),.*$/s, '$1') : String(error);
}
