import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { lockSchema } from '../../../../contracts/lock.ts';
import { differences, lockOf } from '../../../../src/lock.ts';
import { planLaunch } from '../../../../src/plan.ts';
import { makeWorld } from '../../support/deps.ts';
import { loaded } from '../../support/plans.ts';

const value = (letter: string) => `sha256:${letter.repeat(64)}`;
const plan = planLaunch(loaded({ version: 1, agent: { image: 'some/image:1' }, scanner: { kind: 'pipelock' } }), {
  slug: 'x',
});
const image = (id: string, digest?: string) => ({ id: value(id), digest, user: '', env: {} });

suite('a lock', () => {
  const images = { sidecar: image('1'), agent: image('2', value('a')), scanner: image('3', value('b')) };
  const locked = lockOf(plan, images);

  test('names every image of the manifest by its digest, or by its id where no registry gave it', () => {
    assert.deepEqual(locked.images, {
      sidecar: { reference: 'Dockerfile.sidecar', by: 'id', value: value('1') },
      agent: { reference: 'some/image:1', by: 'digest', value: value('a') },
      scanner: { reference: 'ghcr.io/luckypipewrench/pipelock:2.3.0', by: 'digest', value: value('b') },
    });
    assert.deepEqual(lockSchema.parse(JSON.parse(JSON.stringify(locked))), locked);
    assert.deepEqual(differences(locked, locked), []);
  });

  test('says what differs: content, reference, a missing one, one too many', () => {
    const other = lockOf(plan, { ...images, agent: image('2', value('c')), scanner: image('3') });
    assert.deepEqual(differences(locked, other), [
      'the agent image some/image:1 is digest sha256:cccccccccccc, locked is digest sha256:aaaaaaaaaaaa',
      'the scanner image ghcr.io/luckypipewrench/pipelock:2.3.0 is id sha256:333333333333, locked is digest sha256:bbbbbbbbbbbb',
    ]);
    const embedded = planLaunch(loaded({ version: 1, agent: { image: 'some/image:2' } }), { slug: 'x' });
    const fewer = lockOf(embedded, images);
    assert.deepEqual(differences(locked, fewer), [
      'the agent image is some/image:2, locked is some/image:1',
      'the scanner image ghcr.io/luckypipewrench/pipelock:2.3.0 is locked, and not used',
    ]);
    assert.deepEqual(
      differences(fewer, locked).at(-1),
      'the scanner image ghcr.io/luckypipewrench/pipelock:2.3.0 is not locked',
    );
  });
});

suite('the commands', () => {
  const MANIFEST = 'version: 1\nagent: { image: some/image, command: [x] }\n';

  test('lock writes bottle.lock beside the manifest, and start --locked runs exactly that', async () => {
    const digests: Record<string, string> = { 'some/image': value('a'), sidecar: value('b') };
    using world = makeWorld({ digests });
    world.manifest(MANIFEST);
    assert.equal(await world.run('lock'), 0);
    const file = join(world.project, 'bottle.lock');
    assert.equal(lockSchema.parse(JSON.parse(readFileSync(file, 'utf8'))).images['agent']?.value, value('a'));
    assert.equal(await world.run('start', '--trust', '--locked'), 0);
    assert.equal(world.backend.container('agent').spec.image, 'sha256:sha256:some/image', 'by its id, not by its name');

    digests['some/image'] = value('c');
    await assert.rejects(
      world.run('start', '--trust', '--locked'),
      /lock: the agent image some\/image is digest sha256:c+, .*bottle lock .*\/bottle\.yaml$/,
    );
    assert.deepEqual([...world.backend.alive], []);
    assert.equal(await world.run('start', '--trust'), 0, 'without the flag it runs');
  });

  test('an image that no registry gave is locked by its id, which is said', async () => {
    using world = makeWorld({ ids: { 'some/image': value('1'), sidecar: value('2') } });
    world.manifest(MANIFEST);
    await world.run('lock');
    assert.match(world.said.join('\n'), /agent: some\/image has no digest, .* locked by its id/);
  });

  test('--locked without a lock, and a lock without a manifest, are errors', async () => {
    using world = makeWorld();
    await assert.rejects(world.run('lock'), { code: 'BOTTLE_USAGE' });
    world.manifest(MANIFEST);
    await assert.rejects(
      world.run('start', '--trust', '--locked'),
      /bottle\.lock is not there: "bottle lock" writes it/,
    );
  });
});
