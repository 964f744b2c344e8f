/** HTTP/2 towards the world: one session over a connection on which it was negotiated. */
import { connect } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import * as limits from '../limits.ts';
import type { Shared } from './pool.ts';
import { type LegOptions, type Session, StreamLeg } from './stream.ts';

export interface H2Options extends LegOptions {
  /** Milliseconds without a word; tests shorten it. */
  readonly sharedIdleMs?: number;
}

/** Takes a connection on which `h2` was negotiated, and whose certificate was verified. */
export function openH2(socket: TLSSocket, options: H2Options): Shared {
  const { sharedIdleMs = limits.UPSTREAM_SHARED_IDLE_MS } = options;
  const session = connect('https://upstream', { createConnection: () => socket, ...SESSION });
  session.setLocalWindowSize(limits.UPSTREAM_SESSION_WINDOW);
  const shared: Session = { session, open: 0, lastProcessed: Number.POSITIVE_INFINITY, heard: Date.now() };
  session.on('error', () => undefined); // each stream tells it
  session.on('goaway', (_code, lastId) => {
    shared.lastProcessed = lastId;
  });
  session.setTimeout(sharedIdleMs, () => {
    if (shared.open === 0) session.close();
  });
  return {
    get usable() {
      // By the clock that goes on while a machine sleeps: afterwards the connection may be gone, and nothing says so for a quarter of an hour.
      if (Date.now() - shared.heard > sharedIdleMs) return false;
      const allowed = session.remoteSettings?.maxConcurrentStreams ?? limits.UPSTREAM_STREAMS;
      return !session.closed && !session.destroyed && shared.open < Math.min(allowed, limits.UPSTREAM_STREAMS);
    },
    leg: (gone) => new StreamLeg(shared, gone, options),
    close: () => session.destroy(),
  };
}

const SESSION = {
  settings: {
    enablePush: false,
    initialWindowSize: limits.UPSTREAM_WINDOW,
    maxHeaderListSize: limits.HEAD_BYTES,
  },
  maxHeaderListPairs: 2 * limits.HEAD_FIELDS,
  maxSessionMemory: limits.SESSION_MIB,
  maxSettings: limits.SETTINGS,
  maxReservedRemoteStreams: 0,
  peerMaxConcurrentStreams: limits.UPSTREAM_STREAMS,
  strictFieldWhitespaceValidation: false, // it would leave such a field out; the reading of heads takes the white space off
  strictSingleValueFields: false, // repeated as the agent and the upstream repeat them
} as const;
