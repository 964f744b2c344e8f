/** What a plan has of the credentials that the agent does not. Pure; the values are read at the launch (`credentials.ts`). */
import { type ContainerSpec, type LaunchPlan, late } from '../contracts/plan.ts';
import { formatRule } from '../contracts/policy.ts';
import { formatPlace, formatSource, hostsOf, placesOf } from '../contracts/secret.ts';
import type { LoadedManifest } from './manifest.ts';

/** What the agent gets in the place of its credentials. */
export function placeholders({ manifest }: LoadedManifest): ContainerSpec['env'] {
  return Object.fromEntries(Object.keys(manifest.secrets).map((name) => [name, late(`placeholder.${name}`)]));
}

/** As the sidecar gets them. */
export function planSecrets({ manifest }: LoadedManifest): LaunchPlan['config']['bump']['secrets'] {
  return Object.entries(manifest.secrets).map(([name, wish]) => ({
    name,
    placeholder: late(`placeholder.${name}`),
    value: late(`secret.${name}`),
    hosts: hostsOf(wish),
    places: placesOf(wish),
    headers: wish.headers,
  }));
}

/** For people: never a value. */
export function printSecrets({ manifest }: LoadedManifest): LaunchPlan['secrets'] {
  return Object.entries(manifest.secrets).map(([name, wish]) => ({
    name,
    from: formatSource(wish.from),
    hosts: hostsOf(wish).map(({ identity, ...rule }) => ({ rule: formatRule(rule), identity })),
    places: placesOf(wish).map(formatPlace),
    headers: wish.headers,
  }));
}

/** What of them only the launch knows. */
export function lateSecrets({ manifest }: LoadedManifest): Record<string, string> {
  return Object.fromEntries(
    Object.keys(manifest.secrets).flatMap((name) => [
      [`placeholder.${name}`, 'random, of the shape of the credential that it stands for'],
      [`secret.${name}`, 'read at the launch; given to the sidecar by standard input only'],
    ]),
  );
}
