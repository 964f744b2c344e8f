/**
 * The connections to upstreams. One that speaks HTTP/1.1 serves one request at a time and is kept for the next, one that speaks HTTP/2
 * serves many at once. Bounded for each upstream and in all; whoever finds none waits, in order, as long as the agent does.
 */
import type { TLSSocket } from 'node:tls';
import { hostInUrl } from '../../contracts/host.ts';
import { UPSTREAM_CONNECTIONS, UPSTREAM_CONNECTIONS_ALL, UPSTREAM_PLACES, UPSTREAM_QUEUE } from '../limits.ts';
import type { Target } from '../message.ts';
import { Connection } from './connection.ts';
import type { Dial } from './dial.ts';
import { DialError } from './failure.ts';
import type { SharedLeg } from './stream.ts';
import type { Protocol } from './tls.ts';

/** A connection that many requests share. */
export interface Shared {
  /** Takes another request. */
  readonly usable: boolean;
  leg(gone: AbortSignal): SharedLeg;
  close(): void;
}

export interface PoolOptions {
  readonly dial: Dial;
  /** Makes one of a connection that speaks HTTP/2; without it none is offered. */
  readonly share?: (socket: TLSSocket) => Shared;
  /** Connections to one upstream, to all, and requests that wait for one. */
  readonly perPlace?: number;
  readonly all?: number;
  readonly queue?: number;
}

export interface Wanted {
  readonly gone: AbortSignal;
  /** For one request alone. */
  readonly alone?: boolean;
  /** None that was used before. */
  readonly fresh?: boolean;
}

interface Place {
  readonly target: Target;
  readonly idle: Connection[];
  readonly shared: Shared[];
  open: number;
  /** What it was last found to speak. */
  speaks: Protocol | undefined;
  /** A connection is being made that will tell. */
  probing: Promise<void> | undefined;
}

interface Waiter {
  readonly place: Place;
  readonly fresh: boolean;
  /** With a connection, or with leave to make one. */
  readonly give: (connection: Connection | undefined) => void;
  readonly refuse: (why: DialError) => void;
}

export class Pool implements Disposable {
  readonly #options: PoolOptions;
  readonly #places = new Map<string, Place>();
  readonly #live = new Set<Connection>();
  /** The one that has been idle longest in front. */
  readonly #idle = new Set<Connection>();
  #waiting: Waiter[] = [];
  #open = 0;
  #closed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  /** Whoever takes a `Connection` gives it back, or destroys it. Rejects with a `DialError`. */
  async take(target: Target, wanted: Wanted): Promise<Connection | Shared> {
    const place = this.#place(target);
    for (;;) {
      if (wanted.gone.aborted) throw LEFT;
      if (this.#closed) throw CLOSED;
      const ready = this.#ready(place, wanted);
      if (ready) return ready;
      if (place.probing && this.#mayShare(place, wanted)) {
        await unless(wanted.gone, place.probing);
        continue;
      }
      const given = this.#reserve(place) ? undefined : await this.#wait(place, wanted);
      return given ?? (await this.#make(place, wanted));
    }
  }

  /** For the next request, if it comes within so many milliseconds. */
  give(connection: Connection, ms: number): void {
    const place = this.#places.get(connection.place);
    if (!place || this.#closed || ms <= 0 || !connection.isAlive) return connection.destroy();
    connection.rest(ms);
    const waiter = this.#waiting.find((one) => one.place === place && !one.fresh);
    if (waiter) {
      this.#waiting = this.#waiting.filter((one) => one !== waiter);
      return waiter.give(connection.wake());
    }
    place.idle.push(connection);
    this.#idle.add(connection);
    this.#serve();
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    for (const waiter of this.#waiting.splice(0)) waiter.refuse(CLOSED);
    for (const connection of this.#live) connection.destroy();
    for (const { shared } of this.#places.values()) for (const one of shared) one.close();
  }

  #place(target: Target): Place {
    const key = keyOf(target);
    const place: Place = this.#places.get(key) ?? {
      target,
      idle: [],
      shared: [],
      open: 0,
      speaks: undefined,
      probing: undefined,
    };
    this.#places.delete(key);
    this.#places.set(key, place);
    if (this.#places.size > UPSTREAM_PLACES) this.#forgetPlace(place);
    return place;
  }

  /** The one that was least recently asked for and has nothing. */
  #forgetPlace(asked: Place): void {
    for (const [key, place] of this.#places) {
      if (place === asked || place.open > 0 || this.#waiting.some((one) => one.place === place)) continue;
      this.#places.delete(key);
      return;
    }
  }

  #ready(place: Place, { alone, fresh }: Wanted): Connection | Shared | undefined {
    const shared = alone || fresh ? undefined : place.shared.find((one) => one.usable);
    if (shared) return shared;
    return fresh ? undefined : this.#rested(place);
  }

  #rested(place: Place): Connection | undefined {
    for (let last = place.idle.at(-1); last; last = place.idle.at(-1)) {
      if (last.isOverdue) {
        this.#forget(last);
        last.destroy();
        continue;
      }
      place.idle.pop();
      this.#idle.delete(last);
      return last.wake();
    }
    return undefined;
  }

  #mayShare(place: Place, { alone }: Wanted): boolean {
    return (
      this.#options.share !== undefined && !alone && place.target.scheme === 'https' && place.speaks !== 'http/1.1'
    );
  }

  /** Leave for one more connection, in the place of the longest idle one if need be. */
  #reserve(place: Place): boolean {
    const { perPlace = UPSTREAM_CONNECTIONS, all = UPSTREAM_CONNECTIONS_ALL } = this.#options;
    if (place.open >= perPlace) return false;
    if (this.#open >= all) {
      const [oldest] = this.#idle;
      if (!oldest) return false;
      this.#forget(oldest);
      oldest.destroy();
    }
    place.open += 1;
    this.#open += 1;
    return true;
  }

  async #make(place: Place, wanted: Wanted): Promise<Connection | Shared> {
    const { dial, share } = this.#options;
    const shares = this.#mayShare(place, wanted);
    const dialling = dial(place.target, { alpn: shares ? ['h2', 'http/1.1'] : ['http/1.1'], gone: wanted.gone });
    if (shares) {
      const over = () => {
        place.probing = undefined;
      };
      place.probing = dialling.then(over, over);
    }
    const dialled = await dialling.catch((error: unknown) => {
      this.#release(place);
      throw error;
    });
    const { socket, protocol } = dialled;
    if (shares) place.speaks = protocol;
    if (protocol === 'h2' && share) {
      const shared = share(socket as TLSSocket); // it was negotiated in TLS
      place.shared.push(shared);
      socket.once('close', () => {
        place.shared.splice(place.shared.indexOf(shared), 1);
        this.#release(place);
      });
      return shared;
    }
    const connection: Connection = new Connection(socket, keyOf(place.target), () => {
      if (this.#forget(connection)) this.#serve();
    });
    this.#live.add(connection);
    if (this.#closed) connection.destroy();
    return connection;
  }

  #release(place: Place): void {
    place.open -= 1;
    this.#open -= 1;
    this.#serve();
  }

  /** Its place is free at once, not only when the system has closed it. */
  #forget(connection: Connection): boolean {
    const place = this.#places.get(connection.place);
    if (!place || !this.#live.delete(connection)) return false;
    if (this.#idle.delete(connection)) place.idle.splice(place.idle.indexOf(connection), 1);
    place.open -= 1;
    this.#open -= 1;
    return true;
  }

  #wait(place: Place, { gone, fresh = false }: Wanted): Promise<Connection | undefined> {
    if (this.#waiting.length >= (this.#options.queue ?? UPSTREAM_QUEUE)) return Promise.reject(FULL);
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting = this.#waiting.filter((one) => one !== waiter);
        reject(LEFT);
      };
      const waiter: Waiter = {
        place,
        fresh,
        give(connection) {
          gone.removeEventListener('abort', leave);
          resolve(connection);
        },
        refuse(why) {
          gone.removeEventListener('abort', leave);
          reject(why);
        },
      };
      gone.addEventListener('abort', leave, { once: true });
      this.#waiting.push(waiter);
    });
  }

  /** Something has become free. */
  #serve(): void {
    if (this.#waiting.length === 0) return;
    this.#waiting = this.#waiting.filter((waiter) => {
      if (!this.#reserve(waiter.place)) return true;
      waiter.give(undefined);
      return false;
    });
  }
}

const LEFT = new DialError('failed', 'the agent left before there was a connection');
const CLOSED = new DialError('failed', 'the session ends');
const FULL = new DialError('failed', 'too many requests wait for a connection');

function keyOf({ scheme, host, port }: Target): string {
  return `${scheme}://${hostInUrl(host)}:${port}`;
}

function unless(gone: AbortSignal, promise: Promise<void>): Promise<void> {
  return new Promise((resolve) => {
    const over = () => {
      gone.removeEventListener('abort', over);
      resolve();
    };
    gone.addEventListener('abort', over, { once: true });
    void promise.then(over);
  });
}
