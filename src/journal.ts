/** Reads a journal, and says in a few lines what was refused in it, and what passed unscanned. */
import { formatBytes } from '../contracts/bodies.ts';
import { type JournalLine, journalLineSchema, type Outcome } from '../contracts/exchange.ts';
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
  const unscanned = describeUnscanned(lines);
  const counts = new Map<string, number>();
  for (const line of lines) {
    const text = line.event === 'admitted' ? undefined : describeRefusal(line.host, line.port, line.outcome);
    if (text !== undefined) counts.set(text, (counts.get(text) ?? 0) + (line.event === 'repeated' ? line.count : 1));
  }
  const said = [...counts]
    .sort(([, a], [, b]) => b - a)
    .map(([text, count]) => text.replace('{}', count === 1 ? 'once' : `${count} times`));
  if (said.length === 0) return unscanned;
  const listed = most - 1 - unscanned.length;
  const more = said.length - listed;
  return [
    ...unscanned,
    ...said.slice(0, listed),
    `${more > 0 ? `and ${more} more kinds of refusal` : 'each request'}: bottle records ${slug}`,
  ];
}

/** The share of what no scanner was asked about, of all bytes of bodies that were let through. */
function describeUnscanned(lines: readonly JournalLine[]): string[] {
  const bodies = lines.filter((line) => line.event === 'admitted');
  const passed = bodies.filter(({ unscanned_bytes: bytes = 0 }) => bytes > 0);
  if (passed.length === 0) return [];
  const all = bodies.reduce((sum, { body_bytes: bytes }) => sum + bytes, 0);
  const unscanned = passed.reduce((sum, { unscanned_bytes: bytes = 0 }) => sum + bytes, 0);
  const share = Math.ceil((unscanned / all) * 100);
  const hosts = [...new Set(passed.map(({ host }) => host))].join(', ');
  return [`passed UNSCANNED: ${formatBytes(unscanned)} of ${formatBytes(all)} (${share} %), to ${hosts}`];
}

/** undefined: nothing to report. `{}` stands where the count goes. */
function describeRefusal(host: string, port: number, outcome: Outcome): string | undefined {
  switch (outcome.kind) {
    case 'forwarded':
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
