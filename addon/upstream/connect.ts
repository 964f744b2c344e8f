/** A TCP connection to whichever of several addresses accepts first (RFC 8305, Happy Eyeballs). They were checked before. */
import { connect as connectTcp, isIPv6, type Socket } from 'node:net';
import { codeOf } from '../code.ts';
import { CONNECT_ADDRESSES, CONNECT_MS, CONNECT_STAGGER_MS, PROBE_AFTER_MS } from '../limits.ts';
import { TIMED_OUT } from '../respond.ts';
import { DialError } from './failure.ts';

export interface ConnectOptions {
  /** Whoever wants the connection has gone. */
  readonly gone: AbortSignal;
  /** Milliseconds to connect to one address. */
  readonly connectMs?: number;
  /** Milliseconds until the next address is tried beside those that have not answered. */
  readonly staggerMs?: number;
}

/** The families in turn, so that one of the two being broken costs one delay. IPv4 first: Docker's networks have it always. */
export function inTurns(addresses: readonly string[]): string[] {
  const [four, six] = [addresses.filter((address) => !isIPv6(address)), addresses.filter(isIPv6)];
  return Array.from({ length: Math.max(four.length, six.length) }, (_, index) => [four[index], six[index]])
    .flat()
    .filter((address) => address !== undefined)
    .slice(0, CONNECT_ADDRESSES);
}

/** The first that accepts; all others are destroyed. Rejects with a `DialError`: the one of the last address that failed. */
export function connectFirst(addresses: readonly string[], port: number, options: ConnectOptions): Promise<Socket> {
  const { gone, connectMs = CONNECT_MS, staggerMs = CONNECT_STAGGER_MS } = options;
  const waiting = inTurns(addresses);
  const open = new Set<Attempt>();
  return new Promise((resolve, reject) => {
    let last = new DialError('failed', 'there is no address');
    let next: NodeJS.Timeout | undefined;

    function settle(winner?: Attempt): void {
      clearTimeout(next);
      gone.removeEventListener('abort', leave);
      for (const attempt of open) if (attempt !== winner) attempt.giveUp();
      open.clear();
      if (winner) resolve(winner.socket);
      else reject(last);
    }
    function leave(): void {
      last = new DialError('failed', 'the agent left before there was a connection');
      settle();
    }
    function tryNext(): void {
      clearTimeout(next);
      const address = waiting.shift();
      if (address === undefined) {
        if (open.size === 0) settle();
        return;
      }
      const attempt = begin(address, port, connectMs, (why) => {
        if (why === undefined) return settle(attempt);
        open.delete(attempt);
        last = new DialError('failed', why);
        tryNext(); // at once: a refusal tells as much as the delay
      });
      open.add(attempt);
      next = setTimeout(tryNext, staggerMs);
    }

    gone.addEventListener('abort', leave, { once: true });
    if (gone.aborted) leave();
    else tryNext();
  });
}

interface Attempt {
  readonly socket: Socket;
  giveUp(): void;
}

/** `onEnd` is called once: with why it failed, or with nothing. */
function begin(address: string, port: number, ms: number, onEnd: (why?: string) => void): Attempt {
  const socket = connectTcp({
    host: address,
    port,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: PROBE_AFTER_MS,
  });
  const timer = setTimeout(() => fail(`${TIMED_OUT}: no connection to ${address}`), ms);
  function fail(why: string): void {
    if (!end()) return;
    socket.destroy();
    onEnd(why);
  }
  let ended = false;
  function end(): boolean {
    clearTimeout(timer);
    const first = !ended;
    ended = true;
    return first;
  }
  socket.on('error', (error) => fail(`no connection to ${address} (${codeOf(error)})`));
  socket.once('connect', () => {
    if (end()) onEnd();
  });
  return {
    socket,
    giveUp() {
      end();
      socket.destroy();
    },
  };
}
