import assert from 'node:assert/strict';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { PIPELOCK_IMAGE, PIPELOCK_VERSIONS, versionOfImage } from '../../../contracts/pipelock.ts';
import { planSchema } from '../../../contracts/plan.ts';
import { BackendError, LaunchError, ManifestError } from '../../../src/errors.ts';
import { launch } from '../../../src/launch.ts';
import { loadManifest } from '../../../src/manifest.ts';
import { pipelockConfig } from '../../../src/pipelock.ts';
import { planLaunch } from '../../../src/plan.ts';
import { FakeBackend, type Script } from '../support/backend.ts';
import { golden } from '../support/golden.ts';
import { makeInput } from '../support/launching.ts';
import { loaded } from '../support/plans.ts';

const never = new AbortController().signal;
const plan = (scanner: object = {}) =>
  planLaunch(loaded({ version: 1, scanner: { kind: 'pipelock', ...scanner } }), { slug: 'demo' });

suite('pipelock’s configuration', () => {
  for (const version of PIPELOCK_VERSIONS)
    test(`for ${version}`, () =>
      golden(
        join(import.meta.dirname, '__snapshots__', `pipelock-${version}.json.golden`),
        `${JSON.stringify(pipelockConfig(version), null, 2)}\n`,
      ));

  test('blocks bodies and headers, limits nothing that an agent meets, locks nobody out, and calls nobody', () => {
    for (const version of PIPELOCK_VERSIONS) {
      const config = JSON.parse(JSON.stringify(pipelockConfig(version)));
      assert.equal(config.enforce, true);
      assert.equal(config.forward_proxy.enabled, true);
      const { action, header_mode, scan_headers, ignore_headers } = config.request_body_scanning;
      assert.deepEqual([action, header_mode, scan_headers], ['block', 'all', true]);
      assert.ok(!ignore_headers.includes('User-Agent') && !ignore_headers.includes('Content-Type'));
      for (const part of ['session_profiling', 'adaptive_enforcement', 'cross_request_detection', 'sentry', 'taint'])
        assert.equal(config[part].enabled, false, part);
      assert.equal(config.seed_phrase_detection.enabled, false);
      assert.deepEqual(config.ssrf.ip_allowlist, [{ late: 'cidr.sink' }]);
      assert.equal(config.dlp.secrets_file, undefined, 'real values are never given to a scanner');
    }
  });

  test('is made for the release line that the image’s tag or the manifest names', () => {
    const rows: [string, string | undefined][] = [
      [PIPELOCK_IMAGE, '2.3'],
      ['ghcr.io/a/pipelock:v3.7.1', '3.7'],
      [`ghcr.io/a/pipelock:2.4.0@sha256:${'a'.repeat(64)}`, '2.4'],
      ['pipelock:latest', undefined],
      ['localhost:2.3/pipelock', undefined],
      ['pipelock:12.3', undefined],
      ['pipelock', undefined],
    ];
    for (const [reference, version] of rows) assert.equal(versionOfImage(reference), version, reference);
    const version = (scanner: object) => {
      const { scanner: found } = plan(scanner);
      return found.kind === 'pipelock' ? found.version : undefined;
    };
    assert.equal(version({}), '2.3');
    assert.equal(version({ image: 'x/pipelock:3.6.0' }), '3.6');
    assert.equal(version({ image: 'x/pipelock:latest', version: '3.5' }), '3.5');
  });
});

suite('a plan with pipelock', () => {
  test('follows the schema, and has the scanner alone with the sidecar', () => {
    const made = plan();
    assert.deepEqual(planSchema.parse(made), made);
    const { scanner, bump, gate, agent, check } = made.containers;
    assert.deepEqual(scanner.network, {
      kind: 'networks',
      networks: [{ name: 'bottle-demo-scan', address: { late: 'address.scanner' } }],
    });
    assert.deepEqual(scanner.dns, [{ late: 'address.sink' }]);
    assert.deepEqual(check?.network, { kind: 'none' });
    for (const { network } of [gate, agent]) assert.ok(!JSON.stringify(network).includes('bottle-demo-scan'));
    assert.ok(JSON.stringify(bump.network).includes('bottle-demo-scan'));
    for (const { mounts, user, hardening } of [scanner, check]) {
      assert.deepEqual(
        mounts.map(({ kind }) => kind),
        ['volume'],
      );
      assert.equal(user, '65534:65534');
      assert.equal(hardening.read_only_root, true);
      assert.deepEqual(hardening.cap_add, []);
    }
    assert.equal(made.networks.find(({ name }) => name === 'bottle-demo-scan')?.role, 'scan');
  });

  const egress = { allow: ['a.test'] };
  const own = (mask: object) => ({ kind: 'pipelock', masks: { own: [{ name: 'm', hosts: ['a.test'], ...mask }] } });
  const wrong: [what: string, scanner: object, message: RegExp][] = [
    ['an image without the kind', { image: 'x' }, /scanner\.image: belongs to kind: pipelock/],
    ['masks without the kind', { masks: {} }, /scanner\.masks: belongs to kind: pipelock/],
    [
      'a mask for a host that is not allowed',
      own({ hosts: ['b.test'], hashes: true }),
      /own\[0\]\.hosts\[0\]: "b.test" is not in/,
    ],
    ['a mask of nothing', own({}), /must have at least one of like, places, hashes/],
    ['a mask like none', own({ like: 'other' }), /own\[0\]\.like/],
    ['a place with an empty key', own({ places: ['a..b'] }), /places\[0\]: must be keys joined by dots/],
    ['a mask for every host', own({ hosts: ['*'], hashes: true }), /bare "\*"/],
  ];
  for (const [what, scanner, message] of wrong)
    test(`${what} is an error that says so`, () => {
      const load = () =>
        loadManifest({ kind: 'built-in' }, '/', '', { version: 1, egress, scanner }, { env: {}, stateFolder: '/s' });
      assert.throws(load, (error) => error instanceof ManifestError && message.test(error.message));
    });
});

suite('a launch with pipelock', () => {
  async function launched(script: Script = {}) {
    const backend = new FakeBackend(script);
    return { backend, session: await launch(plan(), backend, makeInput(), never) };
  }

  test('the configuration is there, with the sink’s address, and is checked before the scanner starts', async () => {
    const { backend, session } = await launched();
    await using _ = session;
    const [file] = backend.container('check').placed;
    assert.equal(file?.path, '/etc/pipelock/config.yaml');
    const config = JSON.parse(String(file?.content));
    assert.deepEqual(config.ssrf, { ip_allowlist: ['10.211.3.2/32'] });
    const order = backend.called(/^start /);
    assert.ok(order.indexOf('start bottle-demo-check') < order.indexOf('start bottle-demo-scanner'), order.join());
    const { scanner } = JSON.parse(backend.container('bump').input[0] ?? '');
    assert.deepEqual(scanner, {
      kind: 'pipelock',
      address: '10.211.3.3',
      port: 8888,
      sink: { address: '10.211.3.2', port: 80, dns_port: 53 },
      body_bytes: 8_388_608,
      masks: [{ name: 'known-forms', hosts: null, places: [], hashes: true }],
    });
    assert.deepEqual(backend.container('scanner').input, []);
  });

  test('a scanner that the sidecar finds wanting is named, with its own last lines', async () => {
    const backend = new FakeBackend({
      started: (container) => {
        if (container.spec.role === 'scanner') container.log = ['pipelock says why'];
      },
      before: (call) => {
        if (call !== 'readyLine bottle-demo-bump') return;
        throw new BackendError(
          'not ready\n  | bump: scanner: failed its self-test: a secret in a body was let pass\n  | more',
        );
      },
    });
    await assert.rejects(launch(plan(), backend, makeInput(), never), (error) => {
      assert.ok(error instanceof LaunchError);
      assert.match(error.message, /^bottle-demo-scanner: failed its self-test: a secret in a body was let pass/);
      assert.match(error.message, /\| pipelock says why/);
      return true;
    });
    assert.deepEqual([...backend.alive.keys()], []);
  });
});
