import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { type ContainerSpec, type LaunchPlan, planSchema } from '../../../contracts/plan.ts';
import { planLaunch } from '../../../src/plan.ts';
import { anyLoaded, builtIn, builtInPlan, CANARY, full, fullPlan, loaded } from '../support/plans.ts';

/** Every name that the plan refers to, wherever it stands. */
function references(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  const late: unknown = Reflect.get(value, 'late');
  if (typeof late === 'string' && Object.keys(value).length === 1) return [late];
  return Object.values(value).flatMap(references);
}

function containers(plan: LaunchPlan): ContainerSpec[] {
  const { gate, scanner, bump, agent, route } = plan.containers;
  return [gate, scanner, bump, agent, ...(route ? [route] : [])];
}

suite('for every manifest', () => {
  test('the same input makes the same plan', () => {
    fc.assert(
      fc.property(anyLoaded, (manifest) =>
        assert.equal(
          JSON.stringify(planLaunch(manifest, { slug: 'x' })),
          JSON.stringify(planLaunch(structuredClone(manifest), { slug: 'x' })),
        ),
      ),
    );
  });

  test('the plan follows its schema', () => {
    fc.assert(
      fc.property(anyLoaded, (manifest) => {
        const plan = planLaunch(manifest, { slug: 'x' });
        assert.deepEqual(planSchema.parse(plan), plan);
      }),
    );
  });

  test('what is not known yet is listed with the reason, and nothing else is', () => {
    fc.assert(
      fc.property(anyLoaded, (manifest) => {
        const plan = planLaunch(manifest, { slug: 'x' });
        assert.deepEqual([...new Set(references(plan))].toSorted(), Object.keys(plan.late_bound).toSorted());
        for (const why of Object.values(plan.late_bound)) assert.notEqual(why, '');
      }),
    );
  });

  test("a value from the caller's environment stands nowhere in the plan", () => {
    fc.assert(
      fc.property(anyLoaded, (manifest) => {
        assert.doesNotMatch(JSON.stringify(planLaunch(manifest, { slug: 'x' })), new RegExp(CANARY));
      }),
    );
  });

  test('the sidecar gets exactly the policy that is shown', () => {
    fc.assert(
      fc.property(anyLoaded, (manifest) => {
        const { config, egress } = planLaunch(manifest, { slug: 'x' });
        assert.deepEqual(config.bump.policy, egress.policy);
        assert.deepEqual(egress.allow, manifest.manifest.egress.allow);
        assert.deepEqual(egress.policy.allow_private, manifest.manifest.egress.allow_private);
      }),
    );
  });

  test('everything is hardened', () => {
    fc.assert(
      fc.property(anyLoaded, (manifest) => {
        const plan = planLaunch(manifest, { slug: 'x' });
        for (const { hardening, limits } of containers(plan)) {
          assert.deepEqual(hardening.cap_drop, ['ALL']);
          assert.equal(hardening.no_new_privileges, true);
          assert.ok(limits.memory_bytes > 0 && limits.pids > 0);
        }
      }),
    );
  });

  test("nothing of the manifest replaces a variable of the proxy, of trust or the agent's home", () => {
    fc.assert(
      fc.property(anyLoaded, (manifest) => {
        const { containers: made, trust, home } = planLaunch(manifest, { slug: 'x' });
        for (const [name, value] of Object.entries({ ...trust.variables, HOME: home.path }))
          assert.equal(made.agent.env[name], value);
      }),
    );
  });
});

suite('who may do what', () => {
  const { gate, scanner, bump, agent, route } = fullPlan().containers;

  test('agent, sidecar and scanner have no capability', () => {
    for (const { hardening } of [agent, bump, scanner]) assert.deepEqual(hardening.cap_add, []);
  });

  test('the gate starts with four, to set its rules and to give them up', () => {
    assert.deepEqual(gate.hardening.cap_add, ['NET_ADMIN', 'SETGID', 'SETPCAP', 'SETUID']);
  });

  test('the default route is set by a container of its own, that may do nothing else', () => {
    assert.deepEqual(route?.hardening.cap_add, ['NET_ADMIN']);
    assert.equal(route?.attach, 'none');
    assert.deepEqual(route?.network, { kind: 'container', name: bump.name });
  });

  test('every root is read-only but the agent’s', () => {
    for (const { role, hardening } of [gate, scanner, bump]) assert.equal(hardening.read_only_root, true, role);
    assert.equal(agent.hardening.read_only_root, false);
  });

  test('sidecar and scanner are nobody, and have no environment', () => {
    for (const { user, env } of [bump, scanner]) {
      assert.equal(user, '65534:65534');
      assert.deepEqual(env, {});
    }
  });

  test('only the agent has an init, a terminal and no log', () => {
    for (const spec of [gate, scanner, bump, agent]) {
      const isAgent = spec === agent;
      assert.equal(spec.hardening.init, isAgent, spec.role);
      assert.equal(spec.terminal, isAgent ? 'caller' : 'none', spec.role);
      assert.equal(spec.log, isAgent ? 'none' : 'capped', spec.role);
      assert.equal(spec.attach, isAgent ? 'streams' : 'lifeline', spec.role);
    }
  });

  test('the sidecar forwards no packets', () => {
    assert.equal(bump.hardening.sysctls['net.ipv4.ip_forward'], '0');
  });
});

suite('the topology', () => {
  const plan = fullPlan();
  const { gate, scanner, bump, agent } = plan.containers;

  test('everything is named after the session', () => {
    for (const { name } of [...containers(plan), ...plan.networks]) assert.match(name, /^bottle-demo-[a-z]+$/);
    assert.deepEqual(
      [agent, gate, bump, scanner].map(({ name }) => name),
      ['bottle-demo-agent', 'bottle-demo-gate', 'bottle-demo-bump', 'bottle-demo-scanner'],
    );
    assert.deepEqual(
      plan.networks.map(({ name }) => name),
      ['bottle-demo-agent', 'bottle-demo-egress'],
    );
  });

  test('the agent has the network namespace of the gate, and no network of its own', () => {
    assert.deepEqual(agent.network, { kind: 'container', name: gate.name });
  });

  test('the gate is on the internal network only, and asks the sidecar for names', () => {
    assert.deepEqual(gate.network, {
      kind: 'networks',
      networks: [{ name: 'bottle-demo-agent', address: { late: 'address.gate' } }],
    });
    assert.deepEqual(gate.dns, [{ late: 'address.bump' }]);
  });

  test('the scanner has no network: it is reached over a socket that it shares with the sidecar alone', () => {
    assert.deepEqual(scanner.network, { kind: 'none' });
    const sharing = containers(plan).filter(({ mounts }) =>
      mounts.some((mount) => mount.kind === 'volume' && mount.source === 'bottle-demo-scan'),
    );
    assert.deepEqual(
      sharing.map(({ role }) => role),
      ['scanner', 'bump'],
    );
    const reached = plan.config.bump.scanner;
    assert.ok(reached.kind === 'embedded');
    assert.equal(plan.config.scanner?.socket, reached.socket);
  });

  test('the sidecar is on egress first, then on the internal network, then on what it joins', () => {
    assert.ok(bump.network.kind === 'networks');
    assert.deepEqual(
      bump.network.networks.map(({ name }) => name),
      ['bottle-demo-egress', 'bottle-demo-agent', 'compose_default'],
    );
  });

  test('a route is set only where the sidecar joins other networks', () => {
    assert.notEqual(plan.containers.route, null);
    assert.equal(builtInPlan().containers.route, null);
  });

  test('the sidecar listens on the internal network, to the gate alone', () => {
    assert.deepEqual(plan.config.bump.listen, {
      address: { late: 'address.bump' },
      gate: { late: 'address.gate' },
      proxy_port: 8080,
      dns_port: 53,
    });
    assert.deepEqual(plan.config.gate.sidecar, { late: 'address.bump' });
  });

  test('the sidecar knows all names of the session as its own: a request for one is a loop', () => {
    assert.deepEqual(
      plan.config.bump.own_names.toSorted(),
      [agent, bump, gate, scanner].map(({ name }) => name).toSorted(),
    );
  });

  test('the journal is on a volume of the session that only the sidecar has', () => {
    const holding = containers(plan).filter(({ mounts }) =>
      mounts.some((mount) => mount.kind === 'volume' && mount.source === 'bottle-demo-journal'),
    );
    assert.deepEqual(
      holding.map(({ role }) => role),
      ['bump'],
    );
  });
});

suite('the agent', () => {
  test('runs the command of the manifest, or the one that is given instead', () => {
    assert.deepEqual(fullPlan().containers.agent.command, ['claude', '--model', 'x']);
    assert.deepEqual(planLaunch(full, { slug: 'x', command: ['sh'] }).containers.agent.command, ['sh']);
  });

  test("runs the image's own command where neither is given", () => {
    assert.equal(planLaunch(loaded({ version: 1 }), { slug: 'x' }).containers.agent.command, null);
  });

  test('has the mounts of the manifest by their real paths, behind its home', () => {
    assert.deepEqual(fullPlan().containers.agent.mounts, [
      { kind: 'volume', source: 'bottle-demo-home', target: '/home/agent', read_only: false },
      { kind: 'bind', source: '/home/user/project', target: '/workspace', read_only: false },
      { kind: 'bind', source: '/home/user/project/data', target: '/data', read_only: true },
    ]);
  });

  test('keeps its home under the name of the manifest’s folder, or has a fresh one under the session’s', () => {
    assert.deepEqual(builtInPlan().volumes.at(-1), { name: 'bottle-home-0123456789ab', role: 'home', keep: true });
    assert.deepEqual(fullPlan().volumes.at(-1), { name: 'bottle-demo-home', role: 'home', keep: false });
  });

  const user = (agent: object) => planLaunch(loaded({ version: 1, agent }), { slug: 'x' });

  test('is the user that the manifest names', () => {
    const plan = user({ user: 'node:node', mounts: [{ source: '.', target: '/w' }] });
    assert.deepEqual(plan.agent_user, { kind: 'fixed', user: 'node:node' });
    assert.equal(plan.containers.agent.user, 'node:node');
  });

  test("is else the image's own, or the owner of the first writable mount where that is root", () => {
    const plan = user({
      mounts: [
        { source: './a', target: '/a', read_only: true },
        { source: '.', target: '/w' },
      ],
    });
    assert.deepEqual(plan.agent_user, { kind: 'owner-if-root', uid: 1000, gid: 1000, source: '/home/user/project' });
    assert.deepEqual(plan.containers.agent.user, { late: 'user.agent' });
    assert.match(plan.late_bound['user.agent'] ?? '', /1000:1000.*\/home\/user\/project/);
  });

  test("is the image's own where no mount is writable", () => {
    const plan = user({ mounts: [{ source: '.', target: '/w', read_only: true }] });
    assert.deepEqual(plan.agent_user, { kind: 'image' });
  });

  test('gets a secret by reference, and everything else by value', () => {
    const { env } = fullPlan().containers.agent;
    assert.deepEqual(env['TOKEN'], { late: 'env.TOKEN' });
    assert.equal(env['LOG_LEVEL'], 'debug');
  });

  test('gets a variable by value also under a name that every object has', () => {
    const plan = user({ env: { constructor: 'a', toString: 'b' } });
    assert.equal(plan.containers.agent.env['constructor'], 'a');
    assert.equal(plan.containers.agent.env['toString'], 'b');
  });
});

suite('what is worth knowing is noted', () => {
  test('the built-in default says that it is one', () => {
    assert.match(planLaunch(builtIn, { slug: 'x' }).notes.join(), /built-in default/);
  });

  test('an agent that reaches no host is said', () => {
    assert.match(planLaunch(loaded({ version: 1 }), { slug: 'x' }).notes.join(), /reaches no host/);
  });

  test('a variable that looks like a credential is said, by its name or by its value', () => {
    const value = {
      version: 1,
      agent: { env: { TOKEN: '${A}', NOTE: '${B}', LEVEL: '${C}' } },
      egress: { allow: ['a.b'] },
    };
    const wish = { ...loaded(value), secrets: { TOKEN: 'x', NOTE: `Bearer ghp_${'a'.repeat(36)}`, LEVEL: 'debug' } };
    const { notes } = planLaunch(wish, { slug: 'x' });
    assert.deepEqual(
      notes.map((note) => /^agent\.env\.(\w+) looks like a credential/.exec(note)?.[1]),
      ['TOKEN', 'NOTE'],
    );
  });

  test('what is relayed unopened', () => {
    const manifest = loaded({ version: 1, egress: { allow: ['pins.example'], tls_bump_ignore: ['pins.example'] } });
    assert.match(planLaunch(manifest, { slug: 'x' }).notes.join('\n'), /unopened, not scanned: pins\.example/);
  });

  test('a manifest that says all needs no other note', () => assert.equal(fullPlan().notes.length, 2));
});
