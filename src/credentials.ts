/** Reads the values of `secrets` at the launch, and again before they end. They stay in memory. */
import { readFileSync } from 'node:fs';
import { debuglog } from 'node:util';
import { makePlaceholder } from '../contracts/placeholder.ts';
import { whyNoValue } from '../contracts/secret.ts';
import { LaunchError } from './errors.ts';
import type { CredentialSource } from './sources.ts';

/** Credentials that the agent does not have. They are in memory, and reach the sidecar by its standard input. */
export interface Credentials {
  readonly values: Readonly<Record<string, { readonly value: string; readonly placeholder: string }>>;
  /** Calls back with values that have been renewed, until it is disposed of. */
  follow(onRenewed: (values: Readonly<Record<string, string>>) => void): Disposable;
}

/** What reading needs of the machine. */
export interface Machine {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Folder that programs run in: not the manifest's, where the agent may write. */
  readonly home: string;
  now(): Date;
  random(bytes: number): Uint8Array;
  /** Runs a program for what it prints. */
  outputOf(run: {
    program: string;
    args: readonly string[];
    folder: string;
    timeoutMs: number;
    signal: AbortSignal;
  }): Promise<string | { why: string }>;
}

/** A value, and when it ends in milliseconds since 1970, if it does. */
interface Reading {
  readonly value: string;
  readonly ends: number | undefined;
}

const debug = debuglog('bottle-credentials');

/** Values that are followed while the session lasts. */
export interface Followed extends Credentials {
  /** What could not be renewed when it was last tried, and why, by name; never what was read. */
  readonly stale: ReadonlyMap<string, string>;
}

/** @throws LaunchError naming the secret and why it has no value, never what was read */
export async function readCredentials(
  sources: Readonly<Record<string, CredentialSource>>,
  machine: Machine,
  signal: AbortSignal,
): Promise<Followed> {
  const names = Object.keys(sources);
  const readings = new Map<string, Reading>();
  await Promise.all(
    Object.entries(sources).map(async ([name, source]) => {
      const reading = await read(source, machine, signal);
      if ('why' in reading) throw new LaunchError(`secrets.${name}`, reading.why);
      readings.set(name, reading);
    }),
  );
  const values = Object.fromEntries(
    names.map((name) => {
      const { value } = readings.get(name) ?? { value: '' };
      return [name, { value, placeholder: makePlaceholder(name, value, (bytes) => machine.random(bytes)) }];
    }),
  );
  const stale = new Map<string, string>();
  return {
    values,
    stale,
    follow(onRenewed) {
      const renewals = names.flatMap((name) => {
        const [source, { value = '', ends } = {}] = [sources[name], readings.get(name)];
        return source && ends !== undefined
          ? [renew({ name, source, first: { value, ends }, stale }, machine, onRenewed)]
          : [];
      });
      return { [Symbol.dispose]: () => renewals.forEach((renewal) => renewal[Symbol.dispose]()) };
    },
  };
}

interface Renewal {
  readonly name: string;
  readonly source: CredentialSource;
  readonly first: Reading & { readonly ends: number };
  readonly stale: Map<string, string>;
}

/** Reads a value again before it ends, and hands it on if it is another, for as long as it is not disposed of. One that cannot be read is tried again. */
function renew(
  { name, source, first, stale }: Renewal,
  machine: Machine,
  onRenewed: (values: Record<string, string>) => void,
): Disposable {
  const over = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let known = first.value;
  function plan(ms: number): void {
    timer = setTimeout(() => void again(), Math.min(ms, DAY_MS)).unref();
  }
  async function again(): Promise<void> {
    const reading = await read(source, machine, over.signal).catch(() => ({ why: 'failed' }));
    if (over.signal.aborted) return;
    if ('why' in reading) {
      debug('%s: %s', name, reading.why);
      stale.set(name, reading.why);
      return plan(RETRY_MS);
    }
    stale.delete(name);
    if (reading.value !== known) onRenewed({ [name]: reading.value });
    known = reading.value;
    if (reading.ends !== undefined) plan(renewalIn(reading.ends - machine.now().getTime()));
  }
  plan(renewalIn(first.ends - machine.now().getTime()));
  return {
    [Symbol.dispose]() {
      over.abort();
      clearTimeout(timer);
    },
  };
}

const DAY_MS = 86_400_000;
/** What a file says is taken to hold for so long: programs that renew a token write it there. */
const FILE_MS = 30_000;
/** Between two tries of a source that fails. */
const RETRY_MS = 5_000;
const MARGIN_MS = 60_000;
const LEAST_MS = 500;

/**
 * Milliseconds until a value that is good for so long is renewed: a minute before its end, or a fifth of what is short. One that has ended
 * when it is printed, because a clock is off, is no reason to ask without a pause.
 */
export function renewalIn(left: number): number {
  if (left <= 0) return RETRY_MS;
  return Math.max(LEAST_MS, left > 5 * MARGIN_MS ? left - MARGIN_MS : left * 0.8);
}

async function read(
  source: CredentialSource,
  machine: Machine,
  signal: AbortSignal,
): Promise<Reading | { readonly why: string }> {
  const found = await readSource(source, machine, signal);
  if ('why' in found) return found;
  const why = whyNoValue(found.value);
  return why === undefined ? found : { why: `the value ${why}` };
}

async function readSource(
  source: CredentialSource,
  machine: Machine,
  signal: AbortSignal,
): Promise<Reading | { readonly why: string }> {
  switch (source.kind) {
    case 'env':
      return { value: (machine.env[source.variable] ?? '').trim(), ends: undefined };
    case 'file':
      try {
        return { value: readFileSync(source.path, 'utf8').trim(), ends: machine.now().getTime() + FILE_MS };
      } catch (error) {
        return { why: `${source.path} cannot be read (${error instanceof Error ? error.message : 'unknown'})` };
      }
    case 'command': {
      const { program, args, timeoutMs, expiresMs } = source;
      const text = await machine.outputOf({ program, args, folder: machine.home, timeoutMs, signal });
      if (typeof text !== 'string') return { why: `${program} ${text.why}` };
      const ends = expiresMs === undefined ? undefined : machine.now().getTime() + expiresMs;
      return readOutput(text.trim(), ends) ?? { why: `${program} printed JSON that is not { "value", "expires_at" }` };
    }
  }
}

/** The value by itself, or JSON with it. `expires_at`: ISO 8601, or seconds since 1970. */
export function readOutput(text: string, ends: number | undefined): Reading | undefined {
  if (!text.startsWith('{')) return { value: text, ends };
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { value, expires_at: at } = data as Record<string, unknown>; // it begins with a brace: an object
  if (typeof value !== 'string') return undefined;
  if (at === undefined) return { value, ends };
  if (typeof at === 'number') return { value, ends: at * 1000 };
  const until = typeof at === 'string' ? Date.parse(at) : Number.NaN;
  return Number.isNaN(until) ? undefined : { value, ends: until };
}
