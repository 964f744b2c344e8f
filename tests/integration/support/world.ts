/** What an integration test needs of the world: an engine, stand-in upstreams in containers, and the real `bottle` program. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import Dockerode from 'dockerode';
import { stringify } from 'yaml';
import { connect } from '../../../src/docker/connect.ts';
import { DockerBackend } from '../../../src/docker/backend.ts';
import { pipelock } from './scanner.ts';

export const BOTTLE = fileURLToPath(new URL('../../../bin/bottle.js', import.meta.url));

/** Hosts that the stand-in upstream answers for. */
const UPSTREAM_NAMES = [
  'api.anthropic.com',
  'raw.githubusercontent.com',
  'git.example.com',
  'deep.sub.example.org',
  'compose-web',
  'platform.claude.com',
  'api.openai.com',
];

/** A request that reached an upstream. */
export interface Seen {
  readonly method: string;
  readonly host: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly bytes: number;
}

export interface Result {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The engine, or why there is none. With BOTTLE_REQUIRE_DOCKER=1 its absence is a failure. */
export async function engine(): Promise<Dockerode | string> {
  try {
    return await connect(process.env);
  } catch (error) {
    if (process.env['BOTTLE_REQUIRE_DOCKER'] === '1') throw error;
    return `no container engine answers: ${String(error)}`;
  }
}

/** Everything of one test file: made once, removed at its end. */
export class World implements AsyncDisposable {
  readonly docker: Dockerode;
  readonly folder = mkdtempSync(join(tmpdir(), 'bottle-test-'));
  readonly state = mkdtempSync(join(tmpdir(), 'bottle-state-'));
  readonly network = `bottle-test-${randomBytes(3).toString('hex')}`;
  subnet = '';
  ca = '';
  agentImage = '';
  /** What every manifest says of its scanner, unless it says something else; pipelock with BOTTLE_SCANNER=pipelock. */
  scanner: object = { kind: 'embedded' };
  #upstream: Dockerode.Container | undefined;

  constructor(docker: Dockerode) {
    this.docker = docker;
  }

  static async open(docker: Dockerode): Promise<World> {
    const world = new World(docker);
    if (process.env['BOTTLE_SCANNER'] === 'pipelock') {
      const wish = await pipelock(docker);
      if (typeof wish === 'string') throw new Error(wish);
      world.scanner = wish;
    }
    const backend = new DockerBackend(docker, process.env);
    const image = await backend.ensureImage(
      { kind: 'built', name: 'agent', dockerfile: 'Dockerfile.agent' },
      (line) => console.error(line),
      new AbortController().signal,
    );
    world.agentImage = image.id;
    const quiet = { kind: 'built', name: 'sidecar', dockerfile: 'Dockerfile.sidecar' } as const;
    await backend.ensureImage(quiet, () => undefined, new AbortController().signal); // so that no session says that it builds
    await world.#openUpstream(image.id);
    return world;
  }

  async #openUpstream(image: string): Promise<void> {
    // The name sorts before "bottle-…-egress": the sidecar's default route must hold all the same.
    const network = await this.docker.createNetwork({
      Name: this.network,
      Driver: 'bridge',
      Labels: { 'bottle.test': '1' },
    });
    const { IPAM } = await network.inspect();
    this.subnet = IPAM?.Config?.[0]?.Subnet ?? '';
    const upstream = await this.docker.createContainer({
      Image: image,
      User: '0',
      Labels: { 'bottle.test': '1' },
      Entrypoint: ['node', '/tmp/upstream-server.mjs'],
      Cmd: [...UPSTREAM_NAMES, this.address(9)],
      HostConfig: {
        NetworkMode: this.network,
        Init: true,
        CapDrop: ['ALL'],
        CapAdd: ['NET_BIND_SERVICE', 'DAC_OVERRIDE'],
      },
      NetworkingConfig: { EndpointsConfig: { [this.network]: { Aliases: UPSTREAM_NAMES } } },
    });
    this.#upstream = upstream;
    const { putFiles } = await import('../../../src/docker/archive.ts');
    await putFiles(
      upstream,
      ['upstream-server.mjs', 'calls.mjs', 'model.mjs', 'registries.mjs'].map((name) => ({
        path: `/tmp/${name}`,
        content: readFileSync(new URL(name, import.meta.url)),
        mode: 0o644,
      })),
    );
    await upstream.start();
    await eventually(async () => {
      const ready = (await this.#lines()).find(({ event }) => event === 'ready');
      this.ca = ready ? String(ready['ca']) : '';
      return this.ca !== '';
    });
    writeFileSync(join(this.folder, 'upstream-root.pem'), this.ca);
  }

  /** The upstream's address on its network. */
  async upstreamAddress(): Promise<string> {
    const { NetworkSettings } = (await this.#upstream?.inspect()) ?? {};
    return NetworkSettings?.Networks[this.network]?.IPAddress ?? '';
  }

  /** The n-th address of the test network. */
  address(n: number): string {
    const [base = ''] = this.subnet.split('/');
    return base.replace(/\d+$/, (last) => String(Number(last) + n));
  }

  /** What reached the upstream and passes the filter. */
  async seen(filter: (seen: Seen) => boolean): Promise<Seen[]> {
    const requests = (await this.#lines()).filter(({ event }) => event === 'request') as unknown as Seen[];
    return requests.filter(filter);
  }

  /** What the stand-in for a company's proxy was asked for. */
  async tunnels(): Promise<{ place: string; authorized: boolean }[]> {
    const lines = (await this.#lines()).filter(({ event }) => event === 'tunnel');
    return lines.map(({ place, authorized }) => ({ place: String(place), authorized: authorized === true }));
  }

  async #lines(): Promise<Record<string, unknown>[]> {
    const raw = await this.#upstream?.logs({ stdout: true, stderr: true, follow: false });
    const { demultiplex } = await import('../../../src/docker/frames.ts');
    const text = demultiplex(Buffer.from((raw ?? '') as unknown as Uint8Array)).toString('utf8');
    return text
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  /** Writes a manifest that reaches the stand-in upstreams, and returns its path. */
  manifest(
    changes: { agent?: object; egress?: object; scanner?: object; secrets?: object; name?: string } = {},
  ): string {
    const path = join(this.folder, changes.name ?? 'bottle.yaml');
    writeFileSync(
      `${path}.new`,
      stringify({
        version: 1,
        agent: { home: 'fresh', ...changes.agent },
        egress: {
          allow: ['api.anthropic.com', 'raw.githubusercontent.com', 'git.example.com', '*.example.org'],
          upstream_ca: ['./upstream-root.pem'],
          networks: [this.network],
          allow_private: [this.subnet],
          ...changes.egress,
        },
        scanner: changes.scanner ?? this.scanner,
        ...(changes.secrets && { secrets: changes.secrets }),
      }),
    );
    renameSync(`${path}.new`, path); // another program may just be reading it
    return path;
  }

  /** A session's name that no other run of the tests has. */
  slug(name: string): string {
    return `${name}-${randomBytes(2).toString('hex')}`;
  }

  env(extra: Record<string, string> = {}): NodeJS.ProcessEnv {
    return { ...process.env, XDG_STATE_HOME: this.state, ...extra };
  }

  /** Starts the program; its standard input is closed unless given. */
  spawn(args: readonly string[], options: { env?: Record<string, string>; cwd?: string; detached?: boolean } = {}) {
    return spawn(process.execPath, [BOTTLE, ...args], {
      cwd: options.cwd ?? this.folder,
      env: this.env(options.env),
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: options.detached ?? false,
    });
  }

  async run(
    args: readonly string[],
    options: { input?: Buffer | string; env?: Record<string, string>; cwd?: string } = {},
  ): Promise<Result & { raw: Buffer }> {
    const child = this.spawn(args, options);
    child.stdin.on('error', () => {}); // the program may end without reading it
    child.stdin.end(options.input ?? '');
    const [stdout, stderr, status] = await Promise.all([
      collect(child.stdout),
      collect(child.stderr),
      new Promise<number | null>((resolve) => child.on('close', (code) => resolve(code))),
    ]);
    return { status, stdout: stdout.toString('utf8'), stderr: stderr.toString('utf8'), raw: stdout };
  }

  /** Runs a shell script as the agent. */
  async agent(
    script: string,
    options: {
      name?: string;
      manifest?: string;
      input?: string;
      env?: Record<string, string>;
      flags?: readonly string[];
    } = {},
  ) {
    const file = options.manifest ?? this.manifest();
    const name = options.name ? ['--name', options.name] : [];
    return this.run(
      ['start', '-f', file, '--trust', ...name, ...(options.flags ?? []), '--', 'sh', '-c', script],
      options,
    );
  }

  /** The journal of a session that has ended, by its name. */
  async records(slug: string): Promise<Record<string, unknown>[]> {
    const { stdout } = await this.run(['records', slug, '--format', 'json']);
    return JSON.parse(stdout) as Record<string, unknown>[];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#upstream?.remove({ force: true, v: true });
    await this.docker.getNetwork(this.network).remove();
    rmSync(this.folder, { recursive: true, force: true });
    rmSync(this.state, { recursive: true, force: true });
  }
}

/** Names of everything that the engine still has of a session. */
export async function leftovers(docker: Dockerode, slug: string): Promise<string[]> {
  const filters = { name: [`bottle-${slug}-`] };
  const containers = await docker.listContainers({ all: true, filters });
  const networks = await docker.listNetworks({ filters });
  const { Volumes } = await docker.listVolumes({ filters });
  return [
    ...containers.flatMap(({ Names }) => Names),
    ...networks.map(({ Name }) => Name),
    ...(Volumes ?? []).map(({ Name }) => Name),
  ];
}

/** Asks again until it is so. */
export async function eventually(check: () => Promise<boolean> | boolean, ms = 20_000): Promise<void> {
  const end = Date.now() + ms;
  while (!(await check())) {
    if (Date.now() > end) throw new Error(`was not so within ${ms} ms: ${check.toString()}`);
    await delay(50);
  }
}

async function collect(stream: NodeJS.ReadableStream): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(chunks);
}
