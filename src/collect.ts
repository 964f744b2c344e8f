/** Takes from a session's containers what is to outlive them; works on dead containers, too. */
import type { Container } from './backend.ts';
import type { LoggedRole, SessionRecord } from './history.ts';
import { redact } from './redact.ts';

const JOURNAL = '/var/lib/bottle/journal.ndjson';
const LOG_LINES = 500;

/** A container that is gone leaves nothing: its log is empty, and so is the journal if the sidecar is. */
export async function collect(find: (role: LoggedRole) => Promise<Container | undefined>): Promise<SessionRecord> {
  const logs = async (role: LoggedRole) => (await (await find(role))?.logs(LOG_LINES)) ?? [];
  const [journal, bump, scanner, gate] = await Promise.all([
    find('bump').then((container) => container?.get(JOURNAL)),
    logs('bump'),
    logs('scanner'),
    logs('gate'),
  ]);
  return { journal: journal?.toString('utf8') ?? '', logs: { bump, scanner: scanner.map(redact), gate } };
}
