/** A judged request as bytes: its head written anew, its body framed anew. Pure. RFC 9112 sections 3 and 6. */
import { hostInUrl } from '../../contracts/host.ts';
import { chunk, lastChunk, writeRequestHead } from '../h1/write.ts';
import { UPSTREAM_WRITE_BYTES } from '../limits.ts';
import type { Field, RequestHead, Target, Unit } from '../message.ts';
import { defaultPort } from '../request.ts';

/** How the body of a request is told from what follows. `raw`: it is another protocol's, from the upstream's 101 on. */
export type Coding = 'length' | 'chunked' | 'raw';

/** `first`: the unit that goes with the head. */
export function codingOf(head: RequestHead, first: Unit): Coding {
  if (head.upgrade !== undefined) return 'raw';
  return first.last && first.trailers.length === 0 ? 'length' : 'chunked';
}

/** `Host` stands first, framing last; what is between keeps case, order and duplicates. `first`: the unit that goes with it. */
export function writeHead(head: RequestHead, coding: Coding, first: Unit): Buffer {
  const { method, path, target, fields, upgrade } = head;
  const before: Field[] = [['Host', hostField(target)]];
  if (upgrade !== undefined) before.push(['Connection', 'Upgrade'], ['Upgrade', upgrade]);
  return writeRequestHead({ method, url: path, fields: [...before, ...fields, ...framing(method, coding, first)] });
}

/** A unit's bytes in pieces of a bounded size, each as it is written. */
export async function* writeUnit(unit: Unit, coding: Coding): AsyncGenerator<Buffer> {
  for await (const bytes of unit.chunks())
    for (let at = 0; at < bytes.length; at += UPSTREAM_WRITE_BYTES) {
      const piece = bytes.subarray(at, at + UPSTREAM_WRITE_BYTES);
      yield coding === 'chunked' ? chunk(piece) : piece;
    }
  if (unit.last && coding === 'chunked') yield lastChunk(unit.trailers);
}

/** A body without bytes is announced where its method means something by one (RFC 9110 section 8.6). */
function framing(method: string, coding: Coding, { size, trailers }: Unit): Field[] {
  if (coding === 'chunked') return [...announced(trailers), ['Transfer-Encoding', 'chunked']];
  if (coding === 'raw' || (size === 0 && !MEANS_A_BODY.has(method))) return [];
  return [['Content-Length', String(size)]];
}

/** Servers may take no trailers but those that are announced (RFC 9110 section 6.6.2): Go's over HTTP/2 does not. */
export function announced(trailers: readonly Field[]): Field[] {
  const names = new Set(trailers.map(([name]) => name.toLowerCase()));
  return names.size === 0 ? [] : [['Trailer', [...names].join(', ')]];
}

const MEANS_A_BODY = new Set(['POST', 'PUT', 'PATCH']);

/** What `Host` and `:authority` say. */
export function hostField({ scheme, host, port }: Target): string {
  return port === defaultPort(scheme) ? hostInUrl(host) : `${hostInUrl(host)}:${port}`;
}
