import assert from 'node:assert/strict';
import { mock, suite, test } from 'node:test';
import { BUNDLE_FILE, CERTIFICATE_FILE } from '../../../contracts/variables.ts';
import {
  gateConfigSchema,
  HEARTBEAT_MS,
  scannerConfigSchema,
  sidecarConfigSchema,
} from '../../../contracts/sidecar.ts';
import { bind } from '../../../src/bind.ts';
import { launch } from '../../../src/launch.ts';
import { planLaunch } from '../../../src/plan.ts';
import { FakeBackend, FINGERPRINT } from '../support/backend.ts';
import { launched, makeInput, never, secrets, settle } from '../support/launching.ts';
import { PEM } from '../support/manifests.ts';
import { fullPlan, loaded } from '../support/plans.ts';

suite('a launch', () => {
  test('makes what the plan says, and nothing else', async () => {
    const { backend, session } = await launched();
    await using _ = session;
    const { containers, networks, volumes } = fullPlan();
    assert.deepEqual(
      [...backend.alive.keys()].toSorted(),
      [
        ...Object.values(containers).flatMap((spec) => (spec ? [`container ${spec.name}`] : [])),
        ...networks.map(({ name }) => `network ${name}`),
        ...volumes.map(({ name }) => `volume ${name}`),
      ].toSorted(),
    );
  });

  test('changes nothing of the plan but what is late-bound', async () => {
    const { backend, session } = await launched();
    await using _ = session;
    const plan = fullPlan();
    const values = new Map([
      ['image.sidecar', 'sha256:sidecar'],
      ['image.agent', 'sha256:some/image'],
      ['subnet.agent', '10.211.1.0/29'],
      ['subnet.egress', '10.211.2.0/29'],
      ['gateway.egress', '10.211.2.1'],
      ['address.bump', '10.211.1.2'],
      ['address.gate', '10.211.1.3'],
      ['session.key', Buffer.alloc(32, 1).toString('base64')],
      ['env.TOKEN', 'canary'],
      ['upstream.proxy', 'shown-outside:proxy'],
      ['upstream.cert.0', 'shown-outside-cert'],
      ['upstream.key.0', 'shown-outside-key'],
    ]);
    assert.deepEqual([...values.keys()].toSorted(), Object.keys(plan.late_bound).toSorted());
    for (const spec of Object.values(plan.containers)) {
      if (!spec) continue;
      const expected = { ...bind(spec, values), terminal: 'none' };
      assert.deepEqual(backend.past.get(spec.name)?.spec, expected, spec.role);
    }
    const { bump, gate, scanner } = bind(plan.config, values);
    for (const [role, config] of Object.entries({ bump, gate, scanner }))
      assert.deepEqual(JSON.parse(backend.container(role).input[0] ?? ''), config, role);
  });

  test('hands every container of ours a configuration that follows its schema, as one line', async () => {
    const { backend, session } = await launched();
    await using _ = session;
    for (const [role, schema] of [
      ['bump', sidecarConfigSchema],
      ['gate', gateConfigSchema],
      ['scanner', scannerConfigSchema],
    ] as const) {
      const [line = ''] = backend.container(role).input;
      assert.match(line, /^[^\n]+\n$/);
      assert.ok(schema.safeParse(JSON.parse(line)).success, role);
    }
  });

  test('does not start the agent: it is attached, and waits', async () => {
    const { backend, session } = await launched();
    await using _ = session;
    assert.equal(backend.container('agent').state, 'created');
    assert.equal(backend.container('agent').attachedTo, 'streams');
  });

  test('ends with gate, scanner and sidecar ready, the route set and the files in place', async () => {
    const { backend, session } = await launched({ turns: (n) => n % 5 });
    await using _ = session;
    const put = backend.calls.indexOf('put bottle-demo-agent');
    for (const role of ['gate', 'scanner', 'bump']) {
      const ready = backend.calls.indexOf(`readyLine bottle-demo-${role}`);
      assert.ok(ready >= 0 && ready < put, role);
    }
    assert.equal(backend.container('route').state, 'ended');
    assert.equal(backend.calls.at(-1), 'put bottle-demo-agent');
  });

  test('sets the route once the sidecar is ready, and has joined every network', async () => {
    const { backend, session } = await launched();
    await using _ = session;
    const route = backend.calls.indexOf('start bottle-demo-route');
    assert.ok(route > backend.calls.indexOf('readyLine bottle-demo-bump'));
    assert.deepEqual(backend.container('route').spec.command, ['10.211.2.1']);
  });

  test('attaches every lifeline before it starts the container', async () => {
    const { backend, session } = await launched();
    await using _ = session;
    for (const role of ['gate', 'scanner', 'bump'])
      assert.ok(
        backend.calls.indexOf(`lifeline bottle-demo-${role}`) < backend.calls.indexOf(`start bottle-demo-${role}`),
      );
  });

  test('claims its name with its first volume, and goes on with everything that can go side by side', async () => {
    const begun: string[] = [];
    const [claim, open] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const backend = new FakeBackend({
      before: (call) => (begun.push(call), call === 'createVolume bottle-demo-journal' ? claim.promise : open.promise),
    });
    const launching = launch(fullPlan(), backend, makeInput({ secrets }), never);
    await settle();
    const first = ['createVolume bottle-demo-journal', 'ensureImage sidecar', 'ensureImage some/image'];
    assert.deepEqual(begun.toSorted(), first);
    claim.resolve();
    await settle();
    assert.deepEqual(
      begun.toSorted(),
      [
        'createNetwork bottle-demo-agent',
        'createNetwork bottle-demo-egress',
        'createVolume bottle-demo-home',
        'createVolume bottle-demo-scan',
        ...first,
      ].toSorted(),
    );
    open.resolve();
    await using _ = await launching;
  });

  test('knows the fingerprint of the CA from the ready line', async () => {
    const { session } = await launched();
    await using _ = session;
    assert.equal(session.fingerprint, FINGERPRINT);
  });

  test("puts the session's certificate into the agent, beside the image's own roots", async () => {
    const { backend, session } = await launched();
    await using _ = session;
    const placed = new Map(backend.container('agent').placed.map((file) => [file.path, file]));
    assert.deepEqual(placed.get(CERTIFICATE_FILE), {
      path: CERTIFICATE_FILE,
      content: PEM,
      mode: 0o644,
      uid: 0,
      gid: 0,
    });
    assert.equal(placed.get(BUNDLE_FILE)?.content, `ROOTS\n${PEM.trimEnd()}\n`);
  });

  test('gives the agent a terminal only where the caller has one', async () => {
    for (const terminal of [true, false]) {
      const { backend, session } = await launched({}, fullPlan(), { terminal });
      await using _ = session;
      assert.equal(backend.container('agent').attachedTo, terminal ? 'terminal' : 'streams');
      assert.equal(backend.container('agent').spec.terminal, terminal ? 'caller' : 'none');
      for (const role of ['gate', 'bump', 'scanner']) assert.equal(backend.container(role).spec.terminal, 'none');
    }
  });

  test('has no secret in anything but the environment of the agent', async () => {
    const { backend, session } = await launched();
    await using _ = session;
    for (const { spec, input } of backend.past.values()) {
      const { env, ...rest } = spec;
      assert.doesNotMatch(JSON.stringify([rest, input]), /canary/, spec.role);
      assert.equal(JSON.stringify(env).includes('canary'), spec.role === 'agent');
    }
  });

  test('keeps the key of the session out of every specification: it goes by standard input', async () => {
    const { backend, session } = await launched();
    await using _ = session;
    const key = Buffer.alloc(32, 1).toString('base64');
    for (const { spec, input } of backend.past.values()) {
      assert.ok(!JSON.stringify(spec).includes(key), spec.role);
      assert.equal(input.join('').includes(key), ['bump', 'scanner'].includes(spec.role), spec.role);
    }
  });

  test('keeps what is shown to the outside out of every specification: it goes to the sidecar, by standard input', async () => {
    const { backend, session } = await launched();
    await using _ = session;
    for (const { spec, input } of backend.past.values()) {
      assert.doesNotMatch(JSON.stringify(spec), /shown-outside/, spec.role);
      assert.equal(input.join('').match(/shown-outside/g)?.length, spec.role === 'bump' ? 3 : undefined, spec.role);
    }
  });

  test('lets the sidecar hear a heartbeat until the session ends', async () => {
    mock.timers.enable({ apis: ['setInterval'] });
    try {
      const { backend, session } = await launched();
      const bump = backend.container('bump');
      mock.timers.tick(3 * HEARTBEAT_MS);
      assert.deepEqual(bump.input.slice(1), ['\n', '\n', '\n']);
      for (const role of ['gate', 'scanner']) assert.equal(backend.container(role).input.length, 1);
      await session[Symbol.asyncDispose]();
      const heard = bump.input.length;
      mock.timers.tick(3 * HEARTBEAT_MS);
      assert.equal(bump.input.length, heard);
    } finally {
      mock.timers.reset();
    }
  });
});

suite('the agent runs as', () => {
  const rows: [title: string, agent: object, image: string, user: string, said: number][] = [
    ['the user of the manifest', { user: '7:8', mounts: [{ source: '.', target: '/w' }] }, '', '7:8', 0],
    ["the image's user", { mounts: [{ source: '.', target: '/w' }] }, 'node:node', 'node:node', 0],
    [
      'the owner of the mount, where the image has none',
      { mounts: [{ source: '.', target: '/w' }] },
      '',
      '1000:1000',
      1,
    ],
    ['the owner of the mount, where it is root', { mounts: [{ source: '.', target: '/w' }] }, 'root', '1000:1000', 1],
    ['the owner of the mount, where it is 0:0', { mounts: [{ source: '.', target: '/w' }] }, '0:0', '1000:1000', 1],
    [
      'the owner of the mount, where it is root:staff',
      { mounts: [{ source: '.', target: '/w' }] },
      'root:staff',
      '1000:1000',
      1,
    ],
    [
      "the image's user that only begins with root",
      { mounts: [{ source: '.', target: '/w' }] },
      'rootless',
      'rootless',
      0,
    ],
    ['root, where nothing writable is mounted', {}, '', '', 0],
  ];
  for (const [title, agent, image, user, said] of rows) {
    test(title, async () => {
      const plan = planLaunch(loaded({ version: 1, agent }), { slug: 'demo' });
      const { backend, input, session } = await launched({ user: image }, plan, { secrets: {} });
      await using _ = session;
      assert.equal(backend.container('agent').spec.user, user);
      assert.equal(input.said.length, said, 'said once, where it is not what the image says');
    });
  }
});
