import assert from 'node:assert/strict';
import { syncBuiltinESMExports } from 'node:module';
import { mock, suite, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { SessionState } from '../../../../src/backend.ts';
import { ownerOf } from '../../support/backend.ts';
import type { FakeContainer } from '../../support/container.ts';
import { NOW, makeWorld, type World, type WorldOptions } from '../../support/deps.ts';
import { admitted, closed, repeated } from '../../support/journal.ts';
import { SESSION } from '../../support/launching.ts';
import { bound } from '../../support/image.ts';

const JOURNAL = '/var/lib/bottle/journal.ndjson';
const STARTED = '2026-01-01T00:00:00.000Z';
const ROLES = ['agent', 'gate', 'scanner', 'bump'] as const;

/** Puts a session with all its containers on the engine. */
function put(world: World, slug: string, state: SessionState['state'] = 'running'): Map<string, FakeContainer> {
  const session = { ...SESSION, slug, started: STARTED };
  const made = new Map<string, FakeContainer>();
  for (const role of ROLES) {
    const container = world.backend.adopt(bound(slug, role));
    world.backend.alive.set(`container ${container.name}`, ownerOf(session));
    container.state = state === 'dead' ? 'ended' : 'running';
    container.log = [`${role} of ${slug}`];
    made.set(role, container);
  }
  made.get('bump')?.files.set(JOURNAL, `${JSON.stringify(closed({ id: slug }))}\n`);
  world.backend.sessionList.push({
    session,
    state,
    containers: [...made.values()].map(({ name, spec, state: now }) => ({
      name,
      role: spec.role,
      running: now === 'running',
    })),
  });
  return made;
}

suite('every command that uses the engine', () => {
  const commands = [['ls'], ['logs', 'other'], ['records', 'other'], ['stop', 'other'], ['clean'], ['start']];
  for (const args of commands) {
    test(`bottle ${args.join(' ')}: records and removes dead sessions, and leaves the others alone`, async () => {
      const ended: WorldOptions = {
        started: (container) => void (container.spec.role === 'agent' && container.exit(0)),
        signalled: (container) => {
          container.exit(143);
          const { sessionList } = world.backend;
          sessionList.splice(
            sessionList.findIndex(({ session }) => session.slug === 'other'),
            1,
          );
        },
      };
      using world: World = makeWorld(ended);
      put(world, 'gone', 'dead');
      put(world, 'other');
      put(world, 'theirs', 'foreign');
      put(world, 'young', 'starting');
      await world.run(...args);
      const left = new Set([...world.backend.alive.values()].map((owner) => owner.split(' ')[0]));
      assert.ok(!left.has('gone'));
      assert.ok(left.has('theirs') && left.has('young') && left.has('other'));
      assert.deepEqual(world.deps.history.find('gone'), {
        journal: `${JSON.stringify(closed({ id: 'gone' }))}\n`,
        logs: { bump: ['bump of gone'], scanner: ['scanner of gone'], gate: ['gate of gone'] },
      });
      assert.equal(world.deps.history.find('theirs'), undefined);
    });
  }

  test('records what is left of a session of which not much is left', async () => {
    using world = makeWorld();
    const made = put(world, 'gone', 'dead');
    for (const role of ['bump', 'gate']) made.get(role)?.remove();
    await world.run('ls');
    assert.deepEqual(world.deps.history.find('gone'), {
      journal: '',
      logs: { bump: [], scanner: ['scanner of gone'], gate: [] },
    });
  });
});

suite('bottle ls', () => {
  test('prints a line for each session, with what runs', async () => {
    using world = makeWorld();
    put(world, 'one');
    put(world, 'two', 'foreign');
    assert.equal(await world.run('ls'), 0);
    assert.equal(
      world.printed(),
      `one\trunning\t${STARTED}\tagent,gate,scanner,bump\ntwo\tforeign\t${STARTED}\tagent,gate,scanner,bump\n`,
    );
  });

  test('prints nothing where nothing runs', async () => {
    using world = makeWorld();
    await world.run('ls');
    assert.equal(world.printed(), '');
  });

  test('prints JSON', async () => {
    using world = makeWorld();
    put(world, 'one');
    await world.run('ls', '--format', 'json');
    const [row]: { slug: string; state: string; started: string; pid: number; containers: object[] }[] = JSON.parse(
      world.printed(),
    );
    assert.deepEqual(row, {
      slug: 'one',
      state: 'running',
      started: STARTED,
      pid: 1,
      containers: ROLES.map((role) => ({ name: `bottle-one-${role}`, role, running: true })),
    });
  });

  test('prints an empty list as JSON, too', async () => {
    using world = makeWorld();
    await world.run('ls', '--format', 'json');
    assert.deepEqual(JSON.parse(world.printed()), []);
  });
});

suite('bottle logs', () => {
  test('prints the last lines of all three, each with its name', async () => {
    using world = makeWorld();
    put(world, 'one');
    await world.run('logs', 'one');
    assert.equal(world.printed(), 'bump | bump of one\nscanner | scanner of one\ngate | gate of one\n');
  });

  test('prints those of the one that is named, as they are', async () => {
    using world = makeWorld();
    put(world, 'one');
    await world.run('logs', 'one', 'scanner');
    assert.equal(world.printed(), 'scanner of one\n');
  });

  test('prints those of a session that has ended', async () => {
    using world = makeWorld();
    world.deps.history.save(
      { slug: 'old', started: STARTED },
      { journal: '', logs: { bump: ['last words'], scanner: [], gate: [] } },
    );
    await world.run('logs', 'old', 'bump');
    assert.equal(world.printed(), 'last words\n');
  });

  test('prints those of the running session where one of the same name has ended', async () => {
    using world = makeWorld();
    world.deps.history.save(
      { slug: 'one', started: STARTED },
      { journal: '', logs: { bump: ['old'], scanner: [], gate: [] } },
    );
    put(world, 'one');
    await world.run('logs', 'one', 'bump');
    assert.equal(world.printed(), 'bump of one\n');
  });

  for (const command of ['logs', 'records', 'stop']) {
    test(`and bottle ${command} say so where no session has that name`, async () => {
      using world = makeWorld();
      await assert.rejects(world.run(command, 'nobody'), {
        code: 'BOTTLE_USAGE',
        message: /no session is called nobody/,
      });
    });
  }
});

suite('bottle records', () => {
  const lines = [
    admitted({ id: 'a-1', method: 'POST' }),
    closed({ id: 'a-1', method: 'POST' }),
    closed({ id: 'a-2', outcome: { kind: 'denied', rule: 'no rule of egress.allow' } }),
    closed({ id: 'a-3', outcome: { kind: 'blocked', finding: 'blocked: AWS Access ID' } }),
    closed({ id: 'a-4', outcome: { kind: 'failed', stage: 'scan', cause: 'no receipt' } }),
    repeated({ count: 3 }),
  ];
  function withRecords(): World {
    const world = makeWorld();
    const journal = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
    put(world, 'one').get('bump')?.files.set(JOURNAL, journal);
    return world;
  }

  test('prints what went out, and what did not, a line each', async () => {
    using world = withRecords();
    await world.run('records', 'one');
    const printed = world.printed().trimEnd().split('\n');
    assert.equal(printed.length, lines.length);
    for (const [index, expected] of [
      /a-1 +sent +POST https:\/\/api\.example:443\/a \(3 bytes of body\)$/,
      /a-1 +forwarded +POST https:\/\/api\.example:443: status 200, 10 bytes out, 20 in, 2 ms$/,
      /a-2 +denied .*: no rule of egress\.allow,/,
      /a-3 +blocked .*: blocked: AWS Access ID,/,
      /a-4 +failed .*: scan: no receipt,/,
      /denied 3 times more: api\.example:443: no rule$/,
    ].entries())
      assert.match(printed[index] ?? '', expected);
  });

  test('prints nothing that moves the cursor, whatever an agent has asked for', async () => {
    using world = makeWorld();
    const hostile = admitted({ path: '/\u001b[2J\u009b1A\r\nforged \u202e' });
    put(world, 'one')
      .get('bump')
      ?.files.set(JOURNAL, `${JSON.stringify(hostile)}\n`);
    await world.run('records', 'one');
    assert.match(world.printed(), /^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+\n$/u);
  });

  test('prints the journal as JSON', async () => {
    using world = withRecords();
    await world.run('records', 'one', '--format', 'json');
    assert.deepEqual(JSON.parse(world.printed()), lines);
  });

  test('prints those of a session that has ended', async () => {
    using world = makeWorld();
    const journal = `${JSON.stringify(closed({ id: 'old' }))}\n`;
    world.deps.history.save({ slug: 'old', started: STARTED }, { journal, logs: { bump: [], scanner: [], gate: [] } });
    await world.run('records', 'old', '--format', 'json');
    assert.deepEqual(JSON.parse(world.printed()), [closed({ id: 'old' })]);
  });
});

/** Lets time pass while a command runs. */
async function passing<T>(command: () => Promise<T>): Promise<T> {
  mock.timers.enable({ apis: ['setTimeout'] });
  syncBuiltinESMExports();
  try {
    let done = false;
    const running = command().finally(() => (done = true));
    while (!done) {
      for (let left = 20; left > 0; left -= 1) await turn();
      mock.timers.tick(100);
    }
    return await running;
  } finally {
    mock.timers.reset();
    syncBuiltinESMExports();
  }
}

suite('bottle stop', () => {
  test('asks the agent to end, and leaves the rest to the launcher that owns it', async () => {
    using world: World = makeWorld({
      signalled: (container) => {
        container.exit(143);
        world.backend.sessionList.splice(0);
      },
    });
    const made = put(world, 'one');
    assert.equal(await world.run('stop', 'one'), 0);
    assert.deepEqual(made.get('agent')?.signals, ['SIGTERM']);
    assert.deepEqual(world.backend.called(/^sweep/), []);
  });

  test('kills an agent that does not end in ten seconds', async () => {
    using world = makeWorld();
    const made = put(world, 'one');
    await passing(() => world.run('stop', 'one'));
    assert.deepEqual(made.get('agent')?.signals, ['SIGTERM', 'SIGKILL']);
  });

  test('records and removes what no launcher removes', async () => {
    using world = makeWorld({ signalled: (container) => container.exit(143) });
    put(world, 'one');
    await passing(() => world.run('stop', 'one'));
    assert.deepEqual([...world.backend.alive], []);
    assert.deepEqual(world.deps.history.find('one')?.logs.bump, ['bump of one']);
  });

  test('removes a session whose agent has ended already', async () => {
    using world = makeWorld();
    const made = put(world, 'one');
    made.get('agent')?.exit(0);
    await passing(() => world.run('stop', 'one'));
    assert.deepEqual(made.get('agent')?.signals, []);
    assert.deepEqual([...world.backend.alive], []);
  });

  test('does not touch a session of another machine', async () => {
    using world = makeWorld();
    const made = put(world, 'one', 'foreign');
    await assert.rejects(world.run('stop', 'one'), { code: 'BOTTLE_USAGE', message: /another machine/ });
    assert.deepEqual(made.get('agent')?.signals, []);
    assert.equal(world.backend.alive.size, 4);
  });
});

suite('bottle clean', () => {
  test('says what it leaves alone', async () => {
    using world = makeWorld();
    put(world, 'one');
    assert.equal(await world.run('clean'), 0);
    assert.deepEqual(world.said, ['left alone: one, which runs (bottle stop one)']);
  });

  test('removes records that are over 30 days old', async () => {
    using world = makeWorld();
    const record = { journal: '', logs: { bump: [], scanner: [], gate: [] } };
    const old = new Date(NOW.getTime() - 31 * 24 * 3_600_000).toISOString();
    world.deps.history.save({ slug: 'old', started: old }, record);
    world.deps.history.save({ slug: 'new', started: STARTED }, record);
    await world.run('clean');
    assert.equal(world.deps.history.find('old'), undefined);
    assert.ok(world.deps.history.find('new'));
  });

  test('keeps the homes, unless they are to go, too', async () => {
    using world = makeWorld();
    world.backend.kept.add('bottle-home-1').add('bottle-home-2');
    await world.run('clean');
    assert.equal(world.backend.kept.size, 2);
    await world.run('clean', '--homes');
    assert.equal(world.backend.kept.size, 0);
    assert.deepEqual(world.said, ['removed bottle-home-1', 'removed bottle-home-2']);
  });
});
