/** `bottle start`: manifest → plan → session → the agent's own status. */
import { debuglog } from 'node:util';
import type { Manifest } from '../../contracts/manifest.ts';
import type { LaunchPlan } from '../../contracts/plan.ts';
import type { Backend } from '../backend.ts';
import { collect } from '../collect.ts';
import { outputOf } from '../command.ts';
import { readCredentials } from '../credentials.ts';
import { describe } from '../describe.ts';
import { Cancelled, LaunchError, TrustError, UsageError } from '../errors.ts';
import { readJournal, summarize, unscanned } from '../journal.ts';
import { launch } from '../launch.ts';
import type { LoadedManifest } from '../manifest.ts';
import { resolveMountSource } from '../mounts.ts';
import { planLaunch } from '../plan.ts';
import { PROVISIONERS } from '../provision/list.ts';
import type { Ended, Session } from '../session.ts';
import { readUpstream } from '../upstream.ts';
import type { Deps } from './deps.ts';
import { load } from './load.ts';
import { lockedPlan } from './lock.ts';
import { reap } from './reap.ts';

const debug = debuglog('bottle-start');

export interface StartOptions {
  readonly file?: string;
  readonly name?: string;
  readonly dryRun?: boolean;
  readonly format?: 'text' | 'json';
  readonly scanner?: Manifest['scanner']['kind'];
  readonly trust?: boolean;
  readonly locked?: boolean;
  readonly quiet?: boolean;
  readonly command: readonly string[];
}

/** @returns the agent's exit status */
export async function start(options: StartOptions, deps: Deps): Promise<number> {
  if (options.format !== undefined && !options.dryRun)
    throw new UsageError('--format belongs to --dry-run: add it, or leave --format out');
  const loaded = withScanner(load(options.file, deps), options.scanner);
  const slug = options.name ?? newSlug(deps);
  let plan = planLaunch(loaded, options.command.length > 0 ? { slug, command: options.command } : { slug });
  if (options.dryRun) {
    deps.io.print(describe(plan, options.format ?? 'text'));
    return 0;
  }
  await confirm(loaded, plan, options, deps);

  const say = (line: string) => {
    if (!options.quiet) deps.io.say(line);
  };
  for (const note of plan.notes) say(note);
  if (plan.scanner.kind === 'pipelock' && plan.scanner.masks.length > 0)
    say(`masks on: ${plan.scanner.masks.map(({ name }) => name).join(', ')}`);
  const cancel = new AbortController();
  using _ = deps.io.caller.onSignal((signal) => cancel.abort(new Cancelled(`interrupted by ${signal}`)));
  const backend = await unlessCancelled(deps.backend(), cancel.signal);
  await unlessCancelled(claim(slug, backend, deps), cancel.signal);
  if (options.locked) plan = await lockedPlan(loaded, plan, backend, deps, cancel.signal);
  const identity = { slug, owner: deps.owner(), started: deps.now().toISOString() };
  const ended = await run();
  if (ended.lost.length > 0)
    deps.io.say(
      `${ended.lost.join(', ')} ended while the agent ran; from then on it had no way out. See: bottle logs ${slug}`,
    );
  const records = readJournal(ended.journal);
  for (const line of [...unscanned(records), ...summarize(records, slug, ended.lost.length > 0 ? 4 : 5)]) say(line);
  return ended.status;

  async function run(): Promise<Ended & { journal: string }> {
    const credentials = await readCredentials(loaded.credentials, { ...deps, outputOf }, cancel.signal);
    await using session = await launch(
      plan,
      backend,
      {
        session: identity,
        secrets: loaded.secrets,
        credentials,
        upstream: readUpstream(loaded.upstream, deps.env),
        key: deps.random(32),
        terminal: deps.io.caller.terminal !== undefined,
        provisioners: PROVISIONERS,
        progress: (line) => {
          if (!options.quiet) deps.io.progress(line);
        },
        say,
        checkMounts: () => checkMounts(loaded, deps),
      },
      cancel.signal,
    );
    deps.io.settle();
    say(`mitm ca fingerprint: ${session.fingerprint.slice(0, 16)}...`);
    try {
      const end = await session.attach(deps.io.caller, cancel.signal);
      for (const [name, why] of credentials.stale)
        deps.io.say(`secrets.${name} could not be renewed (${why}): at the end an earlier value was still sent`);
      return { ...end, journal: await keepOrSay(session) };
    } catch (error) {
      await keep(session).catch((problem: unknown) => debug('keep: %o', problem));
      throw error;
    }
  }

  /** A full disk costs the records, not the agent's own status. */
  async function keepOrSay(session: Session): Promise<string> {
    return keep(session).catch((error: unknown) => {
      deps.io.say(
        `the session's records could not be kept (${error instanceof Error ? error.message : String(error)})`,
      );
      return '';
    });
  }

  async function keep(session: Session): Promise<string> {
    await session.settle();
    const record = await collect(async (role) => session.find(role));
    deps.history.save(identity, record);
    deps.history.prune(deps.now());
    return record.journal;
  }
}

function withScanner(loaded: LoadedManifest, kind: Manifest['scanner']['kind'] | undefined): LoadedManifest {
  if (kind === undefined || kind === loaded.manifest.scanner.kind) return loaded;
  return { ...loaded, manifest: { ...loaded.manifest, scanner: { kind } } };
}

/** Six hexadecimal digits: short enough to type, and a clash is found when the name is claimed. */
function newSlug(deps: Deps): string {
  return deps.random(3).toString('hex');
}

/** A manifest lies where the agent can write: it runs only if its content was confirmed on this machine. */
async function confirm(loaded: LoadedManifest, plan: LaunchPlan, options: StartOptions, deps: Deps): Promise<void> {
  if (loaded.source.kind === 'built-in' || options.trust || deps.trust.knows(loaded)) return;
  const { path } = loaded.source;
  if (!deps.io.interactive) {
    throw new TrustError(
      `${path} is not confirmed on this machine, or has changed since: read it, then run "bottle trust ${path}", or start with --trust`,
    );
  }
  for (const line of describe(plan, 'text').trimEnd().split('\n')) deps.io.say(line);
  const answer = await deps.io.ask(`bottle: ${path} is new or has changed. Run it? [y/N] `);
  if (!/^y(es)?$/i.test(answer.trim())) throw new TrustError(`${path} was not confirmed: nothing was started`);
  deps.trust.confirm(loaded);
}

/** For waits that know no signal. */
function unlessCancelled<T>(work: Promise<T>, cancel: AbortSignal): Promise<T> {
  const cancelled = Promise.withResolvers<never>();
  cancel.addEventListener('abort', () => cancelled.reject(cancel.reason));
  return Promise.race([work, cancelled.promise]);
}

/** Removes what dead sessions have left, and makes sure that the name is free. */
async function claim(slug: string, backend: Backend, deps: Deps): Promise<void> {
  const alive = await reap(backend, deps);
  if (alive.some(({ session }) => session.slug === slug)) {
    throw new LaunchError(
      'name',
      `${slug} is in use by a session that runs. Choose another --name, or: bottle stop ${slug}`,
    );
  }
}

/** What was confirmed is what is mounted: between the two, the agent of another session may have put a link in its place. */
function checkMounts(loaded: LoadedManifest, deps: Deps): void {
  for (const { real, identity } of loaded.mounts) {
    const now = resolveMountSource(real, deps.state, deps.env);
    if (now.kind === 'invalid') throw new LaunchError('mounts', now.why);
    if (now.real !== real || now.identity !== identity)
      throw new LaunchError('mounts', `${real} was exchanged for something else since it was checked`);
  }
}
