/** Applies the table of rules to bytes: triggers in a few linear passes, each rule's pattern only where its trigger stands. */
import { isFiller } from './checks/tokens.ts';
import { type Literal, LiteralIndex } from './literals.ts';
import { CONTEXT, DEFAULT_REACH, type Rule } from './rules/rule.ts';
import { byteClass, DIGITS, eachRun, LOWER, UPPER } from '../decode/span.ts';
import type { Work } from '../decode/work.ts';

const NUMBER_CLASS = byteClass(`${DIGITS} -.`);
const WORD_CLASS = byteClass(`${UPPER}${LOWER}${DIGITS}`);
/** What may not stand before a literal. */
const EDGES = { word: WORD_CLASS, token: byteClass(`${UPPER}${LOWER}${DIGITS}_-`), none: byteClass('') } as const;
/** Shortest run that a rule on digits can be about, separators counted. */
const LEAST_NUMBER = 9;
/** Part of a run of digits that is looked at as one. */
const NUMBER_WINDOW = 512;

interface Prepared {
  readonly rule: Rule;
  /** Sticky at the trigger, or global in the window if the match may begin before it. */
  readonly pattern: RegExp;
  readonly back: number;
  readonly reach: number;
}

export class Matcher {
  readonly #literals: LiteralIndex;
  readonly #lengths: number[];
  readonly #byLiteral: Prepared[][] = [];
  readonly #onNumbers: Prepared[];
  readonly #onTokens: readonly Prepared[][];
  readonly #leastToken: number;

  constructor(rules: readonly Rule[]) {
    const prepared = rules.map(prepare);
    const literals = new Map<string, Literal>();
    const users = new Map<string, Prepared[]>();
    for (const one of prepared) {
      const { trigger } = one.rule;
      if (trigger.kind !== 'literal') continue;
      for (const text of trigger.texts) {
        const key = `${trigger.case} ${text}`;
        literals.set(key, { text, case: trigger.case });
        users.set(key, [...(users.get(key) ?? []), one]);
      }
    }
    this.#literals = new LiteralIndex([...literals.values()]);
    this.#lengths = [...literals.values()].map((literal) => literal.text.length);
    this.#byLiteral = [...users.values()];
    this.#onNumbers = prepared.filter((one) => one.rule.trigger.kind === 'digits');
    const onTokens = prepared.filter((one) => one.rule.trigger.kind === 'token');
    this.#onTokens = Array.from({ length: 256 }, (_, byte) =>
      onTokens.filter(
        ({ rule: { trigger } }) => trigger.kind === 'token' && trigger.first.includes(String.fromCharCode(byte)),
      ),
    );
    this.#leastToken = Math.min(
      ...onTokens.map(({ rule: { trigger } }) => (trigger.kind === 'token' ? trigger.least : 64)),
      64,
    );
  }

  /** Adds the rules that match to `found`. */
  match(bytes: Buffer, place: 'url' | 'header' | 'body', work: Work, found: Set<Rule>): void {
    const attempt = (one: Prepared, start: number, end: number, literal: number) => {
      if (found.has(one.rule) || one.rule.places?.includes(place) === false) return;
      if (matchesAt(one, bytes, start, end, literal, work)) found.add(one.rule);
    };
    this.#literals.find(bytes, (literal, offset) => {
      const users = this.#byLiteral[literal] as Prepared[];
      const length = this.#lengths[literal] as number;
      for (const one of users) attempt(one, offset, offset + length, length);
      return work.exhausted === undefined;
    });
    eachRun(bytes, NUMBER_CLASS, LEAST_NUMBER, (start, end) => {
      for (let from = start; from < end; from += NUMBER_WINDOW) {
        if (!hasDigits(bytes, Math.max(0, from - 32), Math.min(end, from + NUMBER_WINDOW))) continue;
        for (const one of this.#onNumbers) attempt(one, from, Math.min(end, from + NUMBER_WINDOW), 0);
      }
    });
    eachRun(bytes, WORD_CLASS, this.#leastToken, (start, end) => {
      for (const one of this.#onTokens[bytes[start] as number] as Prepared[]) {
        const { trigger } = one.rule;
        if (trigger.kind === 'token' && end - start >= trigger.least && end - start <= trigger.most)
          attempt(one, start, end, 0);
      }
    });
  }
}

function prepare(rule: Rule): Prepared {
  const searched = rule.back !== undefined || rule.trigger.kind === 'digits';
  const flags = rule.pattern.flags.replace(/[gy]/g, '');
  return {
    rule,
    pattern: new RegExp(rule.pattern.source, flags + (searched ? 'g' : 'y')),
    back: rule.back ?? 0,
    reach: rule.reach ?? DEFAULT_REACH,
  };
}

/** `start` to `end` is what the trigger found; `literal` its length if it was one. */
function matchesAt(one: Prepared, bytes: Buffer, start: number, end: number, literal: number, work: Work): boolean {
  const { rule, pattern } = one;
  if (literal > 0 && start > 0 && EDGES[rule.edge ?? 'word'][bytes[start - 1] as number] === 1) return false;
  const from = Math.max(0, start - Math.max(one.back, rule.check || pattern.global ? CONTEXT : 0) - 1);
  const to = Math.min(bytes.length, Math.max(end, start + one.reach) + (pattern.global ? 64 : 0));
  if (!work.tryWindow(to - from)) return false;
  const text = bytes.toString('latin1', from, to);
  pattern.lastIndex = Math.max(0, start - one.back - from);
  for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
    if (isOne(rule, match, text, literal)) return true;
    if (!pattern.global) return false;
    // The next one may begin inside this one.
    pattern.lastIndex = match.index + 1;
  }
  return false;
}

function isOne(rule: Rule, match: RegExpExecArray, text: string, literal: number): boolean {
  if (literal > 0 && rule.back === undefined && match[0].length >= literal + 8 && isFiller(match[0].slice(literal)))
    return false;
  return rule.check === undefined || rule.check(match, text.slice(Math.max(0, match.index - CONTEXT), match.index));
}

/** A column of spaces or dots is no number. */
function hasDigits(bytes: Buffer, start: number, end: number): boolean {
  let count = 0;
  for (let i = start; i < end; i += 1) {
    const byte = bytes[i] as number;
    if (byte >= 0x30 && byte <= 0x39) count += 1;
  }
  return count >= LEAST_NUMBER;
}
