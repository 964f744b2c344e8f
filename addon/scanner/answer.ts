/** Findings in the words of a scanner's answer and of its log. Neither ever holds a part of the request. */
import type { Finding } from './finding.ts';

/** The answer's status and its one line, without a line end. `findings` is not empty. */
export function answerOf(findings: readonly Finding[]): { readonly status: number; readonly line: string } {
  const [first] = findings;
  if (first === undefined) throw new Error('no finding');
  const reason = reasonOf(first, findings);
  if (first.kind !== 'unscannable') return { status: 403, line: `blocked: ${reason}` };
  return { status: first.why === 'size' ? 413 : 400, line: `refused: ${reason}` };
}

function reasonOf(first: Finding, findings: readonly Finding[]): string {
  switch (first.kind) {
    case 'url':
      return first.reason;
    case 'unscannable':
      return `request ${first.place.kind} ${first.reason}`;
    case 'secret':
      // Names of rules are ours; the request's text is never repeated.
      return first.place.kind === 'url'
        ? `DLP match: ${first.rule} (${first.severity})`
        : `request ${first.place.kind} contains secret: ${rulesOf(findings).join(', ')}`;
  }
}

function rulesOf(findings: readonly Finding[]): string[] {
  return [...new Set(findings.flatMap((finding) => (finding.kind === 'secret' ? [finding.rule] : [])))];
}

/** What the log says of a block: event name, scanner and patterns as in the logs of other scanners. */
export function eventOf(findings: readonly Finding[]): Record<string, unknown> {
  const [first] = findings;
  if (first === undefined) return {};
  const reason = reasonOf(first, findings);
  if (first.kind === 'url') return { event: 'blocked', scanner: first.scanner, reason, message: 'request blocked' };
  if (first.kind === 'unscannable' || first.place.kind === 'url') {
    const scanner = first.place.kind === 'url' ? 'dlp' : `${first.place.kind}_dlp`;
    return { event: 'blocked', scanner, reason, message: 'request blocked' };
  }
  const patterns = rulesOf(findings);
  const what = { action: 'block', match_count: patterns.length, patterns };
  if (first.place.kind === 'body') return { event: 'body_dlp', ...what, message: 'request body DLP scan hit' };
  return { event: 'header_dlp', ...what, message: 'request header DLP scan hit' };
}
