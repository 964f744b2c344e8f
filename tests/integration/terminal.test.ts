/** With a terminal: the agent has it as if it were its own, and gives it back as it was. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type Dockerode from 'dockerode';
import { noTerminal, Terminal } from './support/terminal.ts';
import { engine, eventually, leftovers, World } from './support/world.ts';

const docker = await engine();
const skip = typeof docker === 'string' ? docker : noTerminal();

const SIZE = { rows: 40, columns: 100 };
/** Says each key at once, as it comes, until a "q". */
const KEYS = `node -e "
  process.stdin.setRawMode(true).on('data', (keys) => {
    for (const key of keys) console.log('key ' + key.toString(16) + '.');
    if (keys.includes('q')) process.exit(9);
  });
  console.log('listening');"`;

describe('an agent with a terminal', { skip }, () => {
  let world: World;
  before(async () => {
    world = await World.open(docker as Dockerode);
  });
  after(async () => {
    await world[Symbol.asyncDispose]();
  });

  const start = (slug: string, script: string, redirect = '') =>
    new Terminal(
      world,
      ['start', '-f', world.manifest(), '--trust', '--name', slug, '--', 'sh', '-c', script],
      SIZE,
      redirect,
    );

  it('gets every key at once and unchanged, those too that an engine or a launcher could keep for itself', async () => {
    const slug = world.slug('keys');
    await using terminal = start(slug, KEYS);
    await terminal.shows('listening');
    // Ctrl-P and Ctrl-Q detach a docker client, Ctrl-C and Ctrl-\\ and Ctrl-Z end or stop a program, Ctrl-S holds output, Ctrl-D ends input.
    for (const key of [0x10, 0x11, 0x10, 0x03, 0x1c, 0x1a, 0x13, 0x04, 0x0d, 0x7f, 0x1b]) {
      const before = terminal.shown.length;
      terminal.type(String.fromCharCode(key));
      await eventually(() => terminal.shown.slice(before).includes(`key ${key.toString(16)}.`), 5_000);
    }
    terminal.type('ä');
    await terminal.shows(/key c3\.\s+key a4\./);
    terminal.type('q');
    assert.equal(await terminal.ended, 9, 'and its status is the agent’s');
    const { before, after } = terminal.settings();
    assert.equal(after, before, 'the terminal is as it was');
    assert.deepEqual(await leftovers(world.docker, slug), []);
  });

  it('moves the cursor as it means to: a line feed alone stays alone', async () => {
    await using terminal = start(world.slug('bytes'), "stty raw; printf 'a\\nb\\r\\nc\\td'");
    assert.equal(await terminal.ended, 0);
    assert.match(terminal.shown, /a\nb\r\nc\td/);
  });

  it('has the terminal’s size, also when that changes', async () => {
    await using terminal = start(
      world.slug('size'),
      "trap 'echo changed; stty size' WINCH; stty size; while :; do sleep 0.1; done",
    );
    await terminal.shows('40 100');
    terminal.resize({ rows: 33, columns: 77 });
    await terminal.shows(/changed\s+33 77/);
    terminal.type('\x03');
    assert.equal(await terminal.ended, 130, 'Ctrl-C is the agent’s terminal’s, which ends its program');
  });

  it('is sent Ctrl-C by its own terminal, and bottle is not', async () => {
    await using terminal = start(
      world.slug('ctrlc'),
      "trap 'echo caught; trap - INT' INT; echo up; while :; do sleep 0.1; done",
    );
    await terminal.shows('up');
    terminal.type('\x03');
    await terminal.shows('caught');
    terminal.type('\x03');
    assert.equal(await terminal.ended, 130);
    assert.doesNotMatch(terminal.shown, /interrupted/);
    const { before, after } = terminal.settings();
    assert.equal(after, before);
  });

  it('is the only one that writes to it while it runs, whatever happens meanwhile', async () => {
    const slug = world.slug('quiet');
    const denied = 'curl -sS -o /dev/null https://evil.example.net/';
    await using terminal = start(slug, `stty -echo; echo begin; ${denied}; read key; ${denied}; echo end`);
    await terminal.shows('begin');
    await world.docker.getContainer(`bottle-${slug}-scanner`).kill();
    assert.equal((await world.run(['ls'])).status, 0);
    terminal.type('\r');
    assert.equal(await terminal.ended, 0);
    const between = /begin\r\n([^]*)end\r\n/.exec(terminal.shown);
    assert.equal(between?.[1], '', terminal.shown);
    assert.match(terminal.shown.split('begin')[0] ?? '', /bottle: mitm ca fingerprint: [0-9a-f]{16}\.\.\.\r\n/);
    const afterwards = terminal.shown.split('end\r\n')[1] ?? '';
    assert.match(afterwards, /^bottle: .*scanner \(status 137\).* ended while the agent ran/m);
    assert.match(afterwards, /^bottle: denied twice|^bottle: denied 2 times: evil\.example\.net/m);
  });

  it('has none where the caller’s output goes elsewhere', async () => {
    const file = join(world.folder, 'output');
    await using terminal = start(
      world.slug('redirected'),
      'test -t 0 || test -t 1 || echo none; exit 4',
      `> '${file}'`,
    );
    assert.equal(await terminal.ended, 4, 'nobody has to end the input');
    assert.equal(readFileSync(file, 'utf8'), 'none\n');
  });

  it('ends with its terminal, and leaves nothing', async () => {
    const slug = world.slug('hangup');
    await using terminal = start(slug, 'echo up; sleep 600');
    await terminal.shows('up');
    terminal.child.kill('SIGKILL'); // the terminal goes; whoever has it is told by SIGHUP
    await eventually(async () => (await leftovers(world.docker, slug)).length === 0, 15_000);
    const records = await world.run(['logs', slug, 'gate']);
    assert.match(records.stdout, /"event":"ready"/, 'what is kept of a session is kept');
  });

  it('is started only when its manifest, which is shown, is agreed to; and then without a question', async () => {
    const file = world.manifest({ name: 'asked.yaml', agent: { env: { SHOWN: 'in the plan' } } });
    const ask = (slug: string) =>
      new Terminal(world, ['start', '-f', file, '--name', slug, '--', 'sh', '-c', 'read line; echo "got $line"'], SIZE);
    for (const no of ['n\r', '\r', 'what?\r']) {
      const slug = world.slug('no');
      await using terminal = ask(slug);
      await terminal.shows('Run it? [y/N]');
      assert.match(terminal.shown, /SHOWN/, 'the plan is there to be read');
      terminal.type(no);
      assert.equal(await terminal.ended, 125);
      assert.match(terminal.shown, /was not confirmed: nothing was started/);
      assert.deepEqual(await leftovers(world.docker, slug), []);
    }
    await using first = ask(world.slug('yes'));
    await first.shows('Run it? [y/N]');
    first.type('y\r');
    await first.shows('fingerprint');
    first.type('a line\r');
    await first.shows('got a line');
    assert.equal(await first.ended, 0);

    await using second = ask(world.slug('known'));
    await second.shows('fingerprint');
    second.type('another\r');
    await second.shows('got another');
    assert.equal(await second.ended, 0);
    assert.doesNotMatch(second.shown, /Run it\?/);
    const { before, after } = second.settings();
    assert.equal(after, before);
  });
});
