/**
 * A stream that asks for a WebSocket (extended CONNECT, RFC 8441) beside the request of HTTP/1.1 that it goes on as: what only one of the
 * two says is added here, or left out.
 */
import { randomBytes } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { Inflow } from '../inflow.ts';
import type { RequestHead, ResponseHead } from '../message.ts';
import { valuesOf } from '../request.ts';

/** With the key that HTTP/1.1 wants, and HTTP/2 does not know (section 5). One that the agent sends all the same stays. */
export function asKeyed(asked: RequestHead): RequestHead {
  if (isKeyed(asked)) return asked;
  return { ...asked, fields: [...asked.fields, [KEY, randomBytes(16).toString('base64')]] };
}

/** The answer to `asked`, as it came from the agent: what switches HTTP/1.1 is a success here. Others pass. */
export function asOpened(answer: ResponseHead, asked: RequestHead): ResponseHead {
  if (answer.status !== 101) return answer;
  const fields = answer.fields.filter(([name]) => {
    const lower = name.toLowerCase();
    // Who sends a key looks for what answers it: Node's WebSocket does.
    return lower !== 'content-length' && (lower !== ACCEPT || isKeyed(asked));
  });
  return { status: 200, text: 'OK', fields };
}

/** The data of a stream, read as it is asked for. A reset is its end; that the agent has left is told elsewhere. */
export async function* bytesOf(stream: Readable, inflow: Inflow): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
      inflow.count();
      yield chunk as Buffer;
    }
  } catch {
    // A stream that is reset is an error to whoever reads it.
  }
}

function isKeyed({ fields }: RequestHead): boolean {
  return valuesOf(fields, KEY).length > 0;
}

const KEY = 'sec-websocket-key';
const ACCEPT = 'sec-websocket-accept';
