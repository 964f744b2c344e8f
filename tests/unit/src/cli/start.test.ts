import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { planSchema } from '../../../../contracts/plan.ts';
import { BackendError, Cancelled } from '../../../../src/errors.ts';
import type { FakeContainer } from '../../support/container.ts';
import { sidecarConfigSchema } from '../../../../contracts/sidecar.ts';
import { makeWorld, type World } from '../../support/deps.ts';
import { hang, settle } from '../../support/launching.ts';
import { closed } from '../../support/journal.ts';

const JOURNAL = '/var/lib/bottle/journal.ndjson';

/** The sidecar has written these lines by the time that the agent ends. */
function journal(lines: readonly object[], status = 0): { started(container: FakeContainer): void } {
  return {
    started(container) {
      if (container.spec.role === 'bump')
        container.files.set(JOURNAL, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
      if (container.spec.role === 'agent') container.exit(status);
    },
  };
}

suite('the exit status is', () => {
  for (const status of [0, 1, 42, 125, 137]) {
    test(`the agent's own, ${status}`, async () => {
      using world = makeWorld(journal([], status));
      assert.equal(await world.run('start'), status);
      assert.deepEqual([...world.backend.alive], []);
    });
  }

  test('that of a failure of bottle where the engine cannot be reached', async () => {
    using world = makeWorld({ backend: () => Promise.reject(new BackendError('engine cannot be reached')) });
    await assert.rejects(world.run('start'), { code: 'BOTTLE_BACKEND' });
  });

  test('that of an interruption where a signal comes before the agent runs', async () => {
    for (const moment of ['ensureImage agent', 'createContainer', 'readyLine', 'put', 'start bottle-[0-9a-f]+-agent']) {
      using world: World = makeWorld({
        before: (call) => {
          if (new RegExp(`^${moment}`).test(call)) world.caller.signal('SIGTERM');
        },
      });
      await assert.rejects(world.run('start'), Cancelled, moment);
      assert.deepEqual([...world.backend.alive], [], moment);
    }
  });

  test('that of an interruption also while the engine does not answer', async () => {
    for (const silent of ['backend', 'sessions'] as const) {
      using world = makeWorld({
        ...(silent === 'backend' ? { backend: () => hang(undefined) } : {}),
        before: (call) => (call === 'sessions' ? hang(undefined) : undefined),
      });
      const running = world.run('start');
      await settle();
      assert.ok(world.caller.signal('SIGINT'), 'somebody listens');
      await assert.rejects(running, Cancelled);
    }
  });
});

suite('before the agent', () => {
  test('the fingerprint of the CA is said once', async () => {
    using world = makeWorld();
    await world.run('start');
    assert.deepEqual(
      world.said.filter((line) => line.includes('fingerprint')),
      ['mitm ca fingerprint: 0123456789abcdef...'],
    );
  });

  test('the masks that are on are said, where the scanner is one that has any', async () => {
    const said = async (kind: string) => {
      using world = makeWorld();
      await world.run('start', '--scanner', kind);
      return world.said.filter((line) => line.includes('masks'));
    };
    assert.deepEqual(await said('pipelock'), ['masks on: anthropic, known-forms']);
    assert.deepEqual(await said('embedded'), []);
  });

  test('the built-in default is said', async () => {
    using world = makeWorld();
    await world.run('start');
    assert.match(world.said[0] ?? '', /no bottle\.yaml here: running the built-in default/);
  });

  test('nothing goes to standard output', async () => {
    using world = makeWorld();
    await world.run('start');
    assert.equal(world.printed(), '');
  });

  for (const [title, cwd] of [
    ['the home folder', 'home'],
    ['a link to the home folder', 'home/work/..'],
  ] as const) {
    test(`the built-in default refuses ${title}`, async () => {
      using world = makeWorld({ cwd });
      await assert.rejects(world.run('start'), { code: 'BOTTLE_USAGE', message: /no folder to give to an agent/ });
      assert.equal(world.connected.times, 0);
    });
  }

  test('the built-in default refuses the root folder', async () => {
    using world = makeWorld();
    Object.assign(world.deps, { cwd: '/' });
    await assert.rejects(world.run('start'), { code: 'BOTTLE_USAGE' });
  });

  test('the built-in default binds the credentials that are set: the agent has placeholders, the sidecar the values', async () => {
    using world = makeWorld({ env: { ANTHROPIC_API_KEY: 'canary-0123', OTHER: 'x', CLAUDE_CODE_OAUTH_TOKEN: '' } });
    await world.run('start');
    const { env } = world.backend.container('agent').spec;
    assert.match(String(env['ANTHROPIC_API_KEY']), /^sk-ant-api03-/);
    assert.ok(!('CLAUDE_CODE_OAUTH_TOKEN' in env) && !('OTHER' in env));
    assert.doesNotMatch(world.said.join('\n') + JSON.stringify(world.backend.container('bump').spec), /canary/);
    const [config = ''] = world.backend.container('bump').input;
    const [secret] = sidecarConfigSchema.parse(JSON.parse(config)).secrets;
    assert.deepEqual([secret?.value, secret?.placeholder], ['canary-0123', env['ANTHROPIC_API_KEY']]);
  });

  test('no credential is set: none is bound, so that a login works', async () => {
    using world = makeWorld();
    await world.run('start');
    const [config = ''] = world.backend.container('bump').input;
    assert.deepEqual(sidecarConfigSchema.parse(JSON.parse(config)).secrets, []);
  });
});

suite('after the agent', () => {
  const denied = (host: string) => closed({ host, outcome: { kind: 'denied', rule: 'no rule' } });

  test('nothing is said where nothing was refused', async () => {
    using world = makeWorld(journal([closed()]));
    await world.run('start');
    assert.match(world.said.at(-1) ?? '', /fingerprint/);
  });

  test('records that cannot be kept are said, and the status is still the agent’s own', async () => {
    using world = makeWorld(journal([], 7));
    mkdirSync(world.deps.state, { recursive: true });
    writeFileSync(join(world.deps.state, 'sessions'), 'a file where the folder would be');
    assert.equal(await world.run('start'), 7);
    assert.match(world.said.join('\n'), /records could not be kept \(E/);
  });

  test('the line that would allow it is said', async () => {
    using world = makeWorld(journal([denied('example.com')]));
    await world.run('start');
    assert.equal(world.said.at(-2), 'denied once: example.com; to allow it: egress.allow: ["example.com"]');
  });

  test('at most five lines are said, also where the sidecar was lost', async () => {
    for (const lost of [false, true]) {
      const lines = Array.from({ length: 9 }, (_, index) => denied(`h${index}.example`));
      using world: World = makeWorld({
        ...journal(lines),
        before: (call) => {
          if (lost && call.startsWith('exec')) world.backend.container('gate').exit(1);
        },
      });
      await world.run('start');
      const after = world.said.slice(world.said.findIndex((line) => line.includes('fingerprint')) + 1);
      assert.equal(after.length, 5, after.join('\n'));
      assert.equal(/gate \(status 1\) ended while the agent ran/.test(after[0] ?? ''), lost);
    }
  });

  test('nothing is said with --quiet, before or after', async () => {
    using world = makeWorld(journal([denied('example.com')]));
    await world.run('start', '--quiet');
    assert.deepEqual(world.said, []);
  });

  test('the journal and the last log lines are kept', async () => {
    using world: World = makeWorld({
      started(container) {
        container.log = [`${container.spec.role} says`];
        journal([denied('example.com')]).started(container);
      },
    });
    await world.run('start', '--name', 'mine');
    const kept = world.deps.history.find('mine');
    assert.equal(kept?.journal, `${JSON.stringify(denied('example.com'))}\n`);
    assert.deepEqual(kept.logs, { bump: ['bump says'], scanner: ['scanner says'], gate: ['gate says'] });
  });

  test('they are kept also where the agent could not start', async () => {
    using world: World = makeWorld({
      ...journal([denied('example.com')]),
      before: (call) => {
        if (call === 'start bottle-mine-agent') throw new BackendError('no such command');
      },
    });
    await assert.rejects(world.run('start', '--name', 'mine'), /no such command/);
    assert.ok(world.deps.history.find('mine'));
  });

  test('what went wrong first is what is said, whatever else goes wrong because of it', async () => {
    using world = makeWorld({
      before: (call) => {
        if (call.startsWith('start bottle-mine-agent')) throw new BackendError('the engine is gone');
        if (/^(remove|sweep|get|logs|wait)/.test(call) && !call.includes('get bottle-mine-agent'))
          throw new BackendError('still gone');
      },
    });
    await assert.rejects(world.run('start', '--name', 'mine'), {
      code: 'BOTTLE_BACKEND',
      message: 'the engine is gone',
    });
  });
});

suite('--dry-run', () => {
  const files = (world: World) => readdirSync(world.folder.path, { recursive: true, encoding: 'utf8' }).toSorted();

  test('prints the plan, and touches neither engine nor trust nor anything else', async () => {
    using world = makeWorld();
    world.manifest('version: 1\negress: { allow: [api.example] }\n');
    const before = files(world);
    assert.equal(await world.run('start', '--dry-run', '--name', 'mine'), 0);
    assert.match(world.printed(), /^session mine, from .*bottle\.yaml\n/);
    assert.equal(world.connected.times, 0);
    assert.deepEqual([world.said, world.asked], [[], []]);
    assert.deepEqual(files(world), before);
    assert.ok(!existsSync(world.deps.state));
  });

  test('needs no trust, on a terminal either', async () => {
    using world = makeWorld({ interactive: true });
    world.manifest('version: 1\n');
    assert.equal(await world.run('start', '--dry-run'), 0);
    assert.deepEqual(world.asked, []);
  });

  test('prints JSON that follows the schema, with --format json', async () => {
    using world = makeWorld();
    await world.run('start', '--dry-run', '--name', 'mine', '--format', 'json');
    assert.equal(planSchema.parse(JSON.parse(world.printed())).session, 'mine');
  });

  test('prints the same bytes for the same name', async () => {
    const prints: string[] = [];
    using world = makeWorld({ env: { ANTHROPIC_API_KEY: 'canary' } });
    for (let round = 0; round < 2; round += 1) {
      const before = world.printed().length;
      await world.run('start', '--dry-run', '--name', 'mine', '--format', 'json');
      prints.push(world.printed().slice(before));
    }
    assert.equal(prints[0], prints[1]);
    assert.doesNotMatch(prints[0] ?? '', /canary/);
  });

  test('refuses a bad manifest with all that is wrong', async () => {
    using world = makeWorld();
    world.manifest('version: 2\nagnt: {}\n');
    await assert.rejects(world.run('start', '--dry-run'), {
      code: 'BOTTLE_MANIFEST',
      message: /version: .*\n.*agnt: /s,
    });
  });
});

suite('a command', () => {
  test("replaces the manifest's, flags and all", async () => {
    using world = makeWorld();
    await world.run('start', '--quiet', '--', 'sh', '-c', 'exit 0', '--name', 'x');
    assert.deepEqual(world.backend.container('agent').spec.command, ['sh', '-c', 'exit 0', '--name', 'x']);
  });

  test('needs no "--" in front of it: its flags are its own', async () => {
    using world = makeWorld();
    await world.run('start', 'claude', '-p', '--quiet', 'hello');
    assert.deepEqual(world.backend.container('agent').spec.command, ['claude', '-p', '--quiet', 'hello']);
  });
});

suite('a name', () => {
  test('is drawn where none is given', async () => {
    using world = makeWorld();
    await world.run('start');
    assert.match(world.backend.calls.at(-1) ?? '', /^sweep [0-9a-f]{6}$/);
  });

  test('that a running session has is an error, and that session is left alone', async () => {
    using world = makeWorld();
    for (const state of ['running', 'starting', 'foreign'] as const) {
      world.backend.sessionList.splice(0, 1, {
        session: { slug: 'mine', owner: world.deps.owner(), started: '2026-01-01T00:00:00.000Z' },
        state,
        containers: [],
      });
      await assert.rejects(world.run('start', '--name', 'mine'), { code: 'BOTTLE_LAUNCH', message: /mine is in use/ });
    }
    assert.deepEqual(world.backend.called(/^(create|sweep)/), []);
  });

  test('of a dead session is free again', async () => {
    using world = makeWorld();
    world.backend.sessionList.push({
      session: { slug: 'mine', owner: world.deps.owner(), started: '2026-01-01T00:00:00.000Z' },
      state: 'dead',
      containers: [],
    });
    assert.equal(await world.run('start', '--name', 'mine'), 0);
    assert.equal(world.backend.called(/^sweep mine/).length, 2);
  });
});

suite('a mount that is exchanged between the confirmation and the start ends the launch', () => {
  const exchanges: [title: string, put: (world: World) => void][] = [
    ['for a link', ({ folder }) => void folder.link('home/work/project', folder.folder('elsewhere'))],
    ['for another folder', ({ folder }) => void folder.folder('home/work/project')],
    ['for nothing', () => {}],
  ];
  for (const [title, put] of exchanges) {
    test(title, async () => {
      using world: World = makeWorld({
        before: (call) => {
          if (!call.startsWith('put')) return;
          world.folder.move('home/work/project', 'home/work/moved');
          put(world);
        },
      });
      await assert.rejects(world.run('start'), { code: 'BOTTLE_LAUNCH', message: /^mounts: .*(exchanged|not exist)/ });
      assert.deepEqual(world.backend.called(/^start .*-agent/), []);
      assert.deepEqual([...world.backend.alive], []);
    });
  }
});
