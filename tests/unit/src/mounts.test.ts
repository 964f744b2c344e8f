import assert from 'node:assert/strict';
import { renameSync } from 'node:fs';
import { createServer } from 'node:net';
import { suite, test } from 'node:test';
import { resolveMountSource } from '../../../src/mounts.ts';
import { type Folder, makeFolder } from '../support/folder.ts';

/** A folder with a state folder and a socket of an engine in it. */
function scene(): Folder & { resolve(path: string): ReturnType<typeof resolveMountSource> } {
  const folder = makeFolder();
  const socket = folder.write('run/engine/docker.sock', '');
  folder.folder('state/bottle/trusted');
  folder.folder('work/deep');
  return {
    ...folder,
    resolve: (path) => resolveMountSource(path, folder.at('state/bottle'), { DOCKER_HOST: `unix://${socket}` }),
  };
}

suite('a mount is refused that', () => {
  const rows: [title: string, path: (folder: Folder) => string, why: RegExp][] = [
    ['is the socket of the engine', (folder) => folder.at('run/engine/docker.sock'), /engine's socket/],
    [
      'leads to it by a link',
      (folder) => folder.link('innocent', folder.at('run/engine/docker.sock')),
      /engine's socket/,
    ],
    [
      'leads to it by a link to a link',
      (folder) => folder.link('b', folder.link('a', folder.at('run/engine'))),
      /engine's socket/,
    ],
    ['is its folder', (folder) => folder.at('run/engine'), /engine's socket/],
    ['is a folder above it', (folder) => folder.at('run'), /engine's socket/],
    ['names it with dots and slashes', (folder) => folder.at('work/..//run/./engine'), /engine's socket/],
    ['is /run, where engines have their sockets', () => '/run', /engine's socket/],
    ['is /var/run, which leads there', () => '/var/run', /engine's socket/],
    ['is the root folder', () => '/', /engine's socket/],
    ["is the folder of bottle's own records", (folder) => folder.at('state/bottle'), /own records/],
    ["lies in bottle's own records", (folder) => folder.at('state/bottle/trusted'), /own records/],
    ["holds bottle's own records", (folder) => folder.at('state'), /own records/],
    ["leads to bottle's own records by a link", (folder) => folder.link('s', folder.at('state')), /own records/],
    ['is not there', (folder) => folder.at('absent'), /does not exist/],
    ['is a link to nothing', (folder) => folder.link('dangling', folder.at('absent')), /does not exist/],
    ['is a device', () => '/dev/null', /neither a folder nor a file/],
  ];
  for (const [title, path, why] of rows) {
    test(title, () => {
      using folder = scene();
      const found = folder.resolve(path(folder));
      assert.ok(found.kind === 'invalid', 'it was taken');
      assert.match(found.why, why);
    });
  }

  test('is any other socket', async () => {
    using folder = scene();
    await using server = createServer().listen(folder.at('other.sock'));
    const found = folder.resolve(folder.at('other.sock'));
    assert.ok(server.listening && found.kind === 'invalid');
  });

  test('is what the engine’s socket really is, where that is a link', () => {
    using folder = makeFolder();
    const real = folder.write('engine/real.sock', '');
    const link = folder.link('docker.sock', real);
    for (const path of [real, folder.at('engine')]) {
      const found = resolveMountSource(path, `${folder.path}-state`, { DOCKER_HOST: `unix://${link}` });
      assert.ok(found.kind === 'invalid', path);
    }
  });

  test("holds bottle's own records, which are not there yet", () => {
    using folder = makeFolder();
    const found = resolveMountSource(folder.path, folder.at('state/bottle'), {});
    assert.ok(found.kind === 'invalid');
  });

  test("holds an engine's socket that is not there yet: it may be by the time of the mount", () => {
    using folder = makeFolder();
    const run = folder.folder('run');
    const found = resolveMountSource(run, folder.at('state'), { XDG_RUNTIME_DIR: run });
    assert.ok(found.kind === 'invalid');
  });
});

suite('a mount is taken that', () => {
  test('is a folder beside all of those, with its real path and its owner', () => {
    using folder = scene();
    const found = folder.resolve(folder.link('link', folder.at('work')));
    assert.ok(found.kind === 'source');
    assert.equal(found.real, folder.at('work'));
    assert.equal(found.owner.uid, process.getuid?.());
  });

  test('only begins like one of those', () => {
    using folder = scene();
    for (const name of ['state/bottle-other', 'run/engine2', 'runner'])
      assert.equal(folder.resolve(folder.folder(name)).kind, 'source', name);
  });

  test('is a file', () => {
    using folder = scene();
    assert.equal(folder.resolve(folder.write('work/file.txt', 'x')).kind, 'source');
  });
});

suite('what was put in the place of a mount is known by its identity', () => {
  const identity = (folder: ReturnType<typeof scene>): string => {
    const found = folder.resolve(folder.at('work'));
    return found.kind === 'source' ? found.identity : 'refused';
  };

  test('the same folder has the same identity, whatever changes inside', () => {
    using folder = scene();
    const before = identity(folder);
    folder.write('work/file.txt', 'x');
    assert.equal(identity(folder), before);
  });

  test('another folder at the same path has another', () => {
    using folder = scene();
    const before = identity(folder);
    renameSync(folder.at('work'), folder.at('moved'));
    folder.folder('work');
    assert.notEqual(identity(folder), before);
  });

  test('a link at the same path, too', () => {
    using folder = scene();
    const before = identity(folder);
    renameSync(folder.at('work'), folder.at('moved'));
    folder.link('work', folder.at('run/engine'));
    assert.notEqual(identity(folder), before);
  });
});
