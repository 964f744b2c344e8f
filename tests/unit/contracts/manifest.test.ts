import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { manifestSchema, memoryBytes, slugSchema } from '../../../contracts/manifest.ts';
import { formatPlace, hostsOf, placesOf } from '../../../contracts/secret.ts';

function messages(value: unknown): string[] {
  const parsed = manifestSchema.safeParse(value);
  if (parsed.success) return [];
  return parsed.error.issues.flatMap((issue) =>
    (issue.code === 'invalid_key' ? issue.issues : [issue]).map(({ message }) => `${issue.path.join('.')}: ${message}`),
  );
}

test('a manifest that says only its version gets every default', () => {
  assert.deepEqual(manifestSchema.parse({ version: 1 }), {
    version: 1,
    agent: {
      home: 'keep',
      workdir: '/workspace',
      env: {},
      mounts: [],
      limits: { memory: '4g', pids: 1024 },
    },
    egress: {
      allow: [],
      upstream_ca: [],
      client_certificates: [],
      tls_bump_ignore: [],
      websockets: 'allow',
      networks: [],
      allow_private: [],
    },
    scanner: { kind: 'embedded' },
    secrets: {},
  });
});

test('a client certificate of a host without a port is for every port of it that is allowed', () => {
  const manifest = (allow: string, host: string) => ({
    version: 1,
    egress: { allow: [allow], client_certificates: [{ host, cert: 'c', key: 'k' }] },
  });
  for (const [allow, host] of [
    ['a.example:8443', 'a.example'],
    ['a.example:8443', 'a.example:8443'],
    ['*.example', 'a.example'],
    ['a.example', '*.example'],
  ] as const)
    assert.equal(manifestSchema.safeParse(manifest(allow, host)).success, !host.startsWith('*'), `${allow} ${host}`);
  for (const [allow, host] of [
    ['a.example:8443', 'b.example'],
    ['a.example:8443', 'a.example:443'],
  ] as const)
    assert.equal(manifestSchema.safeParse(manifest(allow, host)).success, false, `${allow} ${host}`);
});

test('a mount is writable unless it says otherwise', () => {
  const { agent } = manifestSchema.parse({ version: 1, agent: { mounts: [{ source: '.', target: '/w' }] } });
  assert.deepEqual(agent.mounts, [{ source: '.', target: '/w', read_only: false }]);
});

test('numbers and truth values of a variable become text', () => {
  const { agent } = manifestSchema.parse({ version: 1, agent: { env: { A: 1, B: true, C: 'x' } } });
  assert.deepEqual(agent.env, { A: '1', B: 'true', C: 'x' });
});

const agent = (wish: object) => ({ version: 1, agent: wish });
const egress = (wish: object) => ({ version: 1, egress: wish });
const secret = (wish: object, name = 'T') => ({
  version: 1,
  egress: { allow: ['api.example', '*.b.example', 'p.example:8443'] },
  secrets: { [name]: { from: { env: 'T' }, hosts: ['api.example'], header: 'x-key', ...wish } },
});
const mount = (wish: object) => agent({ mounts: [{ source: '.', target: '/w', ...wish }] });

suite('a manifest is refused for', () => {
  const rows: [title: string, value: unknown, message: RegExp][] = [
    ['no version', {}, /^version: /],
    ['a version that is not known', { version: 2 }, /^version: /],
    ['nothing at all', null, /expected object/],
    ['an unknown key', { version: 1, agnt: {} }, /agnt/],
    ['an empty command', agent({ command: [] }), /^agent\.command: /],
    ['a command that is one text', agent({ command: 'claude' }), /^agent\.command: .*array/],
    ['a user with a space', agent({ user: 'a b' }), /^agent\.user: must be a user/],
    ['an empty image', agent({ image: '' }), /^agent\.image: /],
    ['a home of another kind', agent({ home: 'none' }), /^agent\.home: /],
    ['a relative workdir', agent({ workdir: 'src' }), /^agent\.workdir: must be an absolute path/],
    ['a workdir with ".."', agent({ workdir: '/a/../b' }), /^agent\.workdir: must not contain/],
    ['a variable name with a hyphen', agent({ env: { 'A-B': '' } }), /^agent\.env\.A-B: /],
    ['a variable that is a list', agent({ env: { A: [] } }), /^agent\.env\.A: /],
    ['a variable that bottle sets', agent({ env: { HTTPS_PROXY: '' } }), /^agent\.env\.HTTPS_PROXY: is set by bottle/],
    ['a variable that bottle sets, in the other case', agent({ env: { no_proxy: '*' } }), /is set by bottle/],
    ['a mount without a source', mount({ source: '' }), /^agent\.mounts\.0\.source: /],
    ['a mount at a relative path', mount({ target: 'w' }), /^agent\.mounts\.0\.target: must be an absolute path/],
    ['a mount at the root', mount({ target: '/' }), /must not be the root folder/],
    ['a mount with ".."', mount({ target: '/w/../etc' }), /must not contain/],
    ['memory without a unit', agent({ limits: { memory: '4096' } }), /must be a number with k, m or g/],
    ['memory below what an engine takes', agent({ limits: { memory: '1m' } }), /at least 6m/],
    ['no cpus', agent({ limits: { cpus: 0 } }), /^agent\.limits\.cpus: /],
    ['too few processes', agent({ limits: { pids: 1 } }), /^agent\.limits\.pids: /],
    ['half a process', agent({ limits: { pids: 99.5 } }), /^agent\.limits\.pids: /],
    ['a bad host', egress({ allow: ['127.1'] }), /^egress\.allow\.0: "127\.1" .*another form.*allowed: host/],
    ['a bare "*"', egress({ allow: ['*'] }), /^egress\.allow\.0: "\*" is a bare/],
    ['a bad CIDR', egress({ allow_private: ['10.0.0.0/40'] }), /^egress\.allow_private\.0: .*allowed: 10\.0\.0\.0\/8/],
    ['a bad network name', egress({ networks: ['--net'] }), /^egress\.networks\.0: is not a network name/],
    [
      'a secret without a source',
      secret({ from: {} }),
      /^secrets\.T\.from: must have exactly one of env, file, command/,
    ],
    ['a secret with two', secret({ from: { env: 'A', file: 'b' } }), /^secrets\.T\.from: must have exactly one/],
    ['a file that expires', secret({ from: { file: 'b', expires: 9 } }), /"expires" belongs to a command/],
    ['a secret without a host', secret({ hosts: [] }), /^secrets\.T\.hosts: must name at least one/],
    ['a secret for a bad host', secret({ hosts: ['*'] }), /^secrets\.T\.hosts\.0\.host: "\*" is a bare/],
    [
      'a secret for a host that nothing allows',
      secret({ hosts: ['other.example'] }),
      /^secrets\.T\.hosts\.0: .*not in egress/,
    ],
    ['a secret for a suffix of which one name is allowed', secret({ hosts: ['*.example'] }), /not in egress\.allow/],
    ['a secret for a port that is not allowed', secret({ hosts: ['p.example'] }), /not in egress\.allow/],
    [
      'an identity that is not known',
      secret({ hosts: [{ host: 'api.example', identity: 'x' }] }),
      /hosts\.0\.identity: /,
    ],
    ['a secret without a place', secret({ header: undefined }), /^secrets\.T: must say where the value stands/],
    ['a format without "{}"', secret({ format: 'Bearer' }), /^secrets\.T\.format\.0: must have "\{\}" exactly once/],
    [
      'a format of no header',
      secret({ header: undefined, query: 'a', format: '{}' }),
      /^secrets\.T\.format: belongs to/,
    ],
    ['a header that frames', secret({ header: 'Content-Length' }), /^secrets\.T\.header: is written by the sidecar/],
    ['a header that is none', secret({ header: 'a b' }), /^secrets\.T\.header: is not a header name/],
    ['a path that is none', secret({ path: 'bot{}' }), /^secrets\.T\.path: must begin with/],
    ['a tenant with a line break', secret({ headers: { 'x-org': 'a\nb' } }), /^secrets\.T\.headers\.x-org: /],
    ['a secret under a name that bottle sets', secret({}, 'HTTPS_PROXY'), /^secrets\.HTTPS_PROXY: is set by bottle/],
    [
      'a secret that is a variable as well',
      { ...secret({}), agent: { env: { T: 'x' } } },
      /^agent\.env\.T: is set by secrets; remove it/,
    ],
    ['a scanner that is not known', { version: 1, scanner: { kind: 'none' } }, /^scanner\.kind: .*"embedded"/],
  ];
  for (const [title, value, message] of rows) {
    test(title, () => {
      const found = messages(value);
      assert.ok(
        found.some((line) => message.test(line)),
        `none of ${JSON.stringify(found)}`,
      );
    });
  }

  test('all of its problems at once', () => {
    const found = messages({ version: 2, agent: { home: 'none' }, egress: { allow: ['*', 'ok.example', 'a..b'] } });
    assert.deepEqual(
      found.map((line) => line.split(':')[0]),
      ['version', 'agent.home', 'egress.allow.0', 'egress.allow.2'],
    );
  });
});

suite('memory is read as the engine reads it', () => {
  const rows: [string, number][] = [
    ['512m', 512 * 1024 ** 2],
    ['4g', 4 * 1024 ** 3],
    ['4G', 4 * 1024 ** 3],
    ['1.5g', 1.5 * 1024 ** 3],
    ['8192k', 8 * 1024 ** 2],
  ];
  for (const [text, bytes] of rows) test(text, () => assert.equal(memoryBytes(text), bytes));
});

suite('the name of a session', () => {
  for (const slug of ['a', '0', 'my-task', '7f3a1c', 'a'.repeat(40), 'a-'])
    test(`may be ${slug}`, () => assert.equal(slugSchema.parse(slug), slug));
  for (const slug of ['', '-a', 'A', 'a_b', 'a.b', 'a b', '../a', 'a'.repeat(41), 'ä', 'a\n'])
    test(`may not be ${JSON.stringify(slug)}`, () => assert.equal(slugSchema.safeParse(slug).success, false));
});

suite('a secret', () => {
  const read = (wish: object) => manifestSchema.parse(secret(wish)).secrets['T'];
  test('is bound, and takes the value as it is, or as a bearer token', () => {
    const wish = read({});
    assert.ok(wish);
    assert.deepEqual(hostsOf(wish), [
      { match: 'exact', host: 'api.example', ports: [443, 80], identity: 'bound', explicit: false },
    ]);
    assert.deepEqual(placesOf(wish), [{ kind: 'header', name: 'x-key', prefix: '', suffix: '' }]);
    const bearer = read({ header: 'Authorization' });
    assert.deepEqual(bearer && placesOf(bearer), [
      { kind: 'header', name: 'authorization', prefix: 'Bearer ', suffix: '' },
    ]);
  });

  test('may have several places, hosts under an allowed suffix and an open host', () => {
    const wish = read({
      header: 'authorization',
      format: ['Bearer {}', 'token {}'],
      basic: 'password',
      query: 'key',
      path: '/bot{}/',
      hosts: ['a.b.example', '*.b.example', { host: 'p.example:8443', identity: 'open' }],
    });
    assert.ok(wish);
    assert.deepEqual(placesOf(wish).map(formatPlace), [
      'header authorization: Bearer {}',
      'header authorization: token {}',
      'the password of HTTP Basic',
      'query parameter key',
      'path /bot{}/',
    ]);
    assert.deepEqual(
      hostsOf(wish).map(({ host, identity, explicit }) => [host, identity, explicit]),
      [
        ['a.b.example', 'bound', false],
        ['b.example', 'bound', false],
        ['p.example', 'open', true],
      ],
    );
  });
});

test('what is relayed unopened must be allowed, and can hold no secret of ours', () => {
  const problems = (egress: object, secrets: object = {}) =>
    manifestSchema
      .safeParse({ version: 1, egress, secrets })
      .error?.issues.map(({ path, message }) => [path.join('.'), message]) ?? [];
  assert.deepEqual(problems({ allow: ['*.a.test'], tls_bump_ignore: ['x.a.test'] }), []);
  assert.deepEqual(problems({ allow: ['a.test'], tls_bump_ignore: ['b.test'] }), [
    ['egress.tls_bump_ignore.0', '"b.test" is not in egress.allow: nothing could be sent there'],
  ]);
  const secrets = { KEY: { from: { env: 'KEY' }, hosts: ['x.a.test'], header: 'x-api-key' } };
  const [problem] = problems({ allow: ['*.a.test'], tls_bump_ignore: ['*.a.test'] }, secrets);
  assert.equal(problem?.[0], 'secrets.KEY.hosts.0');
  assert.match(problem?.[1] ?? '', /nothing can be put into what is not opened/);
});
