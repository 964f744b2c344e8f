import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mock, suite, test } from 'node:test';
import { outputOf } from '../../../src/command.ts';
import { type Machine, readCredentials, readOutput, renewalIn } from '../../../src/credentials.ts';
import type { CredentialSource } from '../../../src/sources.ts';
import { makeFolder } from '../support/folder.ts';
import { settle } from '../support/launching.ts';

const never = new AbortController().signal;

function machine(own: Partial<Machine> = {}): Machine {
  return { env: {}, home: '/', now: () => new Date(), random: randomBytes, outputOf, ...own };
}

const command = (own: Partial<Extract<CredentialSource, { kind: 'command' }>> = {}): CredentialSource => ({
  kind: 'command',
  program: '/bin/sh',
  args: ['-c', 'printf "value-0123456789\\n"'],
  timeoutMs: 10_000,
  expiresMs: undefined,
  ...own,
});

suite('a value is read at the launch', () => {
  test('a command that is slow is ended with all that it has started', { timeout: 20_000 }, async () => {
    using folder = makeFolder();
    const path = folder.write('pid', '');
    const slow = command({ args: ['-c', `sleep 60 & echo $! > ${path}; wait`], timeoutMs: 500 });
    await assert.rejects(readCredentials({ MINE: slow }, machine(), never), /did not end within 0.5 s/);
    const pid = Number(readFileSync(path, 'utf8'));
    assert.ok(pid > 0);
    const status = existsSync(`/proc/${pid}`) ? readFileSync(`/proc/${pid}/status`, 'utf8') : 'State:\tZ';
    assert.match(status, /^State:\tZ/m);
  });

  test('from a variable, a file and a command, without the white space around it', async () => {
    using folder = makeFolder();
    const path = folder.write('token', 'file-0123456789\n');
    const { values } = await readCredentials(
      { A: { kind: 'env', variable: 'X' }, B: { kind: 'file', path }, C: command() },
      machine({ env: { X: 'env-0123456789' } }),
      never,
    );
    assert.deepEqual(
      Object.entries(values).map(([name, { value }]) => [name, value]),
      [
        ['A', 'env-0123456789'],
        ['B', 'file-0123456789'],
        ['C', 'value-0123456789'],
      ],
    );
    for (const { value, placeholder } of Object.values(values)) assert.notEqual(value, placeholder);
  });

  const failures: [title: string, source: CredentialSource, message: RegExp][] = [
    ['a command that fails', command({ args: ['-c', 'echo opaque-output; exit 3'] }), /\/bin\/sh ended with status 3$/],
    ['a command that is slow', command({ args: ['-c', 'sleep 10'], timeoutMs: 200 }), /did not end within 0.2 s/],
    ['one that is not there', command({ program: '/no/such/program' }), /could not be run \(ENOENT\)/],
    ['one that prints too much', command({ args: ['-c', 'yes | head -c 100000'] }), /printed more than/],
    ['nothing', command({ args: ['-c', 'true'] }), /the value is shorter than 8/],
    ['two lines', command({ args: ['-c', 'printf "opaque-output\\nopaque"'] }), /not printable ASCII/],
    ['other JSON', command({ args: ['-c', 'printf \'{"token":"opaque-output"}\''] }), /printed JSON that is not/],
    ['a file that has gone', { kind: 'file', path: '/no/such/file' }, /cannot be read/],
  ];
  for (const [title, source, message] of failures)
    test(`${title} is said by the secret's name, never with what was read`, async () => {
      await assert.rejects(readCredentials({ MINE: source }, machine(), never), (error) => {
        assert.ok(error instanceof Error);
        assert.match(error.message, /^secrets\.MINE: /);
        assert.match(error.message, message);
        assert.doesNotMatch(error.message, /opaque/);
        return true;
      });
    });
});

suite('a value that ends is read again before', () => {
  test('by the time that the manifest says, or that the command says', () => {
    assert.deepEqual(readOutput('abc', 5), { value: 'abc', ends: 5 });
    assert.deepEqual(readOutput('{"value":"abc"}', 5), { value: 'abc', ends: 5 });
    assert.deepEqual(readOutput('{"value":"abc","expires_at":10}', 5), { value: 'abc', ends: 10_000 });
    assert.deepEqual(readOutput('{"value":"abc","expires_at":"1970-01-01T00:00:10Z"}', 5), {
      value: 'abc',
      ends: 10_000,
    });
    assert.equal(readOutput('{"value":"abc","expires_at":"soon"}', 5), undefined);
    assert.equal(readOutput('{', 5), undefined);
    assert.equal(renewalIn(-5), 5_000, 'a command that prints what has ended is not run without a pause');
    assert.deepEqual([renewalIn(3_600_000), renewalIn(10_000), renewalIn(100)], [3_540_000, 8_000, 500]);
  });

  test('again and again, also after a failure, until it is no longer followed', async () => {
    mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 0 });
    try {
      const outputs: (string | { why: string })[] = [
        'first-0123',
        'second-0123',
        { why: 'failed' },
        'third-0123',
        'fourth-0123',
      ];
      const source = { S: command({ expiresMs: 10_000 }) };
      const fake = machine({ outputOf: async () => outputs.shift() ?? 'over-0123456' });
      const credentials = await readCredentials(source, fake, never);
      const renewed: string[] = [];
      const stale: unknown[] = [];
      const following = credentials.follow((values) => renewed.push(values['S'] ?? ''));
      for (const ms of [7_999, 1, 8_000, 5_000]) {
        mock.timers.tick(ms);
        await settle();
        renewed.push(`${Date.now()}`);
        stale.push(credentials.stale.get('S'));
      }
      assert.deepEqual(
        stale,
        [undefined, undefined, '/bin/sh failed', undefined],
        'a failure is told until it is made good',
      );
      following[Symbol.dispose]();
      mock.timers.tick(60_000);
      await settle();
      assert.deepEqual(renewed, ['7999', 'second-0123', '8000', '16000', 'third-0123', '21000']);
    } finally {
      mock.timers.reset();
    }
  });

  test('a file that changes is read again, and one that does not is not handed on', async () => {
    using folder = makeFolder();
    const path = folder.write('token', 'first-0123456\n');
    mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 0 });
    try {
      const credentials = await readCredentials({ S: { kind: 'file', path } }, machine(), never);
      const renewed: string[] = [];
      using _ = credentials.follow((values) => renewed.push(values['S'] ?? ''));
      for (const text of ['first-0123456', 'second-0123456\n', '', 'second-0123456', 'third-0123456']) {
        folder.write('token', text);
        mock.timers.tick(30_000);
        await settle();
      }
      assert.deepEqual(renewed, ['second-0123456', 'third-0123456']);
    } finally {
      mock.timers.reset();
    }
  });

  test('what does not end is not read again', async () => {
    const credentials = await readCredentials({ S: command() }, machine(), never);
    using _ = credentials.follow(() => assert.fail());
  });
});
