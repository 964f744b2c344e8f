/** What a launch will make, decided before anything is touched. Pure: same manifest, same session, same plan. */
import { formatUnscanned, memoryBytes, readBodies } from '../contracts/bodies.ts';
import { looksLikeCredential } from '../contracts/placeholder.ts';
import { type ContainerSpec, type LaunchPlan, late, type MountSpec } from '../contracts/plan.ts';
import { formatRule, type Policy, parseRule } from '../contracts/policy.ts';
import { hostsOf } from '../contracts/secret.ts';
import { BUNDLE_FILE, CERTIFICATE_FILE, clientVariables } from '../contracts/variables.ts';
import { container, DNS_PORT, HARDENED, MIB, UNPRIVILEGED } from './container.ts';
import { lateUpstream, planUpstream, printUpstream } from './egress.ts';
import type { LoadedManifest } from './manifest.ts';
import { planScanner } from './scanner.ts';
import { lateSecrets, placeholders, planSecrets, printSecrets } from './secrets.ts';

export interface PlanOptions {
  /** Names everything that the session makes. */
  readonly slug: string;
  /** Replaces the manifest's command. */
  readonly command?: readonly string[];
}

/** The agent's home, whatever its user; a volume of its own is mounted there. */
const HOME = '/home/agent';

const PROXY_PORT = 8080;
const JOURNAL_FOLDER = '/var/lib/bottle';

export function planLaunch(loaded: LoadedManifest, { slug, command }: PlanOptions): LaunchPlan {
  const { manifest } = loaded;
  const name = (part: string) => `bottle-${slug}-${part}`;
  const policy = readPolicy(manifest.egress);
  const bodies = readBodies({
    scanner: manifest.scanner.kind,
    limit: manifest.egress.body_limit,
    unscanned: manifest.egress.unscanned,
  });
  const user = agentUser(loaded);
  const proxy = { host: name('bump'), port: PROXY_PORT };
  const variables = clientVariables(proxy);
  const home = {
    kind: manifest.agent.home,
    volume: manifest.agent.home === 'keep' ? `bottle-home-${loaded.folderId}` : name('home'),
    path: HOME,
  };
  const agentCommand = command ?? manifest.agent.command;
  const scan = planScanner(loaded, policy, name);

  const gate = container(name('gate'), 'gate', {
    entrypoint: ['/bin/sh', '/opt/bottle/addon/gate/gate.sh'],
    user: '0:0',
    network: { kind: 'networks', networks: [{ name: name('agent'), address: late('address.gate') }] },
    dns: [late('address.bump')],
    hardening: { ...HARDENED, cap_add: ['NET_ADMIN', 'SETGID', 'SETPCAP', 'SETUID'] },
    limits: { memory_bytes: 64 * MIB, cpus: null, pids: 32 },
  });
  const bump = container(name('bump'), 'bump', {
    // MiB of young objects before they are collected: what streams through would otherwise stay for 30 MiB and more.
    entrypoint: ['node', '--max-semi-space-size=2', '/opt/bottle/addon/main.js'],
    user: UNPRIVILEGED,
    network: {
      kind: 'networks',
      networks: [
        { name: name('egress'), address: null },
        { name: name('agent'), address: late('address.bump') },
        ...scan.joined,
        ...manifest.egress.networks.map((network) => ({ name: network, address: null })),
      ],
    },
    mounts: [...scan.shared, { kind: 'volume', source: name('journal'), target: JOURNAL_FOLDER, read_only: false }],
    hardening: { ...HARDENED, sysctls: { 'net.ipv4.ip_forward': '0' } },
    limits: { memory_bytes: 1024 * MIB, cpus: null, pids: 128 },
  });
  const agent = container(name('agent'), 'agent', {
    image: late('image.agent'),
    command: agentCommand ? [...agentCommand] : null,
    user: user.kind === 'fixed' ? user.user : late('user.agent'),
    workdir: manifest.agent.workdir,
    // Claude Code runs as root only if it is told that it is in a sandbox.
    env: { IS_SANDBOX: '1', ...agentEnv(loaded), ...placeholders(loaded), ...variables, HOME },
    network: { kind: 'container', name: gate.name },
    mounts: [
      { kind: 'volume', source: home.volume, target: HOME, read_only: false },
      ...loaded.mounts.map(
        ({ real, target, read_only }): MountSpec => ({ kind: 'bind', source: real, target, read_only }),
      ),
    ],
    hardening: { ...HARDENED, read_only_root: false, init: true },
    limits: {
      memory_bytes: memoryBytes(manifest.agent.limits.memory),
      cpus: manifest.agent.limits.cpus ?? null,
      pids: manifest.agent.limits.pids,
    },
    attach: 'streams',
    terminal: 'caller',
    log: 'none',
  });

  return {
    version: 1,
    session: slug,
    manifest: loaded.source,
    images: {
      sidecar: { kind: 'built', name: 'sidecar', dockerfile: 'Dockerfile.sidecar' },
      agent: manifest.agent.image
        ? { kind: 'named', reference: manifest.agent.image }
        : { kind: 'built', name: 'agent', dockerfile: 'Dockerfile.agent' },
      ...(scan.image ? { scanner: scan.image } : {}),
    },
    networks: [
      { name: name('agent'), role: 'agent', subnet: late('subnet.agent') },
      { name: name('egress'), role: 'egress', subnet: late('subnet.egress') },
      ...scan.networks,
    ],
    volumes: [
      { name: name('journal'), role: 'journal', keep: false },
      scan.volume,
      { name: home.volume, role: 'home', keep: home.kind === 'keep' },
    ],
    containers: {
      gate,
      scanner: scan.scanner,
      bump,
      agent,
      check: scan.check,
      route: manifest.egress.networks.length > 0 ? defaultRoute(name('route'), bump.name) : null,
    },
    config: {
      gate: { version: 1, sidecar: late('address.bump'), proxy_port: PROXY_PORT, dns_port: DNS_PORT },
      bump: {
        version: 1,
        session: slug,
        key: late('session.key'),
        listen: {
          address: late('address.bump'),
          gate: late('address.gate'),
          proxy_port: PROXY_PORT,
          dns_port: DNS_PORT,
        },
        own_names: [gate.name, bump.name, scan.scanner.name, agent.name],
        policy,
        websockets: manifest.egress.websockets,
        upstream_ca: loaded.upstreamCa.map(({ pem }) => pem),
        ...planUpstream(manifest.egress),
        scanner: scan.reached,
        secrets: planSecrets(loaded),
        bodies,
        journal: `${JOURNAL_FOLDER}/journal.ndjson`,
      },
      scanner: scan.config,
    },
    egress: {
      allow: policy.rules.map(formatRule),
      policy,
      unopened: policy.unopened.map(formatRule),
      websockets: manifest.egress.websockets,
      networks: manifest.egress.networks,
      upstream_ca: loaded.upstreamCa.map(({ path }) => path),
      ...printUpstream(manifest.egress),
      bodies,
      mitm: { enabled: true, ca_fingerprint: null },
    },
    scanner: scan.plan,
    secrets: printSecrets(loaded),
    trust: { files: [CERTIFICATE_FILE, BUNDLE_FILE], variables, update_ca_certificates: true },
    home,
    agent_user: user,
    late_bound: {
      ...lateBound(agent, user, manifest.egress.networks.length > 0),
      ...lateSecrets(loaded),
      ...lateUpstream(manifest.egress),
      ...scan.late_bound,
    },
    notes: [...notes(loaded), ...bodies.unscanned.map(formatUnscanned)],
  };
}

/**
 * Of several networks the engine makes the alphabetically first one's gateway the default route, also when it is joined later;
 * so the route is put back to egress once all are joined.
 */
function defaultRoute(name: string, bump: string): ContainerSpec {
  return container(name, 'route', {
    entrypoint: ['ip', 'route', 'replace', 'default', 'via'],
    command: [late('gateway.egress')],
    user: '0:0',
    network: { kind: 'container', name: bump },
    hardening: { ...HARDENED, cap_add: ['NET_ADMIN'] },
    limits: { memory_bytes: 64 * MIB, cpus: null, pids: 32 },
    attach: 'none',
  });
}

function readPolicy({ allow, allow_private, tls_bump_ignore }: LoadedManifest['manifest']['egress']): Policy {
  const rules = (texts: readonly string[]) => texts.map(parseRule).filter((rule) => 'ports' in rule); // the schema has refused others
  return { rules: rules(allow), allow_private: [...allow_private], unopened: rules(tls_bump_ignore) };
}

function agentEnv({ manifest, secrets }: LoadedManifest): ContainerSpec['env'] {
  return Object.fromEntries(
    Object.entries(manifest.agent.env).map(([name, value]) => [
      name,
      Object.hasOwn(secrets, name) ? late(`env.${name}`) : value,
    ]),
  );
}

function agentUser({ manifest, mounts }: LoadedManifest): LaunchPlan['agent_user'] {
  if (manifest.agent.user !== undefined) return { kind: 'fixed', user: manifest.agent.user };
  const writable = mounts.find(({ read_only }) => !read_only);
  return writable ? { kind: 'owner-if-root', ...writable.owner, source: writable.real } : { kind: 'image' };
}

function lateBound(agent: ContainerSpec, user: LaunchPlan['agent_user'], joins: boolean): Record<string, string> {
  const secrets = Object.values(agent.env).flatMap((value) => (typeof value === 'string' ? [] : [value.late]));
  return {
    'address.bump': "the sidecar's address on the agent's network: follows from subnet.agent",
    'address.gate': "the gate's address on the agent's network: follows from subnet.agent",
    ...(joins ? { 'gateway.egress': 'the egress network’s gateway: follows from subnet.egress' } : {}),
    'image.agent': "the agent image's id",
    'image.sidecar': "the sidecar image's id",
    'session.key': 'random, 32 bytes, in memory only: receipts are made with it',
    'subnet.agent': 'a free subnet, found when the network is made',
    'subnet.egress': 'a free subnet, found when the network is made',
    ...(user.kind === 'image' ? { 'user.agent': "the image's own user" } : {}),
    ...(user.kind === 'owner-if-root'
      ? {
          'user.agent': `the image's own user; if that is root, ${user.uid}:${user.gid}, the owner of ${user.source}`,
        }
      : {}),
    ...Object.fromEntries(secrets.map((name) => [name, 'from your environment, secret'])),
  };
}

function notes({ source, manifest, secrets }: LoadedManifest): string[] {
  return [
    ...(source.kind === 'built-in'
      ? ['no bottle.yaml here: running the built-in default, Claude Code in this folder ("bottle init" writes one)']
      : []),
    ...(manifest.egress.allow.length === 0 ? ['egress.allow is empty: the agent reaches no host'] : []),
    ...(manifest.egress.tls_bump_ignore.length > 0
      ? [`relayed unopened, not scanned: ${manifest.egress.tls_bump_ignore.join(', ')} (egress.tls_bump_ignore)`]
      : []),
    ...Object.entries(secrets)
      .filter(([name, value]) => looksLikeCredential(name, value))
      .map(
        ([name]) =>
          `agent.env.${name} looks like a credential, and the agent will hold it: with "secrets" it would not (docs/secrets.md)`,
      ),
    ...Object.entries(manifest.secrets).flatMap(([name, wish]) =>
      hostsOf(wish)
        .filter(({ identity }) => identity === 'open')
        .map((host) => `secrets.${name}: ${formatRule(host)} is open: other credentials may be sent there as well`),
    ),
  ];
}
