/** The answer to a CONNECT, or to bytes that are no request: there is no exchange that could give it. */
import { writeResponseHead } from '../h1/write.ts';
import type { Field, Target } from '../message.ts';
import { respond, statusOf, type Unforwarded } from '../respond.ts';

/** Head and body; the connection ends behind them. `id`: of the record. */
export function refusalBytes(outcome: Unforwarded, request: { id: string; method: string; target: Target }): Buffer {
  const { head, body } = respond(outcome, request);
  // Clients print the body of a refused CONNECT, if anything, as it is.
  const isPlain = request.method === 'CONNECT';
  const text = isPlain ? Buffer.from(`${detailOf(body)}\n`) : body;
  const fields = head.fields.map(([name, value]): Field => {
    if (name === 'content-length') return [name, String(text.length)];
    return [name, name === 'content-type' && isPlain ? 'text/plain; charset=utf-8' : value];
  });
  const closing: Field = ['Connection', 'close'];
  return Buffer.concat([
    writeResponseHead({ status: statusOf(outcome), text: head.text, fields: [...fields, closing] }),
    text,
  ]);
}

function detailOf(problem: Buffer): string {
  const { detail } = JSON.parse(problem.toString()) as { detail: string }; // our own, just written
  return detail;
}
