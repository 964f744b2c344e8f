/** The upstreams as the exchange sees them: a leg for each request, over whatever connection there is or can be made. */
import { makeBudget } from '../budget.ts';
import { UPSTREAM_HELD_BYTES } from '../limits.ts';
import type { Leg, Relayed, RequestHead, Upstream } from '../message.ts';
import { RepeatedLeg } from './again.ts';
import { Connection } from './connection.ts';
import type { Dial } from './dial.ts';
import { H1Leg, type H1Options, relayedOf } from './h1.ts';
import { type H2Options, openH2 } from './h2.ts';
import { Pool, type PoolOptions, type Shared } from './pool.ts';

export interface PooledUpstream extends Upstream, Disposable {}

export type UpstreamOptions = Omit<PoolOptions, 'dial' | 'share'> &
  Pick<H1Options, 'headMs' | 'silenceMs' | 'idleMs'> &
  Pick<H2Options, 'sharedIdleMs'>;

export function makeUpstream(dial: Dial, options: UpstreamOptions = {}): PooledUpstream {
  const held = makeBudget(UPSTREAM_HELD_BYTES);
  const pool = new Pool({ ...options, dial, share: (socket) => openH2(socket, { ...options, held }) });

  /** Failures are told by `relay`. */
  async function leg(head: RequestHead, gone: AbortSignal, fresh: boolean): Promise<Leg> {
    const { target } = head;
    const alone = head.upgrade !== undefined; // a switch of protocol is HTTP/1.1's alone
    let way: Connection | Shared;
    try {
      way = await pool.take(target, { gone, alone, fresh });
    } catch (error) {
      return lost(gone.aborted ? { kind: 'gone', status: undefined, received: 0 } : relayedOf(error));
    }
    if (way instanceof Connection)
      return new H1Leg(way, {
        ...options,
        gone,
        // For one request alone: what was negotiated once is not asked again.
        again: async () => (await pool.take(target, { gone, alone: true, fresh: true })) as Connection,
        give: (connection, ms) => pool.give(connection, ms),
      });
    return fresh ? way.leg(gone) : new RepeatedLeg(way.leg(gone), () => leg(head, gone, true));
  }

  return {
    open: (head, gone) => leg(head, gone, false),
    [Symbol.dispose]: () => pool[Symbol.dispose](),
  };
}

/** There is no connection. Failures are told by `relay`. */
function lost(end: Relayed): Leg {
  return { sent: 0, send: async () => undefined, relay: async () => end, [Symbol.dispose]: () => undefined };
}
