/** HTTP/1.1 towards the world, over pools of kept-alive connections per target. */
import { Readable } from 'node:stream';
import type { Dispatcher, Pool } from 'undici';
import UndiciPool from 'undici/lib/dispatcher/pool.js';
import { hostInUrl } from '../../contracts/host.ts';
import {
  HEAD_BYTES,
  UPSTREAM_CONNECTIONS,
  UPSTREAM_HEAD_MS,
  UPSTREAM_IDLE_MS,
  UPSTREAM_POOLS,
  UPSTREAM_SILENCE_MS,
} from '../limits.ts';
import type { Client, Field, Leg, Relayed, RequestHead, ResponseHead, Target, Unit, Upstream } from '../message.ts';
import { defaultPort, namedByConnection, valuesOf } from '../request.ts';
import { TIMED_OUT } from '../respond.ts';
import { bytesInMemory } from '../body.ts';
import { fieldsOf } from '../call.ts';
import { codeOf } from '../code.ts';
import { type Dial, DialError } from './dial.ts';

export interface PooledUpstream extends Upstream, AsyncDisposable {}

/** Bounded by targets (least recently used goes) and by connections of one target. */
export function makeUpstream(dial: Dial): PooledUpstream {
  const pools = new Map<string, Pool>();
  return {
    async open({ target }, gone) {
      const key = `${target.scheme}://${hostInUrl(target.host)}:${target.port}`;
      const pool = pools.get(key) ?? makePool(target, dial);
      pools.delete(key);
      pools.set(key, pool);
      for (const [oldest, idle] of pools) {
        if (pools.size <= UPSTREAM_POOLS) break;
        pools.delete(oldest);
        idle.close().catch(() => undefined); // ends what is under way, then goes
      }
      return new H1Leg(pool, target, gone);
    },
    async [Symbol.asyncDispose]() {
      await Promise.allSettled([...pools.values()].map((pool) => pool.destroy()));
      pools.clear();
    },
  };
}

function makePool(target: Target, dial: Dial): Pool {
  // "http:" whatever the scheme is: TLS is `dial`'s matter, and undici must not take a server name from a field.
  return new UndiciPool('http://upstream', {
    connections: UPSTREAM_CONNECTIONS,
    pipelining: 1,
    allowH2: false,
    headersTimeout: UPSTREAM_HEAD_MS,
    bodyTimeout: UPSTREAM_SILENCE_MS,
    keepAliveTimeout: UPSTREAM_IDLE_MS,
    keepAliveMaxTimeout: 60_000,
    maxHeaderSize: HEAD_BYTES,
    connect: (_, done) => {
      dial(target).then(
        (socket) => done(null, socket),
        (error: unknown) => done(error instanceof Error ? error : new DialError('failed', 'unknown'), null),
      );
    },
  });
}

class H1Leg implements Leg, Dispatcher.DispatchHandler {
  readonly #pool: Pool;
  readonly #target: Target;
  readonly #gone: AbortSignal;
  #client: Client | undefined;
  #controller: Dispatcher.DispatchController | undefined;
  #size = 0;
  /** What has come of the answer. */
  #head: ResponseHead | undefined;
  readonly #interim: ResponseHead[] = [];
  #trailers: readonly Field[] | undefined;
  #received = 0;
  #end: Relayed | undefined;
  #onSent: (() => void) | undefined;
  #onEnd: ((end: Relayed) => void) | undefined;
  sent = 0;

  constructor(pool: Pool, target: Target, gone: AbortSignal) {
    this.#pool = pool;
    this.#target = target;
    this.#gone = gone;
  }

  send(head: RequestHead | undefined, unit: Unit): Promise<void> {
    if (!head) return Promise.reject(new Error('a plain request has one unit'));
    const inMemory = bytesInMemory(unit);
    // Of what is not in memory undici does not know the length, and would send it in chunks.
    const framing = inMemory ? [] : ['content-length', String(unit.size)];
    const fields = ['host', hostField(this.#target), ...head.fields.flat(), ...framing];
    this.#size = fields.reduce((sum, part) => sum + part.length + 2, head.method.length + head.path.length + 13);
    this.#size += unit.size;
    return new Promise((resolve) => {
      this.#onSent = resolve;
      this.#gone.addEventListener('abort', this.#leave, { once: true });
      this.#pool.dispatch(
        {
          method: head.method,
          path: head.path,
          headers: fields,
          body: inMemory ?? Readable.from(unit.chunks(), { objectMode: false }),
        },
        this,
      );
    });
  }

  relay(client: Client): Promise<Relayed> {
    this.#client = client;
    client.onDrain = () => this.#controller?.resume();
    return new Promise((resolve) => {
      this.#onEnd = resolve;
      for (const head of this.#interim) client.inform(head);
      if (this.#head && this.#end?.kind !== 'gone') client.start(this.#head);
      if (this.#trailers) this.#finish(this.#trailers);
      else if (this.#end) this.#settle(this.#end);
      else this.#controller?.resume();
    });
  }

  [Symbol.dispose](): void {
    this.#gone.removeEventListener('abort', this.#leave);
    if (!this.#end) this.#leave();
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#end) return controller.abort(new Error('given up'));
    this.sent = this.#size;
  }

  onRequestSent(): void {
    // undici has handed all of it to the socket, where a slow upstream may hold it: a large body counts until the answer.
    if (this.#size <= UNCOUNTED_BYTES) this.#onSent?.();
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, _: unknown, text?: string): void {
    const head = { status, text: text ?? '', fields: responseFields(fieldsOf(controller.rawHeaders)) };
    this.#onSent?.();
    if (status < 200) {
      if (this.#client) this.#client.inform(head);
      else if (this.#interim.length < 8) this.#interim.push(head);
      return;
    }
    const coding = valuesOf(fieldsOf(controller.rawHeaders), 'transfer-encoding');
    if (coding.some((value) => value.trim().toLowerCase() !== 'chunked')) {
      this.#fail('its answer has a transfer-encoding that is not carried');
      return controller.abort(new Error('transfer-encoding'));
    }
    this.#head = head;
    if (this.#client) this.#client.start(head);
    else controller.pause();
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#client || this.#end) return;
    this.#received += chunk.length;
    if (!this.#client.write(chunk)) controller.pause();
  }

  onResponseEnd(controller: Dispatcher.DispatchController): void {
    const trailers = responseFields(fieldsOf(controller.rawTrailers));
    if (this.#client) this.#finish(trailers);
    else this.#trailers = trailers;
  }

  onResponseError(_: unknown, error: Error): void {
    if (error instanceof DialError) {
      if (error.kind === 'forbidden') this.#settle({ kind: 'forbidden', why: error.message });
      else this.#fail(error.message);
    } else this.#fail(explain(error));
  }

  /** Bound: it is a listener of the agent's signal. */
  readonly #leave = (): void => {
    this.#settle({ kind: 'gone', status: this.#head?.status, received: this.#received });
    this.#controller?.abort(new Error('the agent left'));
  };

  #finish(trailers: readonly Field[]): void {
    if (this.#end) return;
    this.#client?.finish(trailers);
    this.#settle({ kind: 'relayed', status: this.#head?.status ?? 0, received: this.#received });
  }

  #fail(cause: string): void {
    const started = this.#head !== undefined && this.#client !== undefined;
    this.#settle({ kind: 'failed', cause, started, received: this.#received });
  }

  #settle(end: Relayed): void {
    this.#end ??= end;
    this.#gone.removeEventListener('abort', this.#leave);
    this.#onSent?.();
    const told = this.#end;
    this.#onEnd?.(told.kind === 'failed' ? { ...told, started: this.#head !== undefined } : told);
  }
}

/** Bytes that may lie in a socket's buffer without being counted in the budget. */
const UNCOUNTED_BYTES = 256 * 1024;

function hostField({ scheme, host, port }: Target): string {
  return port === defaultPort(scheme) ? hostInUrl(host) : `${hostInUrl(host)}:${port}`;
}

/** Without the fields of the upstream's hop, and without any that would look like ours. */
function responseFields(fields: readonly Field[]): Field[] {
  const named = namedByConnection(fields);
  return fields.filter(([name]) => {
    const lower = name.toLowerCase();
    return !HOP.has(lower) && !named.has(lower) && !lower.startsWith('x-bottle-');
  });
}

const HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'te',
  'transfer-encoding',
  'upgrade',
]);

function explain(error: Error): string {
  const code = codeOf(error);
  switch (code) {
    case 'UND_ERR_HEADERS_TIMEOUT':
      return `${TIMED_OUT}: no answer`;
    case 'UND_ERR_BODY_TIMEOUT':
      return `${TIMED_OUT}: its answer stopped in the middle`;
    case 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH':
      return 'its answer was cut off';
    case 'UND_ERR_SOCKET':
    case 'ECONNRESET':
    case 'EPIPE':
      return `the connection was closed before the answer was complete (${code})`;
    case 'UND_ERR_HEADERS_OVERFLOW':
      return `its answer's head is larger than ${HEAD_BYTES} bytes`;
    default:
      return code.startsWith('HPE_') ? `its answer is not HTTP/1.1 (${code})` : `no answer (${code})`;
  }
}
