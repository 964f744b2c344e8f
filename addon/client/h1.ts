/** HTTP/1.1 towards the agent: a request and its response of node:http as a `Client`. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { TLSSocket } from 'node:tls';
import { type Arriving, type Bodies, emptyUnit } from '../body.ts';
import type { Client, Field, Received, Refusal, ResponseHead, Target } from '../message.ts';
import { readHead, type Tunnel, valuesOf } from '../request.ts';

export interface H1Options {
  readonly tunnel: Tunnel | undefined;
  readonly bodies: Bodies;
  /** The agent waits for 100 before it sends the body. */
  readonly waits: boolean;
  /** Aborted, with a `Refusal` as its reason, when what comes on the connection can no longer be read. */
  readonly malformed: AbortSignal;
  /** Why a request to this target is not accepted at all, if so. */
  readonly refuse?: (target: Target) => Refusal | undefined;
}

export function makeClient(request: IncomingMessage, response: ServerResponse, options: H1Options): Client {
  const fields = pairs(request.rawHeaders);
  const { method = '', url = '', httpVersion: version } = request;
  const { head, refusal: ambiguity } = readHead({ method, url, version, fields }, options.tunnel);
  const refusal = ambiguity ?? options.refuse?.(head.target);
  const gone = new AbortController();
  const announced = Number(valuesOf(fields, 'content-length')[0] ?? 0);
  const framed = announced > 0 || valuesOf(fields, 'transfer-encoding').length > 0;
  let unread = framed;

  request.on('error', () => undefined); // the response's close tells that the agent left
  response.on('error', () => undefined);
  response.once('close', () => {
    if (!response.writableFinished) gone.abort();
  });
  response.on('drain', () => client.onDrain?.());
  response.sendDate = false; // the upstream's own, or none

  async function* units(): AsyncGenerator<Received> {
    if (!framed) {
      request.resume();
      yield emptyUnit();
      return;
    }
    const body = options.bodies.receive(head.target, announced);
    if ('kind' in body) {
      yield body;
      return;
    }
    if (options.waits) response.writeContinue();
    unread = false;
    yield await readBody(request, body, options.malformed, gone.signal);
  }

  const client: Client = {
    head,
    refusal,
    units: { [Symbol.asyncIterator]: units },
    gone: gone.signal,
    onDrain: undefined,
    inform(interim) {
      if (version === '1.1') informAgent(response, interim);
    },
    start(final) {
      // An agent that was never told to continue may or may not send its body: what follows could not be told apart.
      const ending = (unread && options.waits) || options.malformed.aborted;
      const closing: Field[] = ending ? [['connection', 'close']] : [];
      const kept = final.fields.filter(([name]) => final.status !== 204 || name.toLowerCase() !== 'content-length');
      response.writeHead(final.status, phrase(final.text), [...kept, ...closing].flat());
      // Out at once if no body follows in this turn: an event stream's head must not wait for its first event.
      setImmediate(() => {
        if (!response.writableEnded && !response.destroyed) response.flushHeaders();
      });
    },
    write: (chunk) => response.write(chunk),
    finish(trailers) {
      if (trailers.length > 0 && version === '1.1') response.addTrailers(trailers as [string, string][]);
      response.end();
    },
    destroy() {
      const { socket } = response;
      if (!socket) return void response.destroy();
      // What was written goes out first. Without a length only a reset tells HTTP/1.0 that this was not the end; inside TLS
      // the missing close_notify does.
      const reset = version === '1.0' && !(socket instanceof TLSSocket);
      setImmediate(() => (reset ? socket.resetAndDestroy() : socket.destroy()));
    },
  };
  return client;
}

/** Name and value of each field, as node:http lists them. */
export function pairs(raw: readonly string[]): Field[] {
  const fields: Field[] = [];
  for (let index = 0; index + 1 < raw.length; index += 2) fields.push([raw[index] ?? '', raw[index + 1] ?? '']);
  return fields;
}

/** The whole body, or why there is none. What is not kept is still read off the wire, so that the answer arrives. */
function readBody(
  request: IncomingMessage,
  body: Arriving,
  malformed: AbortSignal,
  gone: AbortSignal,
): Promise<Received> {
  return new Promise((resolve) => {
    function settle(received: Received | Promise<Received>): void {
      request.off('data', onData);
      request.off('end', onEnd);
      gone.removeEventListener('abort', onGone);
      malformed.removeEventListener('abort', onMalformed);
      resolve(received);
    }
    function giveUp(received: Received): void {
      body.release();
      request.resume();
      settle(received);
    }
    function onData(piece: Buffer): void {
      const refusal = body.add(piece);
      if (refusal === 'wait') request.pause();
      else if (refusal) giveUp(refusal);
    }
    function onEnd(): void {
      if (request.rawTrailers.length > 0)
        giveUp({ kind: 'refused', status: 400, reason: 'request trailers are not carried' });
      else settle(body.end([]));
    }
    function onGone(): void {
      giveUp({ kind: 'gone' });
    }
    function onMalformed(): void {
      giveUp(malformed.reason as Refusal); // the only reason that the door gives
    }
    body.onDrain = () => request.resume();
    request.on('data', onData);
    request.on('end', onEnd);
    malformed.addEventListener('abort', onMalformed, { once: true });
    if (malformed.aborted && !request.complete) onMalformed();
    gone.addEventListener('abort', onGone, { once: true });
    if (gone.aborted) onGone();
  });
}

/** node:http writes 102 and 103 only; others say nothing that an agent would miss. */
function informAgent(response: ServerResponse, { status, fields }: ResponseHead): void {
  if (status === 102) return response.writeProcessing();
  const link = valuesOf(fields, 'link');
  if (status === 103 && link.length > 0) response.writeEarlyHints({ link });
}

/** A reason phrase that node:http takes. */
function phrase(text: string): string {
  return text.replace(/[^\t\x20-\x7e]/g, '?');
}
