import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { makeWorld, type World } from '../../support/deps.ts';

const MANIFEST = 'version: 1\nagent: { command: [sh] }\negress: { allow: [api.example] }\n';

function assertNothingStarted(world: World): void {
  assert.equal(world.connected.times, 0);
  assert.deepEqual(world.backend.calls, []);
}

suite('a manifest that was not confirmed', () => {
  test('is refused with one sentence where nobody can be asked', async () => {
    using world = makeWorld();
    world.manifest(MANIFEST);
    await assert.rejects(world.run('start'), {
      code: 'BOTTLE_NOT_TRUSTED',
      message: /^\S+bottle\.yaml is not confirmed.*"bottle trust .*bottle\.yaml".*--trust$/,
    });
    assertNothingStarted(world);
    assert.deepEqual(world.asked, []);
  });

  test('is shown as a plan and asked about on a terminal', async () => {
    using world = makeWorld({ interactive: true, answer: 'y' });
    world.manifest(MANIFEST);
    assert.equal(await world.run('start'), 0);
    assert.equal(world.asked.length, 1);
    assert.match(world.said.join('\n'), /^ {2}allow: api\.example; everything else is refused$/m);
    assert.equal(world.printed(), '', 'standard output is the agent’s');
  });

  for (const answer of ['y', 'Y', 'yes', ' YES ']) {
    test(`runs after "${answer}", and is known from then on`, async () => {
      using world = makeWorld({ interactive: true, answer });
      world.manifest(MANIFEST);
      await world.run('start');
      await world.run('start');
      assert.equal(world.asked.length, 1);
    });
  }

  for (const answer of ['', 'n', 'no', 'yep', 'y n', 'ja']) {
    test(`does not run after "${answer}", and is asked about again`, async () => {
      using world = makeWorld({ interactive: true, answer });
      world.manifest(MANIFEST);
      for (let round = 1; round <= 2; round += 1) {
        await assert.rejects(world.run('start'), { code: 'BOTTLE_NOT_TRUSTED', message: /nothing was started/ });
        assert.equal(world.asked.length, round);
      }
      assertNothingStarted(world);
    });
  }

  test('is shown also with --quiet: whoever is asked must see what about', async () => {
    using world = makeWorld({ interactive: true, answer: 'n' });
    world.manifest(MANIFEST);
    await assert.rejects(world.run('start', '--quiet'));
    assert.match(world.said.join('\n'), /allow: api\.example/);
  });

  test('runs with --trust, which confirms nothing', async () => {
    using world = makeWorld();
    world.manifest(MANIFEST);
    assert.equal(await world.run('start', '--trust'), 0);
    await assert.rejects(world.run('start'), { code: 'BOTTLE_NOT_TRUSTED' });
  });

  test('is refused also by another name or path', async () => {
    using world = makeWorld();
    world.folder.write('home/work/project/other.yaml', MANIFEST);
    await assert.rejects(world.run('start', '-f', 'other.yaml'), { code: 'BOTTLE_NOT_TRUSTED' });
  });
});

suite('bottle trust', () => {
  test('confirms ahead, without an engine', async () => {
    using world = makeWorld();
    world.manifest(MANIFEST);
    assert.equal(await world.run('trust'), 0);
    assert.match(world.said.join(), /confirmed .*bottle\.yaml as it is now/);
    assert.equal(world.connected.times, 0);
    assert.equal(await world.run('start'), 0);
  });

  test('confirms the file that is named', async () => {
    using world = makeWorld();
    world.folder.write('home/work/project/other.yaml', MANIFEST);
    await world.run('trust', 'other.yaml');
    assert.equal(await world.run('start', '--file', 'other.yaml'), 0);
  });

  test('does not confirm what is no manifest', async () => {
    using world = makeWorld();
    world.manifest('version: 2\n');
    await assert.rejects(world.run('trust'), { code: 'BOTTLE_MANIFEST' });
  });

  test('says that the built-in default needs none', async () => {
    using world = makeWorld();
    await assert.rejects(world.run('trust'), { code: 'BOTTLE_USAGE', message: /needs no confirmation/ });
  });
});

suite('a manifest that was confirmed needs it again', () => {
  const edits: [title: string, edit: (world: World) => void][] = [
    ['when it was edited', (world) => world.manifest(MANIFEST.replace('api.example', '"*.example"'))],
    ['when a comment was added to it', (world) => world.manifest(`${MANIFEST}# harmless\n`)],
  ];
  for (const [title, edit] of edits) {
    test(title, async () => {
      using world = makeWorld();
      world.manifest(MANIFEST);
      await world.run('trust');
      edit(world);
      await assert.rejects(world.run('start'), { code: 'BOTTLE_NOT_TRUSTED' });
      world.manifest(MANIFEST);
      assert.equal(await world.run('start'), 0, 'the content that was confirmed is still known');
    });
  }

  test('when one of its mounts leads elsewhere', async () => {
    using world = makeWorld();
    world.folder.folder('home/one');
    world.folder.folder('home/other');
    world.folder.link('home/work/link', world.folder.at('home/one'));
    world.manifest('version: 1\nagent: { mounts: [{ source: ../link, target: /w }] }\n');
    await world.run('trust');
    assert.equal(await world.run('start'), 0);
    world.folder.move('home/work/link', 'home/work/old-link');
    world.folder.link('home/work/link', world.folder.at('home/other'));
    await assert.rejects(world.run('start'), { code: 'BOTTLE_NOT_TRUSTED' });
  });
});

test('the built-in default needs no confirmation', async () => {
  using world = makeWorld();
  assert.equal(await world.run('start'), 0);
});
