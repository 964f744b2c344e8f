/** Whose files are whose: the agent's user, its home, its mounts; and the agent that most will run, Claude Code. */
import assert from 'node:assert/strict';
import {
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type Dockerode from 'dockerode';
import { Running } from './support/running.ts';
import { engine, eventually, leftovers, World } from './support/world.ts';

const docker = await engine();
const skip = typeof docker === 'string' ? docker : false;

/** Only root may give a folder to others; whoever else runs the tests tries with a folder of their own. */
const me = process.getuid?.() ?? 0;
const owners = me === 0 ? [0, 1000, 1234] : [me];

describe('an agent’s files', { skip }, () => {
  let world: World;
  const images: string[] = [];
  before(async () => {
    world = await World.open(docker as Dockerode);
  });
  after(async () => {
    await world[Symbol.asyncDispose]();
    for (const image of images) await world.docker.getImage(image).remove({ force: true });
  });

  /** A folder with an empty git repository, as its owner would have made them. */
  function workspace(name: string, owner: number): string {
    const folder = join(world.folder, name);
    for (const part of ['', '.git', '.git/objects', '.git/refs', '.git/refs/heads']) {
      mkdirSync(join(folder, part));
      chownSync(join(folder, part), owner, owner);
    }
    for (const [file, text] of [
      ['.git/HEAD', 'ref: refs/heads/main\n'],
      ['.git/config', '[core]\n\trepositoryformatversion = 0\n'],
    ] as const) {
      writeFileSync(join(folder, file), text);
      chownSync(join(folder, file), owner, owner);
    }
    return folder;
  }

  /** Removes the kept home that the built-in default has made for a folder. */
  async function removeHome(cwd: string): Promise<void> {
    const plan = await world.run(['start', '--dry-run', '--format=json'], { cwd });
    const { home } = JSON.parse(plan.stdout) as { home: { volume: string } };
    await world.docker.getVolume(home.volume).remove({ force: true });
  }

  for (const owner of owners) {
    it(`belong to the owner of the folder, uid ${owner}, by the built-in default`, async () => {
      const cwd = workspace(`owned-by-${owner}`, owner);
      const script = [
        'set -e',
        'id -u',
        'whoami',
        'node -p "os.userInfo().username"',
        'python3 -c "import os, pwd; print(pwd.getpwuid(os.getuid()).pw_dir, os.path.expanduser(\'~\'))"',
        'mkdir -p ~/.config/tool && echo kept > ~/.config/tool/file && cat ~/.config/tool/file',
        'mkdir made && echo text > made/file',
        'git status --porcelain',
        'git add made && git -c user.name=a -c user.email=a@example.com commit -qm made && git log --format=%s',
        'test ! -w /etc/passwd || test "$(id -u)" = 0',
      ].join('\n');
      try {
        const { status, stdout, stderr } = await world.run(['start', '--', 'sh', '-c', script], { cwd });
        assert.equal(status, 0, stderr);
        const [uid, user, nodeUser, homes, ...rest] = stdout.trim().split('\n');
        assert.equal(uid, String(owner));
        assert.ok(user !== undefined && user !== '', 'it has a name');
        assert.equal(nodeUser, user);
        assert.match(homes ?? '', owner === 1234 ? /^\/home\/agent \/home\/agent$/ : / \/home\/agent$/);
        assert.deepEqual(rest, ['kept', '?? made/', 'made']);
        assert.doesNotMatch(stderr, /dubious ownership/);
        assert.match(stderr, /^bottle: no bottle\.yaml here: running the built-in default/m);
        for (const path of ['made', 'made/file', '.git/refs/heads/main'])
          assert.equal(statSync(join(cwd, path)).uid, owner, path);
      } finally {
        await removeHome(cwd);
      }
    });
  }

  it('are the manifest’s user’s, where it names one', async () => {
    for (const [user, expected] of [
      ['1234:2345', '1234 2345'],
      ['nobody', '65534 65534'],
    ] as const) {
      const manifest = world.manifest({ name: `user-${user.replace(':', '-')}.yaml`, agent: { user } });
      const { stdout, stderr } = await world.agent('echo $(id -u) $(id -g); touch ~/x && stat -c %u ~', { manifest });
      assert.equal(stdout, `${expected}\n${expected.split(' ')[0]}\n`, stderr);
    }
  });

  it('are the image’s user’s, where it has one', async () => {
    const made = await world.docker.createContainer({ Image: world.agentImage, Labels: { 'bottle.test': '1' } });
    const { Id } = (await made.commit({ changes: 'USER nobody' })) as { Id: string };
    await made.remove({ force: true });
    images.push(Id);
    mkdirSync(join(world.folder, 'roots'));
    const manifest = world.manifest({
      name: 'image-user.yaml',
      agent: { image: Id, mounts: [{ source: './roots', target: '/workspace' }] },
    });
    const { stdout, stderr } = await world.agent('id -un; touch ~/x && echo written', { manifest });
    assert.equal(stdout, 'nobody\nwritten\n', stderr);
  });

  it('cannot be written where a mount is read-only', async () => {
    const folder = join(world.folder, 'readable');
    mkdirSync(folder);
    writeFileSync(join(folder, 'file'), 'original');
    writeFileSync(join(world.folder, 'one-file'), 'original');
    const manifest = world.manifest({
      name: 'read-only.yaml',
      agent: {
        mounts: [
          { source: './readable', target: '/readable', read_only: true },
          { source: './one-file', target: '/one-file', read_only: true },
        ],
      },
    });
    const { stdout } = await world.agent(
      'cat /readable/file; for f in /readable/file /readable/new /one-file; do sh -c "echo changed > $f" 2>&1 | grep -o "Read-only file system"; done; rm -rf /readable/file 2>/dev/null || echo kept',
      { manifest },
    );
    assert.equal(stdout, `original${'Read-only file system\n'.repeat(3)}kept\n`);
    assert.deepEqual(readdirSync(folder), ['file']);
    assert.equal(readFileSync(join(folder, 'file'), 'utf8'), 'original');
  });

  it('are never made where a mount’s source is missing', async () => {
    const slug = world.slug('missing');
    const manifest = world.manifest({
      name: 'missing.yaml',
      agent: { mounts: [{ source: './not-there', target: '/workspace' }] },
    });
    const { status, stderr } = await world.agent('true', { name: slug, manifest });
    assert.equal(status, 125);
    assert.match(stderr, /agent\.mounts\[0\]\.source: .*not-there does not exist/);
    assert.ok(!existsSync(join(world.folder, 'not-there')));
    assert.deepEqual(await leftovers(world.docker, slug), []);
  });

  it('never hold the engine’s socket: not as itself, by a link, or in a folder', async (t) => {
    if (!existsSync('/var/run/docker.sock')) return t.skip('the engine has no socket here');
    symlinkSync('/var/run/docker.sock', join(world.folder, 'innocent'));
    symlinkSync('/var/run', join(world.folder, 'innocent-folder'));
    const sources = ['/var/run/docker.sock', '/run', '/var/run', '/', './innocent', './innocent-folder'];
    const manifest = world.manifest({
      name: 'socket.yaml',
      agent: { mounts: sources.map((source, index) => ({ source, target: `/mounted-${index}` })) },
    });
    const { status, stderr } = await world.agent('true', { manifest });
    assert.equal(status, 125);
    for (const index of sources.keys())
      assert.match(stderr, new RegExp(`agent\\.mounts\\[${index}\\]\\.source: .*container engine's socket`));
  });

  for (const [what, exchange] of Object.entries({
    'a link to another folder': (from: string, to: string) => symlinkSync(to, from),
    'another folder': (from: string) => mkdirSync(from),
    'nothing at all': () => undefined,
  })) {
    it(`are not given to an agent when ${what} has taken a mount’s place since it was checked`, async () => {
      const slug = world.slug('exchanged');
      const [folder, secret] = [join(world.folder, slug), join(world.folder, `${slug}-secret`)];
      mkdirSync(folder);
      mkdirSync(secret);
      writeFileSync(join(secret, 'key'), 'private');
      const manifest = world.manifest({
        name: `${slug}.yaml`,
        agent: { mounts: [{ source: `./${basename(folder)}`, target: '/workspace' }] },
      });
      await using session = Running.begin(world, slug, { manifest, does: 'cat /workspace/key' });
      await eventually(async () => (await leftovers(world.docker, slug)).some((name) => name.endsWith('-gate')));
      renameSync(folder, `${folder}-away`);
      exchange(folder, secret);
      const { status, stdout, stderr } = await session.ended;
      assert.deepEqual([status, stdout], [125, ''], stderr);
      assert.match(stderr, /was exchanged|does not exist/);
      assert.deepEqual(await leftovers(world.docker, slug), []);
      rmSync(folder, { recursive: true, force: true });
    });
  }

  describe('of Claude Code', () => {
    /** Shaped like a key, and nobody's. */
    const env = { ANTHROPIC_API_KEY: `sk-ant-api03-${'made-up-'.repeat(10)}` };

    for (const owner of owners) {
      it(`let it start and complete a prompt in a folder of uid ${owner}, with no error of TLS`, async () => {
        const slug = world.slug('claude');
        workspace(slug, owner);
        const manifest = world.manifest({
          name: `${slug}.yaml`,
          agent: {
            env: { ANTHROPIC_API_KEY: '${ANTHROPIC_API_KEY}' },
            mounts: [{ source: `./${slug}`, target: '/workspace' }],
          },
          egress: { allow: ['api.anthropic.com', 'platform.claude.com'] },
        });
        const { status, stdout, stderr } = await world.agent(
          'claude --version && timeout 60 claude -p "say hi" --dangerously-skip-permissions',
          { name: slug, manifest, env },
        );
        assert.equal(status, 0, stdout + stderr);
        assert.match(stdout, /^\d+\.\d+\.\d+ \(Claude Code\)\nThe bottle is closed\.\s*$/);
        assert.doesNotMatch(stdout + stderr, /certificate|self.signed|TLS|UNABLE_TO/i);
        const records = await world.records(slug);
        const messages = records.filter(({ path }) => path === '/v1/messages');
        assert.ok(messages.length >= 1, 'the model was asked');
        const outcomes = records.filter(({ event }) => event === 'closed').map(({ outcome }) => outcome);
        assert.deepEqual(
          outcomes.filter((outcome) => (outcome as { kind: string }).kind !== 'forwarded'),
          [],
          'nothing of a usual session is refused',
        );
        assert.deepEqual([...new Set(records.map(({ host }) => host))], ['api.anthropic.com']);
        assert.doesNotMatch(JSON.stringify(records), /sk-ant-/);
      });
    }
  });
});
