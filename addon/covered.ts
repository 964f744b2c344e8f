/** What masks cover of a text, by its place in it. Pure. */
import type { Host } from '../contracts/host.ts';

/** Bytes `from`–`to` of a text, which one mask covers. */
export interface Covered {
  readonly mask: string;
  readonly from: number;
  readonly to: number;
}

/** What is covered of a message towards a host. `type`: its media type, if it is known. */
export type Covers = (host: Host, type: string | undefined, bytes: Buffer) => readonly Covered[];

/** Of a piece of the text, by the place in the piece. A run that the piece's end cuts through is covered as far as it reaches. */
export function coveredWithin(covered: readonly Covered[], from: number, to: number): Covered[] {
  return covered
    .filter((run) => run.from < to && run.to > from)
    .map(({ mask, ...run }) => ({ mask, from: Math.max(run.from, from) - from, to: Math.min(run.to, to) - from }));
}

/** The same behind so many bytes of something else. */
export function coveredBehind(bytes: number, covered: readonly Covered[]): Covered[] {
  return covered.map(({ mask, from, to }) => ({ mask, from: from + bytes, to: to + bytes }));
}
