import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { makeWorld } from '../../support/deps.ts';

suite('a command line is refused that', () => {
  const rows: [title: string, args: string[], message: RegExp][] = [
    ['has no command', [], /no command given/],
    ['has an unknown command', ['strat'], /unknown command 'strat'/],
    ['has an unknown option', ['start', '--fast'], /unknown option '--fast'/],
    ['asks for a format without --dry-run', ['start', '--format', 'json'], /--format belongs to --dry-run/],
    ['asks for the usual format without --dry-run', ['start', '--format', 'text'], /--format belongs to --dry-run/],
    ['asks for a format that is none', ['start', '--dry-run', '--format', 'xml'], /text, json/],
    ['names a scanner that is not known', ['start', '--scanner', 'none'], /embedded/],
    ['names no manifest', ['start', '-f'], /argument missing/],
    ['names a session that is none in ls', ['ls', '--format', 'yaml'], /text, json/],
    ['asks for the log of a container that has none', ['logs', 'mine', 'agent'], /bump, scanner, gate/],
    ['names no session to stop', ['stop'], /missing required argument 'slug'/],
    ['has one argument too many', ['stop', 'mine', 'other'], /too many arguments/],
  ];
  for (const [title, args, message] of rows) {
    test(title, async () => {
      using world = makeWorld();
      await assert.rejects(world.run(...args), { code: 'BOTTLE_USAGE', message });
      assert.equal(world.connected.times, 0);
      assert.deepEqual([world.printed(), world.said], ['', []], 'it is said once, by whoever catches it');
    });
  }

  for (const slug of ['-a', 'A', 'a_b', '../a', 'a'.repeat(41), 'ä', '']) {
    test(`names a session ${JSON.stringify(slug)}`, async () => {
      using world = makeWorld();
      for (const args of [
        ['start', `--name=${slug}`],
        ['stop', '--', slug],
        ['logs', '--', slug],
        ['records', '--', slug],
      ])
        await assert.rejects(world.run(...args), { code: 'BOTTLE_USAGE' }, args.join(' '));
      assert.equal(world.connected.times, 0);
    });
  }
});

suite('help', () => {
  test('lists every command', async () => {
    using world = makeWorld();
    assert.equal(await world.run('--help'), 0);
    for (const command of ['start', 'init', 'schema', 'trust', 'ls', 'logs', 'records', 'stop', 'clean'])
      assert.match(world.printed(), new RegExp(`^ {2}${command}\\b`, 'm'));
  });

  test('lists every option of start', async () => {
    using world = makeWorld();
    assert.equal(await world.run('start', '--help'), 0);
    for (const option of ['--file', '--name', '--dry-run', '--format', '--scanner', '--trust', '--quiet'])
      assert.ok(world.printed().includes(option), option);
  });
});

test('--version prints the version', async () => {
  using world = makeWorld();
  assert.equal(await world.run('--version'), 0);
  assert.equal(world.printed(), '1.2.3\n');
});

test('a scanner on the command line takes the place of the manifest’s', async () => {
  using world = makeWorld();
  assert.equal(await world.run('start', '--scanner', 'embedded'), 0);
});
