import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { BUNDLE_FILE } from '../../../contracts/variables.ts';
import { BackendError, BottleError, Cancelled, LaunchError } from '../../../src/errors.ts';
import { launch } from '../../../src/launch.ts';
import { FakeBackend, type Script } from '../support/backend.ts';
import { hang, makeInput, never, secrets, SESSION, settle } from '../support/launching.ts';
import { fullPlan } from '../support/plans.ts';

/** One launch to its end, whatever that is. */
async function attempt(script: Script, cancel: AbortSignal = never): Promise<{ backend: FakeBackend; error: unknown }> {
  const backend = new FakeBackend(script);
  try {
    await using _ = await launch(fullPlan(), backend, makeInput({ secrets }), cancel);
    return { backend, error: undefined };
  } catch (error) {
    return { backend, error };
  } finally {
    await settle();
  }
}

async function countCalls(): Promise<number> {
  const backend = new FakeBackend();
  await using _ = await launch(fullPlan(), backend, makeInput({ secrets }), never);
  return backend.calls.length;
}
const CALLS = await countCalls();
/** A look for a program: only what is optional asks it, so without an answer the launch goes on. */
const LOOK = /^has /;

function nth({ calls }: FakeBackend, n: number): string | undefined {
  return calls.filter((name) => !/^(remove|sweep) /.test(name))[n - 1];
}

function assertNothingLeft(backend: FakeBackend): void {
  assert.deepEqual([...backend.alive], []);
  assert.equal(backend.calls.at(-1), 'sweep demo', 'the sweep is the last thing');
  assert.equal(backend.called(/^sweep/).length, 1);
  for (const { name, connections } of backend.past.values())
    assert.ok(connections <= 0, `${name}: a connection is open, and would keep the program alive`);
}

/** How a call can fail. */
const faults: [title: string, fault: (n: number) => Script][] = [
  [
    'is refused by the engine',
    (n) => ({
      before: (call, index) => {
        if (index === n) throw new BackendError(`${call}: refused`);
      },
    }),
  ],
  [
    'breaks',
    (n) => ({
      before: (call, index) => {
        if (index === n) throw new TypeError(`${call}: broke`);
      },
    }),
  ],
  [
    'has its effect, but its answer is lost',
    (n) => ({
      after: (call, index) => {
        if (index === n) throw new BackendError(`${call}: connection lost`);
      },
    }),
  ],
];

suite('whichever call of a launch', () => {
  for (const [title, fault] of faults) {
    test(`${title}: the launch ends with the stage, unless it only looked for a program; nothing is left`, async () => {
      assert.ok(CALLS > 25, 'there is something to fail');
      for (let n = 1; n <= CALLS; n += 1) {
        const { backend, error } = await attempt(fault(n));
        const call = nth(backend, n);
        assertNothingLeft(backend);
        if (LOOK.test(call ?? '')) {
          assert.equal(error, undefined, call);
          continue;
        }
        assert.ok(error instanceof LaunchError || error instanceof BackendError, `${call}: ${String(error)}`);
        const [, thing = ''] = call?.split(' ') ?? [];
        assert.ok(error.message.includes(thing) || error.message.startsWith('provision'), `${call}: ${error.message}`);
      }
    });

    test(`${title}: so it is in whatever order the engine answers`, async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.integer({ min: 1, max: CALLS }),
          fc.array(fc.nat(4), { minLength: 1 }),
          async (n, turns) => {
            const { backend, error } = await attempt({
              ...fault(n),
              turns: (index) => turns[index % turns.length] ?? 0,
            });
            if (LOOK.test(nth(backend, n) ?? '')) assert.equal(error, undefined);
            else assert.ok(error instanceof LaunchError || error instanceof BackendError, String(error));
            assertNothingLeft(backend);
          },
        ),
        { numRuns: 60 },
      );
    });
  }

  test('is cut short by an interruption: the launch is cancelled, and nothing is left', async () => {
    for (let n = 1; n <= CALLS; n += 1) {
      const cancel = new AbortController();
      const script: Script = {
        before: (_, index) => {
          if (index === n) cancel.abort();
        },
      };
      const { backend, error } = await attempt(script, cancel.signal);
      assert.ok(error instanceof Cancelled, `${backend.calls[n - 1]}: ${String(error)}`);
      assertNothingLeft(backend);
    }
  });

  test('hangs, an interruption ends it: nothing waits without end', async () => {
    for (let n = 1; n <= CALLS; n += 1) {
      const cancel = new AbortController();
      let hung = false;
      const script: Script = {
        before: (_, index, signal) => {
          if (index !== n || !signal) return undefined;
          hung = true;
          setImmediate(() => cancel.abort());
          return hang(signal);
        },
      };
      const { backend, error } = await attempt(script, cancel.signal);
      if (hung) assert.ok(error instanceof Cancelled, String(error));
      assertNothingLeft(backend);
    }
  });

  test('hangs while another fails: the failure ends it', async () => {
    const backend = new FakeBackend({
      before: (call, _, signal) => {
        if (call === 'ensureImage sidecar') throw new BackendError('no such image');
        return signal && call !== 'createVolume bottle-demo-scan' ? hang(signal) : undefined;
      },
    });
    await assert.rejects(launch(fullPlan(), backend, makeInput({ secrets }), never), { message: 'no such image' });
    assertNothingLeft(backend);
  });
});

suite('a launch that was interrupted', () => {
  test('before it began makes nothing', async () => {
    const { backend, error } = await attempt({}, AbortSignal.abort());
    assert.ok(error instanceof Cancelled);
    assert.deepEqual(backend.called(/^(start|attach)/), []);
    assertNothingLeft(backend);
  });

  test('and failed because of it says that it was interrupted', async () => {
    const cancel = new AbortController();
    const script: Script = {
      before: (call) => {
        if (!call.startsWith('createContainer')) return;
        cancel.abort();
        throw new BackendError('the connection was closed');
      },
    };
    const { error } = await attempt(script, cancel.signal);
    assert.ok(error instanceof Cancelled);
  });
});

test('where a mount has gone, that is said, and not what came of it', async () => {
  const backend = new FakeBackend({ files: { [BUNDLE_FILE]: undefined } });
  const checkMounts = () => {
    throw new LaunchError('mounts', 'gone');
  };
  const launching = launch(fullPlan(), backend, makeInput({ secrets, checkMounts }), never);
  await assert.rejects(launching, /^LaunchError: mounts: gone$/);
  assertNothingLeft(backend);
});

suite('of two launches with one name', () => {
  test('one gets it, whatever the order, and the other leaves it alone', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(4), { minLength: 1, maxLength: 40 }), async (turns) => {
        const backend = new FakeBackend({ turns: (n) => turns[n % turns.length] ?? 0 });
        const [one, other] = ['2026-01-01', '2026-01-02'].map((day) =>
          launch(
            fullPlan(),
            backend,
            makeInput({ secrets, session: { ...SESSION, started: `${day}T00:00:00.000Z` } }),
            never,
          ),
        );
        const ends = await Promise.allSettled([one, other]);
        const [winner, ...more] = ends.flatMap((end) => (end.status === 'fulfilled' && end.value ? [end.value] : []));
        assert.ok(winner && more.length === 0, 'one stands');
        assert.equal(new Set(backend.alive.values()).size, 1, 'of the other, nothing is left');
        assert.deepEqual(
          [...backend.containers.values()].map(({ state }) => state).toSorted(),
          ['created', 'ended', 'running', 'running', 'running'],
          'the one that stands is whole',
        );
        await winner[Symbol.asyncDispose]();
        assert.deepEqual([...backend.alive], []);
      }),
      { numRuns: 60 },
    );
  });
});

suite('the teardown', () => {
  test('removes containers before the networks and volumes that they use', async () => {
    const { backend, error } = await attempt({ turns: (n) => n % 3 });
    assert.equal(error, undefined);
    const order = backend.called(/^remove/).map((call) => call.replace('remove bottle-demo-', ''));
    const containers = new Set(['gate', 'scanner', 'bump', 'route']);
    const grounds = new Set(['egress', 'journal', 'scan', 'home']);
    const lastContainer = order.findLastIndex((name) => containers.has(name));
    assert.ok(order.every((name, index) => !grounds.has(name) || index > lastContainer));
    assertNothingLeft(backend);
  });

  test('goes on where one thing cannot be removed: the sweep has it', async () => {
    for (const stubborn of ['gate', 'egress', 'journal', 'agent']) {
      const { backend, error } = await attempt({
        before: (call) => {
          if (call === `remove bottle-demo-${stubborn}`) throw new BackendError('still in use');
        },
      });
      assert.ok(error instanceof Error);
      assertNothingLeft(backend);
    }
  });

  test('keeps a home that is to be kept', async () => {
    const plan = fullPlan();
    for (const volume of plan.volumes) if (volume.role === 'home') volume.keep = true;
    const backend = new FakeBackend();
    {
      await using _ = await launch(plan, backend, makeInput({ secrets }), never);
    }
    assert.deepEqual([...backend.kept], ['bottle-demo-home']);
    assertNothingLeft(backend);
  });

  test('after a failure that makes it fail, too, leaves the failure to be seen', async () => {
    const { error } = await attempt({
      before: (call) => {
        if (call.startsWith('start')) throw new BackendError('the engine is gone');
        if (/^(remove|sweep)/.test(call)) throw new BackendError('the engine is gone, still');
      },
    });
    assert.ok(error instanceof BottleError, String(error));
    assert.match(error.message, /^bottle-demo-[a-z]+: the engine is gone$/);
  });
});
