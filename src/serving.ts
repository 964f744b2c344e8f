/** Containers of ours that serve an agent: each gets its configuration when it starts, and is kept alive by the launcher alone. */
import type { LaunchPlan } from '../contracts/plan.ts';
import type { Renewal } from '../contracts/secret.ts';
import { HEARTBEAT_MS, type ReadyLine, readyLineSchema } from '../contracts/sidecar.ts';
import type { Container, Lifeline } from './backend.ts';
import { bind } from './bind.ts';
import type { Credentials } from './credentials.ts';
import { LaunchError } from './errors.ts';
import { makeContainer, runOnce, type Site, stage } from './site.ts';

/** A container of ours that serves, with the line that keeps it alive. */
export interface Serving {
  readonly role: 'gate' | 'scanner' | 'bump';
  readonly container: Container;
  /** None where the program does not read its standard input: what keeps such a one from being reached is the sidecar's end. */
  readonly lifeline: Lifeline | undefined;
}

/** The sidecar, and the CA of its own making. */
export interface ServingBump extends Serving {
  /** PEM. */
  readonly certificate: string;
  /** SHA-256 of its DER, lower-case hex. */
  readonly fingerprint: string;
}

/** By the names that the plan has for them. */
type Values = ReadonlyMap<string, string>;

/** Milliseconds that a container of ours has from its start to its ready line. */
const READY_MS = 20_000;

/** `made`: the agent's container joins its namespace, and is made from then on. */
export async function startGate(site: Site, plan: LaunchPlan, made: Container, values: Values): Promise<Serving> {
  return (await serve(site, 'gate', made, bind(plan.config.gate, values))).serving;
}

/** A scanner of others gets a file, which it checks itself; whether it serves, and finds, is seen by the sidecar. */
export async function startScanner(site: Site, plan: LaunchPlan, values: Values): Promise<Serving> {
  const { scanner, check } = plan.containers;
  if (plan.scanner.kind === 'embedded' || !check) {
    const container = await makeContainer(site, bind(scanner, values));
    return (await serve(site, 'scanner', container, bind(plan.config.scanner, values))).serving;
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

/** The sidecar, with its way out. `scanner`: it gets ready only when that one finds. */
export async function startBump(
  site: Site,
  plan: LaunchPlan,
  values: Values,
  credentials: Credentials,
  scanner: Promise<Serving>,
): Promise<ServingBump> {
  const { bump, route } = plan.containers;
  const container = await makeContainer(site, bind(bump, values));
  const config = bind(plan.config.bump, values);
  const { serving, ready } = await serve(site, 'bump', container, config, (lifeline) =>
    site.containers.own(beat(lifeline)),
  ).catch(async (error: unknown) => {
    throw await blame(error, scanner);
  });
  if (ready.role !== 'bump') throw new LaunchError('bump', 'printed the ready line of another role');
  const { certificate, fingerprint } = ready;
  site.containers.own(credentials.follow((secrets) => serving.lifeline.write(renewal(secrets))));
  if (route) await runOnce(site, bind(route, values));
  return { ...serving, certificate, fingerprint };
}

/** Starts a container of ours, hands it its configuration by standard input and waits for its ready line. */
async function serve(
  { signal, containers }: Site,
  role: Serving['role'],
  container: Container,
  config: unknown,
  hold?: (lifeline: Lifeline) => void,
): Promise<{ serving: Serving & { readonly lifeline: Lifeline }; ready: ReadyLine }> {
  return stage(container.name, container, async () => {
    const lifeline = containers.own(await container.lifeline());
    await container.start(signal);
    lifeline.write(`${JSON.stringify(config)}\n`);
    hold?.(lifeline);
    const ready = readyLineSchema.parse(JSON.parse(await container.readyLine(READY_MS, signal)));
    if (ready.role !== role) throw new LaunchError(container.name, `said that it is ${ready.role}`);
    return { serving: { role, container, lifeline }, ready };
  });
}

/** A sidecar that does not get ready because of its scanner: the error is the scanner's, with its last lines. */
async function blame(error: unknown, scanner: Promise<Serving>): Promise<unknown> {
  const why = /bump: scanner: (.*)/.exec(error instanceof Error ? error.message : '')?.[1];
  const serving = why === undefined ? undefined : await scanner.catch(() => undefined);
  if (why === undefined || !serving) return error;
  const log = await serving.container.logs(10).catch(() => []);
  return new LaunchError(serving.container.name, why, log, { cause: error });
}

function renewal(secrets: Renewal['secrets']): string {
  return `${JSON.stringify({ secrets } satisfies Renewal)}\n`;
}

/** The sidecar cuts everything when these stop: a frozen launcher cannot tear down. */
function beat(lifeline: Lifeline): Disposable {
  const timer = setInterval(() => lifeline.write('\n'), HEARTBEAT_MS);
  timer.unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
