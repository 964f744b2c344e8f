/**
 * What moves through the sidecar. The atom is a unit: what is scanned as one and released as one. A plain request is a head
 * and one unit. New protocols add a `Client`, faster codecs replace a `Leg`; `exchange` knows only these types.
 */
import type { Outcome } from '../contracts/exchange.ts';
import type { Host } from '../contracts/host.ts';
import type { Field } from './receipt.ts';

export type { Field } from './receipt.ts';

/** Where a request wants to go. */
export interface Target {
  readonly scheme: 'http' | 'https';
  readonly host: Host;
  readonly port: number;
}

export interface RequestHead {
  readonly method: string;
  readonly target: Target;
  /** Path and query, beginning with "/", or the `*` of an OPTIONS. */
  readonly path: string;
  /** End-to-end fields only, in wire case and order, duplicates kept. `Host` and the framing fields are written anew. */
  readonly fields: readonly Field[];
  /** The protocol that the connection is to switch to, lower case (`websocket`); `Connection` and `Upgrade` are written anew. */
  readonly upgrade?: string;
}

export interface ResponseHead {
  readonly status: number;
  /** Reason phrase. */
  readonly text: string;
  readonly fields: readonly Field[];
}

/** The request itself is the problem: ambiguous, oversized, unsupported or a loop. */
export interface Refusal {
  readonly kind: 'refused';
  readonly status: number;
  readonly reason: string;
}

/** `status`: the answer's. `reason`: for the agent, without a full stop. */
export function refused(status: number, reason: string): Refusal {
  return { kind: 'refused', status, reason };
}

/** Could not tell, or could not deliver: treated as no. */
export type Failure = Extract<Outcome, { kind: 'failed' }>;

/** `cause`: for the agent, without a full stop. */
export function failed(stage: Failure['stage'], cause: string): Failure {
  return { kind: 'failed', stage, cause };
}

export interface Unit {
  readonly kind: 'unit';
  /** Bytes that are sent. */
  readonly size: number;
  /** Nothing of the request follows. A plain request is one unit, and that the last. */
  readonly last: boolean;
  readonly trailers: readonly Field[];
  /**
   * What is sent. Replayable: scanning and sending each read it from the beginning. Iterable at once if it lies in memory; from a disk
   * otherwise, and then its bytes stay until every iterator that has begun is at its end or was returned, also if it is let go before.
   */
  chunks(): Iterable<Buffer> | AsyncIterable<Buffer>;
  /** What is read in place of it: the content of one message of a stream, where `chunks` are its frames. */
  readonly message?: Message;
  /** Gives its bytes back to the one budget. */
  [Symbol.dispose](): void;
}

/** One message of a stream: a WebSocket message, a gRPC message. It is judged by itself, whatever the head said. */
export interface Message {
  /** Its media type, if it is known. */
  readonly type: string | undefined;
  readonly bytes: Buffer;
}

/** What reading the next unit came to. `gone`: the agent left before it was whole. */
export type Received = Unit | Refusal | { readonly kind: 'gone' };

/** A side that faces the agent. */
export interface Client {
  readonly head: RequestHead;
  /** Set if the head already says that this cannot be served. */
  readonly refusal: Refusal | undefined;
  readonly units: AsyncIterable<Received>;
  /** The agent's connection is gone. */
  readonly gone: AbortSignal;
  /** Passes on an interim (1xx) head. */
  inform(head: ResponseHead): void;
  /** The final head. */
  start(head: ResponseHead): void;
  /** False: wait for `onDrain` before the next. */
  write(chunk: Buffer): boolean;
  onDrain: (() => void) | undefined;
  finish(trailers: readonly Field[]): void;
  /**
   * Ends an answer that has begun in a way that no client takes for a complete one. `why`: what became of the exchange, for protocols
   * that can still say so (a WebSocket's close frame, gRPC's status).
   */
  destroy(why?: Outcome): void;
}

export interface Upstream {
  /** Never dials by itself what policy has not allowed; dialling may wait until `send`. */
  open(head: RequestHead, gone: AbortSignal): Promise<Leg>;
}

/** What became of the upstream's answer. */
export type Relayed =
  /** Head and whole body reached the client's side. */
  | { readonly kind: 'relayed'; readonly status: number; readonly received: number }
  /** The address may not be dialled; nothing was sent. */
  | { readonly kind: 'forbidden'; readonly why: string }
  /** `started`: the client has the head already, so that nothing else can be answered. */
  | { readonly kind: 'failed'; readonly cause: string; readonly started: boolean; readonly received: number }
  /** The agent left. `status`: of the answer that had begun. */
  | { readonly kind: 'gone'; readonly status: number | undefined; readonly received: number };

/** A side that faces the world: one request and its answer. */
export interface Leg {
  /**
   * The first unit goes with the head, the others without one. Resolves when the unit's bytes are no longer needed; failures are told
   * by `relay`.
   */
  send(head: RequestHead | undefined, unit: Unit): Promise<void>;
  relay(client: Client): Promise<Relayed>;
  /** Bytes of head and body that were handed to the network. */
  readonly sent: number;
  /** Never throws. Drops the connection if the answer is not complete. */
  [Symbol.dispose](): void;
}
