/** An upstream's answer, read off its bytes as they come: what of it is passed on, and whether the connection may serve again. Pure. */
import { bodyReader, type BodyPart, type BodyReader } from '../h1/body.ts';
import { persists, responseFraming } from '../h1/framing.ts';
import { responseReader, type StatusLine } from '../h1/head.ts';
import { UPSTREAM_INTERIM } from '../limits.ts';
import type { Field, RequestHead, ResponseHead } from '../message.ts';
import { namedByConnection, valuesOf } from '../request.ts';
import { readSwitch, WEBSOCKET } from '../websocket/handshake.ts';

export type AnswerPart =
  | { readonly kind: 'interim'; readonly head: ResponseHead }
  | {
      readonly kind: 'head';
      readonly head: ResponseHead;
      /** Milliseconds that the connection may be kept afterwards, as far as the upstream says; 0: not at all. */
      readonly keepMs: number;
    }
  /** From here on both sides speak the protocol that was asked for. */
  | { readonly kind: 'switched'; readonly head: ResponseHead }
  | { readonly kind: 'data'; readonly bytes: Buffer }
  /** `clean`: nothing stands behind it. */
  | { readonly kind: 'end'; readonly trailers: readonly Field[]; readonly clean: boolean }
  | { readonly kind: 'broken'; readonly why: string };

export class AnswerReader {
  readonly #request: Pick<RequestHead, 'method' | 'upgrade' | 'fields'>;
  readonly #heads = responseReader();
  #body: BodyReader | undefined;
  #switched = false;
  #interim = 0;
  /** A byte of it has come. */
  begun = false;

  /** `request`: as it left. */
  constructor(request: Pick<RequestHead, 'method' | 'upgrade' | 'fields'>) {
    this.#request = request;
  }

  /** In order; nothing may be pushed after `end` or `broken`. */
  push(bytes: Buffer): AnswerPart[] {
    this.begun = true;
    if (this.#switched) return [{ kind: 'data', bytes }];
    if (this.#body) return this.#body.push(bytes).map(ofBody);
    const parts: AnswerPart[] = [];
    let rest = bytes;
    do {
      const found = this.#heads.push(rest);
      if (found.kind === 'more') return parts;
      if (found.kind === 'malformed') return [...parts, broken(`its answer is not HTTP/1.1: ${found.reason}`)];
      const part = this.#readHead(found.head);
      parts.push(part);
      rest = found.rest;
      if (part.kind === 'broken') return parts;
      if (this.#body) return [...parts, ...(this.#body as BodyReader).push(rest).map(ofBody)];
    } while (rest.length > 0 && !this.#switched);
    return rest.length > 0 ? [...parts, { kind: 'data', bytes: rest }] : parts;
  }

  /** The upstream sends nothing more. */
  close(): AnswerPart {
    if (this.#switched) return { kind: 'end', trailers: [], clean: false };
    if (this.#body) return ofBody(this.#body.close());
    return broken('the connection was closed before the answer was complete');
  }

  #readHead(line: StatusLine): AnswerPart {
    const head = { status: line.status, text: line.text, fields: endToEnd(line.fields) };
    if (line.status === 101) return this.#readSwitch(line, head);
    if (line.status < 200) {
      this.#interim += 1;
      return this.#interim > UPSTREAM_INTERIM
        ? broken('it sends interim answers without end')
        : { kind: 'interim', head: { ...head, fields: withoutLength(head.fields) } };
    }
    const framing = responseFraming(this.#request.method, line);
    if (framing.kind === 'malformed') return broken(`its answer is ambiguous: ${framing.reason}`);
    this.#body = bodyReader(framing, 'upstream');
    return { kind: 'head', head, keepMs: framing.kind === 'close' ? 0 : keepMs(line) };
  }

  #readSwitch({ fields }: StatusLine, head: ResponseHead): AnswerPart {
    if (this.#request.upgrade !== WEBSOCKET) return broken('it switches to a protocol that was not asked for');
    const agreed = readSwitch(this.#request.fields, fields);
    if (agreed.kind === 'wrong') return broken(agreed.why);
    this.#switched = true;
    return { kind: 'switched', head };
  }
}

/** Without the fields of the upstream's hop, and without any that would look like ours. */
export function endToEnd(fields: readonly Field[]): Field[] {
  const named = namedByConnection(fields);
  return fields.filter(([name]) => {
    const lower = name.toLowerCase();
    return !HOP.has(lower) && !named.has(lower) && !lower.startsWith('x-bottle-');
  });
}

/** An interim answer has none (RFC 9110 section 8.6): whoever believes one waits for a body that never comes. */
export function withoutLength(fields: readonly Field[]): readonly Field[] {
  return fields.filter(([name]) => name.toLowerCase() !== 'content-length');
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

/** RFC 9112 section 9.3; `Keep-Alive: timeout` is RFC 2068's, in seconds. A second less than it says, for the way. */
function keepMs(line: StatusLine): number {
  if (!persists(line)) return 0;
  const [timeout] = valuesOf(line.fields, 'keep-alive').flatMap(
    (value) => /(?:^|[,\s])timeout=(\d{1,6})\b/i.exec(value)?.[1] ?? [],
  );
  return timeout === undefined ? Number.POSITIVE_INFINITY : Math.max(0, Number(timeout) * 1_000 - 1_000);
}

function ofBody(part: BodyPart): AnswerPart {
  switch (part.kind) {
    case 'data':
      return part;
    case 'end':
      return {
        kind: 'end',
        trailers: endToEnd(part.trailers),
        clean: part.rest.length === 0,
      };
    case 'malformed':
      return broken(`its answer broke off: ${part.reason}`);
  }
}

function broken(why: string): AnswerPart {
  return { kind: 'broken', why };
}
