/** Who owns a session, and whether that process still lives. */
import { createHash } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import type { Owner } from '../backend.ts';

/** This process, as it is written into labels. */
export function currentOwner(): Owner {
  return {
    machine_id: machineId(),
    boot_id: read('/proc/sys/kernel/random/boot_id'),
    pid_namespace: link('/proc/self/ns/pid'),
    pid: process.pid,
    start_time: startTime(process.pid) ?? '',
  };
}

/**
 * Whether `owner` lives, as far as `me` can tell. `foreign`: on another machine or in another pid namespace, where
 * this process sees no pids: such sessions are never touched.
 */
export function ownerState(owner: Owner, me: Owner): 'alive' | 'dead' | 'foreign' {
  if (owner.machine_id === '' || owner.machine_id !== me.machine_id) return 'foreign';
  if (owner.boot_id !== me.boot_id) return 'dead'; // no process survives a reboot
  if (owner.pid_namespace !== me.pid_namespace) return 'foreign';
  if (owner.start_time === '') return answersSignal(owner.pid) ? 'alive' : 'dead'; // a system without /proc
  return startTime(owner.pid) === owner.start_time ? 'alive' : 'dead'; // a pid can be taken by another process
}

/** Start time in clock ticks since boot; undefined if there is no such process or only its unreaped remains. */
function startTime(pid: number): string | undefined {
  const stat = read(`/proc/${pid}/stat`);
  // Field 2, the name in brackets, may itself contain blanks and brackets: count from the last bracket.
  const [state, ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return state === undefined || state === '' || state === 'Z' || state === 'X' ? undefined : rest[18];
}

function answersSignal(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'; // it is there, and someone else's
  }
}

function machineId(): string {
  const id = read('/etc/machine-id') || read('/var/lib/dbus/machine-id') || `host:${hostname()}`;
  // The machine id is not for publishing (machine-id(5)): labels carry a hash of it.
  return createHash('sha256').update(`bottle:${id}`).digest('hex').slice(0, 32);
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}

function link(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
