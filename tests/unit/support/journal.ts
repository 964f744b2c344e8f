/** Lines of a journal, with what a test does not care about filled in. */
import type { Admitted, Closed, Repeated } from '../../../contracts/exchange.ts';

const subject = {
  id: 'x-1',
  at: '2026-01-02T03:04:05.678Z',
  method: 'GET',
  scheme: 'https',
  host: 'api.example',
  port: 443,
} as const;

export function admitted(own: Partial<Admitted> = {}): Admitted {
  return { event: 'admitted', ...subject, path: '/a', body_bytes: 3, ...own };
}

export function closed(own: Partial<Closed> = {}): Closed {
  return {
    event: 'closed',
    ...subject,
    outcome: { kind: 'forwarded', status: 200 },
    sent_bytes: 10,
    received_bytes: 20,
    duration_ms: 1.5,
    ...own,
  };
}

export function repeated(own: Partial<Repeated> = {}): Repeated {
  const { at, host, port } = subject;
  return { event: 'repeated', at, host, port, outcome: { kind: 'denied', rule: 'no rule' }, count: 7, ...own };
}
