/** The two things that dockerode's own methods do not give: hijacked connections, and answers whose head comes first. */
import type { IncomingMessage } from 'node:http';
import type { Duplex, Readable } from 'node:stream';
import type Dockerode from 'dockerode';

/** The part of docker-modem that is used. dockerode types it as `any`. */
interface Modem {
  dial(options: DialOptions, callback: (error: Error | null, answer: unknown) => void): void;
}

interface DialOptions {
  path: string;
  method: 'GET' | 'POST';
  isStream: true;
  hijack?: true;
  file?: Buffer;
  options: Readonly<Record<string, string>>;
  statusCodes: Readonly<Record<number, true | string>>;
}

const ERRORS = { 400: 'bad parameter', 404: 'not found', 409: 'conflict', 500: 'engine error' };

/**
 * A raw connection to a container's streams. Its query is written by hand: dockerode's `attach` would also send it as a
 * request body, which other engines pass on as the first bytes of the container's standard input.
 */
export async function hijack(docker: Dockerode, path: string, query: string): Promise<Duplex> {
  const answer = await dial(docker, {
    path: `${path}?${query}&`, // docker-modem cuts the last character where there are no options
    method: 'POST',
    isStream: true,
    hijack: true,
    file: Buffer.alloc(0),
    options: {},
    statusCodes: { 101: true, ...ERRORS },
  });
  return answer as Duplex; // with `hijack` and status 101 alone accepted, docker-modem hands over the socket
}

/** Resolves as soon as the engine has answered with its head, that is, has taken the request. */
export async function stream(
  docker: Dockerode,
  method: 'GET' | 'POST',
  path: string,
  options: Readonly<Record<string, string>>,
): Promise<IncomingMessage> {
  const answer = await dial(docker, {
    path: `${path}?`,
    method,
    isStream: true,
    options,
    statusCodes: { 200: true, ...ERRORS },
  });
  return answer as IncomingMessage; // `isStream` hands over the response itself
}

/** All of a stream, at most `limit` bytes of it. */
export async function readAll(source: Readable, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of source) {
    const bytes: Buffer = chunk;
    if (size < limit) chunks.push(bytes.subarray(0, limit - size));
    size += bytes.length;
  }
  return Buffer.concat(chunks);
}

function dial(docker: Dockerode, options: DialOptions): Promise<unknown> {
  const modem: Modem = docker.modem;
  return new Promise((resolve, reject) => {
    modem.dial(options, (error, answer) => {
      if (error) reject(error);
      else resolve(answer);
    });
  });
}
