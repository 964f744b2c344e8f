/** A rule as data: what a secret of one kind looks like, what must be caught, what must pass. */
import type { Severity } from '../finding.ts';

/** What is looked for first, cheaply, everywhere. Only around such a place the pattern is tried. */
export type Trigger =
  | { readonly kind: 'literal'; readonly texts: readonly string[]; readonly case: 'exact' | 'any' }
  /** Digits with single spaces, dashes or dots between them, at least nine characters. */
  | { readonly kind: 'digits' }
  /** A run of letters and digits of this length, beginning with one of these characters. */
  | { readonly kind: 'token'; readonly first: string; readonly least: number; readonly most: number };

export interface Rule {
  readonly name: string;
  readonly issuer: string;
  readonly severity: Severity;
  readonly trigger: Trigger;
  /** Tried at the trigger's place only, on at most `reach` bytes. */
  readonly pattern: RegExp;
  /** Bytes from the trigger on that the pattern sees; DEFAULT_REACH if absent. */
  readonly reach?: number;
  /** Bytes before the trigger that belong to the match. */
  readonly back?: number;
  /** `word` (the usual): no letter or digit stands before it. `token`: no dash or underscore either. */
  readonly edge?: 'word' | 'token' | 'none';
  /** Says of a match whether it is one. `before`: the CONTEXT bytes that stand before it. */
  readonly check?: (match: RegExpExecArray, before: string) => boolean;
  /** Where it counts; everywhere if absent. */
  readonly places?: readonly ('url' | 'header' | 'body')[];
  readonly examples: readonly string[];
  readonly lookalikes: readonly string[];
}

export const DEFAULT_REACH = 256;
export const CONTEXT = 64;

export function exact(...texts: string[]): Trigger {
  return { kind: 'literal', texts, case: 'exact' };
}

export function anyCase(...texts: string[]): Trigger {
  return { kind: 'literal', texts, case: 'any' };
}

/**
 * Made-up characters for examples, the same on every run. Examples are put together here so that no text of this repository
 * has the shape of a credential.
 */
export function made(length: number, alphabet: string = BASE62): string {
  let state = length * 2_654_435_761 + alphabet.length;
  let text = '';
  while (text.length < length) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    text += alphabet[(state >>> 16) % alphabet.length];
  }
  return text;
}

export const BASE62 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
export const LOWER36 = 'abcdefghijklmnopqrstuvwxyz0123456789';
export const UPPER36 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';
export const HEX = '0123456789abcdef';
export const BASE58 = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';
