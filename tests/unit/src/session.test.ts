import assert from 'node:assert/strict';
import { mock, suite, test } from 'node:test';
import { BackendError, Cancelled, LaunchError } from '../../../src/errors.ts';
import type { LaunchInput } from '../../../src/launch.ts';
import type { Provisioner } from '../../../src/provision/provisioner.ts';
import type { Script } from '../support/backend.ts';
import { hang, launched, makeCaller, never, settle } from '../support/launching.ts';
import { fullPlan } from '../support/plans.ts';

async function stand(script: Script = {}, own: Partial<LaunchInput> = {}) {
  const { backend, session } = await launched(script, fullPlan(), own);
  return { backend, session, agent: backend.container('agent') };
}

suite('the agent', () => {
  test('ends with its own status', async () => {
    for (const status of [0, 1, 42, 137]) {
      const { session, agent } = await stand();
      await using _ = session;
      const attached = session.attach(makeCaller(), never);
      await settle();
      agent.exit(status);
      assert.deepEqual(await attached, { status, lost: [] });
    }
  });

  test('may end at once', async () => {
    const { session } = await stand({ started: (container) => container.spec.role === 'agent' && container.exit(3) });
    await using _ = session;
    assert.equal((await session.attach(makeCaller(), never)).status, 3);
  });

  test('is waited for before it is started, so that no end is missed', async () => {
    const { backend, session, agent } = await stand();
    await using _ = session;
    const attached = session.attach(makeCaller(), never);
    await settle();
    assert.ok(
      backend.calls.indexOf('wait bottle-demo-agent') < backend.calls.indexOf('start bottle-demo-agent') &&
        backend.calls.includes('start bottle-demo-agent'),
    );
    agent.exit(0);
    await attached;
  });

  test("has the caller's streams", async () => {
    const { session, agent } = await stand();
    await using _ = session;
    const caller = makeCaller();
    const attached = session.attach(caller, never);
    caller.stdin.write('hi');
    await settle();
    agent.exit(0);
    await attached;
    assert.equal(String(caller.stdout.read()), 'hi');
  });

  test('that cannot be started ends the session with the reason', async () => {
    const { backend, session } = await stand({
      before: (call) => {
        if (call === 'start bottle-demo-agent') throw new BackendError('bottle-demo-agent: no such command');
      },
    });
    await assert.rejects(session.attach(makeCaller(), never), { message: /no such command/ });
    await session[Symbol.asyncDispose]();
    await settle();
    assert.deepEqual([...backend.alive], []);
  });
});

suite('a signal', () => {
  async function running(script: Script = {}) {
    const stood = await stand(script);
    const caller = makeCaller();
    const attached = stood.session.attach(caller, never);
    await settle();
    return { ...stood, caller, attached };
  }

  test('is the agent’s, once it runs', async () => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      const { session, agent, caller, attached } = await running({
        signalled: (container) => container.exit(130),
      });
      await using _ = session;
      caller.signal(signal);
      assert.equal((await attached).status, 130);
      assert.deepEqual(agent.signals, [signal]);
    }
  });

  test('that is the second within a second ends the agent at once', async () => {
    const { session, agent, caller, attached } = await running();
    await using _ = session;
    caller.signal('SIGINT');
    caller.signal('SIGINT');
    assert.equal((await attached).status, 137);
    assert.deepEqual(agent.signals, ['SIGINT', 'SIGKILL']);
  });

  test('that comes later than a second after another is the agent’s, too', async () => {
    let now = 1_000;
    mock.method(performance, 'now', () => now);
    try {
      const { session, agent, caller, attached } = await running();
      await using _ = session;
      caller.signal('SIGINT');
      now += 1_001;
      caller.signal('SIGTERM');
      await settle();
      assert.deepEqual(agent.signals, ['SIGINT', 'SIGTERM']);
      agent.exit(0);
      await attached;
    } finally {
      mock.restoreAll();
    }
  });

  test('gives the agent ten seconds to end', async () => {
    const { session, agent, caller, attached } = await running();
    await using _ = session;
    mock.timers.enable({ apis: ['setTimeout'] });
    try {
      caller.signal('SIGTERM');
      mock.timers.tick(9_999);
      await settle();
      assert.deepEqual(agent.signals, ['SIGTERM']);
      mock.timers.tick(1);
      assert.equal((await attached).status, 137);
    } finally {
      mock.timers.reset();
    }
  });

  test('that finds the agent ended changes nothing', async () => {
    const { session, agent, caller, attached } = await running();
    await using _ = session;
    agent.exit(0);
    caller.signal('SIGTERM');
    assert.equal((await attached).status, 0);
    assert.equal(caller.signal('SIGTERM'), false, 'nobody listens any more');
  });

  test('while the agent is being started cancels the session: none is lost', async () => {
    for (const moment of ['before', 'after'] as const) {
      const cancel = new AbortController();
      const abort = (call: string) => {
        if (call === 'start bottle-demo-agent') cancel.abort();
      };
      const { backend, session } = await stand({ [moment]: abort });
      await assert.rejects(session.attach(makeCaller(), cancel.signal), Cancelled);
      await session[Symbol.asyncDispose]();
      assert.deepEqual([...backend.alive], []);
    }
  });
});

suite('a terminal', () => {
  test('is in raw mode for as long as the agent runs, and follows its size', async () => {
    const { session, agent } = await stand({}, { terminal: true });
    await using _ = session;
    const caller = makeCaller({ terminal: true });
    const attached = session.attach(caller, never);
    await settle();
    assert.equal(caller.raw, 1);
    assert.deepEqual(agent.sizes, [[80, 24]]);
    caller.resize();
    await settle();
    assert.equal(agent.sizes.length, 2);
    agent.exit(0);
    await attached;
    assert.equal(caller.raw, 0);
    caller.resize();
    await settle();
    assert.equal(agent.sizes.length, 2);
  });

  test('is told of one size after another: of two at once the older could come last', async () => {
    const { session, agent } = await stand({}, { terminal: true });
    await using _ = session;
    const first = Promise.withResolvers<void>();
    agent.resizing = first.promise;
    const caller = makeCaller({ terminal: true });
    const attached = session.attach(caller, never);
    await settle();
    agent.resizing = undefined;
    caller.resize();
    await settle();
    assert.equal(agent.sizes.length, 0);
    first.resolve();
    await settle();
    assert.equal(agent.sizes.length, 2);
    agent.exit(0);
    await attached;
  });

  test('is given back also when the agent cannot be started', async () => {
    const { session } = await stand(
      {
        before: (call) => {
          if (call === 'start bottle-demo-agent') throw new BackendError('no such command');
        },
      },
      { terminal: true },
    );
    const caller = makeCaller({ terminal: true });
    await assert.rejects(session.attach(caller, never));
    assert.equal(caller.raw, 0);
    await session[Symbol.asyncDispose]();
  });

  test('is left alone where there is none', async () => {
    const { session, agent } = await stand();
    await using _ = session;
    const caller = makeCaller();
    const attached = session.attach(caller, never);
    await settle();
    assert.deepEqual([caller.raw, agent.sizes.length], [0, 0]);
    agent.exit(0);
    await attached;
  });
});

suite('sidecar, gate and scanner', () => {
  test('that end while the agent runs are reported with their status', async () => {
    for (const role of ['bump', 'gate', 'scanner']) {
      const { backend, session, agent } = await stand();
      await using _ = session;
      const attached = session.attach(makeCaller(), never);
      await settle();
      backend.container(role).exit(1);
      await settle();
      agent.exit(0);
      assert.deepEqual(await attached, { status: 0, lost: [`${role} (status 1)`] });
    }
  });

  test('are let go in time: the sidecar writes its last lines, then all is removed', async () => {
    const { backend, session, agent } = await stand();
    const attached = session.attach(makeCaller(), never);
    await settle();
    agent.exit(0);
    await attached;
    await session.settle();
    assert.equal(backend.container('bump').state, 'ended');
    assert.equal(session.find('bump')?.name, 'bottle-demo-bump');
    await session[Symbol.asyncDispose]();
    assert.deepEqual([...backend.alive], []);
  });
});

suite('a mount that was exchanged', () => {
  const exchanged = (after: number): (() => void) => {
    let checks = 0;
    return () => {
      checks += 1;
      if (checks > after) throw new LaunchError('mounts', '/home/user/project was exchanged');
    };
  };

  test('before the start is found: the agent never runs', async () => {
    const { backend, session } = await stand({}, { checkMounts: exchanged(0) });
    await assert.rejects(session.attach(makeCaller(), never), { stage: 'mounts' });
    assert.deepEqual(backend.called(/^start bottle-demo-agent/), []);
    await session[Symbol.asyncDispose]();
    assert.deepEqual([...backend.alive], []);
  });

  test('during the start is found: the agent is killed at once', async () => {
    mock.timers.enable({ apis: ['setTimeout'] });
    try {
      const { session, agent } = await stand({}, { checkMounts: exchanged(1) });
      await using _ = session;
      const attached = session.attach(makeCaller(), never);
      attached.catch(() => {});
      await settle();
      assert.deepEqual(agent.signals, ['SIGKILL'], 'without waiting for anything');
      await assert.rejects(attached, { stage: 'mounts' });
    } finally {
      mock.timers.reset();
    }
  });
});

suite('what runs beside the agent', () => {
  const beside = (follow: () => Promise<void>): Provisioner => ({
    name: 'beside',
    need: 'essential',
    inspect: async () => ({ files: () => [], follow }),
  });

  test('is update-ca-certificates, as root', async () => {
    const { backend, session, agent } = await stand();
    await using _ = session;
    const attached = session.attach(makeCaller(), never);
    await settle();
    assert.deepEqual(backend.called(/^exec/), ['exec bottle-demo-agent /usr/sbin/update-ca-certificates as 0:0']);
    agent.exit(0);
    await attached;
  });

  test('is not waited for when the agent has ended', async () => {
    const { session, agent } = await stand({}, { provisioners: [beside(() => hang(undefined))] });
    await using _ = session;
    const attached = session.attach(makeCaller(), never);
    await settle();
    agent.exit(5);
    assert.equal((await attached).status, 5);
  });

  test('fails with an agent that ends: that is no failure of trust', async () => {
    const { session, agent } = await stand({
      exec: () => {
        agent.exit(5);
        return { status: 137, output: '' };
      },
    });
    await using _ = session;
    assert.equal((await session.attach(makeCaller(), never)).status, 5);
  });

  test('ends an agent that runs on when trust fails, with what was printed', async () => {
    const { session, agent } = await stand({ exec: () => ({ status: 1, output: 'line 1\nno space left\n' }) });
    await using _ = session;
    const { syncBuiltinESMExports } = await import('node:module');
    mock.timers.enable({ apis: ['setTimeout'] });
    syncBuiltinESMExports();
    try {
      const attached = session.attach(makeCaller(), never);
      attached.catch(() => {});
      await settle();
      mock.timers.tick(2_000);
      await assert.rejects(attached, { stage: 'trust', message: /ended with status 1\n.*\n {2}\| no space left$/ });
      await settle();
      assert.deepEqual(agent.signals, ['SIGKILL']);
    } finally {
      mock.timers.reset();
      syncBuiltinESMExports();
    }
  });
});

test('whoever reads the output goes: the agent hears of it', async () => {
  const { session, agent } = await stand({ signalled: (container) => container.exit(141) });
  await using _ = session;
  const caller = makeCaller();
  const attached = session.attach(caller, never);
  await settle();
  caller.stdout.emit('error', Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
  assert.equal((await attached).status, 141);
  assert.deepEqual(agent.signals, ['SIGPIPE']);
});
