/** What a plan says of the way out beyond the sidecar: a company's proxy, and certificates that are shown to hosts. Pure. */
import { type LaunchPlan, late } from '../contracts/plan.ts';
import { rulesOf } from '../contracts/policy.ts';
import { formatSource } from '../contracts/secret.ts';
import { parseProxyUrl } from '../contracts/upstream.ts';
import type { LoadedManifest } from './manifest.ts';

type Egress = LoadedManifest['manifest']['egress'];
type Config = LaunchPlan['config']['bump'];

/** For the sidecar; what is secret is named, and bound at the launch. */
export function planUpstream(egress: Egress): Pick<Config, 'upstream_proxy' | 'client_certificates'> {
  return {
    upstream_proxy: planProxy(egress),
    client_certificates: rulesOf(egress.client_certificates.map(({ host }) => host)).map((host, index) => ({
      host,
      cert: late(`upstream.cert.${index}`),
      key: late(`upstream.key.${index}`),
    })),
  };
}

function planProxy({ upstream_proxy: wish }: Egress): Config['upstream_proxy'] {
  const place = wish && parseProxyUrl(wish.url);
  if (!place || 'why' in place) return null; // the schema has refused such a one
  return {
    host: place.host.text,
    port: place.port,
    credentials: wish.credentials ? late('upstream.proxy') : null,
    direct: rulesOf(wish.no_proxy),
  };
}

/** For people. */
export function printUpstream({
  upstream_proxy: proxy,
  client_certificates,
}: Egress): Pick<LaunchPlan['egress'], 'upstream_proxy' | 'client_certificates'> {
  return {
    upstream_proxy: proxy
      ? {
          url: proxy.url,
          credentials: proxy.credentials ? formatSource(proxy.credentials) : null,
          no_proxy: proxy.no_proxy,
        }
      : null,
    client_certificates,
  };
}

/** What only the launch can know of it. */
export function lateUpstream({ upstream_proxy: proxy, client_certificates }: Egress): Record<string, string> {
  const names = [
    ...(proxy?.credentials ? ['upstream.proxy'] : []),
    ...client_certificates.flatMap((_, index) => [`upstream.cert.${index}`, `upstream.key.${index}`]),
  ];
  return Object.fromEntries(
    names.map((name) => [name, 'read at the launch; given to the sidecar by standard input only']),
  );
}
