/** Every way in which a session can end, and what is left then: its records, and nothing else. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync, existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, describe, it } from 'node:test';
import type Dockerode from 'dockerode';
import { tarOf } from '../../src/docker/archive.ts';
import { sessionLabels } from '../../src/docker/labels.ts';
import { currentOwner } from '../../src/docker/owner.ts';
import { Running } from './support/running.ts';
import { engine, eventually, leftovers, World } from './support/world.ts';

const docker = await engine();
const skip = typeof docker === 'string' ? docker : false;

/** Waits without reading its input, so that the end of the launcher is not its own. */
const SLEEPS = 'exec sleep 600';
const URL = 'https://api.anthropic.com';

describe('a session’s end', { skip }, () => {
  let world: World;
  let temporary: string;
  const images: string[] = [];
  const former = process.env['TMPDIR'];
  before(async () => {
    world = await World.open(docker as Dockerode);
    temporary = mkdtempSync(join(tmpdir(), 'bottle-tmp-'));
    process.env['TMPDIR'] = temporary; // of every program that the tests start
  });
  after(async () => {
    if (former === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = former;
    rmSync(temporary, { recursive: true, force: true });
    await world[Symbol.asyncDispose]();
    for (const image of images) await world.docker.getImage(image).remove({ force: true });
  });

  const left = (slug: string) => leftovers(world.docker, slug);
  const seen = async (path: string) => (await world.seen(({ url }) => url === path)).length;
  const container = (slug: string, role: string) => world.docker.getContainer(`bottle-${slug}-${role}`);
  const ls = async () => {
    const { stdout } = await world.run(['ls', '--format', 'json']);
    return JSON.parse(stdout) as { slug: string; state: string }[];
  };
  const exists = async (slug: string, what: string) => (await left(slug)).some((name) => name.endsWith(what));

  /** Starts what cannot start, and returns what is said. */
  async function fails(slug: string, agent: object, egress: object = {}, env: Record<string, string> = {}) {
    const manifest = world.manifest({ name: `${slug}.yaml`, agent, egress });
    const { status, stdout, stderr } = await world.agent('echo up', { name: slug, manifest, env });
    assert.equal(status, 125, stderr);
    assert.equal(stdout, '');
    assert.deepEqual(await left(slug), []);
    assert.doesNotMatch(stderr, /defect of bottle|\n\s+at /, 'it is an error that was thought of');
    return stderr;
  }

  /** The agent's image with something done to it. */
  async function derive(script: string): Promise<string> {
    const made = await world.docker.createContainer({
      Image: world.agentImage,
      User: '0',
      Entrypoint: ['sh', '-c', script],
      Cmd: [],
      Labels: { 'bottle.test': '1' },
    });
    await made.start();
    await made.wait();
    const { Id } = (await made.commit({})) as { Id: string };
    await made.remove({ force: true });
    images.push(Id);
    return Id;
  }

  describe('before the agent runs', () => {
    it('names an image that no registry has', async () => {
      const image = 'localhost:1/bottle-test/no-such-image:1';
      assert.match(await fails(world.slug('noimage'), { image }), /image cannot be pulled: localhost:1\/bottle-test/);
    });

    it('names a network that does not exist', async () => {
      const said = await fails(world.slug('nonetwork'), {}, { networks: ['bottle-test-no-such-network'] });
      assert.match(said, /bottle-test-no-such-network/);
    });

    it('says what to install in an image without a bundle of certificates', async () => {
      const image = await derive('rm -f /etc/ssl/certs/ca-certificates.crt');
      assert.match(
        await fails(world.slug('nobundle'), { image }),
        /has no \/etc\/ssl\/certs\/ca-certificates\.crt.*apt-get install ca-certificates/,
      );
    });

    it('says what to install in an image without update-ca-certificates', async () => {
      const image = await derive('rm -f /usr/sbin/update-ca-certificates');
      assert.match(
        await fails(world.slug('noupdate'), { image }),
        /has no \/usr\/sbin\/update-ca-certificates.*apt-get install ca-certificates/,
      );
    });

    it('shows the last lines of an image build that fails', async () => {
      const tag = `bottle-test-empty:${world.slug('x').slice(2)}`;
      const empty = await tarOf([{ path: '/nothing', content: '', mode: 0o644 }]);
      const [repo = '', name = ''] = tag.split(':');
      const answer = await world.docker.importImage(Readable.from([empty]) as never, { repo, tag: name });
      for await (const _ of answer); // it is imported when the engine has said all
      images.push(tag);
      const said = await fails(world.slug('nobuild'), {}, {}, { BOTTLE_BASE_IMAGE: tag });
      assert.match(said, /image cannot be built: bottle-(sidecar|agent)/);
      const ours = await world.docker.listContainers({ all: true, filters: { ancestor: [tag] } });
      assert.deepEqual(ours, [], 'the build has left no container');
    });

    const moments: Record<string, string> = {
      'its networks are made': '-egress',
      'its gate is made': '-gate',
      'its agent is made': '-agent',
    };
    for (const [moment, what] of Object.entries(moments)) {
      it(`ends with 130 and leaves nothing when it is interrupted as ${moment}`, async () => {
        const slug = world.slug('interrupt');
        await using session = Running.begin(world, slug);
        await eventually(() => exists(slug, what));
        session.child.kill('SIGINT');
        const { status, stdout, stderr } = await session.ended;
        assert.deepEqual([status, stdout], [130, ''], stderr);
        assert.match(stderr, /^bottle: interrupted/m);
        assert.deepEqual(await left(slug), []);
      });

      it(`leaves nothing behind the next command when it is killed as ${moment}`, async () => {
        const slug = world.slug('killed');
        await using session = Running.begin(world, slug);
        await eventually(() => exists(slug, what));
        session.child.kill('SIGKILL');
        await session.ended;
        // The engine may still be at what it was told last.
        await eventually(async () => {
          assert.ok((await ls()).every((other) => other.slug !== slug));
          return (await left(slug)).length === 0;
        });
      });
    }
  });

  // Most of these wait for something; none of them leaves a dead session, which another's command would clear away.
  describe('by the agent', { concurrency: 3 }, () => {
    it('passes "command not found" and "not executable" on as 127 and 126, and says so', async () => {
      const file = world.manifest({ name: 'etc.yaml', agent: { workdir: '/etc' } });
      for (const [command, status] of [
        ['no-such-command', 127],
        ['/etc/passwd', 126],
      ] as const) {
        const slug = world.slug('command');
        const ended = await world.run(['start', '-f', file, '--trust', '--name', slug, '--', command, 'argument']);
        assert.equal(ended.status, status, ended.stderr);
        assert.ok(ended.stderr.includes(command), ended.stderr);
        assert.deepEqual(await left(slug), []);
      }
    });

    it('hands SIGTERM, SIGINT and SIGHUP to the agent, and ends with the agent’s status', async () => {
      const signals = ['TERM', 'INT', 'HUP'] as const;
      await Promise.all(
        signals.map(async (signal) => {
          const slug = world.slug('signal');
          const does = `trap 'echo got ${signal}; exit 42' ${signal}; while :; do sleep 0.1; done`;
          await using session = await Running.start(world, slug, { does });
          await eventually(async () => (await session.exec('cat /proc/*/cmdline')).output.includes('sleep'));
          session.child.kill(`SIG${signal}`);
          const { status, stdout, stderr } = await session.ended;
          assert.deepEqual([status, stdout], [42, `up\ngot ${signal}\n`], stderr);
          assert.deepEqual(await left(slug), []);
        }),
      );
    });

    it('ends an agent that ignores SIGTERM after 10 s', async () => {
      const slug = world.slug('stubborn');
      await using session = await Running.start(world, slug, { does: "trap '' TERM; echo deaf; sleep 600" });
      await eventually(() => session.stdout.includes('deaf'));
      const began = performance.now();
      session.child.kill('SIGTERM');
      const { status } = await session.ended;
      const took = performance.now() - began;
      assert.equal(status, 137);
      assert.ok(took > 9_000 && took < 16_000, `${took} ms`);
      assert.deepEqual(await left(slug), []);
    });

    it('ends at once at a second signal within a second', async () => {
      const slug = world.slug('impatient');
      await using session = await Running.start(world, slug, { does: "trap '' TERM INT; echo deaf; sleep 600" });
      await eventually(() => session.stdout.includes('deaf'));
      const began = performance.now();
      session.child.kill('SIGTERM');
      session.child.kill('SIGINT');
      const { status } = await session.ended;
      assert.equal(status, 137);
      assert.ok(performance.now() - began < 7_000);
      assert.deepEqual(await left(slug), []);
    });

    it('ends with what "bottle stop" is answered with by the agent', async () => {
      const slug = world.slug('stop');
      const does = "trap 'exit 42' TERM; while :; do sleep 0.1; done";
      await using session = await Running.start(world, slug, { does });
      await eventually(async () => (await session.exec('cat /proc/*/cmdline')).output.includes('sleep'));
      const stopped = await world.run(['stop', slug]);
      assert.equal(stopped.status, 0, stopped.stderr);
      assert.deepEqual(await left(slug), []);
      assert.equal((await session.ended).status, 42);
      const again = await world.run(['stop', slug]);
      assert.equal(again.status, 125);
      assert.match(again.stderr, /no session is called/);
    });
  });

  describe('by its launcher’s end', () => {
    it('leaves the agent without a way out when the launcher is killed, and the next command clears up and keeps the records', async () => {
      const slug = world.slug('orphan');
      await using session = await Running.start(world, slug, { does: SLEEPS });
      assert.equal(await session.request(`${URL}/before-${slug}`), '200');
      session.child.kill('SIGKILL');
      await session.ended;
      await eventually(async () => !(await session.request(`${URL}/probe-${slug}`)).endsWith('200'), 10_000);
      for (let round = 0; round < 3; round += 1)
        assert.match(await session.request(`${URL}/after-${slug}`), /^curl: .*000$/s);
      assert.equal(await seen(`/after-${slug}`), 0);
      assert.ok((await left(slug)).length > 0, 'nobody has cleared up yet');

      assert.ok((await ls()).every((other) => other.slug !== slug));
      assert.deepEqual(await left(slug), []);
      const records = await world.records(slug);
      assert.equal(records[0]?.['path'], `/before-${slug}`);
      assert.equal(records[0]?.['event'], 'admitted');
      const logs = await world.run(['logs', slug, 'bump']);
      assert.match(logs.stdout, /"event":"ready"/);
    });

    it('lets nothing out 10 s after the launcher was stopped, and serves again when it goes on', async () => {
      const slug = world.slug('frozen');
      await using session = await Running.start(world, slug);
      assert.equal(await session.request(`${URL}/before-${slug}`), '200');
      session.child.kill('SIGSTOP');
      const began = performance.now();
      await eventually(async () => !(await session.request(`${URL}/probe-${slug}`)).endsWith('200'), 12_000);
      assert.ok(performance.now() - began < 11_000);
      const refused = await session.request(`${URL}/after-${slug}`);
      assert.match(refused, /503/);
      assert.equal(await seen(`/after-${slug}`), 0);
      session.child.kill('SIGCONT');
      await eventually(async () => (await session.request(`${URL}/again-${slug}`)) === '200');
      assert.equal((await session.end()).status, 0);
      assert.deepEqual(await left(slug), []);
    });

    it('can be stopped by another command while its launcher hangs', async () => {
      const slug = world.slug('hung');
      await using session = await Running.start(world, slug);
      assert.equal(await session.request(`${URL}/before-${slug}`), '200');
      session.child.kill('SIGSTOP');
      const { status, stderr } = await world.run(['stop', slug]);
      assert.equal(status, 0, stderr);
      assert.deepEqual(await left(slug), []);
      session.child.kill('SIGCONT');
      const ended = await session.ended;
      assert.equal(ended.status, 143, ended.stderr);
      assert.deepEqual(await left(slug), []);
      assert.equal((await world.records(slug))[0]?.['path'], `/before-${slug}`, 'the records are still there');
    });
  });

  describe('by the end of what it rests on', { concurrency: 3 }, () => {
    const answers = { bump: /^curl: .*000$/s, gate: /^curl: .*000$/s, scanner: /503/ };
    for (const [role, answer] of Object.entries(answers)) {
      it(`has no way out when its ${role} is killed, and its launcher says so at the end`, async () => {
        const slug = world.slug('lost');
        await using session = await Running.start(world, slug);
        assert.equal(await session.request(`${URL}/before-${slug}`), '200');
        await container(slug, role).kill();
        assert.match(await session.request(`${URL}/after-${slug}`, '-m 5'), answer);
        assert.equal(await seen(`/after-${slug}`), 0);
        const { status, stderr } = await session.end();
        assert.equal(status, 0, stderr);
        assert.match(stderr, new RegExp(`^bottle: .*${role} \\(status 137\\).* ended while the agent ran`, 'm'));
        assert.deepEqual(await left(slug), []);
        assert.equal((await world.records(slug))[0]?.['path'], `/before-${slug}`);
      });
    }

    it('refuses what a scanner that hangs does not answer, and serves again when it does', async () => {
      const slug = world.slug('paused');
      await using session = await Running.start(world, slug);
      await container(slug, 'scanner').pause();
      const began = performance.now();
      assert.match(await session.request(`${URL}/after-${slug}`), /503/);
      assert.ok(performance.now() - began < 10_000, 'its deadline is not the client’s');
      assert.equal(await seen(`/after-${slug}`), 0);
      await container(slug, 'scanner').unpause();
      await eventually(async () => (await session.request(`${URL}/again-${slug}`)) === '200');
      const { status, stderr } = await session.end();
      assert.equal(status, 0);
      assert.match(stderr, /^bottle: failed once: api\.anthropic\.com \(scan: /m);
      assert.equal(await seen(`/after-${slug}`), 0, 'nor later');
    });
  });

  describe('beside other sessions', () => {
    it('does not touch a running session whose name it was given', async () => {
      const slug = world.slug('taken');
      await using session = await Running.start(world, slug);
      const second = await world.agent('echo second', { name: slug });
      assert.equal(second.status, 125);
      assert.match(second.stderr, new RegExp(`${slug} is in use`));
      assert.equal(await session.request(`${URL}/still-${slug}`), '200');
      assert.equal((await session.end()).status, 0);
      assert.deepEqual(await left(slug), []);
    });

    it('does not touch the session that took its name at the same moment', async () => {
      const slug = world.slug('race');
      const both = [Running.begin(world, slug), Running.begin(world, slug)];
      try {
        const first = await Promise.race(both.map(async (session) => (await session.ended, session)));
        const { status, stdout, stderr } = await first.ended;
        assert.deepEqual([status, stdout], [125, ''], stderr);
        const winner = both.find((session) => session !== first) ?? assert.fail();
        await eventually(() => winner.stdout.includes('up'));
        assert.equal(await winner.request(`${URL}/won-${slug}`), '200');
        const ended = await winner.end();
        assert.equal(ended.status, 0, ended.stderr);
        assert.deepEqual(await left(slug), []);
      } finally {
        for (const session of both) await session[Symbol.asyncDispose]();
      }
    });

    it('leaves the sessions of other machines and pid namespaces alone, and removes what dead ones have left', async () => {
      const me = currentOwner();
      const owners = {
        machine: { ...me, machine_id: '0'.repeat(32) },
        namespace: { ...me, pid_namespace: 'pid:[1]', pid: 1 },
        boot: { ...me, boot_id: 'an earlier one' },
        reused: { ...me, start_time: '1' },
      };
      const slugs = new Map(Object.keys(owners).map((kind) => [kind, world.slug(kind)]));
      const started = new Date().toISOString();
      try {
        for (const [kind, owner] of Object.entries(owners)) {
          const slug = slugs.get(kind) ?? '';
          const Labels = sessionLabels({ slug, owner, started }, 'agent');
          await world.docker.createNetwork({ Name: `bottle-${slug}-agent`, Labels });
          await world.docker.createVolume({ Name: `bottle-${slug}-journal`, Labels });
          await world.docker.createContainer({ name: `bottle-${slug}-agent`, Image: world.agentImage, Labels });
        }
        const listed = new Map((await ls()).map(({ slug, state }) => [slug, state]));
        assert.equal((await world.run(['clean'])).status, 0);
        const states = Object.fromEntries([...slugs].map(([kind, slug]) => [kind, listed.get(slug) ?? 'gone']));
        assert.deepEqual(states, { machine: 'foreign', namespace: 'foreign', boot: 'gone', reused: 'gone' });
        for (const [kind, slug] of slugs) assert.equal((await left(slug)).length, listed.has(slug) ? 3 : 0, kind);
        const stopped = await world.run(['stop', slugs.get('machine') ?? '']);
        assert.equal(stopped.status, 125);
        assert.match(stopped.stderr, /belongs to another machine/);
        assert.equal((await left(slugs.get('machine') ?? '')).length, 3);
      } finally {
        for (const slug of slugs.values()) {
          await world.docker
            .getContainer(`bottle-${slug}-agent`)
            .remove({ force: true })
            .catch(() => undefined);
          await world.docker
            .getNetwork(`bottle-${slug}-agent`)
            .remove()
            .catch(() => undefined);
          await world.docker
            .getVolume(`bottle-${slug}-journal`)
            .remove()
            .catch(() => undefined);
        }
      }
    });

    it('is cleared away by "bottle clean" if it is dead, and left alone if it runs', async () => {
      const [dead, alive] = [world.slug('dead'), world.slug('alive')];
      await using first = await Running.start(world, dead, { does: SLEEPS });
      await using second = await Running.start(world, alive);
      first.child.kill('SIGKILL');
      await first.ended;
      // A session whose sidecar runs counts as alive; it ends a moment after its launcher.
      await eventually(async () => !(await container(dead, 'bump').inspect()).State.Running);
      const { status, stderr } = await world.run(['clean']);
      assert.equal(status, 0, stderr);
      assert.match(stderr, new RegExp(`left alone: ${alive}`));
      assert.deepEqual(await left(dead), []);
      assert.equal(await second.request(`${URL}/alive`), '200');
      assert.equal((await second.end()).status, 0);
    });

    it('gets its own status and its own answers with three others at once', async () => {
      const slugs = [0, 1, 2, 3].map((n) => world.slug(`many${n}`));
      const results = await Promise.all(
        slugs.map((name, n) => world.agent(`curl -sS ${URL}/${name}; exit ${n}`, { name })),
      );
      for (const [n, slug] of slugs.entries()) {
        assert.equal(results[n]?.status, n, results[n]?.stderr);
        assert.equal(results[n]?.stdout, `upstream says hello to GET /${slug}\n`);
        assert.deepEqual(await left(slug), []);
        assert.deepEqual(
          (await world.records(slug)).map(({ event }) => event),
          ['admitted', 'closed'],
        );
      }
    });

    it('leaves no container, network or volume, ten times in a row', async () => {
      const count = async () => {
        const filters = { label: ['bottle.session'] };
        const { Volumes } = await world.docker.listVolumes({ filters });
        return [
          ...(await world.docker.listContainers({ all: true, filters })).flatMap(({ Names }) => Names),
          ...(await world.docker.listNetworks({ filters })).map(({ Name }) => Name),
          ...(Volumes ?? []).map(({ Name }) => Name),
        ].filter((name) => /bottle-tenth-/.test(name));
      };
      for (let round = 0; round < 10; round += 1) {
        const name = world.slug('tenth');
        const { status, stderr } = await world.agent('exit 0', { name });
        assert.equal(status, 0, stderr);
      }
      assert.deepEqual(await count(), []);
    });
  });

  describe('of what may last', () => {
    it('keeps a home from session to session, and no fresh one', async (t) => {
      const folder = join(world.folder, 'homes');
      mkdirSync(folder);
      writeFileSync(join(folder, 'upstream-root.pem'), world.ca);
      const manifest = world.manifest({ name: 'homes/bottle.yaml', agent: { home: 'keep' } });
      const script = 'cat ~/.login 2>/dev/null; echo "I was here" > ~/.login';
      const [first, second] = [world.slug('home'), world.slug('home')];
      assert.equal((await world.agent(script, { name: first, manifest })).stdout, '');
      assert.equal((await world.agent(script, { name: second, manifest })).stdout, 'I was here\n');
      const fresh = world.slug('fresh');
      const other = await world.agent(script, {
        name: fresh,
        manifest: world.manifest({ name: 'homes/fresh.yaml', agent: { home: 'fresh' } }),
      });
      assert.equal(other.stdout, '', 'a fresh home is empty');
      for (const slug of [first, second, fresh]) assert.deepEqual(await left(slug), []);

      const homes = async () => {
        const { Volumes } = await world.docker.listVolumes({ filters: { label: ['bottle.home'] } });
        return (Volumes ?? []).map(({ Name }) => Name);
      };
      const plan = await world.run(['start', '-f', manifest, '--dry-run', '--format=json']);
      const home = (JSON.parse(plan.stdout) as { home: { volume: string } }).home.volume;
      try {
        assert.match(home, /^bottle-home-[0-9a-f]{12}$/);
        assert.equal((await world.run(['clean'])).status, 0);
        assert.ok((await homes()).includes(home), 'clean by itself keeps homes');
        // It removes every home of the engine: where there are others, they are somebody's, and not a test's to remove.
        if ((await homes()).some((other) => other !== home)) return t.diagnostic('there are other homes: not removed');
        const cleaned = await world.run(['clean', '--homes']);
        assert.equal(cleaned.status, 0, cleaned.stderr);
        assert.match(cleaned.stderr, new RegExp(`removed ${home}`));
        assert.ok(!(await homes()).includes(home));
      } finally {
        await world.docker
          .getVolume(home)
          .remove()
          .catch(() => undefined); // gone already
      }
    });

    it('needs no engine for a dry run, and touches nothing', async () => {
      const state = join(world.folder, 'untouched');
      const env = { DOCKER_HOST: 'tcp://127.0.0.1:1', XDG_STATE_HOME: state, HOME: state };
      const args = ['start', '-f', world.manifest(), '--dry-run', '--name', 'dry'];
      const [text, json] = [await world.run(args, { env }), await world.run([...args, '--format=json'], { env })];
      assert.deepEqual([text.status, json.status, text.stderr, json.stderr], [0, 0, '', '']);
      assert.match(text.stdout, /bottle-dry-agent/);
      assert.equal((JSON.parse(json.stdout) as { version: number }).version, 1);
      assert.equal((await world.run(args, { env })).stdout, text.stdout, 'the same input gives the same bytes');
      assert.ok(!existsSync(state));
      const real = await world.run(['start', '-f', world.manifest(), '--trust', '--name', 'dry', '--', 'true'], {
        env,
      });
      assert.equal(real.status, 125);
      assert.match(real.stderr, /engine cannot be reached: tcp:\/\/127\.0\.0\.1:1 from DOCKER_HOST/);
    });

    // Last: it looks at what all of them have left.
    it('leaves records in the state folder, and no other file', () => {
      assert.deepEqual(readdirSync(temporary), []);
      assert.deepEqual(readdirSync(join(world.state, 'bottle')), ['sessions']);
      for (const name of readdirSync(join(world.state, 'bottle/sessions'))) {
        assert.match(name, /^\d{8}T\d{9}Z-[a-z0-9-]+$/);
        assert.deepEqual(readdirSync(join(world.state, 'bottle/sessions', name)).toSorted(), [
          'bump.log',
          'gate.log',
          'journal.ndjson',
          'scanner.log',
        ]);
      }
    });
  });
});
