/** TLS over a checked connection: the certificate must be for the host of the request, and from a known root. Never less. */
import type { Socket } from 'node:net';
import {
  connect as connectTls,
  createSecureContext,
  rootCertificates,
  type SecureContext,
  type TLSSocket,
} from 'node:tls';
import type { Rule } from '../../contracts/policy.ts';
import { isAbout } from '../../contracts/upstream.ts';
import { codeOf } from '../code.ts';
import { UPSTREAM_SESSIONS, UPSTREAM_TLS_MS } from '../limits.ts';
import type { Target } from '../message.ts';
import { TIMED_OUT } from '../respond.ts';
import { DialError } from './failure.ts';

/** In the order of preference. */
export type Protocol = 'h2' | 'http/1.1';

/** What the sidecar shows to hosts that ask for it. */
export interface ClientCertificate {
  readonly host: Rule;
  /** PEM, the leaf first. */
  readonly cert: string;
  /** PEM. */
  readonly key: string;
}

export interface TlsOptions {
  /** PEM texts of roots besides Node's own. */
  readonly extraRoots: readonly string[];
  readonly certificates: readonly ClientCertificate[];
}

/** Rejects with a `DialError`, the raw connection being destroyed then. */
export type Secure = (
  raw: Socket,
  target: Target,
  how: { readonly alpn: readonly Protocol[]; readonly gone: AbortSignal },
) => Promise<TLSSocket>;

/** Keeps the parsed roots and the sessions, so that the next handshake with the same host is a short one. */
export function makeSecure(options: TlsOptions): Secure {
  const sessions = new Map<string, Buffer>();
  const contexts = new Map<ClientCertificate | undefined, SecureContext>();
  return (raw, target, { alpn, gone }) => {
    const { host, port } = target;
    const key = `${host.text}:${port}`;
    const session = sessions.get(key);
    const socket = connectTls({
      socket: raw,
      host: host.text, // what the certificate is checked against; RFC 6066 has no server name for addresses
      ...(host.kind === 'name' ? { servername: host.text } : {}),
      secureContext: contextFor(target),
      rejectUnauthorized: true,
      minVersion: 'TLSv1.2',
      ALPNProtocols: [...alpn],
      ...(session ? { session } : {}),
    });
    socket.on('session', (ticket) => {
      sessions.delete(key);
      sessions.set(key, ticket);
      if (sessions.size > UPSTREAM_SESSIONS) sessions.delete(sessions.keys().next().value ?? '');
    });
    return handshake(socket, raw, gone).catch((error: unknown) => {
      sessions.delete(key);
      throw error;
    });
  };

  function contextFor(target: Target): SecureContext {
    const own = options.certificates.find(({ host }) => isAbout(host, target.host, target.port));
    const context = contexts.get(own) ?? makeContext(options.extraRoots, own);
    contexts.set(own, context);
    return context;
  }
}

function makeContext(extraRoots: readonly string[], own: ClientCertificate | undefined): SecureContext {
  return createSecureContext({
    minVersion: 'TLSv1.2',
    // Without extra roots Node shares one parsed store; with them all have to be given.
    ...(extraRoots.length > 0 ? { ca: [...rootCertificates, ...extraRoots] } : {}),
    ...(own ? { cert: own.cert, key: own.key } : {}),
  });
}

function handshake(socket: TLSSocket, raw: Socket, gone: AbortSignal): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    let done = false;
    const timer = setTimeout(() => fail(`${TIMED_OUT}: no TLS handshake`), UPSTREAM_TLS_MS);
    function fail(why: string): void {
      if (!end()) return; // later errors are the owner's
      socket.destroy();
      raw.destroy();
      reject(new DialError('failed', why));
    }
    function end(): boolean {
      const first = !done;
      done = true;
      clearTimeout(timer);
      gone.removeEventListener('abort', leave);
      return first;
    }
    function leave(): void {
      fail('the agent left before there was a connection');
    }
    socket.on('error', (error) => fail(explainTls(error)));
    socket.once('close', () => fail('the connection was closed during the TLS handshake'));
    socket.once('secureConnect', () => {
      if (end()) resolve(socket);
    });
    gone.addEventListener('abort', leave, { once: true });
    if (gone.aborted) leave();
  });
}

/** Which check failed, for those who have to repair it; undefined if it is no matter of TLS. */
export function tlsProblem(code: string): string | undefined {
  const why = CERTIFICATE[code];
  if (why !== undefined) return `its certificate was not accepted: ${why} (${code})`;
  const other = HANDSHAKE.find(([end]) => end.test(code))?.[1];
  if (other !== undefined) return `no TLS connection: ${other} (${code})`;
  return code.includes('CERT') ? `its certificate was not accepted (${code})` : undefined;
}

function explainTls(error: Error): string {
  const code = codeOf(error);
  return tlsProblem(code) ?? `no TLS connection (${code})`;
}

const UNKNOWN_ISSUER = 'its issuer is not known; a company root goes into egress.upstream_ca';
const CERTIFICATE: Record<string, string> = {
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNKNOWN_ISSUER,
  UNABLE_TO_GET_ISSUER_CERT: UNKNOWN_ISSUER,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNKNOWN_ISSUER,
  SELF_SIGNED_CERT_IN_CHAIN: 'its root is not known; a company root goes into egress.upstream_ca',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'it is self-signed',
  CERT_HAS_EXPIRED: 'it has expired',
  CERT_NOT_YET_VALID: 'it is not valid yet',
  CERT_REVOKED: 'it is revoked',
  ERR_TLS_CERT_ALTNAME_INVALID: 'it is for another host',
};

/** By how OpenSSL's names end: what stands before differs from version to version. */
const HANDSHAKE: readonly (readonly [RegExp, string])[] = [
  [/(UNSUPPORTED_PROTOCOL|ALERT_PROTOCOL_VERSION)$/, 'it speaks nothing newer than TLS 1.1'],
  [/(WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG)$/, 'what it answers is not TLS'],
  [/CERTIFICATE_REQUIRED$/, 'it asks for a client certificate; one goes into egress.client_certificates'],
  [/ALERT_BAD_CERTIFICATE$/, 'it does not accept the client certificate, or wants one (egress.client_certificates)'],
  [/ALERT_UNKNOWN_CA$/, 'it does not know the issuer of the client certificate'],
  [
    /ALERT_HANDSHAKE_FAILURE$/,
    'it has no parameters in common, or wants a client certificate (egress.client_certificates)',
  ],
];
