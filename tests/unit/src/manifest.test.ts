import assert from 'node:assert/strict';
import { chmodSync, realpathSync, writeFileSync } from 'node:fs';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { ManifestError } from '../../../src/errors.ts';
import { loadManifest, readManifest } from '../../../src/manifest.ts';
import { makeFolder } from '../support/folder.ts';
import { issues, PEM, read } from '../support/manifests.ts';

test('every problem of a manifest is listed at once, with its path in the file', () => {
  using folder = makeFolder();
  const found = issues(
    folder,
    `
version: 1
agnt: {}
agent:
  comand: [claude]
  command: claude
  env: { HTTPS_PROXY: "http://x", TOKEN: "\${NOT_SET}", "A-B": x }
  mounts:
    - { source: ./absent, target: /workspace }
    - { source: ., target: relative, readonly: true }
egress:
  allow: [api.example, "*", "0177.0.0.1"]
  allow_private: [10.0.0.0/99]
  upstream_ca: [./absent.pem]
scanner: { kind: none }
`,
  );
  assert.deepEqual(found.map(({ path }) => path).toSorted(), [
    'agent.comand',
    'agent.command',
    'agent.env.A-B',
    'agent.env.HTTPS_PROXY',
    'agent.env.TOKEN',
    'agent.mounts[0].source',
    'agent.mounts[1].readonly',
    'agent.mounts[1].target',
    'agnt',
    'egress.allow[1]',
    'egress.allow[2]',
    'egress.allow_private[0]',
    'egress.upstream_ca[0]',
    'scanner.kind',
  ]);
});

test('the error names the file and has every problem on a line of its own', () => {
  using folder = makeFolder();
  const file = folder.write('bottle.yaml', 'version: 2\negress: { allow: ["*"] }\n');
  assert.throws(
    () => readManifest(file, { env: {}, stateFolder: `${folder.path}-state` }),
    (error) => {
      assert.ok(error instanceof ManifestError);
      const lines = error.message.split('\n');
      assert.equal(lines[0], `${file} is not a manifest that bottle can run:`);
      assert.equal(lines.length, 3);
      assert.match(lines[1] ?? '', /^ {2}version: /);
      assert.match(lines[2] ?? '', /^ {2}egress\.allow\[0\]: "\*" is a bare "\*"/);
      return true;
    },
  );
});

suite('an unknown key is answered with the keys that are allowed there', () => {
  const rows: [text: string, path: string, allowed: RegExp][] = [
    ['version: 1\nagnt: {}', 'agnt', /allowed here: version, agent, egress, scanner, secrets$/],
    [
      'version: 1\nagent: { nets: [] }',
      'agent.nets',
      /allowed here: image, command, user, home, workdir, env, mounts, limits$/,
    ],
    ['version: 1\nagent: { limits: { cpu: 1 } }', 'agent.limits.cpu', /allowed here: memory, cpus, pids$/],
    [
      'version: 1\negress: { deny: [] }',
      'egress.deny',
      /allowed here: allow, upstream_ca, upstream_proxy, client_certificates, tls_bump_ignore, websockets, networks, allow_private, body_limit, unscanned$/,
    ],
    [
      'version: 1\negress: { upstream_proxy: { url: "http://p:1", user: x } }',
      'egress.upstream_proxy.user',
      /allowed here: url, credentials, no_proxy$/,
    ],
    [
      'version: 1\negress: { allow: [a], client_certificates: [{ host: a, cert: given, key: given, pem: x }] }',
      'egress.client_certificates[0].pem',
      /allowed here: host, cert, key$/,
    ],
    ['version: 1\nscanner: { mode: x }', 'scanner.mode', /allowed here: kind, image, version, masks$/],
    [
      'version: 1\nagent: { mounts: [{ source: ., target: /w, ro: true }] }',
      'agent.mounts[0].ro',
      /allowed here: source, target, read_only$/,
    ],
  ];
  for (const [text, path, allowed] of rows) {
    test(path, () => {
      using folder = makeFolder();
      const [issue, ...more] = issues(folder, text);
      assert.equal(issue?.path, path);
      assert.match(issue.message, allowed);
      assert.deepEqual(more, []);
    });
  }
});

test('a pipelock whose line nobody says is refused: its configuration would be a guess', () => {
  for (const image of ['own/pipelock', 'own/pipelock:latest', 'own/pipelock:9.1.0']) {
    using folder = makeFolder();
    const [issue] = issues(folder, `version: 1\nscanner: { kind: pipelock, image: "${image}" }\n`);
    assert.match(JSON.stringify(issue), /scanner\.version.*names none of the lines/);
  }
});

suite('what is no YAML is answered with the line and the column', () => {
  const rows: [title: string, text: string, path: string, message: RegExp][] = [
    ['an unclosed list', 'version: 1\negress:\n  allow: [a.example\n', 'line 4, column 1', /sequence|bracket|\]/i],
    ['a key that stands twice', 'version: 1\nagent: {}\nagent: {}\n', 'line 3, column 1', /unique/i],
    [
      'a key that stands twice, deeper',
      'version: 1\nagent:\n  home: keep\n  home: fresh\n',
      'line 4, column 3',
      /unique/i,
    ],
    ['a tab for indentation', 'version: 1\nagent:\n\thome: keep\n', 'line 3, column 1', /tab/i],
    ['an alias without an anchor', 'version: 1\nagent: *a\n', 'line 2, column 8', /alias/i],
    ['two documents', 'version: 1\n---\nversion: 1\n', 'line 2, column 1', /document/i],
  ];
  for (const [title, text, path, message] of rows) {
    test(title, () => {
      using folder = makeFolder();
      const [issue] = issues(folder, text);
      assert.equal(issue?.path, path);
      assert.match(issue.message, message);
      assert.doesNotMatch(issue.message, /\n|at line/);
    });
  }
});

test('an alias is refused, so that a short file cannot become a long one', () => {
  using folder = makeFolder();
  const found = issues(folder, 'version: 1\nagent: &a { command: [x] }\negress: *a\n');
  assert.equal(found.length, 1);
  assert.match(found[0]?.message ?? '', /alias/i);
});

suite('a file is refused that', () => {
  const rows: [title: string, text: string][] = [
    ['is empty', ''],
    ['holds a comment only', '# nothing\n'],
    ['holds a list', '- version: 1\n'],
    ['holds a text', 'bottle\n'],
  ];
  for (const [title, text] of rows) {
    test(title, () => {
      using folder = makeFolder();
      const [issue] = issues(folder, text);
      assert.equal(issue?.path, '');
      assert.match(issue.message, /expected object/);
    });
  }

  test('is not there', () => {
    using folder = makeFolder();
    assert.throws(() => readManifest(folder.at('none.yaml'), { env: {}, stateFolder: `${folder.path}-state` }), {
      name: 'ManifestError',
      message: /none\.yaml.*\n.*cannot be read \(ENOENT/,
    });
  });
});

test('a manifest may be written in JSON', () => {
  using folder = makeFolder();
  const { manifest } = read(folder, JSON.stringify({ version: 1, egress: { allow: ['api.example'] } }, null, '\t'));
  assert.deepEqual(manifest.egress.allow, ['api.example']);
});

test('a manifest is known by its real path, also when it is named through a link', () => {
  using folder = makeFolder();
  const file = folder.write('project/bottle.yaml', 'version: 1\nagent: { mounts: [{ source: ., target: /w }] }\n');
  const link = folder.link('link.yaml', file);
  const loaded = readManifest(link, { env: {}, stateFolder: `${folder.path}-state` });
  assert.deepEqual(loaded.source, { kind: 'file', path: file });
  assert.equal(loaded.mounts[0]?.real, folder.at('project'), 'its mounts are relative to the folder that it lies in');
});

test('the mounts are resolved, in their order', () => {
  using folder = makeFolder();
  folder.folder('a');
  folder.write('real/file.txt', 'x');
  folder.link('b', folder.at('real/file.txt'));
  const { mounts } = read(
    folder,
    'version: 1\nagent: { mounts: [{ source: ./a, target: /a }, { source: b, target: /b, read_only: true }] }\n',
  );
  assert.deepEqual(
    mounts.map(({ real, target, read_only }) => ({ real, target, read_only })),
    [
      { real: folder.at('a'), target: '/a', read_only: false },
      { real: folder.at('real/file.txt'), target: '/b', read_only: true },
    ],
  );
});

suite('a file of further roots', () => {
  const manifest = 'version: 1\negress: { upstream_ca: [./root.pem] }\n';

  test('is read with all its certificates, and nothing but them', () => {
    using folder = makeFolder();
    folder.write('root.pem', `a comment\n${PEM}\nkey material\n${PEM}`);
    const { upstreamCa } = read(folder, manifest);
    assert.deepEqual(upstreamCa, [{ path: folder.at('root.pem'), pem: `${PEM.trim()}\n${PEM.trim()}\n` }]);
  });

  const rows: [title: string, text: string, message: RegExp][] = [
    ['without a certificate', 'nothing', /holds no PEM certificate/],
    ['with a key in place of a certificate', '-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----', /no PEM/],
    ['with a broken certificate', PEM.replace(/[A-Za-z]{30}/, 'x'), /cannot be parsed/],
  ];
  for (const [title, text, message] of rows) {
    test(`${title} is a problem with its path`, () => {
      using folder = makeFolder();
      folder.write('root.pem', text);
      const [issue] = issues(folder, manifest);
      assert.equal(issue?.path, 'egress.upstream_ca[0]');
      assert.match(issue.message, message);
    });
  }
});

test('any text at all is a manifest or a ManifestError with at least one problem', () => {
  using folder = makeFolder();
  const file = folder.at('any.yaml');
  const noise = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.json(),
    fc.stringMatching(/^(version: 1|agent:|\s{2}env: \{|[[\]{}&*!|>'"%@`,:#-]|[a-z]+|\n| )*$/),
  );
  fc.assert(
    fc.property(noise, (text) => {
      writeFileSync(file, text);
      try {
        readManifest(file, { env: {}, stateFolder: `${folder.path}-state` });
      } catch (error) {
        assert.ok(error instanceof ManifestError, String(error));
        assert.ok(error.issues.length > 0);
      }
    }),
    { numRuns: 300 },
  );
});

test('any value at all is a manifest or a ManifestError with at least one problem', () => {
  using folder = makeFolder();
  const key = fc.constantFrom(
    'version',
    'agent',
    'egress',
    'env',
    'mounts',
    'limits',
    'allow',
    'scanner',
    'constructor',
    '__proto__',
  );
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { maxDepth: 4 },
      fc.jsonValue(),
      fc.constant(1),
      fc.dictionary(key, tie('tree')),
      fc.array(tie('tree'), { maxLength: 3 }),
    ),
  }));
  fc.assert(
    fc.property(tree, (value) => {
      try {
        loadManifest({ kind: 'built-in' }, folder.path, '', value, { env: {}, stateFolder: `${folder.path}-state` });
      } catch (error) {
        assert.ok(error instanceof ManifestError, String(error));
        assert.ok(error.issues.length > 0);
      }
    }),
    { numRuns: 500 },
  );
});

suite('a secret’s source', () => {
  const manifest = (from: string, mount = '') =>
    `version: 1\nagent: { mounts: [${mount}] }\negress: { allow: [a.example] }\nsecrets: { T: { from: ${from}, hosts: [a.example], header: x } }\n`;

  test('is found, and not read', () => {
    using folder = makeFolder();
    const token = folder.write('token', 'opaque');
    assert.deepEqual(read(folder, manifest('{ env: A }'), { A: 'canary' }).credentials, {
      T: { kind: 'env', variable: 'A' },
    });
    assert.deepEqual(read(folder, manifest('{ file: token }')).credentials, { T: { kind: 'file', path: token } });
    assert.deepEqual(
      read(folder, manifest('{ command: [sh, -c, "exit 1"], expires: 60 }'), { PATH: '.:/bin' }).credentials,
      {
        T: {
          kind: 'command',
          program: realpathSync('/bin/sh'),
          args: ['-c', 'exit 1'],
          timeoutMs: 30_000,
          expiresMs: 60_000,
        },
      },
    );
  });

  test('is part of what is confirmed: where it lies, not what stands in it', () => {
    using folder = makeFolder();
    folder.write('token', 'one');
    const before = read(folder, manifest('{ file: token }')).contentHash;
    folder.write('token', 'two');
    assert.equal(read(folder, manifest('{ file: token }')).contentHash, before);
    folder.move('token', 'other');
    folder.link('token', folder.at('other'));
    assert.notEqual(read(folder, manifest('{ file: token }')).contentHash, before);
  });

  const rows: [title: string, from: string, path: string, why: RegExp][] = [
    ['a variable that is not set', '{ env: NOT_SET }', 'env', /NOT_SET is not set in your environment/],
    ['a variable that is empty', '{ env: EMPTY }', 'env', /EMPTY is not set/],
    ['a file that is not there', '{ file: absent }', 'file', /absent cannot be read/],
    ['a folder', '{ file: . }', 'file', /is not a file/],
    ['a file that the agent is given', '{ file: given/token }', 'file', /lies in a folder that the agent is given/],
    ['a link to one', '{ file: link }', 'file', /lies in a folder that the agent is given/],
    [
      'a program that is not there',
      '{ command: [no-such-program] }',
      'command',
      /neither an absolute path nor a program/,
    ],
    ['a program in the manifest’s folder', '{ command: [./program] }', 'command', /neither an absolute path/],
    ['a program that the agent is given', '{ command: [FOLDER/given/program] }', 'command', /it could write what runs/],
    [
      'a script that the agent is given',
      '{ command: [sh, FOLDER/given/program] }',
      'command',
      /it could write what runs/,
    ],
  ];
  for (const [title, from, path, why] of rows)
    test(`is not ${title}`, () => {
      using folder = makeFolder();
      folder.write('given/token', 'opaque');
      folder.link('link', folder.at('given/token'));
      chmodSync(folder.write('given/program', '#!/bin/sh\n'), 0o755);
      const text = manifest(from.replace('FOLDER', folder.path), '{ source: ./given, target: /w }');
      const found = issues(folder, text, { EMPTY: '', PATH: '/bin' });
      assert.deepEqual(
        found.map((issue) => issue.path),
        [`secrets.T.from.${path}`],
      );
      assert.match(found[0]?.message ?? '', why);
    });

  test('an unknown key is answered with those that are known', () => {
    using folder = makeFolder();
    const [issue] = issues(folder, manifest('{ env: A, var: B }'), { A: 'x' });
    assert.equal(issue?.path, 'secrets.T.from.var');
    assert.match(issue.message, /allowed here: env, file, command, timeout, expires$/);
  });
});

suite('the way out beyond the sidecar', () => {
  const proxy = (rest: string) =>
    `version: 1\negress: { upstream_proxy: { url: "http://proxy.example:3128"${rest} } }\n`;
  const certificate = (rest: string, mounts = '') =>
    `version: 1\nagent: { mounts: [${mounts}] }\negress: { allow: [a.example], client_certificates: [{ host: a.example, ${rest} }] }\n`;

  test('is found, and not read', () => {
    using folder = makeFolder();
    const [login, cert, key] = ['login', 'cert.pem', 'key.pem'].map((name) => folder.write(name, 'opaque'));
    assert.deepEqual(read(folder, proxy(', credentials: { env: A }'), { A: 'x' }).upstream, {
      proxy: { kind: 'env', variable: 'A' },
    });
    assert.deepEqual(read(folder, proxy(', credentials: { file: login }')).upstream, {
      proxy: { kind: 'file', path: login },
    });
    assert.deepEqual(read(folder, certificate('cert: cert.pem, key: ./key.pem')).upstream, {
      'cert.0': { kind: 'file', path: cert },
      'key.0': { kind: 'file', path: key },
    });
  });

  test('is part of what is confirmed: where its files lie, not what stands in them', () => {
    using folder = makeFolder();
    folder.write('login', 'one');
    const manifest = proxy(', credentials: { file: login }');
    const before = read(folder, manifest).contentHash;
    folder.write('login', 'two');
    assert.equal(read(folder, manifest).contentHash, before);
    folder.move('login', 'other');
    folder.link('login', folder.at('other'));
    assert.notEqual(read(folder, manifest).contentHash, before);
  });

  const rows: [title: string, text: string, path: string, why: RegExp][] = [
    [
      'credentials in the URL, which are not quoted',
      'version: 1\negress: { upstream_proxy: { url: "http://user:canary@proxy.example:3128" } }\n',
      'egress.upstream_proxy.url',
      /^must not have credentials in it; they go into egress\.upstream_proxy\.credentials$/,
    ],
    [
      'a proxy that is spoken to in TLS',
      'version: 1\negress: { upstream_proxy: { url: "https://proxy.example:3128" } }\n',
      'egress.upstream_proxy.url',
      /must be http:\/\/host:port/,
    ],
    [
      'a proxy without a port',
      'version: 1\negress: { upstream_proxy: { url: "http://proxy.example" } }\n',
      'egress.upstream_proxy.url',
      /must be http:\/\/host:port/,
    ],
    [
      'a proxy whose host is none',
      'version: 1\negress: { upstream_proxy: { url: "http://0177.1:3128" } }\n',
      'egress.upstream_proxy.url',
      /IPv4 address in another form/,
    ],
    [
      'credentials from two places',
      proxy(', credentials: { env: A, file: a }'),
      'egress.upstream_proxy.credentials',
      /exactly one of env, file/,
    ],
    [
      'credentials from a variable that is not set',
      proxy(', credentials: { env: NOT_SET }'),
      'egress.upstream_proxy.credentials.env',
      /NOT_SET is not set in your environment/,
    ],
    ['a bare "*" that goes without the proxy', proxy(', no_proxy: ["*"]'), 'egress.upstream_proxy.no_proxy[0]', /bare/],
    [
      'a key that is not there',
      certificate('cert: cert.pem, key: absent'),
      'egress.client_certificates[0].key',
      /absent/,
    ],
    [
      'a key that the agent is given',
      certificate('cert: cert.pem, key: given/key', '{ source: given, target: /w }'),
      'egress.client_certificates[0].key',
      /lies in a folder that the agent is given/,
    ],
    [
      'a certificate for a host that is not allowed',
      'version: 1\negress: { client_certificates: [{ host: b.example, cert: cert.pem, key: cert.pem }] }\n',
      'egress.client_certificates[0].host',
      /"b\.example" is not in egress\.allow/,
    ],
    [
      'a certificate for a host that is not opened',
      'version: 1\negress: { allow: [a.example], tls_bump_ignore: [a.example], client_certificates: [{ host: a.example, cert: cert.pem, key: cert.pem }] }\n',
      'egress.client_certificates[0].host',
      /in egress\.tls_bump_ignore: the handshake there is the agent's own/,
    ],
  ];
  for (const [title, text, path, why] of rows) {
    test(`is refused for ${title}`, () => {
      using folder = makeFolder();
      folder.write('cert.pem', 'opaque');
      folder.write('given/key', 'opaque');
      const found = issues(folder, text);
      assert.deepEqual(
        found.map((issue) => issue.path),
        [path],
      );
      assert.match(found[0]?.message ?? '', why);
      assert.doesNotMatch(JSON.stringify(found), /canary/);
    });
  }
});
