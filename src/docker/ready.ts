/** Waiting for a container's ready line, in its log: an attached standard output would stop the container when nobody reads. */
import type Dockerode from 'dockerode';
import { stream } from './dial.ts';
import { Demultiplexer } from './frames.ts';

/** Bytes of one line; a certificate takes about 1 KB. */
const MAX_LINE = 1 << 16;

/** The first line on standard output that is a JSON object with event `ready`; undefined if the container ended without. */
export async function firstReadyLine(docker: Dockerode, id: string, signal: AbortSignal): Promise<string | undefined> {
  const log = await stream(docker, 'GET', `/containers/${id}/logs`, { follow: '1', stdout: '1' });
  const stop = (): void => {
    log.destroy(new Error('no longer waited for'));
  };
  signal.addEventListener('abort', stop);
  try {
    if (signal.aborted) stop();
    const frames = new Demultiplexer();
    let line = '';
    for await (const chunk of log) {
      for (const { bytes } of frames.push(chunk)) {
        const [first = '', ...further] = bytes.toString('latin1').split('\n'); // bytes until the line is complete
        line = (line + first).slice(0, MAX_LINE);
        for (const next of further) {
          const text = Buffer.from(line, 'latin1').toString('utf8');
          if (isReady(text)) return text;
          line = next;
        }
      }
    }
    return undefined;
  } finally {
    signal.removeEventListener('abort', stop);
    log.destroy();
  }
}

function isReady(line: string): boolean {
  if (!line.startsWith('{')) return false;
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && 'event' in value && value.event === 'ready';
  } catch {
    return false;
  }
}
