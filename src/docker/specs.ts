/** Specs → what the engine's API wants. Pure. */
import type { ContainerCreateOptions, MountSettings, NetworkCreateOptions, VolumeCreateOptions } from 'dockerode';
import type { ContainerSpec, MountSpec, NetworkSpec, VolumeSpec } from '../../contracts/plan.ts';
import type { Bound, SessionId } from '../backend.ts';
import { LABEL, sessionLabels } from './labels.ts';

/**
 * `image` is an id or a reference. `terminal: 'caller'` makes a terminal: whoever binds the spec says `none` where
 * the caller has none.
 */
export function containerOptions(spec: Bound<ContainerSpec>, session: SessionId): ContainerCreateOptions {
  const { hardening, limits, network } = spec;
  const [first] = network.kind === 'networks' ? network.networks : [];
  const attached = spec.attach === 'lifeline' || spec.attach === 'streams';
  return {
    name: spec.name,
    Image: spec.image,
    ...(spec.entrypoint === null ? {} : { Entrypoint: spec.entrypoint }),
    ...(spec.command === null ? {} : { Cmd: spec.command }),
    ...(spec.user === null ? {} : { User: spec.user }),
    ...(spec.workdir === null ? {} : { WorkingDir: spec.workdir }),
    Env: Object.entries(spec.env).map(([name, value]) => `${name}=${value}`),
    Labels: sessionLabels(session, spec.role),
    Tty: spec.terminal === 'caller',
    // *Once*: the engine closes the container's standard input when the attached client goes, however it goes.
    OpenStdin: attached,
    StdinOnce: attached,
    AttachStdin: attached,
    AttachStdout: spec.attach === 'streams',
    AttachStderr: spec.attach === 'streams',
    HostConfig: {
      NetworkMode: networkMode(network),
      Dns: spec.dns,
      Mounts: spec.mounts.map(mountOptions),
      CapDrop: hardening.cap_drop,
      CapAdd: hardening.cap_add,
      SecurityOpt: hardening.no_new_privileges ? ['no-new-privileges'] : [],
      ReadonlyRootfs: hardening.read_only_root,
      Init: hardening.init,
      Sysctls: hardening.sysctls,
      Memory: limits.memory_bytes,
      MemorySwap: limits.memory_bytes, // equal to Memory: no swap on top
      ...(limits.cpus === null ? {} : { NanoCpus: Math.round(limits.cpus * 1e9) }),
      PidsLimit: limits.pids,
      LogConfig:
        spec.log === 'none'
          ? { Type: 'none', Config: {} }
          : { Type: 'json-file', Config: { 'max-size': '5m', 'max-file': '2' } },
      AutoRemove: false, // the journal and the last log lines are collected from the dead container
      RestartPolicy: { Name: '' },
    },
    ...(first === undefined
      ? {}
      : { NetworkingConfig: { EndpointsConfig: { [first.name]: endpoint(first.address) } } }),
  };
}

/** What a container is connected with beyond its first network, in order. */
export function furtherNetworks(spec: Bound<ContainerSpec>): { name: string; endpoint: { IPAMConfig?: object } }[] {
  if (spec.network.kind !== 'networks') return [];
  return spec.network.networks.slice(1).map(({ name, address }) => ({ name, endpoint: endpoint(address) }));
}

export function networkOptions(spec: NetworkSpec, subnet: string, session: SessionId): NetworkCreateOptions {
  const closed = spec.role !== 'egress';
  return {
    Name: spec.name,
    Driver: 'bridge',
    CheckDuplicate: true,
    Internal: closed,
    Attachable: false,
    EnableIPv6: false,
    IPAM: { Driver: 'default', Config: [{ Subnet: subnet }] },
    // Without an address on the bridge, no service of the host can be reached through a gateway address.
    Options: closed ? { 'com.docker.network.bridge.inhibit_ipv4': 'true' } : {},
    Labels: sessionLabels(session, spec.role),
  };
}

/** The sidecar image's unprivileged user, who alone may look into the scanner's socket. */
const NOBODY = 65534;

export function volumeOptions(spec: VolumeSpec, session: SessionId): VolumeCreateOptions {
  return {
    Name: spec.name,
    Driver: 'local',
    DriverOpts:
      spec.role === 'scan'
        ? {
            type: 'tmpfs',
            device: 'tmpfs',
            o: `size=1m,mode=0770,uid=${NOBODY},gid=${NOBODY},nosuid,nodev,noexec`,
          }
        : {},
    Labels: spec.keep ? { [LABEL.home]: spec.name } : sessionLabels(session, spec.role),
  };
}

function networkMode(network: Bound<ContainerSpec>['network']): string {
  switch (network.kind) {
    case 'none':
      return 'none';
    case 'container':
      return `container:${network.name}`;
    case 'networks':
      return network.networks[0]?.name ?? 'none';
  }
}

function endpoint(address: string | null): { IPAMConfig?: { IPv4Address: string } } {
  return address === null ? {} : { IPAMConfig: { IPv4Address: address } };
}

/** The `Mounts` form: unlike `Binds` it never makes a missing source into a new folder. */
function mountOptions(mount: MountSpec): MountSettings {
  switch (mount.kind) {
    case 'bind':
      return { Type: 'bind', Source: mount.source, Target: mount.target, ReadOnly: mount.read_only };
    case 'volume':
      return { Type: 'volume', Source: mount.source, Target: mount.target, ReadOnly: mount.read_only };
    case 'tmpfs':
      return {
        Type: 'tmpfs',
        Source: '',
        Target: mount.target,
        TmpfsOptions: { SizeBytes: mount.size_bytes, Mode: 0o1777 },
      };
  }
}
