/** Pulling an image, for no longer than something comes. */
import type Dockerode from 'dockerode';
import { failure } from './failure.ts';
import type { Work } from './images.ts';
import { follow } from './progress.ts';

/** Milliseconds without a word of the engine after which a registry counts as unreachable. */
const SILENCE_MS = 30_000;

/** @throws BackendError if no registry has it, or none answers in time */
export async function pull(docker: Dockerode, reference: string, { progress, signal }: Work): Promise<void> {
  progress(`pulling ${reference}`);
  const silence = new AbortController();
  const watchdog = setTimeout(() => silence.abort(new Error(`no answer in ${SILENCE_MS / 1000} s`)), SILENCE_MS);
  try {
    const abortSignal = AbortSignal.any([signal, silence.signal]);
    const stream = await docker.pull(reference, { abortSignal });
    await follow(stream, (line) => {
      watchdog.refresh();
      progress(line);
    });
  } catch (error) {
    signal.throwIfAborted();
    const why = silence.signal.aborted ? silence.signal.reason : error;
    throw failure(`image cannot be pulled: ${reference}`, why, `Try: docker pull ${reference}`);
  } finally {
    clearTimeout(watchdog);
  }
}
