/** The one backend: a Docker engine, over its API. */
import { isDeepStrictEqual } from 'node:util';
import type Dockerode from 'dockerode';
import type { ContainerSpec, ImageSpec, NetworkSpec, VolumeSpec } from '../../contracts/plan.ts';
import type {
  Backend,
  Bound,
  Container,
  Image,
  Network,
  Owner,
  Progress,
  SessionId,
  SessionState,
  Volume,
} from '../backend.ts';
import { BackendError } from '../errors.ts';
import { connect, type Environment } from './connect.ts';
import { DockerContainer } from './container.ts';
import { failure, reason, tolerate } from './failure.ts';
import { ensureImage } from './images.ts';
import { LABEL, sessionOf } from './labels.ts';
import { currentOwner } from './owner.ts';
import { removeContainer, removeNetwork, removeVolume } from './remove.ts';
import { readSessions } from './sessions.ts';
import { containerOptions, furtherNetworks, networkOptions, volumeOptions } from './specs.ts';
import { candidates, hostAddress } from './subnets.ts';

/** Finds the engine that `env` points to. @throws BackendError if none answers */
export async function openBackend(env: Environment = process.env): Promise<DockerBackend> {
  return new DockerBackend(await connect(env), env);
}

/** Subnets that are tried for one network before the engine is taken at its word. */
const SUBNET_TRIES = 64;

export class DockerBackend implements Backend {
  readonly #docker: Dockerode;
  readonly #env: Environment;
  readonly #me: Owner;

  constructor(docker: Dockerode, env: Environment = {}, me: Owner = currentOwner()) {
    this.#docker = docker;
    this.#env = env;
    this.#me = me;
  }

  async ensureImage(spec: ImageSpec, progress: Progress, signal: AbortSignal): Promise<Image> {
    return await ensureImage(this.#docker, spec, { progress, signal, env: this.#env });
  }

  async createNetwork(spec: NetworkSpec, session: SessionId, signal: AbortSignal): Promise<Network> {
    const docker = this.#docker;
    for (const subnet of candidates(SUBNET_TRIES)) {
      signal.throwIfAborted();
      try {
        // A create is never cut off half way: the engine would finish it, and nobody would hold it.
        const network = await docker.createNetwork(networkOptions(spec, subnet, session));
        return {
          name: spec.name,
          subnet,
          address: (n) => hostAddress(subnet, n),
          [Symbol.asyncDispose]: () => removeNetwork(network),
        };
      } catch (error) {
        if (!/overlap/i.test(reason(error))) throw failure(`network cannot be created: ${spec.name}`, error);
      }
    }
    throw new BackendError(
      `network cannot be created: ${spec.name} (${SUBNET_TRIES} subnets overlap with others). Try: docker network prune`,
    );
  }

  async createVolume(spec: VolumeSpec, session: SessionId, signal: AbortSignal): Promise<Volume> {
    signal.throwIfAborted();
    const docker = this.#docker;
    const { Labels } = await said(`volume cannot be created: ${spec.name}`, async () => {
      await docker.createVolume(volumeOptions(spec, session));
      return await docker.getVolume(spec.name).inspect();
    });
    // The engine hands out a volume that is there already as if it had been made.
    if (!spec.keep && !belongs(Labels, session)) {
      throw new BackendError(
        `name is in use: ${session.slug} (another session has taken ${spec.name}). Choose another --name, or: bottle stop ${session.slug}`,
      );
    }
    return {
      name: spec.name,
      [Symbol.asyncDispose]: async () => {
        if (!spec.keep) await removeVolume(docker.getVolume(spec.name));
      },
    };
  }

  async createContainer(spec: Bound<ContainerSpec>, session: SessionId, signal: AbortSignal): Promise<Container> {
    signal.throwIfAborted();
    return await said(`container cannot be created: ${spec.name}`, async () => {
      const handle = await this.#docker.createContainer(containerOptions(spec, session));
      try {
        for (const { name, endpoint } of furtherNetworks(spec)) {
          await this.#docker.getNetwork(name).connect({ Container: handle.id, EndpointConfig: endpoint });
        }
      } catch (error) {
        await removeContainer(handle).catch(() => undefined); // the error that counts is the first
        throw error;
      }
      return new DockerContainer(this.#docker, handle.id, spec.name, {
        terminal: spec.terminal === 'caller',
        fresh: true,
      });
    });
  }

  async sweep(session: SessionId): Promise<void> {
    const docker = this.#docker;
    await said(`session cannot be cleaned up: ${session.slug}`, async () => {
      const filters = { label: [`${LABEL.session}=${session.slug}`] };
      const ours = <T extends Labelled>(things: readonly T[] | null): T[] =>
        (things ?? []).filter(({ Labels }) => belongs(Labels, session));
      // In this order: a network or volume goes only when nothing uses it any more.
      const containers = ours(await docker.listContainers({ all: true, filters }));
      await all(containers.map(({ Id }) => removeContainer(docker.getContainer(Id))));
      const networks = ours(await docker.listNetworks({ filters }));
      const volumes = ours((await docker.listVolumes({ filters })).Volumes);
      await all([
        ...networks.map(({ Id }) => removeNetwork(docker.getNetwork(Id))),
        ...volumes.map(({ Name }) => removeVolume(docker.getVolume(Name))),
      ]);
    });
  }

  async sessions(): Promise<SessionState[]> {
    return await said('sessions cannot be listed', () => readSessions(this.#docker, this.#me));
  }

  async find(slug: string, role: string): Promise<Container | undefined> {
    return await said(`session cannot be looked up: ${slug}`, async () => {
      const filters = { label: [`${LABEL.session}=${slug}`, `${LABEL.role}=${role}`] };
      const [found] = await this.#docker.listContainers({ all: true, filters });
      if (found === undefined) return undefined;
      const { Name, Config } = await this.#docker.getContainer(found.Id).inspect();
      const state = { terminal: Config.Tty, fresh: false };
      return new DockerContainer(this.#docker, found.Id, Name.replace(/^\//, ''), state);
    });
  }

  async homes(): Promise<string[]> {
    return await said('homes cannot be listed', async () => {
      const { Volumes } = await this.#docker.listVolumes({ filters: { label: [LABEL.home] } });
      return (Volumes ?? []).map(({ Name }) => Name).toSorted();
    });
  }

  async removeHome(name: string): Promise<void> {
    const homes = await this.homes();
    if (!homes.includes(name)) return;
    // Not as the sweep does it: a home that is in use stays so, and trying again only delays saying so.
    await said(`home cannot be removed: ${name}`, () => tolerate([404], () => this.#docker.getVolume(name).remove()));
  }
}

interface Labelled {
  readonly Labels?: Readonly<Record<string, string>> | null | undefined;
}

/** A name is taken again and again, by one session after the other: what bears it may be of another one. */
function belongs(labels: Labelled['Labels'], session: SessionId): boolean {
  return isDeepStrictEqual(sessionOf(labels ?? {}), session);
}

async function said<T>(what: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw failure(what, error);
  }
}

/** Like Promise.all, but everything has been tried before the first error is thrown. */
async function all(actions: readonly Promise<void>[]): Promise<void> {
  const results = await Promise.allSettled(actions);
  const failed = results.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
