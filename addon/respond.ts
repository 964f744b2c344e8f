/** What the agent is told: one HTTP response per outcome. In the caller's own form; never the secret itself. */
import { hostInUrl } from '../contracts/host.ts';
import type { Outcome } from '../contracts/exchange.ts';
import type { ResponseHead, Target } from './message.ts';
import { defaultPort } from './request.ts';
import { type Caller, shape } from './shape.ts';

/** Every outcome that is answered by ourselves. */
export type Unforwarded = Exclude<Outcome, { kind: 'forwarded' | 'passed' }>;

export interface Answer {
  readonly head: ResponseHead;
  /** Empty for HEAD. */
  readonly body: Buffer;
}

/** How causes begin that are the upstream's slowness: 504 instead of 502. */
export const TIMED_OUT = 'timed out';

/** What the answer is to. */
export interface Asked {
  /** The exchange's id. */
  readonly id: string;
  readonly method: string;
  readonly target: Target;
  /** Who asks; undefined if its request was not read. */
  readonly caller?: Caller;
  /** Bytes that had left for the upstream, if any. */
  readonly sent?: number;
}

export function respond(outcome: Unforwarded, request: Asked): Answer {
  const status = statusOf(outcome);
  const { title, detail } = explain(outcome, request.target, request.sent ?? 0);
  const {
    type,
    body: text,
    head,
  } = shape({ kind: outcome.kind, title, status, detail, id: request.id }, request.caller);
  const body = Buffer.from(text);
  const said = head?.status ?? status;
  return {
    head: {
      status: said,
      text: PHRASES[said] ?? 'Refused',
      fields: [
        ['content-type', type],
        ...(head?.fields ?? ([['content-length', String(body.length)]] as const)),
        ['cache-control', 'no-store'],
        ['x-bottle-outcome', outcome.kind],
        ['x-bottle-exchange', request.id],
        // RFC 9110 requires these two.
        ...(status === 426 ? ([['upgrade', 'HTTP/1.1']] as const) : []),
        ...(status === 405 ? ([['allow', 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS']] as const) : []),
      ],
    },
    body: request.method === 'HEAD' ? Buffer.alloc(0) : body,
  };
}

export function statusOf(outcome: Unforwarded): number {
  switch (outcome.kind) {
    case 'denied':
    case 'blocked':
      return 403;
    case 'refused':
      return outcome.status;
    case 'failed':
      if (outcome.stage !== 'upstream') return 503;
      return outcome.cause.startsWith(TIMED_OUT) ? 504 : 502;
  }
}

/** The manifest's line that would allow this target. */
function ruleFor(target: Target): string {
  const host = hostInUrl(target.host);
  const named = target.port === 443 || target.port === 80 ? host : `${host}:${target.port}`;
  return `egress.allow: [${JSON.stringify(named)}]`;
}

function explain(outcome: Unforwarded, target: Target, sent: number): { title: string; detail: string } {
  const place = `${hostInUrl(target.host)}${target.port === defaultPort(target.scheme) ? '' : `:${target.port}`}`;
  switch (outcome.kind) {
    case 'denied':
      return outcome.rule.includes('allow_private')
        ? { title: 'refused address', detail: `${outcome.rule}. Nothing was sent.` }
        : {
            title: 'host not allowed',
            detail: `${outcome.rule}. To allow it: ${ruleFor(target)} in bottle.yaml. Do not retry: nothing was sent.`,
          };
    case 'blocked':
      return {
        title: 'blocked by the scanner',
        detail: `${outcome.finding} – the request to ${place} was not sent. Remove what was found and send it again.`,
      };
    case 'refused':
      return { title: 'request not accepted', detail: `${outcome.reason}. Nothing was sent.` };
    case 'failed':
      return outcome.stage === 'upstream'
        ? {
            title: 'upstream failed',
            detail: `${place}: ${outcome.cause}. ${sent > 0 ? HAD_LEFT : 'Nothing was sent.'}`,
          }
        : {
            title: outcome.stage === 'scan' ? 'could not be scanned' : 'not served',
            detail: `${outcome.cause}. What cannot be scanned is not sent.`,
          };
  }
}

/** A failure after sending is never called a no. */
const HAD_LEFT = 'The request had been sent; it may have been acted upon.';

const PHRASES: Record<number, string> = {
  200: 'OK',
  400: 'Bad Request',
  403: 'Forbidden',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  413: 'Content Too Large',
  417: 'Expectation Failed',
  421: 'Misdirected Request',
  426: 'Upgrade Required',
  431: 'Request Header Fields Too Large',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
};
