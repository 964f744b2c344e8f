/** A judged request on a stream: its field section, and its units as the flow control takes them. RFC 9113 section 8.3.1. */
import type { ClientHttp2Stream } from 'node:http2';
import { isGrpc, writeFields } from '../h2fields.ts';
import type { RequestHead, Unit } from '../message.ts';
import { announced, hostField } from './written.ts';

/** Names and values in turn, the pseudo-fields first. */
export function requestList({ method, target, path, fields }: RequestHead, unit: Unit): string[] {
  // A body that is known whole says how long it is, as servers of uploads want it; one that is not is framed by the stream.
  const counted = unit.last && (unit.size > 0 || ['POST', 'PUT', 'PATCH'].includes(method));
  return [
    ':method',
    method,
    ':scheme',
    target.scheme,
    ':authority',
    hostField(target),
    ':path',
    path,
    ...writeFields([...fields, ...announced(unit.trailers)]),
    ...(counted ? ['content-length', String(unit.size)] : []),
    ...(isGrpc(fields) ? ['te', 'trailers'] : []),
  ];
}

/** Resolves when all of the unit is out, or when there is nothing to write to any more. */
export async function writeUnit(
  stream: ClientHttp2Stream,
  unit: Unit,
  onWrite: (bytes: number) => void,
): Promise<void> {
  if (stream.writableEnded) return; // its head was all
  const closed = Promise.withResolvers<void>();
  stream.once('close', closed.resolve);
  stream.cork(); // what is given in small pieces goes out as one
  let out: Promise<void> | undefined;
  for await (const chunk of unit.chunks() as Iterable<Buffer> | AsyncIterable<Buffer>) {
    if (stream.closed || stream.destroyed) break;
    onWrite(chunk.length);
    out = new Promise((resolve) => void stream.write(chunk, () => resolve()));
    if (!stream.writableNeedDrain) continue;
    stream.uncork();
    await Promise.race([out, closed.promise]);
    stream.cork();
  }
  if (!stream.closed && !stream.destroyed) {
    if (unit.last)
      stream.end(); // which uncorks it
    else stream.uncork();
    await Promise.race([out, closed.promise]);
  }
  stream.off('close', closed.resolve);
}
