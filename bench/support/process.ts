/** What a process has taken of the machine, as Linux tells it. */
import { readFileSync, writeFileSync } from 'node:fs';

/** Megabytes (2^20 bytes). `at`: at its highest so far, or now. */
export function rss(pid: number, at: 'VmRSS' | 'VmHWM' = 'VmRSS'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`${at}:\\s+(\\d+)`).exec(status)?.[1]) / 1024;
}

/** From here on, its highest is counted anew. */
export function resetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
}

/** Milliseconds of a core that a process has used so far. A tick of Linux is 10 ms. */
export function cpu(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}
