import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import type { JournalLine, Outcome } from '../../../contracts/exchange.ts';
import { parseRule } from '../../../contracts/policy.ts';
import { readJournal, summarize, unscanned } from '../../../src/journal.ts';
import { hosts } from '../support/arbitrary.ts';
import { admitted, closed, repeated } from '../support/journal.ts';

const denied: Outcome = { kind: 'denied', rule: 'no rule of egress.allow covers it' };

suite('a journal is read', () => {
  const text = (lines: readonly object[]) => lines.map((line) => `${JSON.stringify(line)}\n`).join('');

  test('line by line, in its order', () => {
    const lines = [admitted(), closed(), repeated()];
    assert.deepEqual(readJournal(text(lines)), lines);
  });

  test('without a last line that a kill has cut off, wherever it was cut', () => {
    const whole = text([admitted(), closed()]);
    fc.assert(
      fc.property(fc.nat(whole.length), (length) => {
        const lines = readJournal(whole.slice(0, length));
        assert.deepEqual(lines, [admitted(), closed()].slice(0, lines.length));
      }),
    );
  });

  test('without what is no line of a journal', () => {
    assert.deepEqual(readJournal(`\nnull\n[]\n{}\nnonsense\n{"event":"opened"}\n${text([closed()])}`), [closed()]);
  });

  test('also when there is nothing in it', () => assert.deepEqual(readJournal(''), []));
});

suite('what was refused is said', () => {
  const rows: [title: string, lines: JournalLine[], said: string[]][] = [
    ['not at all, where nothing was', [admitted(), closed()], []],
    [
      'with the line that would allow it',
      [closed({ outcome: denied, host: 'example.com' })],
      ['denied once: example.com; to allow it: egress.allow: ["example.com"]'],
    ],
    [
      'with its port, where that is neither 443 nor 80',
      [closed({ outcome: denied, host: 'git.example', port: 8443 })],
      ['denied once: git.example; to allow it: egress.allow: ["git.example:8443"]'],
    ],
    [
      'as a private address, which egress.allow would not allow',
      [closed({ outcome: { kind: 'denied', rule: '10.0.0.1 is private: allow_private' }, host: 'db' })],
      ['denied once: db (10.0.0.1 is private: allow_private)'],
    ],
    [
      'with the kind of finding, never with a line that would allow it',
      [closed({ outcome: { kind: 'blocked', finding: 'blocked: request body contains secret: AWS' } })],
      ['blocked once: api.example (blocked: request body contains secret: AWS)'],
    ],
    [
      'with the reason of a refusal',
      [closed({ outcome: { kind: 'refused', status: 413, reason: 'body over 32 MiB' } })],
      ['refused once: api.example (body over 32 MiB)'],
    ],
    [
      'with the stage that failed',
      [closed({ outcome: { kind: 'failed', stage: 'scan', cause: 'no receipt' } })],
      ['failed once: api.example (scan: no receipt)'],
    ],
    [
      'once for all of a kind, with how often',
      [closed({ outcome: denied }), closed({ outcome: denied }), closed({ outcome: denied })],
      ['denied 3 times: api.example; to allow it: egress.allow: ["api.example"]'],
    ],
    [
      'with those that were only counted',
      [closed({ outcome: denied }), repeated({ outcome: denied, count: 7 }), repeated({ outcome: denied, count: 2 })],
      ['denied 10 times: api.example; to allow it: egress.allow: ["api.example"]'],
    ],
    [
      'the most frequent first',
      [
        closed({ outcome: denied, host: 'rare.example' }),
        closed({ outcome: denied, host: 'often.example' }),
        closed({ outcome: denied, host: 'often.example' }),
      ],
      [
        'denied 2 times: often.example; to allow it: egress.allow: ["often.example"]',
        'denied once: rare.example; to allow it: egress.allow: ["rare.example"]',
      ],
    ],
  ];
  for (const [title, lines, said] of rows)
    test(title, () =>
      assert.deepEqual(summarize(lines, 'x'), said.length === 0 ? [] : [...said, 'each request: bottle records x']),
    );

  const refusals = (count: number) =>
    Array.from({ length: count }, (_, index) => closed({ outcome: denied, host: `h${index}.example` }));

  test('in five lines, where there are five kinds', () => assert.equal(summarize(refusals(5), 'x').length, 5));

  test('in five lines, where there are more: the last says how many more', () => {
    const said = summarize(refusals(12), 'x');
    assert.equal(said.length, 5);
    assert.equal(said.at(-1), 'and 8 more kinds of refusal: bottle records x');
  });

  test('in fewer lines, where fewer are left', () => assert.equal(summarize(refusals(12), 'x', 4).length, 4));

  test('in at most five lines, each of them one line, whatever happened', () => {
    const outcome: fc.Arbitrary<Outcome> = fc.oneof(
      fc.constant(denied),
      fc.constant<Outcome>({ kind: 'forwarded', status: 200 }),
      fc.constantFrom('a', 'b', 'c').map<Outcome>((finding) => ({ kind: 'blocked', finding })),
    );
    const line = fc.oneof(
      fc.tuple(outcome, hosts).map(([was, { text }]) => closed({ outcome: was, host: text })),
      fc.tuple(outcome, fc.integer({ min: 1, max: 9 })).map(([was, count]) => repeated({ outcome: was, count })),
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 30 }), (lines) => {
        const said = summarize(lines, 'x');
        assert.ok(said.length <= 5);
        for (const text of said) assert.doesNotMatch(text, /\n|\{\}/);
      }),
    );
  });

  test('with a line that is a rule, and covers what was denied', () => {
    fc.assert(
      fc.property(hosts, fc.integer({ min: 1, max: 65_535 }), (host, port) => {
        const [said = ''] = summarize([closed({ outcome: denied, host: host.text, port })], 'x');
        const [text]: unknown[] = JSON.parse(/egress\.allow: (\[.*\])$/.exec(said)?.[1] ?? '[]');
        const rule = parseRule(String(text));
        assert.ok(!('kind' in rule), `${String(text)} is no rule`);
        assert.equal(rule.host, host.text);
        assert.ok(rule.ports.includes(port));
      }),
    );
  });
});

suite('what left unscanned is told', () => {
  test('also of large bodies that the manifest lets pass, as far as they left', () => {
    const large = (id: string, bytes: number) => admitted({ id, host: 'up.example', unscanned_bytes: bytes });
    const sent = (id: string, bytes: number) => closed({ id, host: 'up.example', sent_bytes: bytes });
    const lines = [
      large('1', 400),
      sent('1', 500),
      large('2', 400),
      sent('2', 100),
      admitted({ id: '3' }),
      closed({ id: '3', sent_bytes: 400 }),
    ];
    assert.deepEqual(unscanned(lines), ['not scanned: 500 bytes to up.example (large bodies), 50 % of all that left']);
    assert.deepEqual(unscanned([large('1', 400), sent('1', 0)]), [], 'nothing left');
  });

  const passed = closed({ outcome: { kind: 'passed' }, host: 'pins.example', sent_bytes: 250 });

  test('not at all where there was none', () => {
    assert.deepEqual(unscanned([admitted(), closed({ sent_bytes: 10 })]), []);
    assert.deepEqual(unscanned([closed({ outcome: { kind: 'passed' }, sent_bytes: 0 })]), []);
  });

  test('with its hosts, its bytes and its share of all that left', () => {
    const lines = [closed({ sent_bytes: 500 }), passed, passed];
    assert.deepEqual(unscanned(lines), ['not scanned: 500 bytes to pins.example (unopened), 50 % of all that left']);
  });

  test('as one percent at least', () => {
    assert.match(unscanned([closed({ sent_bytes: 1_000_000 }), passed])[0] ?? '', /, 1 % of/);
  });
});
