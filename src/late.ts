/** What a plan refers to and only the launch knows, by the names that the plan has for it. */
import type { Image, Network } from './backend.ts';
import type { Credentials } from './credentials.ts';

/** What the launch is given. */
export interface Given {
  /** 32 random bytes. */
  readonly key: Buffer;
  /** Values of `env.*`: from the caller's environment, secret. */
  readonly secrets: Readonly<Record<string, string>>;
  /** Values of `secret.*` and `placeholder.*`, and the ones that take their place later. */
  readonly credentials: Credentials;
  /** Values of `upstream.*`: what the sidecar shows to the outside, secret. */
  readonly upstream: Readonly<Record<string, string>>;
}

/** What it has made before any container. */
export interface Grounds {
  readonly images: { readonly sidecar: Image; readonly agent: Image; readonly scanner: Image | undefined };
  readonly networks: { readonly agent: Network; readonly egress: Network; readonly scan: Network | undefined };
}

/** `user`: the agent's. */
export function lateValues(given: Given, { images, networks }: Grounds, user: string): ReadonlyMap<string, string> {
  const { agent, egress, scan } = networks;
  return new Map([
    ['session.key', given.key.toString('base64')],
    ...Object.entries(given.secrets).map(([name, value]) => [`env.${name}`, value] as const),
    ...Object.entries(given.credentials.values).flatMap(([name, { value, placeholder }]) => [
      [`secret.${name}`, value] as const,
      [`placeholder.${name}`, placeholder] as const,
    ]),
    ...Object.entries(given.upstream).map(([name, value]) => [`upstream.${name}`, value] as const),
    ['image.sidecar', images.sidecar.id],
    ['image.agent', images.agent.id],
    ...(images.scanner ? [['image.scanner', images.scanner.id] as const] : []),
    ['subnet.agent', agent.subnet],
    ['address.bump', agent.address(2)],
    ['address.gate', agent.address(3)],
    ['subnet.egress', egress.subnet],
    ['gateway.egress', egress.address(1)],
    ...(scan ? scanValues(scan) : []),
    ['user.agent', user],
  ]);
}

function scanValues(scan: Network): [name: string, value: string][] {
  const sink = scan.address(2);
  return [
    ['subnet.scan', scan.subnet],
    ['address.sink', sink],
    ['cidr.sink', `${sink}/32`],
    ['address.scanner', scan.address(3)],
  ];
}
