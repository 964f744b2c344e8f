/** Finds the engine as the docker CLI does, also where there is no docker CLI. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Dockerode from 'dockerode';
import { BackendError } from '../errors.ts';
import { failure, reason } from './failure.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Where an engine listens, and what proves that it is the one. */
export interface Endpoint {
  /** Where this was read, for messages: `DOCKER_HOST`, a context, or the default. */
  readonly source: string;
  readonly host: string;
  /** Folder with ca.pem, cert.pem and key.pem; undefined without TLS. */
  readonly tls?: string;
}

/** Milliseconds until an engine that does not answer counts as unreachable. */
const PING_MS = 10_000;

/** @throws BackendError if no engine answers */
export async function connect(env: Environment): Promise<Dockerode> {
  const endpoint = findEndpoint(env);
  const docker = new Dockerode(clientOptions(endpoint));
  try {
    await answers(docker);
  } catch (error) {
    throw failure(`engine cannot be reached: ${endpoint.host} from ${endpoint.source}`, error, hint(error));
  }
  return docker;
}

async function answers(docker: Dockerode): Promise<void> {
  const over = new AbortController();
  const late = sleep(PING_MS, undefined, { signal: over.signal }).then(() => {
    throw new Error(`no answer in ${PING_MS / 1000} s`);
  });
  try {
    await Promise.race([docker.ping(), late]);
  } finally {
    late.catch(() => undefined); // it lost the race: its end is no news
    over.abort();
  }
}

/** DOCKER_HOST, else the context that DOCKER_CONTEXT or the CLI's configuration names, else the local socket. */
export function findEndpoint(env: Environment): Endpoint {
  const folder = env['DOCKER_CONFIG'] || join(env['HOME'] || homedir(), '.docker');
  if (env['DOCKER_HOST']) {
    const verify = env['DOCKER_TLS_VERIFY'] || env['DOCKER_TLS'];
    const tls = verify && !env['DOCKER_HOST'].startsWith('unix:') ? env['DOCKER_CERT_PATH'] || folder : undefined;
    return { source: 'DOCKER_HOST', host: env['DOCKER_HOST'], ...(tls === undefined ? {} : { tls }) };
  }
  const context = env['DOCKER_CONTEXT'] || currentContext(folder);
  return context === undefined || context === 'default' ? localSocket(env) : contextEndpoint(folder, context);
}

function localSocket(env: Environment): Endpoint {
  const sockets = [
    '/var/run/docker.sock',
    join(env['HOME'] || homedir(), '.docker/run/docker.sock'), // Docker Desktop
    ...(env['XDG_RUNTIME_DIR'] ? [join(env['XDG_RUNTIME_DIR'], 'docker.sock')] : []), // rootless
  ];
  return { source: 'the default', host: `unix://${sockets.find((path) => existsSync(path)) ?? sockets[0]}` };
}

function currentContext(folder: string): string | undefined {
  const file = join(folder, 'config.json');
  if (!existsSync(file)) return undefined;
  const name = field(readJson(file), 'currentContext');
  return typeof name === 'string' && name !== '' ? name : undefined;
}

/** The CLI keeps each context under the SHA-256 of its name. */
function contextEndpoint(folder: string, name: string): Endpoint {
  const id = createHash('sha256').update(name).digest('hex');
  const file = join(folder, 'contexts/meta', id, 'meta.json');
  if (!existsSync(file)) {
    throw new BackendError(`context does not exist: ${name} (no ${file}). Try: docker context ls`);
  }
  const docker = field(field(readJson(file), 'Endpoints'), 'docker');
  const host = field(docker, 'Host');
  if (typeof host !== 'string')
    throw new BackendError(`context names no engine: ${name}. Try: docker context inspect ${name}`);
  if (field(docker, 'SkipTLSVerify') === true) {
    throw new BackendError(
      `context is refused: ${name} (it does not verify the engine's certificate). Set DOCKER_HOST and DOCKER_CERT_PATH instead.`,
    );
  }
  const tls = join(folder, 'contexts/tls', id, 'docker');
  return { source: `context ${name}`, host, ...(existsSync(tls) ? { tls } : {}) };
}

/** Every option is given, also where it is undefined: docker-modem fills what is missing from its own reading of the environment. */
export function clientOptions(endpoint: Endpoint): Dockerode.DockerOptions {
  const none = {
    host: undefined,
    port: undefined,
    protocol: undefined,
    socketPath: undefined,
    username: undefined,
    ca: undefined,
    cert: undefined,
    key: undefined,
    timeout: undefined,
    pathPrefix: '/',
  };
  const url = parse(endpoint);
  switch (url.protocol) {
    case 'unix:':
    case 'npipe:':
      return { ...none, socketPath: endpoint.host.slice(`${url.protocol}//`.length) };
    case 'tcp:':
    case 'http:':
    case 'https:': {
      const tls = endpoint.tls === undefined ? {} : tlsFiles(endpoint.tls);
      const secure = endpoint.tls !== undefined || url.protocol === 'https:';
      const host = url.hostname.replace(/^\[|\]$/g, '');
      return {
        ...none,
        ...tls,
        protocol: secure ? 'https' : 'http',
        host,
        port: url.port || (secure ? '2376' : '2375'),
      };
    }
    default:
      throw new BackendError(
        `engine cannot be reached: ${endpoint.host} from ${endpoint.source} (${url.protocol} is not supported). ` +
          'Forward its socket, e.g.: ssh -nNT -L /tmp/engine.sock:/var/run/docker.sock HOST, and set DOCKER_HOST=unix:///tmp/engine.sock',
      );
  }
}

function parse({ host, source }: Endpoint): URL {
  const url = URL.canParse(host) ? new URL(host) : undefined;
  if (url === undefined)
    throw new BackendError(
      `engine cannot be reached: ${host} from ${source} (not an address). Try: unix:///var/run/docker.sock`,
    );
  // Of another scheme than http the URL keeps an empty port as it is; `tcp` is read as http would be.
  return url;
}

function tlsFiles(folder: string): { ca?: string; cert?: string; key?: string } {
  const file = (name: string): string | undefined => {
    const path = join(folder, name);
    return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
  };
  const [ca, cert, key] = [file('ca.pem'), file('cert.pem'), file('key.pem')];
  return { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) };
}

function hint(error: unknown): string {
  const why = reason(error);
  if (/EACCES|EPERM/.test(why)) return 'Give yourself access: sudo usermod -aG docker "$USER", then log in again';
  if (/ENOENT|ECONNREFUSED/.test(why)) return 'Start it, e.g.: sudo systemctl start docker';
  return 'Try: docker version';
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw failure(`docker's configuration cannot be read: ${file}`, error, 'Try: docker context ls');
  }
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null
    ? new Map<string, unknown>(Object.entries(value)).get(name)
    : undefined;
}
