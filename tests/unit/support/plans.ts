/** Plans of manifests that need no file: the same on every machine. */
import fc from 'fast-check';
import { manifestSchema } from '../../../contracts/manifest.ts';
import type { LaunchPlan } from '../../../contracts/plan.ts';
import { builtInManifest } from '../../../src/builtin.ts';
import type { LoadedManifest } from '../../../src/manifest.ts';
import { planLaunch } from '../../../src/plan.ts';

export const CANARY = 'canary-5e1ec7';

/** Loads a manifest's value as if its mounts were `/home/user/project`, owned by 1000. Secret values are canaries. */
export function loaded(value: unknown, source: LoadedManifest['source'] = FILE): LoadedManifest {
  const manifest = manifestSchema.parse(value);
  const secret = Object.entries(manifest.agent.env).filter(([, text]) => text.includes('${'));
  return {
    source,
    folderId: '0123456789ab',
    manifest,
    mounts: manifest.agent.mounts.map(({ source: wish, target, read_only }, index) => ({
      kind: 'source',
      real: wish === '.' ? '/home/user/project' : `/home/user/project/${wish.replace(/^\.\//, '')}`,
      owner: { uid: 1000, gid: 1000 },
      identity: `1:${index}`,
      target,
      read_only,
    })),
    upstreamCa: manifest.egress.upstream_ca.map((path) => ({ path: `/home/user/${path}`, pem: 'PEM\n' })),
    secrets: Object.fromEntries(secret.map(([name]) => [name, `${CANARY}-${name}`])),
    credentials: {},
    upstream: {},
    contentHash: 'a'.repeat(64),
  };
}

const FILE = { kind: 'file', path: '/home/user/project/bottle.yaml' } as const;

export const builtIn = loaded(builtInManifest({ ANTHROPIC_API_KEY: CANARY }), { kind: 'built-in' });

/** Everything that a manifest can say. */
export const full = loaded({
  version: 1,
  agent: {
    image: 'some/image',
    command: ['claude', '--model', 'x'],
    user: 'node',
    home: 'fresh',
    workdir: '/workspace',
    env: { LOG_LEVEL: 'debug', TOKEN: '${TOKEN}' },
    mounts: [
      { source: '.', target: '/workspace' },
      { source: './data', target: '/data', read_only: true },
    ],
    limits: { memory: '4g', cpus: 2, pids: 512 },
  },
  egress: {
    allow: ['api.anthropic.com', '*.githubusercontent.com', 'git.example.com:8443'],
    upstream_ca: ['company-root.pem'],
    upstream_proxy: {
      url: 'http://proxy.example.com:3128',
      credentials: { env: 'PROXY_LOGIN' },
      no_proxy: ['git.example.com:8443'],
    },
    client_certificates: [{ host: 'api.anthropic.com', cert: 'client.pem', key: '~/client.key' }],
    tls_bump_ignore: ['git.example.com:8443'],
    websockets: 'refuse',
    networks: ['compose_default'],
    allow_private: ['172.16.0.0/12'],
  },
  scanner: { kind: 'embedded' },
});

export const builtInPlan = (): LaunchPlan => planLaunch(builtIn, { slug: 'demo' });
export const fullPlan = (): LaunchPlan => planLaunch(full, { slug: 'demo' });

const name = fc.oneof(fc.stringMatching(/^[A-Z][A-Z0-9_]{0,8}$/), fc.constantFrom('constructor', 'toString', 'late'));
const value = fc.oneof(fc.string(), fc.constant('${SECRET}'), fc.constant('Bearer ${SECRET}'));

/** Manifests of every shape. */
export const anyLoaded: fc.Arbitrary<LoadedManifest> = fc
  .record({
    agent: fc.record(
      {
        image: fc.constantFrom('some/image', 'other:1'),
        command: fc.array(fc.string(), { minLength: 1, maxLength: 3 }),
        user: fc.constantFrom('node', '1000:1000'),
        home: fc.constantFrom('keep', 'fresh'),
        env: fc.dictionary(name, value, { maxKeys: 4 }).filter((env) => !('HOME' in env)),
        mounts: fc.array(
          fc.record({
            source: fc.constantFrom('.', './a'),
            target: fc.constantFrom('/w', '/x'),
            read_only: fc.boolean(),
          }),
          { maxLength: 2 },
        ),
      },
      { requiredKeys: [] },
    ),
    egress: fc.record(
      {
        allow: fc.array(fc.constantFrom('a.example', '*.b.example', 'c.example:8443'), { maxLength: 3 }),
        networks: fc.array(fc.constantFrom('one', 'two'), { maxLength: 2 }),
        upstream_ca: fc.array(fc.constant('root.pem'), { maxLength: 1 }),
      },
      { requiredKeys: [] },
    ),
  })
  .map((wish) => loaded({ version: 1, ...wish }));
