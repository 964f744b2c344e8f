/**
 * The form in which a caller understands a refusal: what its client library reads an error from, and shows to whoever is in front of it.
 * Every form holds the sentence whole, the scanner's own line in it word for word.
 */
import { isGrpc } from './h2fields.ts';
import type { Field, RequestHead } from './message.ts';
import { valuesOf } from './request.ts';
import type { Unforwarded } from './respond.ts';

/** What is to be said, whatever the form. */
export interface Problem {
  readonly status: number;
  /** Which outcome it is: `denied`, `blocked`, `refused`, `failed`. */
  readonly kind: string;
  readonly title: string;
  readonly detail: string;
  /** The exchange's id. */
  readonly id: string;
}

export interface Shaped {
  /** Media type of the body. */
  readonly type: string;
  /** Ends with a newline; empty where the head says it all. */
  readonly body: string;
  /** Where the protocol has a status of its own, and HTTP's says nothing. */
  readonly head?: { readonly status: number; readonly fields: readonly Field[] };
}

/** What is looked at of a request. */
export type Caller = Pick<RequestHead, 'path' | 'fields'>;

/** `caller` undefined: nothing is known of it. */
export function shape(problem: Problem, caller: Caller | undefined): Shaped {
  const form = caller && FORMS.find(({ is }) => is(caller));
  return form ? form.write(problem) : problemJson(problem);
}

interface Form {
  readonly is: (caller: Caller) => boolean;
  readonly write: (problem: Problem) => Shaped;
}

/**
 * How a gRPC call ends that was judged in the middle of its messages: the fields of its trailers.
 * https://grpc.io/docs/guides/status-codes
 */
export function grpcStatus(why: Unforwarded): Field[] {
  switch (why.kind) {
    case 'denied':
      return grpcFields(403, why.rule);
    case 'blocked':
      return grpcFields(403, why.finding);
    case 'refused':
      return grpcFields(why.status, why.reason);
    case 'failed':
      return grpcFields(503, why.cause);
  }
}

function grpcFields(status: number, message: string): Field[] {
  const code = GRPC[status] ?? (status < 500 ? INVALID_ARGUMENT : UNAVAILABLE);
  // Percent-encoded, as the protocol has it (PROTOCOL-HTTP2, "Status-Message").
  const text = message.replaceAll(/[^\x20-\x24\x26-\x7e]/gu, (one) =>
    [...Buffer.from(one)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  );
  return [
    ['grpc-status', String(code)],
    ['grpc-message', text],
  ];
}

/** The first that fits. */
const FORMS: readonly Form[] = [
  {
    // Without a message the status stands in the head (PROTOCOL-HTTP2, "Trailers-Only").
    is: ({ fields }) => isGrpc(fields),
    write: ({ status, detail }) => ({
      type: 'application/grpc',
      body: '',
      head: { status: 200, fields: grpcFields(status, detail) },
    }),
  },
  {
    // git shows the lines of a plain text behind "remote: ", and nothing of any other type.
    is: (caller) =>
      agentOf(caller).startsWith('git/') || /\/(info\/refs|git-(upload|receive)-pack)$/.test(pathOf(caller)),
    write: ({ detail, id }) => ({ type: 'text/plain; charset=utf-8', body: `bottle: ${detail} (${id})\n` }),
  },
  {
    // https://docs.anthropic.com/en/api/errors
    is: (caller) => has(caller, 'anthropic-version') || /^\/v1\/(messages|complete)(\/|$)/.test(pathOf(caller)),
    write: ({ status, detail, id }) =>
      json({
        type: 'error',
        error: { type: ANTHROPIC[status] ?? (status < 500 ? 'invalid_request_error' : 'api_error'), message: detail },
        request_id: id,
      }),
  },
  {
    // https://cloud.google.com/apis/design/errors
    is: (caller) => has(caller, 'x-goog-api-key') || /\/models\/[^/]+:[A-Za-z]+$/.test(pathOf(caller)),
    write: ({ status, detail }) =>
      json({
        error: {
          code: status,
          message: detail,
          status: GOOGLE[status] ?? (status < 500 ? 'INVALID_ARGUMENT' : 'UNAVAILABLE'),
        },
      }),
  },
  {
    // https://platform.openai.com/docs/guides/error-codes; many others take the same paths
    is: (caller) =>
      /\/(chat\/completions|completions|responses|embeddings)$|^\/v1\/(models|files|images|audio|moderations|batches)(\/|$)/.test(
        pathOf(caller),
      ),
    write: ({ status, kind, detail }) =>
      json({
        error: {
          message: detail,
          type: status < 500 ? 'invalid_request_error' : 'server_error',
          param: null,
          code: `bottle_${kind}`,
        },
      }),
  },
  {
    // npm prints the member "error" behind the status, and no other.
    is: (caller) => /^(npm|pnpm|yarn)\//.test(agentOf(caller)),
    write: (problem) => json({ error: problem.detail, ...membersOf(problem) }),
  },
];

/** RFC 9457. */
function problemJson(problem: Problem): Shaped {
  return { type: 'application/problem+json', body: `${JSON.stringify(membersOf(problem))}\n` };
}

function membersOf({ kind, title, status, detail, id }: Problem) {
  return { type: `urn:bottle:${kind}`, title, status, detail, exchange: id };
}

function json(value: unknown): Shaped {
  return { type: 'application/json', body: `${JSON.stringify(value)}\n` };
}

function pathOf({ path }: Caller): string {
  return path.split('?', 1)[0] ?? '';
}

function agentOf({ fields }: Caller): string {
  return valuesOf(fields, 'user-agent')[0] ?? '';
}

function has({ fields }: Caller, name: string): boolean {
  return valuesOf(fields, name).length > 0;
}

/** Codes of gRPC by HTTP's, where they are not the two below. */
const GRPC: Readonly<Record<number, number>> = {
  403: 7, // PERMISSION_DENIED
  408: 4, // DEADLINE_EXCEEDED
  413: 8, // RESOURCE_EXHAUSTED
  504: 4,
};
const INVALID_ARGUMENT = 3;
const UNAVAILABLE = 14;

const ANTHROPIC: Readonly<Record<number, string>> = {
  403: 'permission_error',
  413: 'request_too_large',
  504: 'timeout_error',
};

const GOOGLE: Readonly<Record<number, string>> = {
  403: 'PERMISSION_DENIED',
  502: 'UNAVAILABLE',
  504: 'DEADLINE_EXCEEDED',
};
