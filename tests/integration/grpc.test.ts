/** gRPC, and other uses of HTTP/2, as an agent has them: real Docker, the real program, real clients with no flag of their own. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type Dockerode from 'dockerode';
import { imageWith } from './support/clients.ts';
import { engine, type Seen, World } from './support/world.ts';

const docker = await engine();
const skip = typeof docker === 'string' ? docker : false;

const HOST = 'api.anthropic.com:8453';
const SECRET = ['AKIA', 'IOSFODNN7', 'EXAMPLE'].join('');
const SCRIPTS = fileURLToPath(new URL('../grpc', import.meta.url));
/** Milliseconds to fetch the modules of gRPC for Go, and to build it for the first time. */
const BUILD_MS = 180_000;

/** gRPC's codes. */
const DEADLINE_EXCEEDED = 4;
const PERMISSION_DENIED = 7;
const FAILED_PRECONDITION = 9;

/** A call in both directions: what the caller heard, and how it ended. */
interface Talk {
  readonly heard: readonly string[];
  readonly code: number;
  readonly details: string;
}

/** What each client tells of the same calls. */
interface Told {
  readonly blocked: Talk;
  readonly halves: Talk;
  readonly [call: string]: unknown;
}

const CLIENTS: readonly { name: string; command: string; needs?: 'go' }[] = [
  { name: 'grpc-js', command: 'node /opt/calls/client.mjs' },
  { name: 'grpcio of Python', command: '/opt/py/bin/python /opt/calls/client.py' },
  { name: 'gRPC for Go', command: '/opt/go/client', needs: 'go' },
];

describe('gRPC through a bottle', { skip, timeout: 600_000 }, () => {
  let world: World;
  let image: string;
  before(async () => {
    world = await World.open(docker as Dockerode);
    image = await imageWith(world, 'core');
  });
  after(() => world[Symbol.asyncDispose]());

  /** The manifest's path. */
  function manifestWith(...folders: [source: string, target: string][]): string {
    const mounts = folders.map(([source, target]) => ({ source, target, read_only: true }));
    return world.manifest({ agent: { image, mounts }, egress: { allow: [HOST] } });
  }

  for (const client of CLIENTS)
    it(`${client.name}: every kind of call goes through, and a secret in any message does not`, async (t) => {
      const folder = join(world.folder, 'go');
      const trouble = client.needs === 'go' ? buildGo(folder) : undefined;
      if (trouble !== undefined) return t.skip(trouble);
      const from = (await world.seen(() => true)).length;
      const name = world.slug('grpc');
      const manifest = manifestWith([SCRIPTS, '/opt/calls'], [folderIn(folder), '/opt/go']);
      const { stdout, stderr } = await world.agent(`${client.command} ${HOST} ${SECRET}`, { manifest, name });
      assert.match(stdout, /^\{.*\}\n$/, stderr);
      const { blocked, halves, ...told } = JSON.parse(stdout) as Told;
      const seen = (await world.seen(() => true)).slice(from);

      assert.deepEqual(told, {
        unary: ['hi, too', 0, 'stand.In'],
        server: ['a 1', 'a 2', 'a 3'],
        client: 'one+two+three',
        both: { heard: ['you first', 'one', 'two'], code: 0, details: '' },
        failed: [FAILED_PRECONDITION, 'not so: 100%', 'stand.In'],
        deadline: DEADLINE_EXCEEDED,
        gzip: `${'z'.repeat(2000)}, too`,
        zipped: PERMISSION_DENIED,
      });
      assert.ok(seen.some(({ method, body }) => method === 'GZIP' && body === 'z'.repeat(2000)));
      const never = seen.filter(({ url }) => url === '/stand.In/Never').map(({ method }) => method);
      assert.deepEqual(never, ['CALL', 'MESSAGE', 'CANCELLED']);
      assert.ok(headOf(seen, '/stand.In/Never')['grpc-timeout']);

      for (const [talk, heard] of [
        [blocked, 'fine'],
        [halves, `the key is ${SECRET.slice(0, 9)}`],
      ] as const) {
        assert.deepEqual([talk.heard, talk.code], [['you first', heard], PERMISSION_DENIED]);
        assert.match(talk.details, /^blocked: /);
      }
      const bodies = seen.map(({ body }) => body).join('\n');
      assert.ok(bodies.includes('fine') && bodies.includes(SECRET.slice(0, 9)));
      assert.ok(!bodies.includes(SECRET.slice(9)));
      const outcomes = (await world.records(name)).filter(({ event }) => event === 'closed').map(outcomeOf);
      assert.equal(outcomes.filter((kind) => kind === 'blocked').length, 3);
    });

  it('curl --http2 and httpx with h2 upload and download over one protocol from end to end', async () => {
    const script = `
      set -e; cd /tmp; head -c 3000000 /dev/zero > zeros; U=https://${HOST}
      curl -sS --http2 -o got -w '%{http_version} %{size_download}\\n' $U/bytes/3000000; tr -d x < got | wc -c
      curl -sS --http2 -T zeros -w ' %{http_version}\\n' $U/put
      /opt/py/bin/python - <<'PY'
import httpx
with httpx.Client(http2=True) as client:
    got = client.get("https://${HOST}/bytes/3000000")
    print(got.http_version, len(got.content))
    sent = client.post("https://${HOST}/post", content=b"x" * 3000000)
    print(sent.http_version, sent.text)
    refused = client.post("https://${HOST}/post", content="the key is ${SECRET}")
    print(refused.http_version, refused.status_code, refused.headers["x-bottle-outcome"])
PY`;
    const { stdout, stderr } = await world.agent(script, { manifest: manifestWith() });
    assert.deepEqual(
      stdout.trim().split('\n'),
      ['2 3000000', '0', '3000000 bytes 2', 'HTTP/2 3000000', 'HTTP/2 3000000 bytes', 'HTTP/2 403 blocked'],
      stderr,
    );
    const posts = await world.seen(({ url }) => url === '/post');
    assert.deepEqual(
      posts.map(({ bytes }) => bytes),
      [3_000_000],
    );
  });
});

function headOf(seen: readonly Seen[], path: string): Seen['headers'] {
  return seen.find(({ url }) => url === path)?.headers ?? {};
}

function outcomeOf(record: Record<string, unknown>): unknown {
  return (record['outcome'] as { kind?: string } | undefined)?.kind;
}

function folderIn(path: string): string {
  mkdirSync(path, { recursive: true });
  return path;
}

/** Builds the client into the folder; or says why there is none. */
function buildGo(folder: string): string | undefined {
  const env = { ...process.env, CGO_ENABLED: '0' };
  const how = { cwd: SCRIPTS, env, encoding: 'utf8', timeout: BUILD_MS } as const;
  const fetched = spawnSync('go', ['mod', 'download'], how);
  if (fetched.error) return `there is no Go: ${fetched.error.message}`;
  if (fetched.status !== 0) return `the modules of gRPC for Go cannot be fetched: ${fetched.stderr}`;
  const built = spawnSync('go', ['build', '-o', join(folderIn(folder), 'client'), '.'], how);
  assert.equal(built.status, 0, built.stderr);
  return undefined;
}
