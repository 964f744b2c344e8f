/** Building an image through the engine's API: no docker CLI is needed. */
import { existsSync, readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import type Dockerode from 'dockerode';
import type { FileEntry } from '../backend.ts';
import { BackendError } from '../errors.ts';
import { tarOf } from './archive.ts';
import type { Environment } from './connect.ts';
import { reason } from './failure.ts';
import type { Work } from './images.ts';
import { LABEL } from './labels.ts';
import { follow } from './progress.ts';

export interface Recipe {
  readonly tag: string;
  readonly name: string;
  readonly base: string;
  /** With the Dockerfile as `Dockerfile`. */
  readonly files: readonly FileEntry[];
}

/** @throws BackendError with the last lines of the build */
export async function build(docker: Dockerode, recipe: Recipe, { progress, signal, env }: Work): Promise<void> {
  // Beside the files, not among them: what this machine trusts decides how an image is built, not what it is.
  const trusted: FileEntry = { path: 'host-ca.crt', content: hostBundle(env), mode: 0o644 };
  const last: string[] = [];
  try {
    const context = await tarOf([...recipe.files, trusted], new Date(0)); // the time would spoil the engine's cache
    const stream = await docker.buildImage(Readable.from([context]), {
      t: recipe.tag,
      dockerfile: 'Dockerfile',
      buildargs: { BASE_IMAGE: recipe.base, ...buildProxies(env) },
      labels: { [LABEL.image]: recipe.name },
      rm: true,
      forcerm: true, // a failed or interrupted build leaves no container
      abortSignal: signal,
    });
    await follow(stream, (line) => {
      last.push(line);
      if (last.length > 20) last.shift();
      progress(line);
    });
  } catch (error) {
    signal.throwIfAborted();
    const lines = last.map((line) => `\n  | ${line}`).join('');
    throw new BackendError(`image cannot be built: ${recipe.tag} (${reason(error)})${lines}`, { cause: error });
  }
}

const BUNDLES = ['/etc/ssl/certs/ca-certificates.crt', '/etc/pki/tls/certs/ca-bundle.crt', '/etc/ssl/cert.pem'];

/**
 * What this machine trusts, in PEM: behind a network that opens TLS, a build step trusts nothing that it reaches
 * without it. Empty if nothing is found.
 */
function hostBundle(env: Environment): Buffer {
  const system = BUNDLES.find((path) => existsSync(path));
  const named = new Set([env['NODE_EXTRA_CA_CERTS'], env['SSL_CERT_FILE'], system]);
  return Buffer.concat(
    [...named].flatMap((path) => (path && existsSync(path) ? [readFileSync(path), Buffer.from('\n')] : [])),
  );
}

/** Names that every Dockerfile has as arguments; the engine keeps them out of the image and of its cache's keys. */
const PROXIES = [
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'ALL_PROXY',
  'http_proxy',
  'https_proxy',
  'no_proxy',
  'all_proxy',
];

function buildProxies(env: Environment): Record<string, string> {
  return Object.fromEntries(PROXIES.flatMap((name) => (env[name] ? [[name, env[name]]] : [])));
}
