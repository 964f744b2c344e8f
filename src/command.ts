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

/**
 * Without a shell, without a terminal. What it prints counts as secret: it stands in no error. It is a group of its own, because whatever it
 * has started may hold its output open after its end.
 */
export async function outputOf({ program, args, folder, timeoutMs, signal }: Run): Promise<string | { why: string }> {
  const { execa } = await import('execa'); // 40 ms that only this needs
  const child = execa(program, args, {
    cwd: folder,
    detached: true,
    stdin: 'ignore',
    stderr: 'ignore',
    maxBuffer: OUTPUT_BYTES,
    reject: false,
  });
  let isLate = false;
  const end = () => endGroup(child.pid);
  const timer = setTimeout(() => {
    isLate = true;
    end();
  }, timeoutMs);
  signal.addEventListener('abort', end, { once: true });
  if (signal.aborted) end();
  try {
    const result = await child;
    if (isLate) return { why: `did not end within ${timeoutMs / 1000} s` };
    if (result.isMaxBuffer) {
      end();
      return { why: `printed more than ${OUTPUT_BYTES} bytes` };
    }
    if (result.failed) {
      return {
        why:
          result.exitCode === undefined
            ? `could not be run (${result.code ?? result.signal ?? 'unknown'})`
            : `ended with status ${result.exitCode}`,
      };
    }
    return result.stdout;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', end);
  }
}

function endGroup(leader: number | undefined): void {
  if (leader === undefined) return; // it could not be started
  try {
    process.kill(-leader, 'SIGKILL');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error; // all of them have ended
  }
}
