/**
 * The company's proxy: a tunnel through it by CONNECT (RFC 9110 section 9.3.6), for `http` targets as well. What it is shown is the
 * target's name and its own credentials, never a request.
 */
import type { Socket } from 'node:net';
import { type Host, hostInUrl } from '../../contracts/host.ts';
import type { Rule } from '../../contracts/policy.ts';
import { isAbout } from '../../contracts/upstream.ts';
import { codeOf } from '../code.ts';
import { HEAD_BYTES, PROXY_MS } from '../limits.ts';
import type { Target } from '../message.ts';
import { TIMED_OUT } from '../respond.ts';
import { DialError } from './failure.ts';

export interface Proxy {
  readonly host: Host;
  readonly port: number;
  /** `user:password` of HTTP Basic (RFC 7617). */
  readonly credentials: string | undefined;
  /** Hosts that are dialled directly. */
  readonly direct: readonly Rule[];
}

export function isDirect({ direct }: Proxy, { host, port }: Target): boolean {
  return direct.some((rule) => isAbout(rule, host, port));
}

/** Makes a tunnel of the connection to the proxy. Rejects with a `DialError` that never has a credential in it. */
export function openTunnel(
  socket: Socket,
  { credentials }: Proxy,
  { host, port }: Target,
  gone: AbortSignal,
): Promise<void> {
  const place = `${hostInUrl(host)}:${port}`;
  return new Promise((resolve, reject) => {
    let head = Buffer.alloc(0);
    const timer = setTimeout(() => fail(`${TIMED_OUT}: the company's proxy did not answer`), PROXY_MS);
    function end(): void {
      clearTimeout(timer);
      gone.removeEventListener('abort', leave);
      socket.off('data', take).off('error', broken).off('close', closed).off('end', closed);
    }
    function fail(why: string): void {
      end();
      socket.destroy();
      reject(new DialError('failed', why));
    }
    const leave = () => fail('the agent left before there was a connection');
    const broken = (error: Error) => fail(`the company's proxy closed the connection (${codeOf(error)})`);
    const closed = () => fail("the company's proxy closed the connection");
    function take(chunk: Buffer): void {
      head = Buffer.concat([head, chunk]);
      const length = head.indexOf('\r\n\r\n') + 4;
      if (length < 4) {
        if (head.length > HEAD_BYTES) fail("the company's proxy answers without end");
        return;
      }
      const why = objection(head.toString('latin1', 0, length));
      if (why !== undefined) return fail(why);
      // In none of the protocols in the tunnel does the upstream speak first.
      if (head.length > length) return fail("the company's proxy says more than its answer");
      end();
      socket.pause();
      resolve();
    }
    socket.on('data', take).on('error', broken).on('close', closed).on('end', closed);
    gone.addEventListener('abort', leave, { once: true });
    if (gone.aborted) return leave();
    const authorization =
      credentials === undefined ? '' : `Proxy-Authorization: Basic ${Buffer.from(credentials).toString('base64')}\r\n`;
    socket.write(`CONNECT ${place} HTTP/1.1\r\nHost: ${place}\r\n${authorization}\r\n`);
  });
}

/** Why its answer is no tunnel. */
function objection(head: string): string | undefined {
  const status = /^HTTP\/1\.[01] (\d{3})(?: |\r)/.exec(head)?.[1];
  if (status === undefined) return "the company's proxy does not speak HTTP/1.1";
  if (status.startsWith('2')) return undefined;
  return `the company's proxy ${ANSWERS[status] ?? 'makes no tunnel'} (${status})`;
}

const ANSWERS: Record<string, string> = {
  403: 'does not let anybody reach this host',
  407: 'asks for other credentials: see egress.upstream_proxy',
  502: 'could not reach the host',
  503: 'could not reach the host',
  504: 'could not reach the host in time',
};
