/**
 * Asks the scanner about a unit: every part of it as one absolute-URI call with a nonce, each proven by its own receipt.
 */
import { randomBytes } from 'node:crypto';
import type { Dispatcher, Pool } from 'undici';
import UndiciPool from 'undici/lib/dispatcher/pool.js';
import type { Host } from '../contracts/host.ts';
import { HEAD_BYTES, SCAN_CONNECTIONS, SCAN_MS, SCAN_MS_PER_MB, SCAN_QUEUE, SCAN_REPLY_BYTES } from './limits.ts';
import type { Field, RequestHead, Unit } from './message.ts';
import { NONCE_FIELD, PART_FIELD, receiptOf, type ScannedPart, sha256 } from './receipt.ts';
import { type Reply, type ScanResult, verdictOf } from './verdict.ts';

export interface Scanner {
  scan(id: string, head: RequestHead, unit: Unit, gone: AbortSignal): Promise<ScanResult>;
  close(): Promise<void>;
}

export interface ScannerOptions {
  readonly socket: string;
  readonly key: Buffer;
  /** Milliseconds for a part of so many bytes. */
  readonly deadline?: (bytes: number) => number;
  readonly connections?: number;
  readonly queue?: number;
}

/** One part as it is sent. */
export interface ScanPart extends ScannedPart {
  readonly body: Buffer;
}

export function connectScanner(options: ScannerOptions): Scanner {
  const { socket, key, deadline = scanDeadline, connections = SCAN_CONNECTIONS, queue = SCAN_QUEUE } = options;
  const pool = new UndiciPool('http://scanner', {
    socketPath: socket,
    connections,
    pipelining: 1,
    allowH2: false,
    headersTimeout: 0, // the deadline of the whole call is the limit
    bodyTimeout: 0,
    maxHeaderSize: HEAD_BYTES,
  });
  const lane = makeLane(connections, queue);
  return {
    async scan(id, head, unit, gone) {
      let result: ScanResult = { kind: 'error', cause: 'nothing was scanned' };
      for (const part of parts(id, head, unit)) {
        const done = lane.enter();
        if (done === undefined) return { kind: 'error', cause: 'too many scans are waiting' };
        try {
          const reply = await call(pool, part, { ms: deadline(part.body.length), gone });
          result = 'cause' in reply ? reply : verdictOf(reply, receiptOf(key, part));
        } finally {
          done();
        }
        if (result.kind !== 'allow') return result;
      }
      return result;
    },
    close: () => pool.destroy(),
  };
}

/** The parts of a unit, as they go to the scanner. A plain request is one; windows and decoded copies would come here. */
export function* parts(id: string, head: RequestHead, unit: Unit): Iterable<ScanPart> {
  const chunks = [...unit.chunks()];
  const [only] = chunks;
  const body = chunks.length === 1 && only ? only : Buffer.concat(chunks);
  yield {
    nonce: `${id}-${randomBytes(16).toString('hex')}`,
    index: 0,
    count: 1,
    method: head.method,
    // Scheme and port are in the journal: a network scanner's every name and port is the sink's.
    url: `http://${scanHost(head.target.host)}${head.path}`,
    // The exchange's id in a field that pipelock writes into every line of its log.
    fields: [...head.fields, ['X-Pipelock-Agent', id]],
    trailers: unit.trailers,
    bodySha256: sha256(body),
    body,
  };
}

/**
 * The host as the scanner sees it. An address gets a name: whether it may be dialled is decided by policy and `allow_private`, and a
 * scanner that is a forward proxy would refuse it (private) or try to dial it past its only resolver (public, 10 s).
 */
export function scanHost(host: Host): string {
  if (host.kind === 'name') return host.text;
  return `ip-${host.text.replace(/::$/, '::0').replaceAll(/[.:]/g, '-')}.literal.invalid`;
}

/** Milliseconds. */
export function scanDeadline(bytes: number): number {
  return SCAN_MS + Math.ceil((bytes / 1_000_000) * SCAN_MS_PER_MB);
}

type NoReply = { readonly kind: 'error'; readonly cause: string };

/** One call, bounded in time and in what is read of the reply. Never rejects. */
function call(pool: Pool, part: ScanPart, { ms, gone }: { ms: number; gone: AbortSignal }): Promise<Reply | NoReply> {
  return new Promise((resolve) => {
    let controller: Dispatcher.DispatchController | undefined;
    let settled = false;
    let status = 0;
    let fields: Field[] = [];
    let size = 0;
    const body: Buffer[] = [];

    function settle(reply: Reply | NoReply): void {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      gone.removeEventListener('abort', onGone);
      resolve(reply);
    }
    function giveUp(cause: string): void {
      settle({ kind: 'error', cause });
      controller?.abort(new Error(cause));
    }
    const onGone = () => giveUp('the agent left during the scan');
    const timer = setTimeout(() => giveUp('timed out: the scanner did not answer'), ms);
    gone.addEventListener('abort', onGone, { once: true });

    pool.dispatch(
      { method: part.method, path: part.url, headers: callFields(part), body: part.body },
      {
        onRequestStart(given) {
          controller = given;
          if (settled) given.abort(new Error('given up'));
        },
        onResponseStart(given, code) {
          status = code;
          fields = fieldsOf(given.rawHeaders);
        },
        onResponseData(_, chunk) {
          size += chunk.length;
          if (size > SCAN_REPLY_BYTES) giveUp('the scanner answered too much');
          else body.push(chunk);
        },
        onResponseEnd() {
          settle({ status, fields, body: Buffer.concat(body), bodiless: part.method === 'HEAD' });
        },
        onResponseError(_, error) {
          settle({ kind: 'error', cause: `the scanner could not be asked (${codeOf(error)})` });
        },
      },
    );
  });
}

function callFields(part: ScanPart): string[] {
  return [...part.fields.flat(), NONCE_FIELD, part.nonce, PART_FIELD, `${part.index}/${part.count}`];
}

/** Fields as undici hands them over: names and values in turn, as bytes. */
export function fieldsOf(raw: Dispatcher.DispatchController['rawHeaders']): Field[] {
  if (!Array.isArray(raw)) return [];
  const fields: Field[] = [];
  for (let index = 0; index + 1 < raw.length; index += 2) fields.push([latin1(raw[index]), latin1(raw[index + 1])]);
  return fields;
}

/** The code of a system or library error; never its message, which may quote what was sent. */
export function codeOf(error: unknown): string {
  if (typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string')
    return error.code;
  return error instanceof Error ? error.name : 'unknown error';
}

function latin1(part: Buffer | string | undefined): string {
  return typeof part === 'string' ? part : (part?.toString('latin1') ?? '');
}

/** Bounds how many calls are under way and waiting together; undici queues what its connections cannot take. */
function makeLane(connections: number, queue: number): { enter(): (() => void) | undefined } {
  let inside = 0;
  return {
    enter() {
      if (inside >= connections + queue) return undefined;
      inside += 1;
      return () => {
        inside -= 1;
      };
    },
  };
}
