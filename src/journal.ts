/** Reads a journal, and says in a few lines what was refused in it. */
import { type Closed, type JournalLine, journalLineSchema, type Outcome } from '../contracts/exchange.ts';
import { DEFAULT_PORTS, formatRule } from '../contracts/policy.ts';

/** The lines that can be read; a last line that a kill cut off is left out. */
export function readJournal(text: string): JournalLine[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .flatMap((line) => {
      const parsed = journalLineSchema.safeParse(parseJson(line));
      return parsed.success ? [parsed.data] : [];
    });
}

/**
 * At most `most` lines: what was refused, how often, and the line that would allow it, or the kind of finding; most frequent first, and where
 * the rest is to be seen. Nothing, if nothing was refused.
 */
export function summarize(lines: readonly JournalLine[], slug: string, most = 5): string[] {
  const counts = new Map<string, number>();
  for (const line of lines) {
    const text = line.event === 'admitted' ? undefined : describeRefusal(line.host, line.port, line.outcome);
    if (text !== undefined) counts.set(text, (counts.get(text) ?? 0) + (line.event === 'repeated' ? line.count : 1));
  }
  const said = [...counts]
    .sort(([, a], [, b]) => b - a)
    .map(([text, count]) => text.replace('{}', count === 1 ? 'once' : `${count} times`));
  if (said.length === 0) return [];
  const more = said.length - (most - 1);
  return [
    ...said.slice(0, most - 1),
    `${more > 0 ? `and ${more} more kinds of refusal` : 'each request'}: bottle records ${slug}`,
  ];
}

/** What left and nobody had scanned: where to, how many bytes, and their share of all that left. Nothing, if there was none. */
export function unscanned(lines: readonly JournalLine[]): string[] {
  const closed = lines.filter((line) => line.event === 'closed');
  const large = new Map(
    lines.flatMap((line) => (line.event === 'admitted' ? [[line.id, line.unscanned_bytes ?? 0]] : [])),
  );
  const all = closed.reduce((total, { sent_bytes }) => total + sent_bytes, 0);
  const kinds = [
    ['unopened', ({ outcome, sent_bytes }: Closed) => (outcome.kind === 'passed' ? sent_bytes : 0)],
    ['large bodies', ({ id, sent_bytes }: Closed) => Math.min(large.get(id) ?? 0, sent_bytes)],
  ] as const;
  return kinds.flatMap(([kind, bytesOf]) => {
    const unread = closed.filter((line) => bytesOf(line) > 0);
    if (unread.length === 0) return [];
    const bytes = unread.reduce((total, line) => total + bytesOf(line), 0);
    const hosts = [...new Set(unread.map(({ host }) => host))].join(', ');
    const share = Math.max(1, Math.round((100 * bytes) / all));
    return [`not scanned: ${bytes} bytes to ${hosts} (${kind}), ${share} % of all that left`];
  });
}

/** undefined: nothing to report. `{}` stands where the count goes. */
function describeRefusal(host: string, port: number, outcome: Outcome): string | undefined {
  switch (outcome.kind) {
    case 'forwarded':
    case 'passed':
      return undefined;
    case 'denied':
      return outcome.rule.includes('allow_private')
        ? `denied {}: ${host} (${outcome.rule})`
        : `denied {}: ${host}; to allow it: egress.allow: [${JSON.stringify(ruleFor(host, port))}]`;
    case 'blocked':
      return `blocked {}: ${host} (${outcome.finding})`;
    case 'refused':
      return `refused {}: ${host} (${outcome.reason})`;
    case 'failed':
      return `failed {}: ${host} (${outcome.stage}: ${outcome.cause})`;
  }
}

/** The rule that would allow it, as a user writes it. */
function ruleFor(host: string, port: number): string {
  const ports = DEFAULT_PORTS.some((usual) => usual === port) ? [...DEFAULT_PORTS] : [port];
  return formatRule({ match: 'exact', host, ports });
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined; // cut off in the middle of a write
  }
}
