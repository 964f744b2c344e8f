/** Makes what the plan says, in order, and owns it from the moment that it exists. */
import type { LaunchPlan, NetworkSpec } from '../contracts/plan.ts';
import { agentUser, type MadeAgent, makeAgent } from './agent.ts';
import type { Backend, Progress, SessionId } from './backend.ts';
import { bind } from './bind.ts';
import { Cancelled, firstError, LaunchError } from './errors.ts';
import { type Given, type Grounds, lateValues } from './late.ts';
import type { Provisioner } from './provision/provisioner.ts';
import { type Serving, type ServingBump, startBump, startGate, startScanner } from './serving.ts';
import { Session } from './session.ts';
import { all, makeContainer, makeImage, makeNetwork, makeVolume, openSite, type Site, stage } from './site.ts';

/** What a launch is given besides the plan. */
export interface LaunchInput extends Given {
  readonly session: SessionId;
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
  const site = openSite(backend, input, cancel, owned);
  try {
    const grounds = await makeGrounds(site, plan);
    const user = agentUser(plan, grounds.images.agent, input.say);
    const { gate, scanner, bump, agent } = await makeContainers(site, plan, input, grounds, user);
    const { certificate, fingerprint } = bump;
    const context = { certificate, user, home: plan.home.path };
    await stage('provision', undefined, () =>
      agent.container.put(agent.provisioners.flatMap((provisioner) => [...provisioner.files(context)])),
    );
    cancel.throwIfAborted();
    return new Session({
      ...agent,
      terminal: input.terminal,
      fingerprint,
      supports: [gate, scanner, bump],
      checkMounts: input.checkMounts,
      owned: owned.move(),
    });
  } catch (error) {
    if (cancel.aborted) throw new Cancelled('interrupted before the agent ran', { cause: error });
    input.checkMounts(); // where a mount has gone, the engine finds no file in the agent: then that is what to say
    throw error;
  }
}

/** Images, networks and volumes, side by side. */
async function makeGrounds(site: Site, plan: LaunchPlan): Promise<Grounds> {
  // The engine gives a volume's name to one session only: whoever has this one has the name of the session, and goes on.
  const [claim, ...volumes] = plan.volumes;
  if (!claim) throw new LaunchError('volumes', 'the plan has not the one that a launch needs');
  const claimed = makeVolume(site, claim);
  const claimedFirst = <T>(make: () => Promise<T>[]) => claimed.then(() => all(site, make()));
  const { networks, ...made } = await all(site, {
    sidecar: makeImage(site, plan.images.sidecar, 'sidecar image'),
    agent: makeImage(site, plan.images.agent, 'agent image'),
    scanner: plan.images.scanner ? makeImage(site, plan.images.scanner, 'scanner image') : Promise.resolve(undefined),
    networks: claimedFirst(() => plan.networks.map((spec) => makeNetwork(site, spec))),
    volumes: claimedFirst(() => volumes.map((spec) => makeVolume(site, spec))),
  });
  const network = (role: NetworkSpec['role']) => networks[plan.networks.findIndex((spec) => spec.role === role)];
  const [agent, egress] = [network('agent'), network('egress')];
  if (!agent || !egress) throw new LaunchError('networks', 'the plan has not the two that a launch needs');
  return { images: made, networks: { agent, egress, scan: network('scan') } };
}

/** All of them, side by side: what serves is ready, the agent is not started. */
async function makeContainers(
  site: Site,
  plan: LaunchPlan,
  input: LaunchInput,
  grounds: Grounds,
  user: string,
): Promise<{ gate: Serving; scanner: Serving; bump: ServingBump; agent: MadeAgent }> {
  const values = lateValues(input, grounds, user);
  const { gate, agent } = plan.containers;
  const made = makeContainer(site, bind(gate, values));
  const gateServes = made.then((container) => startGate(site, plan, container, values));
  // It joins the gate's namespace, so the gate has to exist.
  const agentMade = made.then(() => makeAgent(site, bind(agent, values), grounds.images.agent, input));
  const scanner = startScanner(site, plan, values);
  const bump = startBump(site, plan, values, input.credentials, scanner);
  return await all(site, { gate: gateServes, scanner, bump, agent: agentMade });
}
