/**
 * The form in which a caller understands a refusal: what its client library reads an error from, and shows to whoever is in front of it.
 * Every form holds the sentence whole, the scanner's own line in it word for word.
 */
import type { RequestHead } from './message.ts';
import { valuesOf } from './request.ts';

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
  /** Ends with a newline. */
  readonly body: string;
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

/** The first that fits. */
const FORMS: readonly Form[] = [
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
