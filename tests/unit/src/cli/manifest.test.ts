import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { manifestSchema } from '../../../../contracts/manifest.ts';
import { makeWorld } from '../../support/deps.ts';

suite('bottle init', () => {
  test('writes a manifest that is one, and that runs', async () => {
    using world = makeWorld();
    assert.equal(await world.run('init'), 0);
    assert.equal(await world.run('start', '--dry-run'), 0);
    assert.match(world.printed(), /from .*project\/bottle\.yaml/);
    assert.equal(world.connected.times, 0);
  });

  test('writes comments on every key that a manifest has', async () => {
    using world = makeWorld();
    await world.run('init');
    const text = readFileSync(join(world.project, 'bottle.yaml'), 'utf8');
    const { agent, egress, scanner, secrets } = manifestSchema.shape;
    const keys = [
      ...[agent, egress, scanner].flatMap((section) => Object.keys(section.unwrap().shape)),
      ...Object.keys(secrets.unwrap().valueType.shape),
      ...Object.keys(secrets.unwrap().valueType.shape.from.shape),
    ];
    for (const key of keys) assert.match(text, new RegExp(`^ *(# )?\\{?.*\\b${key}:`, 'm'), key);
  });

  test('writes what allows exactly what the built-in default allows', async () => {
    using world = makeWorld();
    const allowed = async () => {
      const before = world.printed().length;
      await world.run('start', '--dry-run', '--format', 'json');
      const plan: { egress: { allow: string[] } } = JSON.parse(world.printed().slice(before));
      return plan.egress.allow;
    };
    const builtIn = await allowed();
    await world.run('init');
    assert.deepEqual(await allowed(), builtIn);
  });

  test('writes a secret for each credential that the environment has by name, and no value', async () => {
    using world = makeWorld({
      env: { ANTHROPIC_API_KEY: 'canary-0123', GITHUB_TOKEN: 'canary-4567', NPM_TOKEN: '', OWN_API_KEY: 'canary-89' },
    });
    await world.run('init');
    const text = readFileSync(join(world.project, 'bottle.yaml'), 'utf8');
    assert.doesNotMatch(text + world.said.join(), /canary/);
    assert.equal(await world.run('start', '--dry-run', '--format', 'json'), 0);
    const plan: { secrets: { name: string }[]; egress: { allow: string[] } } = JSON.parse(world.printed());
    assert.deepEqual(
      plan.secrets.map(({ name }) => name),
      ['ANTHROPIC_API_KEY', 'GITHUB_TOKEN'],
    );
    assert.ok(plan.egress.allow.includes('api.github.com') && plan.egress.allow.includes('github.com'));
    assert.match(text, /^# secrets:$/m, 'the comment stays');
    assert.match(world.said.join('\n'), /does not know their hosts: OWN_API_KEY\. /);
  });

  test('never writes over a file that is there', async () => {
    using world = makeWorld();
    world.manifest('mine\n');
    await assert.rejects(world.run('init'), { code: 'BOTTLE_USAGE', message: /bottle\.yaml exists: it was left/ });
    assert.equal(readFileSync(join(world.project, 'bottle.yaml'), 'utf8'), 'mine\n');
  });

  test('never writes through a link that leads elsewhere', async () => {
    using world = makeWorld();
    const target = world.folder.at('home/elsewhere.yaml');
    world.folder.link('home/work/project/bottle.yaml', target);
    await assert.rejects(world.run('init'));
    assert.throws(() => readFileSync(target), { code: 'ENOENT' });
  });
});

suite('bottle schema', () => {
  test('prints the JSON Schema of a manifest, without an engine', async () => {
    using world = makeWorld();
    assert.equal(await world.run('schema'), 0);
    const schema: { required: string[]; properties: object; additionalProperties: boolean } = JSON.parse(
      world.printed(),
    );
    assert.deepEqual(schema.required, ['version']);
    assert.deepEqual(Object.keys(schema.properties), ['version', 'agent', 'egress', 'scanner', 'secrets']);
    assert.equal(schema.additionalProperties, false);
    assert.equal(world.connected.times, 0);
  });
});

suite('the manifest that a command means is', () => {
  test('the one that is named, from the folder that the command is given in', async () => {
    using world = makeWorld();
    world.folder.write('home/work/project/sub/m.yaml', 'version: 1\n');
    await world.run('start', '--dry-run', '-f', 'sub/m.yaml');
    assert.match(world.printed(), /from .*project\/sub\/m\.yaml\n/);
  });

  test('./bottle.yaml, where none is named', async () => {
    using world = makeWorld();
    world.manifest('version: 1\n');
    await world.run('start', '--dry-run');
    assert.match(world.printed(), /from .*project\/bottle\.yaml\n/);
  });

  test('the built-in default, where there is none', async () => {
    using world = makeWorld();
    await world.run('start', '--dry-run');
    assert.match(world.printed(), /from the built-in default\n/);
  });

  test('never the built-in default where one was named that is not there', async () => {
    using world = makeWorld();
    await assert.rejects(world.run('start', '--dry-run', '-f', 'absent.yaml'), {
      code: 'BOTTLE_MANIFEST',
      message: /absent\.yaml.*cannot be read/s,
    });
  });

  test('never the built-in default where ./bottle.yaml cannot be read', async () => {
    using world = makeWorld();
    world.folder.folder('home/work/project/bottle.yaml');
    await assert.rejects(world.run('start', '--dry-run'), { code: 'BOTTLE_MANIFEST' });
  });

  test('never the built-in default where ./bottle.yaml is a link to nothing', async () => {
    using world = makeWorld();
    world.folder.link('home/work/project/bottle.yaml', world.folder.at('absent'));
    await assert.rejects(world.run('start', '--dry-run'), { code: 'BOTTLE_MANIFEST' });
  });
});
