/** Clients that find a placeholder where they look for a key, and never know. More of them are in `secrets.test.ts`. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type Dockerode from 'dockerode';
import { packageAt } from './support/packages.ts';
import { noTerminal, Terminal } from './support/terminal.ts';
import { engine, eventually, World } from './support/world.ts';

const docker = await engine();
const skip = typeof docker === 'string' ? docker : false;

/** Shaped like keys, and nobody's. */
const OPENAI = `sk-proj-${randomBytes(78).toString('hex')}`;
const ANTHROPIC = `sk-ant-api03-${randomBytes(60).toString('hex').slice(0, 93)}AA`;
/** The version that was tried. */
const OPENAI_SDK = '7.57.0';

describe('with a placeholder', { skip }, () => {
  let world: World;
  let folder: string;
  let key: string;
  before(async () => {
    world = await World.open(docker as Dockerode);
    folder = mkdtempSync(join(tmpdir(), 'bottle-placeholders-'));
    key = join(folder, 'key');
    writeFileSync(key, ANTHROPIC);
  });
  after(async () => {
    await world[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });

  it('the OpenAI SDK completes a chat, and the provider gets the key', async (t) => {
    const sdk = packageAt(world, 'openai', OPENAI_SDK, '/opt/sdk');
    if (typeof sdk === 'string') return t.skip(sdk);
    const manifest = world.manifest({
      name: 'openai.yaml',
      agent: { mounts: [sdk] },
      egress: { allow: ['api.openai.com'] },
      secrets: { OPENAI_API_KEY: { from: { env: 'REAL_KEY' }, hosts: ['api.openai.com'], header: 'authorization' } },
    });
    const program = `
      import OpenAI from '/opt/sdk/node_modules/openai/index.mjs';
      const { choices } = await new OpenAI().chat.completions.create({ model: 'gpt-5', messages: [{ role: 'user', content: 'say something' }] });
      console.log(process.env.OPENAI_API_KEY, choices[0].message.content);`;
    const { stdout, stderr } = await world.agent(
      `node --input-type=module -e "$PROGRAM"`.replace('$PROGRAM', program),
      {
        manifest,
        env: { REAL_KEY: OPENAI },
      },
    );
    assert.match(stdout, /^sk-proj-[\w-]{156} The bottle is closed\.\n$/, stderr);
    assert.ok(!stdout.includes(OPENAI));
    const chats = await world.seen(({ url }) => url === '/v1/chat/completions');
    assert.deepEqual(
      chats.map(({ headers }) => headers['authorization']),
      [`Bearer ${OPENAI}`],
    );
  });

  it('Claude Code asks once whether to use the key that it finds, and chats in its terminal', {
    skip: noTerminal(),
  }, async () => {
    const manifest = world.manifest({
      name: 'claude.yaml',
      agent: { home: 'keep' },
      egress: { allow: ['api.anthropic.com'] },
      secrets: { ANTHROPIC_API_KEY: { from: { file: key }, hosts: ['api.anthropic.com'], header: 'x-api-key' } },
    });
    const script = `cd /tmp; test -e ~/.claude.json || echo '${SETTLED}' > ~/.claude.json; echo "key $ANTHROPIC_API_KEY"; claude`;
    const session = () =>
      new Terminal(world, ['start', '-f', manifest, '--trust', '--name', world.slug('cli'), '--', 'sh', '-c', script], {
        rows: 40,
        columns: 120,
      });
    const chat = async (terminal: Terminal) => {
      await terminal.shows('/effort');
      terminal.type('say something');
      await terminal.shows(/say\S* *\S*something/);
      terminal.type('\r');
      await terminal.shows(/closed\./);
    };
    try {
      await using first = session();
      await first.shows('custom');
      await first.shows(TAIL); // the last 20 characters, which it will remember
      first.type('\x1b[A\r'); // "Yes" is above "No"
      await chat(first);
      await using second = session();
      await chat(second);
      assert.doesNotMatch(second.shown, /custom/);
      const keys = [first, second].map(({ shown }) => /key (\S+)/.exec(shown)?.[1] ?? '');
      assert.notEqual(keys[0], keys[1]);
      for (const one of keys) assert.match(one, new RegExp(`^sk-ant-api03-.{75}${TAIL}$`));
    } finally {
      const plan = await world.run(['start', '-f', manifest, '--dry-run', '--format=json']);
      const { home } = JSON.parse(plan.stdout) as { home: { volume: string } };
      await eventually(() =>
        world.docker
          .getVolume(home.volume)
          .remove()
          .then(
            () => true,
            () => false,
          ),
      );
    }
    const chats = await world.seen(({ url, host }) => host === 'api.anthropic.com' && url.startsWith('/v1/messages'));
    assert.ok(chats.length >= 2);
    for (const { headers } of chats) assert.equal(headers['x-api-key'], ANTHROPIC);
  });
});

/** What every placeholder of an Anthropic key ends with. */
const TAIL = 'Bottle0PlaceholderAA';
/** Claude Code after its first start, in a folder that is trusted: without its questions about colours and folders. */
const SETTLED = JSON.stringify({
  hasCompletedOnboarding: true,
  theme: 'dark',
  projects: { '/tmp': { hasTrustDialogAccepted: true } },
});
