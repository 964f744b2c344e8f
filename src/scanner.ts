/** What a plan has of its scanner: containers, networks, and how the sidecar reaches it. Pure. */
import { masksOf, masksWishSchema } from '../contracts/mask.ts';
import { PIPELOCK_BODY_BYTES, PIPELOCK_IMAGE, PIPELOCK_VERSIONS, versionOfImage } from '../contracts/pipelock.ts';
import { type ContainerSpec, type LaunchPlan, late, type MountSpec } from '../contracts/plan.ts';
import type { Policy } from '../contracts/policy.ts';
import { OWN_CREDENTIALS } from './builtin.ts';
import { container, DNS_PORT, MIB, UNPRIVILEGED } from './container.ts';
import type { LoadedManifest } from './manifest.ts';
import { PIPELOCK_FILE, PIPELOCK_FOLDER, PIPELOCK_PORT, pipelockConfig } from './pipelock.ts';

const SOCKET_FOLDER = '/run/bottle';

/** What a plan says of its scanner. */
export interface Scan {
  readonly plan: LaunchPlan['scanner'];
  readonly scanner: ContainerSpec;
  readonly check: ContainerSpec | null;
  readonly image: LaunchPlan['images']['scanner'];
  readonly networks: LaunchPlan['networks'];
  readonly volume: LaunchPlan['volumes'][number];
  /** How the sidecar reaches it. */
  readonly reached: LaunchPlan['config']['bump']['scanner'];
  readonly joined: Extract<ContainerSpec['network'], { kind: 'networks' }>['networks'];
  readonly shared: MountSpec[];
  readonly config: LaunchPlan['config']['scanner'];
  readonly late_bound: Record<string, string>;
}

/** `name`: of a thing of the session, by its part. */
export function planScanner({ manifest }: LoadedManifest, policy: Policy, name: (part: string) => string): Scan {
  return manifest.scanner.kind === 'pipelock' ? pipelock(manifest.scanner, policy, name) : embedded(name);
}

/** Without any network: a unix socket on a volume in memory. */
function embedded(name: (part: string) => string): Scan {
  const socket = `${SOCKET_FOLDER}/scan.sock`;
  const shared: MountSpec[] = [{ kind: 'volume', source: name('scan'), target: SOCKET_FOLDER, read_only: false }];
  return {
    plan: { kind: 'embedded' },
    scanner: container(name('scanner'), 'scanner', {
      entrypoint: ['node', '/opt/bottle/addon/scanner/main.js'],
      user: UNPRIVILEGED,
      network: { kind: 'none' },
      mounts: shared,
      limits: { memory_bytes: 1024 * MIB, cpus: null, pids: 128 },
    }),
    check: null,
    image: undefined,
    networks: [],
    volume: { name: name('scan'), role: 'scan', keep: false },
    reached: { kind: 'embedded', socket },
    joined: [],
    shared,
    config: { version: 1, key: late('session.key'), socket, own_credentials: [...OWN_CREDENTIALS] },
    late_bound: {},
  };
}

/**
 * Alone on a network on which the sidecar is the only resolver and the only address. It reads no standard input, so it has no
 * lifeline: when the sidecar is gone nothing reaches it, and the sweep removes it.
 */
function pipelock(wish: LoadedManifest['manifest']['scanner'], policy: Policy, name: (part: string) => string): Scan {
  const masks = masksOf(wish.masks ?? masksWishSchema.parse({}), policy.rules);
  const reference = wish.image ?? PIPELOCK_IMAGE;
  const version = wish.version ?? versionOfImage(reference) ?? PIPELOCK_VERSIONS[0];
  // Root's, and the scanner is nobody: writable in name only, because the engine puts no file into a volume that is read-only.
  const mounts: MountSpec[] = [{ kind: 'volume', source: name('config'), target: PIPELOCK_FOLDER, read_only: false }];
  const common = { image: late('image.scanner'), user: UNPRIVILEGED, mounts };
  const limits = { memory_bytes: 1024 * MIB, cpus: null, pids: 256 };
  return {
    plan: { kind: 'pipelock', version, file: PIPELOCK_FILE, config: pipelockConfig(version) as never, masks },
    scanner: container(name('scanner'), 'scanner', {
      ...common,
      command: ['run', '--config', PIPELOCK_FILE],
      network: { kind: 'networks', networks: [{ name: name('scan'), address: late('address.scanner') }] },
      dns: [late('address.sink')],
      limits,
      attach: 'alone',
    }),
    check: container(name('check'), 'check', {
      ...common,
      command: ['check', '--config', PIPELOCK_FILE],
      network: { kind: 'none' },
      limits,
      attach: 'none',
    }),
    image: { kind: 'named', reference },
    networks: [{ name: name('scan'), role: 'scan', subnet: late('subnet.scan') }],
    volume: { name: name('config'), role: 'config', keep: false },
    reached: {
      kind: 'pipelock',
      address: late('address.scanner'),
      port: PIPELOCK_PORT,
      sink: { address: late('address.sink'), port: 80, dns_port: DNS_PORT },
      body_bytes: PIPELOCK_BODY_BYTES,
      masks,
    },
    joined: [{ name: name('scan'), address: late('address.sink') }],
    shared: [],
    config: null,
    late_bound: {
      'address.scanner': "the scanner's address on the scan network: follows from subnet.scan",
      'address.sink': "the sidecar's address on the scan network: follows from subnet.scan",
      'cidr.sink': 'that address alone, as a block',
      'image.scanner': "the scanner image's id",
      'subnet.scan': 'a free subnet, found when the network is made',
    },
  };
}
