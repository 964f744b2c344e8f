/** The addresses of a name. It is asked for once for each connection; what is dialled is what was checked of the answer. */
import { Resolver } from 'node:dns/promises';
import { codeOf } from '../code.ts';
import { RESOLVE_MS, RESOLVE_OTHER_MS, RESOLVE_TRIES } from '../limits.ts';
import { TIMED_OUT } from '../respond.ts';
import { DialError } from './failure.ts';

/** All addresses of a name. Rejects with a `DialError`. */
export type Resolve = (name: string) => Promise<string[]>;

/** What is asked: the two questions of the container's name server. */
export interface Questions {
  resolve4(name: string): Promise<string[]>;
  resolve6(name: string): Promise<string[]>;
}

/** Resolves by the container's name server, without the thread pool that one slow name would stall. */
export function makeResolve(
  questions: Questions = new Resolver({ timeout: RESOLVE_MS, tries: RESOLVE_TRIES }),
): Resolve {
  return async (name) => {
    const asked = [questions.resolve4(name), questions.resolve6(name)].map((question) => question.then(found, missing));
    const answers = await settled(asked);
    const addresses = answers.flatMap((answer) => answer.addresses);
    if (addresses.length > 0) return addresses;
    const codes = answers.map(({ code }) => code);
    if (codes.includes('ETIMEOUT')) throw new DialError('failed', `${TIMED_OUT}: the name server did not answer`);
    if (codes.every((code) => ['ENOTFOUND', 'ENODATA', ''].includes(code)))
      throw new DialError('failed', 'the name does not exist');
    throw new DialError('failed', `the name could not be resolved (${codes.find((code) => code !== '') ?? ''})`);
  };
}

interface Answer {
  readonly addresses: readonly string[];
  readonly code: string;
}

const found = (addresses: string[]): Answer => ({ addresses, code: '' });
const missing = (error: unknown): Answer => ({ addresses: [], code: codeOf(error) });

/** Both answers, or the one that has addresses: the other is waited for a little only (RFC 8305 section 3). */
function settled(asked: readonly Promise<Answer>[]): Promise<Answer[]> {
  const answers: Answer[] = [];
  return new Promise((resolve) => {
    let timer: NodeJS.Timeout | undefined;
    function take(answer: Answer): void {
      answers.push(answer);
      if (answers.length === asked.length) {
        clearTimeout(timer);
        resolve(answers);
      } else if (answer.addresses.length > 0) timer = setTimeout(() => resolve([...answers]), RESOLVE_OTHER_MS);
    }
    for (const question of asked) void question.then(take);
  });
}
