import assert from 'node:assert/strict';
import { renameSync, rmSync } from 'node:fs';
import { suite, test } from 'node:test';
import { type Folder, makeFolder } from '../support/folder.ts';
import { issues, OTHER_PEM, PEM, read } from '../support/manifests.ts';

suite('a variable that refers to the environment', () => {
  const manifest = (value: string) => `version: 1\nagent: { env: { TOKEN: "${value}" } }\n`;

  test('is filled in, and counts as secret', () => {
    using folder = makeFolder();
    const loaded = read(folder, manifest('${MINE}'), { MINE: 'canary' });
    assert.deepEqual(loaded.secrets, { TOKEN: 'canary' });
    assert.doesNotMatch(JSON.stringify(loaded.manifest), /canary/, 'the manifest itself keeps the reference');
  });

  test('may have text around it, and refer to several', () => {
    using folder = makeFolder();
    const { secrets } = read(folder, manifest('Bearer ${A}:${B}'), { A: '1', B: '2' });
    assert.deepEqual(secrets, { TOKEN: 'Bearer 1:2' });
  });

  test('is not filled in twice: a value that looks like a reference stays as it is', () => {
    using folder = makeFolder();
    assert.deepEqual(read(folder, manifest('${A}'), { A: '${B}', B: 'x' }).secrets, { TOKEN: '${B}' });
  });

  test('may be set to nothing', () => {
    using folder = makeFolder();
    assert.deepEqual(read(folder, manifest('${A}'), { A: '' }).secrets, { TOKEN: '' });
  });

  test('that is not set is a problem, once for each name', () => {
    using folder = makeFolder();
    assert.deepEqual(issues(folder, manifest('${A}${B}')), [
      { path: 'agent.env.TOKEN', message: '${A} is not set in your environment' },
      { path: 'agent.env.TOKEN', message: '${B} is not set in your environment' },
    ]);
  });

  test('is no secret without braces, or with something else in them', () => {
    using folder = makeFolder();
    for (const value of ['$A', '${A', '${}', '${1}', '${A-x}']) {
      const loaded = read(folder, manifest(value));
      assert.deepEqual(loaded.secrets, {});
      assert.equal(loaded.manifest.agent.env['TOKEN'], value);
    }
  });

  test('is a secret also under a name that every object has', () => {
    using folder = makeFolder();
    const { secrets } = read(folder, 'version: 1\nagent: { env: { constructor: "${A}" } }\n', { A: 'x' });
    assert.deepEqual(Object.entries(secrets), [['constructor', 'x']]);
  });

  test('refers to the environment only, never to what every object has', () => {
    using folder = makeFolder();
    assert.equal(issues(folder, manifest('${toString}')).length, 1);
  });
});

suite('what the user confirms', () => {
  const manifest = `version: 1
agent: { env: { TOKEN: "\${TOKEN}" }, mounts: [{ source: ./work, target: /w }] }
egress: { upstream_ca: [./root.pem], allow: [api.example] }
`;

  function hashAfter(change: (folder: Folder) => { text?: string; env?: Record<string, string> } | undefined): {
    before: string;
    after: string;
  } {
    using folder = makeFolder();
    folder.folder('work');
    folder.folder('other');
    folder.write('root.pem', PEM);
    const env = { TOKEN: 'one' };
    const before = read(folder, manifest, env).contentHash;
    const changed = change(folder);
    return { before, after: read(folder, changed?.text ?? manifest, changed?.env ?? env).contentHash };
  }

  const changing: [title: string, change: Parameters<typeof hashAfter>[0]][] = [
    ['the text of the manifest', () => ({ text: manifest.replace('api.example', 'evil.example') })],
    ['a comment in it: what was read is what is confirmed', () => ({ text: `${manifest}# more\n` })],
    ['the content of a file of further roots', (folder) => void folder.write('root.pem', OTHER_PEM)],
    ['one more certificate in it', (folder) => void folder.write('root.pem', `${PEM}\n${OTHER_PEM}`)],
    [
      'where a mount really leads',
      (folder) => {
        renameSync(folder.at('work'), folder.at('moved'));
        folder.link('work', folder.at('other'));
        return undefined;
      },
    ],
  ];
  for (const [title, change] of changing) {
    test(`changes with ${title}`, () => {
      const { before, after } = hashAfter(change);
      assert.match(before, /^[0-9a-f]{64}$/);
      assert.notEqual(after, before);
    });
  }

  const keeping: [title: string, change: Parameters<typeof hashAfter>[0]][] = [
    ['the same content read again', () => undefined],
    ['the value of a secret', () => ({ env: { TOKEN: 'two' } })],
    ['what lies in a mounted folder', (folder) => void folder.write('work/file.txt', 'x')],
    ['a file beside the manifest', (folder) => void folder.write('other.txt', 'x')],
    ['what is no certificate in a file of roots', (folder) => void folder.write('root.pem', `# comment\n${PEM}`)],
    [
      'another folder in the place of a mounted one (that is found out when it is used)',
      (folder) => {
        rmSync(folder.at('work'), { recursive: true });
        folder.folder('work');
        return undefined;
      },
    ],
  ];
  for (const [title, change] of keeping) {
    test(`does not change with ${title}`, () => {
      const { before, after } = hashAfter(change);
      assert.equal(after, before);
    });
  }
});

test('the home of a folder is the same for every manifest in it, and another in another folder', () => {
  using one = makeFolder();
  using other = makeFolder();
  const id = read(one, 'version: 1\n').folderId;
  assert.match(id, /^[0-9a-f]{12}$/);
  assert.equal(read(one, 'version: 1\n# changed\n').folderId, id);
  assert.notEqual(read(other, 'version: 1\n').folderId, id);
});
