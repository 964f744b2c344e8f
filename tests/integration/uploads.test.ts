/** Large uploads, as a user sees them: real Docker, the real program, git and curl, stand-in upstreams. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type Dockerode from 'dockerode';
import { engine, World } from './support/world.ts';

const docker = await engine();
/** Shaped like a credential, and nobody's. */
const SECRET = ['AKIA', 'Q3EGRZPXV4T7KWJB'].join('');
const skip = typeof docker === 'string' ? docker : false;

describe('large uploads', { skip }, () => {
  let world: World;
  before(async () => {
    world = await World.open(docker as Dockerode);
  });
  after(async () => {
    await world[Symbol.asyncDispose]();
  });

  it('pushes 200 MB with git, and clones them back unchanged', async () => {
    const name = world.slug('push');
    const script = `
      set -e; cd /tmp
      git clone -q https://git.example.com/repo.git out; cd out
      for i in 1 2 3 4; do head -c 50M /dev/urandom > file$i; done
      git add . && git -c user.name=a -c user.email=a@example.com commit -qm large && git push -q
      cd .. && git clone -q https://git.example.com/repo.git back
      for i in 1 2 3 4; do cmp out/file$i back/file$i; done; echo same; git -C back log --format=%s -1`;
    const { stdout, stderr, status } = await world.agent(script, { name });
    assert.deepEqual([stdout, status], ['same\nlarge\n', 0], stderr);
    const pushed = (await world.records(name)).filter(({ body_bytes: bytes }) => Number(bytes) > 200_000_000);
    assert.equal(pushed.length, 1);
  });

  it('pushes a repository whose text is far more than one look, and none with a secret in a large pack', async () => {
    const name = world.slug('packs');
    const script = `
      set -e; cd /tmp
      git clone -q https://git.example.com/repo.git text; cd text; git checkout -q -b text
      commit() { git add . && git -c user.name=a -c user.email=a@example.com commit -qm "$1"; }
      for i in 1 2 3 4 5 6 7 8; do seq -f "line %.0f of file $i" 1000000 1400000 > "lines$i"; done
      commit text; du -sb --exclude .git . | cut -f 1; git push -q origin text; git count-objects -v | sed -n s/size:.//p
      head -c 40M /dev/urandom > picture; echo 'key = ${SECRET}' > notes; commit notes
      git push -q origin text || echo blocked; git ls-remote -q origin text | cut -f 1; git rev-parse HEAD~1`;
    const { stdout, stderr, status } = await world.agent(script, { name });
    assert.equal(status, 0, stderr);
    const [bytes = 0, , end, there, before] = stdout.trim().split('\n');
    assert.ok(Number(bytes) > 64 * 2 ** 20, stdout);
    assert.deepEqual([end, there], ['blocked', before]);
    assert.match(stderr, /RPC failed; HTTP 403/); // of an answer to a POST git shows no more
    assert.match(stderr, /blocked once: git\.example\.com \(blocked: request body contains secret: AWS Access ID\)/);
    const pushed = (await world.records(name)).filter(
      ({ path, event }) => event === 'admitted' && String(path).endsWith('receive-pack'),
    );
    const largest = Math.max(...pushed.map(({ body_bytes: sent }) => Number(sent)));
    assert.ok(largest > 2 ** 20 && largest < 32 * 2 ** 20, 'it is packed to what is held in memory');
  });

  it('puts a file of 1 GB, scanned whole', async () => {
    const name = world.slug('put');
    const script = `truncate -s 1G /tmp/zeros; curl -sS -o /dev/null -w '%{http_code}' -T /tmp/zeros https://git.example.com/api/zeros`;
    const { stdout, stderr } = await world.agent(script, { name });
    assert.equal(stdout, '404', stderr); // the upstream's own
    const [put] = await world.seen(({ url }) => url === '/api/zeros');
    assert.equal(put?.bytes, 2 ** 30);
    assert.doesNotMatch(stderr, /not scanned/);
  });

  it('refuses a body over egress.body_limit with 413, and passes one unscanned where the manifest says so', async () => {
    const unscanned = [{ host: 'git.example.com', over: '2m' }];
    const manifest = world.manifest({ name: 'limits.yaml', egress: { body_limit: '1m', unscanned } });
    const name = world.slug('limits');
    const script = `
      truncate -s 3M /tmp/zeros; put() { curl -sS -o /dev/null -w '%{http_code} ' -T /tmp/zeros https://$1/api/zeros; }
      put raw.githubusercontent.com; put git.example.com`;
    const { stdout, stderr } = await world.agent(script, { name, manifest });
    assert.equal(stdout, '413 404 ');
    assert.match(stderr, /bodies over 2 MiB to git\.example\.com pass UNSCANNED/);
    assert.match(stderr, /not scanned: 3145728 bytes to git\.example\.com \(large bodies\), 100 % of all that left/);
    assert.match(stderr, /refused once: raw\.githubusercontent\.com \(the body is larger than 1048576 bytes\)/);
  });
});
