/**
 * The way out: resolve once, check every address, dial a checked one, verify its certificate. Nothing is dialled by name.
 */
import { Resolver } from 'node:dns/promises';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, createSecureContext, rootCertificates, type SecureContext } from 'node:tls';
import { CONNECT_ADDRESSES, CONNECT_MS, RESOLVE_MS, RESOLVE_TRIES, UPSTREAM_TLS_MS } from '../limits.ts';
import type { Target } from '../message.ts';
import { TIMED_OUT } from '../respond.ts';
import { codeOf } from '../code.ts';
import { type AddressCheck, refusalOf } from './address.ts';

/** Why there is no connection. `forbidden`: the policy of addresses said no. */
export class DialError extends Error {
  readonly kind: 'forbidden' | 'failed';

  constructor(kind: 'forbidden' | 'failed', message: string) {
    super(message);
    this.kind = kind;
  }
}

/** All addresses of a name, those to be tried first in front. Rejects with a `DialError`. */
export type Resolve = (name: string) => Promise<string[]>;

export interface DialOptions {
  readonly check: (address: string) => AddressCheck;
  readonly resolve: Resolve;
  /** PEM texts of roots besides Node's own. */
  readonly extraRoots: readonly string[];
  /** Listeners of the session itself, which are never dialled whatever else is allowed. */
  readonly self: readonly { readonly address: string; readonly ports: readonly number[] }[];
  /** Milliseconds to connect to one address. */
  readonly connectMs?: number;
}

/** Rejects with a `DialError` only. */
export type Dial = (target: Target) => Promise<Socket>;

export function makeDial(options: DialOptions): Dial {
  const sessions = new Map<string, Buffer>();
  let context: SecureContext | undefined;
  return async (target) => {
    const addresses = await checkedAddresses(target, options);
    const socket = await connectFirst(addresses, target.port, options.connectMs ?? CONNECT_MS);
    if (target.scheme === 'http') return socket;
    context ??= secureContext(options.extraRoots);
    return await secure(socket, target, context, sessions);
  };
}

/** Resolves by the container's name server, without the thread pool that one slow name would stall. */
export function makeResolve(): Resolve {
  const resolver = new Resolver({ timeout: RESOLVE_MS, tries: RESOLVE_TRIES });
  return async (name) => {
    const [four, six] = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
    const found = [four, six].flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
    if (found.length > 0) return found;
    const codes = [four, six].map((answer) => (answer.status === 'rejected' ? codeOf(answer.reason) : ''));
    if (codes.includes('ETIMEOUT')) throw new DialError('failed', `${TIMED_OUT}: the name server did not answer`);
    if (codes.every((code) => ['ENOTFOUND', 'ENODATA', ''].includes(code)))
      throw new DialError('failed', 'the name does not exist');
    throw new DialError('failed', `the name could not be resolved (${codes.find((code) => code !== '') ?? ''})`);
  };
}

async function checkedAddresses(target: Target, { check, resolve, self }: DialOptions): Promise<string[]> {
  const { host, port } = target;
  const found = host.kind === 'name' ? await resolve(host.text) : [host.text];
  let refused: string | undefined;
  const usable = found.filter((address) => {
    const answer = check(address);
    if (answer.kind === 'refused') refused ??= refusalOf(host.text, address, answer.why);
    else if (self.some((own) => address === own.address && own.ports.includes(port)))
      refused ??= `${host.text} is the sidecar itself`;
    else return true;
    return false;
  });
  if (usable.length > 0) return usable.slice(0, CONNECT_ADDRESSES);
  throw new DialError('forbidden', refused ?? `${host.text} has no address`);
}

/** One after the other: the first that accepts. */
async function connectFirst(addresses: readonly string[], port: number, ms: number): Promise<Socket> {
  let last = new DialError('failed', 'there is no address');
  for (const address of addresses) {
    const attempt = await connectOne(address, port, ms);
    if (!(attempt instanceof DialError)) return attempt;
    last = attempt;
  }
  throw last;
}

function connectOne(address: string, port: number, ms: number): Promise<Socket | DialError> {
  return new Promise((resolve) => {
    const socket = connectTcp({ host: address, port, noDelay: true, keepAlive: true });
    const timer = setTimeout(() => fail(`${TIMED_OUT}: no connection to ${address}`), ms);
    function fail(why: string): void {
      clearTimeout(timer);
      socket.destroy();
      resolve(new DialError('failed', why));
    }
    socket.on('error', (error) => fail(`no connection to ${address} (${codeOf(error)})`));
    socket.once('connect', () => {
      clearTimeout(timer);
      resolve(socket);
    });
  });
}

/** TLS over the checked connection. The certificate must be for the host of the request, from a known root. */
function secure(raw: Socket, target: Target, context: SecureContext, sessions: Map<string, Buffer>): Promise<Socket> {
  const { host, port } = target;
  const key = `${host.text}:${port}`;
  const session = sessions.get(key);
  return new Promise((resolve, reject) => {
    const socket = connectTls({
      socket: raw,
      host: host.text, // what the certificate is checked against; RFC 6066 has no server name for addresses
      ...(host.kind === 'name' ? { servername: host.text } : {}),
      secureContext: context,
      rejectUnauthorized: true,
      minVersion: 'TLSv1.2',
      ALPNProtocols: ['http/1.1'],
      ...(session ? { session } : {}),
    });
    const timer = setTimeout(() => fail(`${TIMED_OUT}: no TLS handshake`), UPSTREAM_TLS_MS);
    let done = false;
    function fail(why: string): void {
      if (done) return; // later errors are the owner's
      done = true;
      clearTimeout(timer);
      sessions.delete(key);
      socket.destroy();
      raw.destroy();
      reject(new DialError('failed', why));
    }
    socket.on('error', (error) => fail(explainTls(error)));
    socket.once('close', () => fail('the connection was closed during the TLS handshake'));
    socket.on('session', (ticket) => {
      if (sessions.size >= SESSIONS) sessions.delete(sessions.keys().next().value ?? '');
      sessions.set(key, ticket);
    });
    socket.once('secureConnect', () => {
      done = true;
      clearTimeout(timer);
      resolve(socket);
    });
  });
}

/** Which check of the certificate failed, for those who have to repair it. */
function explainTls(error: Error): string {
  const code = codeOf(error);
  const why = CERTIFICATE[code];
  if (why !== undefined) return `its certificate was not accepted: ${why} (${code})`;
  return code.startsWith('CERT') || code.includes('CERT') || code.startsWith('UNABLE')
    ? `its certificate was not accepted (${code})`
    : `no TLS connection (${code})`;
}

const CERTIFICATE: Record<string, string> = {
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its issuer is not known; a company root goes into egress.upstream_ca',
  UNABLE_TO_GET_ISSUER_CERT: 'its issuer is not known; a company root goes into egress.upstream_ca',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its issuer is not known; a company root goes into egress.upstream_ca',
  SELF_SIGNED_CERT_IN_CHAIN: 'its root is not known; a company root goes into egress.upstream_ca',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'it is self-signed',
  CERT_HAS_EXPIRED: 'it has expired',
  CERT_NOT_YET_VALID: 'it is not valid yet',
  CERT_REVOKED: 'it is revoked',
  ERR_TLS_CERT_ALTNAME_INVALID: 'it is for another host',
};

const SESSIONS = 500;

function secureContext(extraRoots: readonly string[]): SecureContext {
  // Without extra roots Node shares one parsed store; with them all have to be given.
  return createSecureContext({
    minVersion: 'TLSv1.2',
    ...(extraRoots.length > 0 ? { ca: [...rootCertificates, ...extraRoots] } : {}),
  });
}
