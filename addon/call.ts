/** One call to a scanner: bounded in time and in what is read of the reply, over connections that are the scanner's alone. */
import type { Dispatcher, Pool } from 'undici';
import UndiciPool from 'undici/lib/dispatcher/pool.js';
import { codeOf } from './code.ts';
import { HEAD_BYTES, SCAN_ABANDONED_MS, SCAN_CONNECT_MS, SCAN_IDLE_MS, SCAN_REPLY_BYTES } from './limits.ts';
import type { Field } from './message.ts';
import type { Reply } from './verdict.ts';

export type NoReply = { readonly kind: 'error'; readonly cause: string };

/** How a scanner is reached. `tcp`: a program that goes on with a scan that nobody waits for. */
export type Reach =
  | { readonly kind: 'socket'; readonly path: string }
  | { readonly kind: 'tcp'; readonly address: string; readonly port: number };

export interface Call {
  readonly method: string;
  /** Absolute URI, or a path of the scanner's own. */
  readonly url: string;
  readonly fields: readonly Field[];
  readonly body: Buffer | null;
  /** Milliseconds. */
  readonly ms: number;
  /** Whoever asked has gone. */
  readonly gone: AbortSignal;
}

export interface Line {
  /** Neither rejects. `over` is when the scanner is done with it, which may be long after its reply was given up. */
  call(call: Call): { readonly reply: Promise<Reply | NoReply>; readonly over: Promise<void> };
  close(): Promise<void>;
}

/** `onLost`: a connection ended, or a call did, that the scanner should have answered. It may be another scanner from now on. */
export function openLine(reach: Reach, connections: number, onLost: () => void = () => undefined): Line {
  const pool: Pool = new UndiciPool(
    reach.kind === 'socket' ? 'http://scanner' : `http://${reach.address}:${reach.port}`,
    {
      ...(reach.kind === 'socket' ? { socketPath: reach.path } : {}),
      connections,
      pipelining: 1,
      allowH2: false,
      headersTimeout: 0, // the deadline of the whole call is the limit
      bodyTimeout: 0,
      keepAliveTimeout: SCAN_IDLE_MS,
      connect: { timeout: SCAN_CONNECT_MS },
      maxHeaderSize: HEAD_BYTES,
    },
  );
  // Idle connections are closed from here, before the scanner would do it.
  pool.on('disconnect', (_origin, _targets, error) => {
    if (codeOf(error) !== 'UND_ERR_INFO') onLost();
  });
  pool.on('connectionError', onLost);
  const lingers = reach.kind === 'tcp';
  return { call: (one) => ask(pool, one, lingers), close: () => pool.destroy() };
}

/** `lingers`: the call goes on when its reply is given up, because the scanner does; an abort would only hide that it is busy. */
function ask(pool: Pool, call: Call, lingers: boolean): ReturnType<Line['call']> {
  const reply = Promise.withResolvers<Reply | NoReply>();
  const over = Promise.withResolvers<void>();
  let controller: Dispatcher.DispatchController | undefined;
  let aborted: Error | undefined;
  let status = 0;
  let fields: Field[] = [];
  let size = 0;
  const body: Buffer[] = [];

  function abort(cause: string): void {
    aborted ??= new Error(cause);
    controller?.abort(aborted);
    end();
  }
  function giveUp(cause: string): void {
    settle({ kind: 'error', cause });
    if (!lingers || !controller) return abort(cause); // without a connection, nothing is being scanned
    abandoned = setTimeout(() => abort(cause), SCAN_ABANDONED_MS);
    abandoned.unref();
  }
  function settle(result: Reply | NoReply): void {
    clearTimeout(timer);
    call.gone.removeEventListener('abort', onGone);
    reply.resolve(result); // the first counts
  }
  function end(): void {
    clearTimeout(abandoned);
    over.resolve();
  }
  const onGone = () => giveUp('the agent left during the scan');
  const timer = setTimeout(() => giveUp('timed out: the scanner did not answer'), call.ms);
  let abandoned: NodeJS.Timeout | undefined;
  call.gone.addEventListener('abort', onGone, { once: true });

  const headers = call.fields.flat();
  pool.dispatch(
    { method: call.method, path: call.url, headers, body: call.body },
    {
      onRequestStart(given) {
        controller = given;
        if (aborted) given.abort(aborted);
      },
      onResponseStart(given, code) {
        status = code;
        fields = fieldsOf(given.rawHeaders);
      },
      onResponseData(_, chunk) {
        size += chunk.length;
        if (size <= SCAN_REPLY_BYTES) return void body.push(chunk);
        settle({ kind: 'error', cause: 'the scanner answered too much' });
        abort('the scanner answered too much');
      },
      onResponseEnd() {
        settle({ status, fields, body: Buffer.concat(body), bodiless: call.method === 'HEAD' });
        end();
      },
      onResponseError(_, error) {
        settle({ kind: 'error', cause: `${UNREACHED} (${codeOf(error)})` });
        end();
      },
    },
  );
  return { reply: reply.promise, over: over.promise };
}

/** How the cause of a call begins that found no scanner, or lost it. */
const UNREACHED = 'the scanner could not be asked';

/** Fields as undici hands them over: names and values in turn, as bytes. */
function fieldsOf(raw: Dispatcher.DispatchController['rawHeaders']): Field[] {
  if (!Array.isArray(raw)) return [];
  const fields: Field[] = [];
  for (let index = 0; index + 1 < raw.length; index += 2) fields.push([latin1(raw[index]), latin1(raw[index + 1])]);
  return fields;
}

function latin1(part: Buffer | string | undefined): string {
  return typeof part === 'string' ? part : (part?.toString('latin1') ?? '');
}
