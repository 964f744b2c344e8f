/**
 * HTTP/2 towards the agent: a session in each tunnel that negotiated it, and a `Client` for each of its streams. What floods a session
 * is bounded by nghttp2 and by the numbers that it is given here.
 */
import { constants, performServerHandshake, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import * as limits from '../limits.ts';
import type { Client } from '../message.ts';
import type { Tunnel } from '../request.ts';
import { makeStream, type StreamOptions } from './stream.ts';

export interface SessionOptions extends Omit<StreamOptions, 'tunnel'> {
  readonly serve: (client: Client) => void;
}

export interface Sessions {
  /** Takes a connection on which `h2` was negotiated. `preferred`: the protocol that the agent named first. */
  readonly accept: (socket: TLSSocket, tunnel: Tunnel, preferred: string | undefined) => void;
  /** Ends every session, with a GOAWAY; new ones are still taken. */
  cut(): void;
}

export function takeSessions({ serve, ...options }: SessionOptions): Sessions {
  const sessions = new Set<ServerHttp2Session>();
  return {
    accept(socket, tunnel, preferred) {
      // Without it nghttp2 resets a stream that asks for a protocol (RFC 8441 section 3). Node 26 names HTTP/2 last, and a program under it
      // that has nothing but such a WebSocket to wait for ends early (undici 8.10); without the offer it opens one over HTTP/1.1.
      const enableConnectProtocol = options.switches.size > 0 && preferred === 'h2';
      const settings = { ...SESSION.settings, enableConnectProtocol };
      // Node would wait for a handshake that is over: only its own server clears this.
      Object.assign(socket, { secureConnecting: false });
      const session = performServerHandshake(socket, { ...SESSION, settings });
      socket.once('end', () => session.destroy()); // it may be half-open, which HTTP/2 has no use for
      session.on('error', () => undefined); // it closes by itself
      sessions.add(session);
      session.once('close', () => sessions.delete(session));
      let open = 0;
      session.on('stream', (stream: ServerHttp2Stream, _fields, _flags, list?: string[]) => {
        stream.on('error', () => undefined); // its close tells that the agent left
        open += 1;
        stream.once('close', () => void (open -= 1));
        serve(makeStream(stream, list ?? [], { ...options, tunnel }));
      });
      // An answer may take long to begin; a session that waits for none has no reason to stay.
      session.setTimeout(limits.CLIENT_IDLE_MS, () => {
        if (open === 0) session.close();
      });
    },
    cut() {
      for (const session of sessions) session.destroy(undefined, constants.NGHTTP2_NO_ERROR);
    },
  };
}

const SESSION = {
  settings: {
    maxConcurrentStreams: limits.CLIENT_STREAMS,
    initialWindowSize: limits.CLIENT_WINDOW,
    maxHeaderListSize: limits.HEAD_BYTES,
  },
  // One more than is accepted is still read, so that it gets an answer.
  maxHeaderListPairs: 2 * limits.HEAD_FIELDS,
  maxSessionMemory: limits.SESSION_MIB,
  maxSettings: limits.SETTINGS,
  maxSessionInvalidFrames: limits.INVALID_FRAMES,
  maxSessionRejectedStreams: limits.REJECTED_STREAMS,
  streamResetBurst: limits.STREAM_RESETS,
  streamResetRate: limits.STREAM_RESETS_PER_SECOND,
  strictSingleValueFields: false, // what may not be repeated is refused by the reading of the head
} as const;
