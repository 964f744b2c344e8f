/** The upstreams as the exchange sees them: a leg for each request, over whatever connection there is or can be made. */
import type { Leg, Relayed, Upstream } from '../message.ts';
import { Connection } from './connection.ts';
import type { Dial } from './dial.ts';
import { H1Leg, type H1Options, relayedOf } from './h1.ts';
import { Pool, type PoolOptions, type Shared } from './pool.ts';

export interface PooledUpstream extends Upstream, Disposable {}

export type UpstreamOptions = Omit<PoolOptions, 'dial'> & Pick<H1Options, 'headMs' | 'silenceMs' | 'idleMs'>;

export function makeUpstream(dial: Dial, options: UpstreamOptions = {}): PooledUpstream {
  const pool = new Pool({ ...options, dial });
  return {
    async open({ target, upgrade }, gone) {
      // A switch of protocol is HTTP/1.1's alone.
      const alone = upgrade !== undefined;
      let way: Connection | Shared;
      try {
        way = await pool.take(target, { gone, alone });
      } catch (error) {
        return lost(gone.aborted ? { kind: 'gone', status: undefined, received: 0 } : relayedOf(error));
      }
      if (!(way instanceof Connection)) return way.leg(gone);
      return new H1Leg(way, {
        ...options,
        gone,
        // For one request alone: what was negotiated once is not asked again.
        again: async () => (await pool.take(target, { gone, alone: true, fresh: true })) as Connection,
        give: (connection, ms) => pool.give(connection, ms),
      });
    },
    [Symbol.dispose]: () => pool[Symbol.dispose](),
  };
}

/** There is no connection. Failures are told by `relay`. */
function lost(end: Relayed): Leg {
  return { sent: 0, send: async () => undefined, relay: async () => end, [Symbol.dispose]: () => undefined };
}
