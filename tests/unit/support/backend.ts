/** An engine in memory: it records every call, knows what is alive, and fails or hangs where it is told to. */
import { setImmediate as turn } from 'node:timers/promises';
import type { ContainerSpec, ImageSpec, NetworkSpec, VolumeSpec } from '../../../contracts/plan.ts';
import { BUNDLE_FILE } from '../../../contracts/variables.ts';
import type {
  Backend,
  Bound,
  Container,
  Image,
  Network,
  Progress,
  SessionId,
  SessionState,
  Volume,
} from '../../../src/backend.ts';
import { BackendError } from '../../../src/errors.ts';
import { FakeContainer } from './container.ts';
import { PEM } from './manifests.ts';

export const FINGERPRINT = '0123456789abcdef'.repeat(4);

/** What a test wants to happen. `n` counts from 1, without removals and sweeps. */
export interface Script {
  /** Before a call has any effect: may throw, or wait. */
  readonly before?: (call: string, n: number, signal: AbortSignal | undefined) => unknown;
  /** After its effect: if this throws, the caller never gets the handle. */
  readonly after?: (call: string, n: number) => void;
  /** Turns of the event loop that the n-th call takes. */
  readonly turns?: (n: number) => number;
  readonly started?: (container: FakeContainer) => void;
  readonly signalled?: (container: FakeContainer, signal: string) => void;
  readonly exec?: (command: readonly string[]) => { status: number; output: string };
  /** In place of the ready line of a role. */
  readonly ready?: Readonly<Record<string, string>>;
  /** USER of the agent's image. */
  readonly user?: string;
  /** Variables of every image. */
  readonly env?: Readonly<Record<string, string>>;
  /** Files of the agent's image; undefined: it has not this one. */
  readonly files?: Readonly<Record<string, string | undefined>>;
  /** Ids of images, by name; `sha256:NAME` otherwise. */
  readonly ids?: Readonly<Record<string, string>>;
  /** Digests of images, by name. */
  readonly digests?: Readonly<Record<string, string>>;
}

export class FakeBackend implements Backend {
  readonly calls: string[] = [];
  /** Kind and name of what exists → the session that it belongs to. Kept homes are not in it. */
  readonly alive = new Map<string, string>();
  readonly containers = new Map<string, FakeContainer>();
  /** Everything that ever was. */
  readonly past = new Map<string, FakeContainer>();
  readonly kept = new Set<string>();
  readonly sessionList: SessionState[] = [];
  readonly script: Script;
  #count = 0;

  constructor(script: Script = {}) {
    this.script = script;
  }

  ensureImage(spec: ImageSpec, progress: Progress, signal: AbortSignal): Promise<Image> {
    const name = spec.kind === 'named' ? spec.reference : spec.name;
    return this.call(
      `ensureImage ${name}`,
      () => {
        progress(`image ${name} is there`);
        return {
          id: this.script.ids?.[name] ?? `sha256:${name}`,
          digest: this.script.digests?.[name],
          user: name === 'sidecar' ? '' : (this.script.user ?? 'node'),
          env: this.script.env ?? {},
        };
      },
      signal,
    );
  }

  createNetwork(spec: NetworkSpec, session: SessionId, signal: AbortSignal): Promise<Network> {
    const net = { agent: 1, egress: 2, scan: 3 }[spec.role];
    return this.call(
      `createNetwork ${spec.name}`,
      () => {
        this.#add(`network ${spec.name}`, session);
        return {
          name: spec.name,
          subnet: `10.211.${net}.0/29`,
          address: (n) => `10.211.${net}.${n}`,
          [Symbol.asyncDispose]: () =>
            this.call(`remove ${spec.name}`, () => {
              this.#refuseInUse(`network ${spec.name}`);
              this.forget(`network ${spec.name}`);
            }),
        };
      },
      signal,
    );
  }

  createVolume(spec: VolumeSpec, session: SessionId, signal: AbortSignal): Promise<Volume> {
    return this.call(
      `createVolume ${spec.name}`,
      () => {
        if (spec.keep) this.kept.add(spec.name);
        else this.#add(`volume ${spec.name}`, session);
        return {
          name: spec.name,
          [Symbol.asyncDispose]: () =>
            this.call(`remove ${spec.name}`, () => {
              this.#refuseInUse(`volume ${spec.name}`);
              this.forget(`volume ${spec.name}`);
            }),
        };
      },
      signal,
    );
  }

  createContainer(spec: Bound<ContainerSpec>, session: SessionId, signal: AbortSignal): Promise<Container> {
    return this.call(
      `createContainer ${spec.name}`,
      () => {
        for (const needed of uses(spec))
          if (needed.includes(' bottle-') && !this.alive.has(needed) && !this.kept.has(needed.replace(/.* /, '')))
            throw new BackendError(`${spec.name}: there is no ${needed}`);
        this.#add(`container ${spec.name}`, session);
        return this.adopt(spec);
      },
      signal,
    );
  }

  /** A container that is there already. */
  adopt(spec: Bound<ContainerSpec>): FakeContainer {
    const container = new FakeContainer(spec, this);
    this.containers.set(spec.name, container);
    this.past.set(spec.name, container);
    if (spec.role === 'agent') for (const [path, text] of this.#imageFiles()) container.files.set(path, text);
    return container;
  }

  async sweep(session: SessionId): Promise<void> {
    await this.call(`sweep ${session.slug}`, () => {
      for (const [name, owner] of this.alive) {
        if (owner !== ownerOf(session)) continue;
        if (name.startsWith('container ')) this.containers.get(name.slice('container '.length))?.remove();
        this.forget(name);
      }
      const index = this.sessionList.findIndex(({ session: one }) => ownerOf(one) === ownerOf(session));
      if (index >= 0) this.sessionList.splice(index, 1);
    });
  }

  sessions(): Promise<SessionState[]> {
    return this.call('sessions', () => [...this.sessionList]);
  }

  find(slug: string, role: string): Promise<Container | undefined> {
    return this.call(`find ${slug} ${role}`, () => this.containers.get(`bottle-${slug}-${role}`));
  }

  homes(): Promise<string[]> {
    return this.call('homes', () => [...this.kept]);
  }

  removeHome(name: string): Promise<void> {
    return this.call(`removeHome ${name}`, () => void this.kept.delete(name));
  }

  /** What was called, in its order, as far as it matches. */
  called(pattern: RegExp): string[] {
    return this.calls.filter((call) => pattern.test(call));
  }

  container(role: string): FakeContainer {
    const found = [...this.past.values()].find(({ spec }) => spec.role === role);
    if (!found) throw new Error(`there was no ${role}`);
    return found;
  }

  async call<T>(name: string, effect: () => T, signal?: AbortSignal): Promise<T> {
    this.calls.push(name);
    const counts = !/^(remove|sweep) /.test(name);
    if (counts) this.#count += 1;
    const n = counts ? this.#count : 0;
    await this.script.before?.(name, n, signal);
    for (let left = this.script.turns?.(n) ?? 0; left > 0; left -= 1) await turn();
    signal?.throwIfAborted();
    const result = effect();
    this.script.after?.(name, n);
    return result;
  }

  readyLine(role: string): string {
    const line = { event: 'ready', role, ...(role === 'bump' ? { certificate: PEM, fingerprint: FINGERPRINT } : {}) };
    return this.script.ready?.[role] ?? JSON.stringify(line);
  }

  forget(thing: string): void {
    this.alive.delete(thing);
    const [kind, name = ''] = thing.split(' ');
    if (kind === 'container') this.containers.delete(name);
  }

  #add(thing: string, session: SessionId): void {
    if (this.alive.has(thing)) throw new BackendError(`${thing} exists already`);
    this.alive.set(thing, ownerOf(session));
  }

  #refuseInUse(thing: string): void {
    const user = [...this.containers.values()].find(({ spec }) => uses(spec).includes(thing));
    if (user) throw new BackendError(`${thing} is in use by ${user.name}`);
  }

  #imageFiles(): [string, string][] {
    const files = {
      [BUNDLE_FILE]: 'ROOTS\n',
      '/usr/sbin/update-ca-certificates': '#!/bin/sh\n',
      '/etc/passwd': PASSWD,
    };
    return Object.entries({ ...files, ...this.script.files }).flatMap(([path, text]) =>
      text === undefined ? [] : [[path, text]],
    );
  }
}

/** A name may be had by several, one after the other. */
export function ownerOf({ slug, started }: SessionId): string {
  return `${slug} ${started}`;
}

export const PASSWD = 'root:x:0:0:root:/root:/bin/sh\nnode:x:1000:1000::/home/node:/bin/bash\n';

/** What a container cannot exist without. */
function uses({ network, mounts }: Bound<ContainerSpec>): string[] {
  return [
    ...(network.kind === 'container' ? [`container ${network.name}`] : []),
    ...(network.kind === 'networks' ? network.networks.map(({ name }) => `network ${name}`) : []),
    ...mounts.flatMap((mount) => (mount.kind === 'volume' ? [`volume ${mount.source}`] : [])),
  ];
}
