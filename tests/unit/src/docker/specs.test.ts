import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ContainerSpec } from '../../../../contracts/plan.ts';
import type { Bound } from '../../../../src/backend.ts';
import { containerOptions, furtherNetworks, networkOptions, volumeOptions } from '../../../../src/docker/specs.ts';

const session = {
  slug: 's',
  owner: { machine_id: 'm', boot_id: 'b', pid_namespace: 'pid:[1]', pid: 7, start_time: '9' },
  started: '2030-01-01T00:00:00.000Z',
};

const spec: Bound<ContainerSpec> = {
  name: 'bottle-s-bump',
  role: 'bump',
  image: 'sha256:1',
  entrypoint: ['node'],
  command: null,
  user: '65534:65534',
  workdir: null,
  env: { A: '1', B: 'x=y' },
  network: {
    kind: 'networks',
    networks: [
      { name: 'bottle-s-agent', address: '10.213.0.2' },
      { name: 'bottle-s-egress', address: null },
    ],
  },
  dns: ['10.213.0.2'],
  mounts: [
    { kind: 'bind', source: '/w', target: '/workspace', read_only: true },
    { kind: 'volume', source: 'v', target: '/v', read_only: false },
    { kind: 'tmpfs', target: '/tmp', size_bytes: 1024 },
  ],
  hardening: {
    cap_drop: ['ALL'],
    cap_add: ['NET_ADMIN'],
    no_new_privileges: true,
    read_only_root: true,
    init: false,
    sysctls: { 'net.ipv4.ip_forward': '0' },
  },
  limits: { memory_bytes: 1000, cpus: 1.5, pids: 64 },
  attach: 'lifeline',
  terminal: 'none',
  log: 'capped',
};

test('hardening and limits reach the engine', () => {
  const { HostConfig } = containerOptions(spec, session);
  assert.deepEqual(HostConfig?.CapDrop, ['ALL']);
  assert.deepEqual(HostConfig?.CapAdd, ['NET_ADMIN']);
  assert.deepEqual(HostConfig?.SecurityOpt, ['no-new-privileges']);
  assert.equal(HostConfig?.ReadonlyRootfs, true);
  assert.deepEqual(HostConfig?.Sysctls, { 'net.ipv4.ip_forward': '0' });
  assert.deepEqual([HostConfig?.Memory, HostConfig?.MemorySwap, HostConfig?.PidsLimit], [1000, 1000, 64]);
  assert.equal(HostConfig?.NanoCpus, 1_500_000_000);
  assert.equal(HostConfig?.Privileged, undefined);
});

test('mounts use the form in which a missing source is an error, and nothing removes itself', () => {
  const { HostConfig } = containerOptions(spec, session);
  assert.equal(HostConfig?.Binds, undefined);
  assert.deepEqual(HostConfig?.Mounts?.[0], { Type: 'bind', Source: '/w', Target: '/workspace', ReadOnly: true });
  assert.deepEqual(
    HostConfig?.Mounts?.map(({ Type }) => Type),
    ['bind', 'volume', 'tmpfs'],
  );
  assert.equal(HostConfig?.AutoRemove, false);
});

test('standard input is open once for who is attached, and not at all for what runs by itself', () => {
  const streams = (attach: ContainerSpec['attach']): unknown => {
    const { OpenStdin, StdinOnce, AttachStdin, AttachStdout } = containerOptions({ ...spec, attach }, session);
    return { OpenStdin, StdinOnce, AttachStdin, AttachStdout };
  };
  assert.deepEqual(streams('lifeline'), { OpenStdin: true, StdinOnce: true, AttachStdin: true, AttachStdout: false });
  assert.deepEqual(streams('streams'), { OpenStdin: true, StdinOnce: true, AttachStdin: true, AttachStdout: true });
  assert.deepEqual(streams('none'), { OpenStdin: false, StdinOnce: false, AttachStdin: false, AttachStdout: false });
});

test('the first network is the mode, with its address; the further ones are connected later', () => {
  const options = containerOptions(spec, session);
  assert.equal(options.HostConfig?.NetworkMode, 'bottle-s-agent');
  assert.deepEqual(options.NetworkingConfig?.EndpointsConfig, {
    'bottle-s-agent': { IPAMConfig: { IPv4Address: '10.213.0.2' } },
  });
  assert.deepEqual(furtherNetworks(spec), [{ name: 'bottle-s-egress', endpoint: {} }]);
});

test('no network is none, and a shared namespace is by name', () => {
  const mode = (network: Bound<ContainerSpec>['network']): unknown =>
    containerOptions({ ...spec, network }, session).HostConfig?.NetworkMode;
  assert.equal(mode({ kind: 'none' }), 'none');
  assert.equal(mode({ kind: 'container', name: 'bottle-s-gate' }), 'container:bottle-s-gate');
  assert.equal(mode({ kind: 'networks', networks: [] }), 'none');
});

test("the image's own entrypoint, command, user and folder stay where the spec has none", () => {
  const bare = containerOptions({ ...spec, entrypoint: null, user: null }, session);
  for (const name of ['Entrypoint', 'Cmd', 'User', 'WorkingDir']) assert.ok(!(name in bare), name);
});

test('a log is capped or not kept at all', () => {
  assert.deepEqual(containerOptions(spec, session).HostConfig?.LogConfig, {
    Type: 'json-file',
    Config: { 'max-size': '5m', 'max-file': '2' },
  });
  assert.equal(containerOptions({ ...spec, log: 'none' }, session).HostConfig?.LogConfig?.Type, 'none');
});

test('the network of the agent is internal and gives the host no address; egress is an ordinary bridge', () => {
  const agent = networkOptions({ name: 'n', role: 'agent', subnet: 'x' }, '10.213.0.0/29', session);
  assert.equal(agent.Internal, true);
  assert.deepEqual(agent.Options, { 'com.docker.network.bridge.inhibit_ipv4': 'true' });
  assert.deepEqual(agent.IPAM?.Config, [{ Subnet: '10.213.0.0/29' }]);
  const egress = networkOptions({ name: 'n', role: 'egress', subnet: 'x' }, '10.213.0.8/29', session);
  assert.equal(egress.Internal, false);
  assert.deepEqual(egress.Options, {});
});

test("the scanner's socket lies on a small tmpfs that only the unprivileged user enters", () => {
  const { DriverOpts } = volumeOptions({ name: 'v', role: 'scan', keep: false }, session);
  assert.equal(DriverOpts?.['o'], 'size=1m,mode=0770,uid=65534,gid=65534,nosuid,nodev,noexec');
});

test('a kept home has no session, so that no sweep removes it', () => {
  assert.deepEqual(volumeOptions({ name: 'bottle-home-x', role: 'home', keep: true }, session).Labels, {
    'bottle.home': 'bottle-home-x',
  });
  const fresh = volumeOptions({ name: 'v', role: 'home', keep: false }, session).Labels;
  assert.equal(fresh?.['bottle.session'], 's');
});
