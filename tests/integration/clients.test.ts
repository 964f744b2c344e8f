/** Real clients in a bottle, without a flag: what works with the proxy alone. The table is in docs/clients.md. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type Dockerode from 'dockerode';
import { imageWith, lacking, type Outcome, runRows } from './support/clients.ts';
import { IMAGES, type Row, slugOf } from './support/clients/row.ts';
import { chosen, ROWS } from './support/clients/rows.ts';
import { engine, World } from './support/world.ts';

const docker = await engine();
const skip = typeof docker === 'string' ? docker : false;
const WISH = process.env['BOTTLE_CLIENTS'];
const rows = chosen(WISH).filter((row) => !lacking(row));

describe('clients in a bottle', { skip }, () => {
  let world: World;
  const names: string[] = [];
  const outcomes: Outcome[] = [];
  before(async () => {
    world = await World.open(docker as Dockerode);
    for (const which of IMAGES) {
      const some = rows.filter(({ image }) => image === which);
      if (some.length === 0) continue;
      const name = world.slug(`clients-${which}`);
      outcomes.push(...(await runRows(world, await imageWith(world, which), some, name)));
      names.push(name);
    }
    console.log(table(outcomes));
  });
  after(async () => {
    await world[Symbol.asyncDispose]();
  });

  const heavy = rows.some(({ image }) => image === 'all') ? false : 'heavy: run with BOTTLE_CLIENTS=all';
  const unwished = WISH ? `not among BOTTLE_CLIENTS=${WISH}` : 'heavy: run with BOTTLE_CLIENTS=all';
  for (const row of ROWS) {
    const skip = rows.includes(row) ? false : (lacking(row) ?? unwished);
    it(`${row.client} ${row.expect}${row.why ? `: ${row.why}` : ''}`, { skip }, () => {
      const outcome = outcomes.find((one) => slugOf(one.row) === slugOf(row));
      assert.ok(outcome);
      assert.equal(judge(outcome), row.expect, `status ${outcome.status}, ${outcome.output}`);
      if (row.says) assert.match(outcome.output, row.says);
    });
  }

  it('nobody asks for the place of the issuer that leaves seem to name: it is none', async () => {
    const records = await Promise.all(names.map((name) => world.records(name)));
    const hosts = records.flat().map(({ host }) => String(host));
    assert.ok(hosts.length >= outcomes.filter(({ reached }) => reached).length);
    assert.deepEqual(
      hosts.filter((host) => !/\.(com|org|net|dev|ai|io)$/.test(host)),
      [],
    );
  });

  it('Java has every certificate of the bundle, and says which variable it took', { skip: heavy }, async () => {
    const { stdout, stderr } = await world.agent(
      'grep -c BEGIN /etc/ssl/certs/ca-certificates.crt; keytool -list -keystore /etc/bottle/trust.p12 -storepass any | grep -c trustedCertEntry',
      { manifest: world.manifest({ agent: { image: await imageWith(world, 'all') } }) },
    );
    const [roots, entries] = stdout.trim().split('\n').map(Number);
    assert.ok(roots !== undefined && roots > 100);
    assert.equal(entries, roots);
    assert.match(stderr, /^Picked up JAVA_TOOL_OPTIONS: /m);
  });

  it('Firefox reads its policy from /etc/firefox alone: in the folder of its package there is none', {
    skip: heavy,
  }, async () => {
    const { stdout } = await world.agent(
      'ls /etc/firefox/policies /etc/firefox-esr/policies /etc/chromium/policies/managed /etc/opt/chrome 2>/dev/null; true',
      { manifest: world.manifest({ agent: { image: await imageWith(world, 'all') } }) },
    );
    assert.match(
      stdout,
      /^\/etc\/chromium\/policies\/managed:\nbottle\.json\n\n\/etc\/firefox\/policies:\npolicies\.json\n$/,
    );
  });
});

function judge({ reached, status }: Outcome): Row['expect'] | 'lost' {
  if (reached) return status === 0 ? 'works' : 'reaches';
  return status === 0 ? 'lost' : 'refused';
}

function table(outcomes: readonly Outcome[]): string {
  const lines = outcomes.map((outcome) =>
    [
      outcome.row.client.padEnd(34),
      judge(outcome).padEnd(8),
      `status ${outcome.status}`.padEnd(11),
      `${outcome.ms} ms`,
    ].join(' '),
  );
  const count = (what: string) => outcomes.filter((outcome) => judge(outcome) === what).length;
  return [...lines, `works ${count('works')}, reaches ${count('reaches')}, refused ${count('refused')}`].join('\n');
}
