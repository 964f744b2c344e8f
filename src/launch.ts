/** Makes what the plan says, in order, and owns it from the moment that it exists. */
import { debuglog } from 'node:util';
import type { ContainerSpec, ImageSpec, LaunchPlan, NetworkSpec, VolumeSpec } from '../contracts/plan.ts';
import type { Renewal } from '../contracts/secret.ts';
import { HEARTBEAT_MS, type ReadyLine, readyLineSchema } from '../contracts/sidecar.ts';
import type { Backend, Bound, Container, Image, Lifeline, Network, Progress, SessionId, Volume } from './backend.ts';
import { bind } from './bind.ts';
import { BottleError, Cancelled, firstError, LaunchError } from './errors.ts';
import type { Provisioner, ReadyProvisioner } from './provision/provisioner.ts';
import { Session } from './session.ts';
import { Together } from './together.ts';

const debug = debuglog('bottle-launch');

/** What a launch is given besides the plan. */
export interface LaunchInput {
  readonly session: SessionId;
  /** Values of `env.*`: from the caller's environment, secret. */
  readonly secrets: Readonly<Record<string, string>>;
  /** Values of `secret.*` and `placeholder.*`, and the ones that take their place later. */
  readonly credentials: Credentials;
  /** Values of `upstream.*`: what the sidecar shows to the outside, secret. */
  readonly upstream: Readonly<Record<string, string>>;
  /** 32 random bytes. */
  readonly key: Buffer;
  /** True if the caller has a terminal. */
  readonly terminal: boolean;
  readonly provisioners: readonly Provisioner[];
  /** Slow steps. */
  readonly progress: Progress;
  /** What the user is to know, once. */
  readonly say: (line: string) => void;
  /** Resolves every mount's source again. @throws LaunchError if one is not what was confirmed */
  readonly checkMounts: () => void;
}

/** Credentials that the agent does not have. They are in memory, and reach the sidecar by its standard input. */
export interface Credentials {
  readonly values: Readonly<Record<string, { readonly value: string; readonly placeholder: string }>>;
  /** Calls back with values that have been renewed, until it is disposed of. */
  follow(onRenewed: (values: Readonly<Record<string, string>>) => void): Disposable;
}

/** Milliseconds that a container of ours has from its start to its ready line. */
const READY_MS = 20_000;

/**
 * Brings a session up to the point where only the agent's start is missing. On any failure, and when `cancel` aborts, everything that was
 * made is gone before the error leaves.
 * @throws LaunchError, BackendError, Cancelled
 */
export async function launch(
  plan: LaunchPlan,
  backend: Backend,
  input: LaunchInput,
  cancel: AbortSignal,
): Promise<Session> {
  return build(plan, backend, input, cancel).catch((error: unknown) => {
    throw firstError(error);
  });
}

async function build(plan: LaunchPlan, backend: Backend, input: LaunchInput, cancel: AbortSignal): Promise<Session> {
  await using owned = new AsyncDisposableStack();
  // Deferred first, so run last: it catches what an interrupted create has left without a handle.
  owned.defer(() => backend.sweep(input.session));
  const failed = new AbortController();
  const site: Site = {
    backend,
    input,
    failed,
    signal: AbortSignal.any([cancel, failed.signal]),
    grounds: owned.use(new Together()),
    containers: owned.use(new Together()),
  };
  try {
    const values = new Map([['session.key', input.key.toString('base64')]]);
    for (const [name, value] of Object.entries(input.secrets)) values.set(`env.${name}`, value);
    for (const [name, { value, placeholder }] of Object.entries(input.credentials.values))
      values.set(`secret.${name}`, value).set(`placeholder.${name}`, placeholder);
    for (const [name, value] of Object.entries(input.upstream)) values.set(`upstream.${name}`, value);

    // The engine gives a volume's name to one session only: whoever has this one has the name of the session, and goes on.
    const [claim, ...volumes] = plan.volumes;
    if (!claim) throw new LaunchError('volumes', 'the plan has not the one that a launch needs');
    const claimed = makeVolume(site, claim);
    const grounds = await all(failed, {
      sidecar: makeImage(site, plan.images.sidecar, 'sidecar image'),
      agent: makeImage(site, plan.images.agent, 'agent image'),
      scanner: plan.images.scanner ? makeImage(site, plan.images.scanner, 'scanner image') : Promise.resolve(undefined),
      networks: claimed.then(() =>
        all(
          failed,
          plan.networks.map((spec) => makeNetwork(site, spec)),
        ),
      ),
      volumes: claimed.then(() =>
        all(
          failed,
          volumes.map((spec) => makeVolume(site, spec)),
        ),
      ),
    });
    const network = (role: NetworkSpec['role']) =>
      grounds.networks[plan.networks.findIndex((spec) => spec.role === role)];
    const [agentNetwork, egressNetwork, scanNetwork] = [network('agent'), network('egress'), network('scan')];
    if (!agentNetwork || !egressNetwork)
      throw new LaunchError('networks', 'the plan has not the two that a launch needs');
    const user = agentUser(plan, grounds.agent, input.say);
    values.set('image.sidecar', grounds.sidecar.id).set('image.agent', grounds.agent.id);
    values
      .set('subnet.agent', agentNetwork.subnet)
      .set('subnet.egress', egressNetwork.subnet)
      .set('gateway.egress', egressNetwork.address(1));
    values
      .set('address.bump', agentNetwork.address(2))
      .set('address.gate', agentNetwork.address(3))
      .set('user.agent', user);

    if (grounds.scanner) values.set('image.scanner', grounds.scanner.id);
    if (scanNetwork)
      values
        .set('subnet.scan', scanNetwork.subnet)
        .set('address.sink', scanNetwork.address(2))
        .set('cidr.sink', `${scanNetwork.address(2)}/32`)
        .set('address.scanner', scanNetwork.address(3));

    const { gate, bump, agent, route } = plan.containers;
    const gateMade = makeContainer(site, bind(gate, values));
    const scanner = startScanner(site, plan, values);
    const up = await all(failed, {
      gate: gateMade.then((container) => serve(site, 'gate', container, bind(plan.config.gate, values))),
      scanner,
      bump: makeContainer(site, bind(bump, values))
        .then((container) => serve(site, 'bump', container, bind(plan.config.bump, values)))
        .catch(async (error: unknown) => {
          throw await blame(error, scanner);
        })
        .then(async (serving) => {
          if (route) await runOnce(site, bind(route, values));
          return serving;
        }),
      // It joins the gate's namespace, so the gate has to exist; it is started only when everything is ready.
      agent: gateMade.then(() => makeAgent(site, bind(agent, values), grounds.agent)),
    });
    if (up.bump.ready.role !== 'bump') throw new LaunchError('bump', 'printed the ready line of another role');
    const { certificate, fingerprint } = up.bump.ready;
    const context = { certificate, user, home: plan.home.path };
    await stage('provision', undefined, () =>
      up.agent.container.put(up.agent.provisioners.flatMap((provisioner) => [...provisioner.files(context)])),
    );
    cancel.throwIfAborted();
    return new Session({
      ...up.agent,
      terminal: input.terminal,
      fingerprint,
      supports: [up.gate, up.scanner, up.bump],
      checkMounts: input.checkMounts,
      owned: owned.move(),
    });
  } catch (error) {
    if (cancel.aborted) throw new Cancelled('interrupted before the agent ran', { cause: error });
    input.checkMounts(); // where a mount has gone, the engine finds no file in the agent: then that is what to say
    throw error;
  }
}

/** A container of ours that serves, with the line that keeps it alive. */
export interface Serving {
  readonly role: 'gate' | 'scanner' | 'bump';
  readonly container: Container;
  /** None where the program does not read its standard input: what keeps such a one from being reached is the sidecar's end. */
  readonly lifeline: Lifeline | undefined;
}

/** One that has said so itself. */
interface Ready extends Serving {
  readonly ready: ReadyLine;
}

/** Where a launch builds: what it was given, and who owns what it makes. */
interface Site {
  readonly backend: Backend;
  readonly input: LaunchInput;
  /** Aborted by the first failure. */
  readonly failed: AbortController;
  readonly signal: AbortSignal;
  /** Networks and volumes: disposed after the containers that use them. */
  readonly grounds: Together;
  readonly containers: Together;
}

async function makeImage({ backend, input, signal }: Site, spec: ImageSpec, what: string): Promise<Image> {
  return stage(what, undefined, () => backend.ensureImage(spec, input.progress, signal));
}

async function makeNetwork({ backend, input, signal, grounds }: Site, spec: NetworkSpec): Promise<Network> {
  return grounds.use(await stage(spec.name, undefined, () => backend.createNetwork(spec, input.session, signal)));
}

async function makeVolume({ backend, input, signal, grounds }: Site, spec: VolumeSpec): Promise<Volume> {
  return grounds.use(await stage(spec.name, undefined, () => backend.createVolume(spec, input.session, signal)));
}

async function makeContainer(
  { backend, input, signal, containers }: Site,
  spec: Bound<ContainerSpec>,
): Promise<Container> {
  const settled: Bound<ContainerSpec> = { ...spec, terminal: input.terminal ? spec.terminal : 'none' };
  return containers.use(
    await stage(spec.name, undefined, () => backend.createContainer(settled, input.session, signal)),
  );
}

/** A scanner of others gets a file, which it checks itself; whether it serves, and finds, is seen by the sidecar. */
async function startScanner(site: Site, plan: LaunchPlan, values: ReadonlyMap<string, string>): Promise<Serving> {
  const { scanner, check } = plan.containers;
  if (plan.scanner.kind === 'embedded' || !check) {
    const container = await makeContainer(site, bind(scanner, values));
    return await serve(site, 'scanner', container, bind(plan.config.scanner, values));
  }
  const { file, config } = plan.scanner;
  const made = makeContainer(site, bind(scanner, values));
  made.catch(() => {}); // it is waited for below
  const content = `${JSON.stringify(bind(config, values), null, 2)}\n`;
  await runOnce(site, bind(check, values), (container) =>
    container.put([{ path: file, content, mode: 0o644 }], file.replace(/\/[^/]*$/, '')),
  );
  const container = await made;
  await stage(container.name, container, () => container.start(site.signal));
  return { role: 'scanner', container, lifeline: undefined };
}

/** A sidecar that does not get ready because of its scanner: the error is the scanner's, with its last lines. */
async function blame(error: unknown, scanner: Promise<Serving>): Promise<unknown> {
  const why = /bump: scanner: (.*)/.exec(error instanceof Error ? error.message : '')?.[1];
  const serving = why === undefined ? undefined : await scanner.catch(() => undefined);
  if (why === undefined || !serving) return error;
  const log = await serving.container.logs(10).catch(() => []);
  return new LaunchError(serving.container.name, why, log, { cause: error });
}

/** Starts a container of ours, hands it its configuration by standard input and waits for its ready line. */
async function serve(
  { signal, containers, input }: Site,
  role: Serving['role'],
  container: Container,
  config: unknown,
): Promise<Ready> {
  return stage(container.name, container, async () => {
    const lifeline = containers.own(await container.lifeline());
    await container.start(signal);
    lifeline.write(`${JSON.stringify(config)}\n`);
    if (role === 'bump') beat(lifeline, containers);
    const ready = readyLineSchema.parse(JSON.parse(await container.readyLine(READY_MS, signal)));
    if (ready.role !== role) throw new LaunchError(container.name, `said that it is ${ready.role}`);
    if (role === 'bump') containers.own(input.credentials.follow((values) => lifeline.write(renewal(values))));
    return { role, container, lifeline, ready };
  });
}

function renewal(secrets: Renewal['secrets']): string {
  return `${JSON.stringify({ secrets } satisfies Renewal)}\n`;
}

/** The sidecar cuts everything when these stop: a frozen launcher cannot tear down. */
function beat(lifeline: Lifeline, containers: Together): void {
  const timer = setInterval(() => lifeline.write('\n'), HEARTBEAT_MS);
  timer.unref();
  containers.own({ [Symbol.dispose]: () => clearInterval(timer) });
}

async function makeAgent(site: Site, spec: Bound<ContainerSpec>, image: Image) {
  const env = { ...image.env, ...spec.env };
  const container = await makeContainer(site, spec);
  const terminal = spec.terminal === 'caller' && site.input.terminal;
  const provisioners: ReadyProvisioner[] = [];
  const { attachment } = await all(site.failed, {
    attachment: stage(spec.name, undefined, () => container.attach(terminal)).then((made) => site.containers.own(made)),
    inspected: all(
      site.failed,
      site.input.provisioners.map(async (provisioner, index) => {
        const ready = await inspect(provisioner, container, env, site.input.say);
        if (ready) provisioners[index] = ready;
      }),
    ),
  });
  return { container, attachment, provisioners: provisioners.filter((ready) => ready !== undefined) };
}

async function inspect(
  provisioner: Provisioner,
  agent: Container,
  env: Image['env'],
  say: LaunchInput['say'],
): Promise<ReadyProvisioner | undefined> {
  try {
    return await stage(`provision ${provisioner.name}`, undefined, () => provisioner.inspect(agent, env));
  } catch (error) {
    if (provisioner.need === 'essential') throw error;
    say(`provision ${provisioner.name}: left out (${error instanceof Error ? error.message : String(error)})`);
    return undefined;
  }
}

async function runOnce(
  site: Site,
  spec: Bound<ContainerSpec>,
  prepare?: (container: Container) => Promise<void>,
): Promise<void> {
  const container = await makeContainer(site, spec);
  await stage(spec.name, container, async () => {
    await prepare?.(container);
    const ended = container.wait();
    ended.catch(() => {}); // it is waited for below; if the start itself fails, that is what is said
    await container.start(site.signal);
    const status = await ended;
    if (status !== 0) throw new LaunchError(spec.name, `ended with status ${status}`);
  });
}

/** `''` is root. */
function agentUser({ agent_user: wish }: LaunchPlan, image: Image, say: LaunchInput['say']): string {
  if (wish.kind === 'fixed') return wish.user;
  const isRoot = /^(root|0)?(:|$)/.test(image.user);
  if (wish.kind === 'image' || !isRoot) return image.user;
  say(`the image's user is root: the agent runs as ${wish.uid}:${wish.gid}, the owner of ${wish.source}`);
  return `${wish.uid}:${wish.gid}`;
}

/** Names the stage of whatever fails in it, with the last lines of the container's log. */
async function stage<T>(name: string, container: Container | undefined, work: () => Promise<T>): Promise<T> {
  const began = performance.now();
  try {
    const result = await work();
    debug('%s: %d ms, from %d', name, Math.round(performance.now() - began), Math.round(began));
    return result;
  } catch (error) {
    if (error instanceof BottleError && !container) throw error;
    const log = container
      ? await container.logs(10).catch((problem: unknown) => [`(its log cannot be read: ${String(problem)})`])
      : [];
    throw new LaunchError(name, error instanceof Error ? error.message : String(error), log, { cause: error });
  }
}

/** Waits for all, also when one has failed: nothing may come into being after the teardown has begun. The first failure stops the others. */
async function all<T extends readonly unknown[]>(
  failed: AbortController,
  work: { [K in keyof T]: Promise<T[K]> },
): Promise<T>;
async function all<T extends Record<string, unknown>>(
  failed: AbortController,
  work: { [K in keyof T]: Promise<T[K]> },
): Promise<T>;
async function all(
  failed: AbortController,
  work: Record<string, Promise<unknown>> | readonly Promise<unknown>[],
): Promise<unknown> {
  let first: { error: unknown } | undefined;
  const watched = Object.values(work).map((promise) =>
    promise.catch((error: unknown) => {
      first ??= { error };
      failed.abort(error);
    }),
  );
  const results = await Promise.all(watched);
  if (first) throw first.error;
  return Array.isArray(work)
    ? results
    : Object.fromEntries(Object.keys(work).map((key, index) => [key, results[index]]));
}
