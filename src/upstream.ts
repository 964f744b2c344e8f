/** Reads at the launch what the sidecar shows to a company's proxy and to hosts that ask for a certificate. It stays in memory. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { whyNoCredentials } from '../contracts/upstream.ts';
import { LaunchError } from './errors.ts';
import type { CredentialSource } from './sources.ts';

type Sources = Readonly<Record<string, CredentialSource>>;

/** Values by the names of `sources`: `proxy`, `cert.0`, `key.0`. @throws LaunchError that never quotes what was read */
export function readUpstream(
  sources: Sources,
  env: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const values = Object.fromEntries(
    Object.entries(sources).map(([name, source]) => [name, readSource(name, source, env)]),
  );
  for (const [name, value] of Object.entries(values)) {
    const [kind, index = ''] = name.split('.');
    const why =
      kind === 'proxy'
        ? whyNoCredentials(value)
        : kind === 'cert'
          ? whyNoPair(value, values[`key.${index}`] ?? '')
          : undefined;
    if (why !== undefined) throw new LaunchError(placeOf(name), `what was read ${why}`);
  }
  return values;
}

function readSource(name: string, source: CredentialSource, env: Readonly<Record<string, string | undefined>>): string {
  if (source.kind === 'env') return (env[source.variable] ?? '').trim();
  if (source.kind === 'command') throw new LaunchError(placeOf(name), 'a command is not run for this');
  try {
    return readFileSync(source.path, 'utf8').trim();
  } catch (error) {
    const why = error instanceof Error ? error.message : 'unknown';
    throw new LaunchError(placeOf(name), `${source.path} cannot be read (${why})`);
  }
}

/** Why the two are not a certificate and its own key. */
function whyNoPair(cert: string, key: string): string | undefined {
  try {
    const certificate = new X509Certificate(cert);
    if (certificate.checkPrivateKey(createPrivateKey(key))) return undefined;
    return 'is a certificate, but the key is not its own';
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? ` (${String(error.code)})` : '';
    return /ENCRYPTED/.test(key)
      ? 'has a key with a passphrase; one without is needed'
      : `is not a PEM certificate with its PEM key${code}`;
  }
}

/** Where a manifest says it. */
function placeOf(name: string): string {
  const [kind, index] = name.split('.');
  return kind === 'proxy' ? 'egress.upstream_proxy.credentials' : `egress.client_certificates[${index}].${kind}`;
}
