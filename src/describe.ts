/** The plan as text for people, or as JSON for programs. */
import { formatMask } from '../contracts/mask.ts';
import {
  type ContainerSpec,
  type Late,
  type LaunchPlan,
  type MountSpec,
  planSchema,
  SECRET_PRINTED,
} from '../contracts/plan.ts';

/** Ends with a newline. The JSON follows `planSchema`, with secret values as `<set>`. */
export function describe(plan: LaunchPlan, format: 'text' | 'json'): string {
  return format === 'json'
    ? `${JSON.stringify(planSchema.parse(withoutSecrets(plan)), null, 2)
        .split('\n')
        .map(visible)
        .join('\n')}\n`
    : describeText(plan);
}

/** An agent may have written it, or asked for it: nothing in it moves the cursor of whoever reads it, or hides from them. */
export function visible(line: string): string {
  return line.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) =>
    character
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  );
}

function withoutSecrets(plan: LaunchPlan): LaunchPlan {
  const { agent } = plan.containers;
  const env = Object.fromEntries(Object.entries(agent.env).map(([name, value]) => [name, printed(value)]));
  return { ...plan, containers: { ...plan.containers, agent: { ...agent, env } } };
}

function describeText(plan: LaunchPlan): string {
  const { gate, scanner, bump, agent, route, check } = plan.containers;
  return `${[
    `session ${plan.session}, from ${plan.manifest.kind === 'file' ? plan.manifest.path : 'the built-in default'}`,
    ...plan.notes.map((note) => `  note: ${note}`),
    '',
    'images',
    ...Object.entries(plan.images).flatMap(([name, image]) =>
      image ? [`  ${name}: ${image.kind === 'named' ? image.reference : `built from ${image.dockerfile}`}`] : [],
    ),
    'networks',
    ...plan.networks.map(
      ({ name, role }) =>
        `  ${name}: ${role === 'egress' ? "the sidecar's way out" : 'internal, no address of this machine on it'}`,
    ),
    'volumes',
    ...plan.volumes.map(({ name, role, keep }) => `  ${name}: ${role}${keep ? ', kept' : ''}`),
    'containers',
    ...[gate, ...(check ? [check] : []), scanner, bump, ...(route ? [route] : []), agent].flatMap(describeContainer),
    'egress',
    `  allow: ${plan.egress.allow.join(', ') || 'nothing'}; everything else is refused`,
    `  WebSockets: ${plan.egress.websockets === 'refuse' ? 'refused (426)' : 'each message of the agent is scanned before it goes on'}`,
    `  private addresses that may be dialled: ${plan.egress.policy.allow_private.join(', ') || 'none'}`,
    ...(plan.egress.networks.length > 0
      ? [`  further networks of the sidecar: ${plan.egress.networks.join(', ')}`]
      : []),
    ...(plan.egress.upstream_ca.length > 0
      ? [`  further roots for upstream TLS: ${plan.egress.upstream_ca.join(', ')}`]
      : []),
    ...describeUpstream(plan.egress),
    '  TLS is opened with a CA that is made at the launch and lives in memory only',
    ...(plan.egress.unopened.length > 0
      ? [`  NOT opened, so not scanned: ${plan.egress.unopened.join(', ')}; their bytes are counted`]
      : []),
    ...(plan.secrets.length > 0 ? ['secrets', ...plan.secrets.flatMap(describeSecret)] : []),
    'scanner',
    ...describeScanner(plan),
    'trust',
    ...plan.trust.files.map((file) => `  ${file}`),
    'known at the launch only',
    ...Object.entries(plan.late_bound).map(([name, why]) => `  ${name}: ${why}`),
  ]
    .map(visible)
    .join('\n')}\n`;
}

function describeUpstream({ upstream_proxy: proxy, client_certificates }: LaunchPlan['egress']): string[] {
  return [
    ...(proxy
      ? [
          `  everything goes through the proxy ${proxy.url}${proxy.credentials === null ? '' : `, with the credentials from ${proxy.credentials}`}`,
          `    it resolves the names; dialled without it: ${proxy.no_proxy.join(', ') || 'nothing'}`,
        ]
      : []),
    ...client_certificates.map(
      ({ host, cert, key }) => `  client certificate for ${host}: the file ${cert}, with the key in ${key}`,
    ),
  ];
}

function describeSecret({ name, from, hosts, places, headers }: LaunchPlan['secrets'][number]): string[] {
  return [
    `  ${name}: from ${from}; the agent gets a placeholder`,
    `    stands in: ${places.join(', or ')}`,
    ...hosts.map(({ rule, identity }) =>
      identity === 'bound'
        ? `    host: ${rule}, bound: no other credential goes there`
        : `    host: ${rule}, OPEN: any other credential may go there as well`,
    ),
    ...Object.entries(headers).map(([field, value]) => `    sets: ${field}: ${value}`),
  ];
}

function describeScanner({ scanner, config }: LaunchPlan): string[] {
  if (scanner.kind === 'pipelock') {
    const text = JSON.stringify(scanner.config, (_, value: unknown) => (isLate(value) ? printed(value) : value), 2);
    return [
      `  pipelock ${scanner.version}, with ${scanner.file}:`,
      ...text.split('\n').map((line) => `    ${line}`),
      `  not shown to it${scanner.masks.length > 0 ? '; the sidecar searches it by itself' : ': nothing'}`,
      ...scanner.masks.map((mask) => `    ${formatMask(mask)}`),
    ];
  }
  const issuers = [...new Set(config.scanner?.own_credentials.map(({ issuer }) => issuer))];
  return [`  embedded; no finding towards its own issuer: ${issuers.join(', ')}`];
}

function isLate(value: unknown): value is Late {
  return typeof value === 'object' && value !== null && 'late' in value && typeof value.late === 'string';
}

function describeContainer(spec: ContainerSpec): string[] {
  const { hardening, limits } = spec;
  const command = [...(spec.entrypoint ?? []), ...(spec.command ?? []).map(printed)];
  return [
    `  ${spec.name}`,
    `    command: ${command.map(quoted).join(' ') || "the image's"}`,
    ...(spec.workdir === null ? [] : [`    folder: ${spec.workdir}`]),
    `    user: ${spec.user === null ? "the image's" : printed(spec.user)}`,
    `    network: ${describeNetwork(spec.network)}`,
    ...spec.mounts.map((mount) => `    mount: ${describeMount(mount)}`),
    ...Object.entries(spec.env).map(([name, value]) => `    env: ${name}=${printed(value)}`),
    `    capabilities: ${hardening.cap_add.join(', ') || 'none'}; root ${hardening.read_only_root ? 'read-only' : 'writable'}; no new privileges`,
    `    limits: ${Math.round(limits.memory_bytes / 1024 ** 2)} MiB, ${limits.cpus ?? 'all'} cpus, ${limits.pids} processes`,
  ];
}

/** As a shell would read it, so that two commands that differ also look different. */
function quoted(word: string): string {
  return /^[\w@%+=:,./{}-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

function describeNetwork(network: ContainerSpec['network']): string {
  switch (network.kind) {
    case 'none':
      return 'none';
    case 'container':
      return `that of ${network.name}`;
    case 'networks':
      return network.networks
        .map(({ name, address }) => (address === null ? name : `${name} (${printed(address)})`))
        .join(', ');
  }
}

function describeMount(mount: MountSpec): string {
  if (mount.kind === 'tmpfs') return `${mount.target} in memory, ${mount.size_bytes} bytes`;
  return `${mount.source} at ${mount.target}${mount.read_only ? ', read-only' : ''}`;
}

function printed(value: string | Late): string {
  if (typeof value === 'string') return value;
  if (value.late.startsWith('placeholder.')) return '<placeholder>';
  return value.late.startsWith('env.') ? SECRET_PRINTED : `{${value.late}}`;
}
