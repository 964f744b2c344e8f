/** Runs a program of the user's on this machine, for what it prints. */
export interface Run {
  readonly program: string;
  readonly args: readonly string[];
  readonly folder: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Bytes that are read of what it prints. */
const OUTPUT_BYTES = 64 * 1024;

/** Without a shell, without a terminal. What it prints counts as secret: it stands in no error. */
export async function outputOf({ program, args, folder, timeoutMs, signal }: Run): Promise<string | { why: string }> {
  const { execa } = await import('execa'); // 40 ms that only this needs
  const result = await execa(program, args, {
    cwd: folder,
    timeout: timeoutMs,
    cancelSignal: signal,
    stdin: 'ignore',
    stderr: 'ignore',
    maxBuffer: OUTPUT_BYTES,
    reject: false,
  });
  if (result.timedOut) return { why: `did not end within ${timeoutMs / 1000} s` };
  if (result.isMaxBuffer) return { why: `printed more than ${OUTPUT_BYTES} bytes` };
  if (result.failed) {
    return {
      why:
        result.exitCode === undefined
          ? `could not be run (${result.code ?? result.signal ?? 'unknown'})`
          : `ended with status ${result.exitCode}`,
    };
  }
  return result.stdout;
}
