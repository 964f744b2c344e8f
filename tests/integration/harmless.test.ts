/** What coding agents do all day is let pass, whichever scanner reads it. `BOTTLE_SCANNER=pipelock` runs all of it with that one. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type Dockerode from 'dockerode';
import { pipAt } from './support/packages.ts';
import { engine, type Seen, World } from './support/world.ts';

const docker = await engine();
const skip = typeof docker === 'string' ? docker : false;

/** Shaped like a key, and nobody's. */
const KEY = `sk-ant-api03-${'Zq3vT8mKw5Xr9Lb2Nc6Yd4Hs7Jf1Gt0P'.repeat(3).slice(0, 93)}AA`;
const SECRETS = { ANTHROPIC_API_KEY: { from: { env: 'REAL_KEY' }, hosts: ['api.anthropic.com'], header: 'x-api-key' } };

describe('nothing harmless is blocked', { skip }, () => {
  let world: World;
  before(async () => {
    world = await World.open(docker as Dockerode);
  });
  after(async () => {
    await world[Symbol.asyncDispose]();
  });

  /** Runs a script as the agent, in a folder with the files of a small project. @returns what was not forwarded, with the reason */
  async function run(slug: string, script: string, { manifest }: { manifest?: string } = {}) {
    const file = manifest ?? world.manifest({ name: `${slug}.yaml`, secrets: SECRETS });
    const { status, stdout, stderr } = await world.agent(`set -e; ${PROJECT}\n${script}`, {
      name: slug,
      manifest: file,
      env: { REAL_KEY: KEY },
    });
    const closed = (await world.records(slug)).filter(({ event }) => event !== 'admitted');
    const unforwarded = closed
      .map(({ method, host, outcome }) => ({ method, host, outcome: outcome as { kind: string; cause?: string } }))
      .filter(({ outcome: { kind, cause } }) => kind !== 'forwarded' && kind !== 'denied' && !LEFT.test(cause ?? ''));
    return { status, stdout, stderr, unforwarded, exchanges: closed.length };
  }

  it('Claude Code: several turns, what its tools read and say, code that names credentials', async () => {
    const slug = world.slug('turns');
    const calls = [
      ['Read', { file_path: '/tmp/project/config.py' }],
      ['Read', { file_path: '/tmp/project/package-lock.json' }],
      ['Read', { file_path: '/tmp/project/test_tokens.py' }],
      [
        'Bash',
        {
          command: 'cd /tmp/project && git init -q && git add . && git status --short && sha256sum *',
          description: 'Look',
        },
      ],
      ['Bash', { command: 'openssl x509 -in /etc/ssl/certs/bottle-mitm.pem -noout -text', description: 'Look around' }],
      [
        'Write',
        { file_path: '/tmp/project/.env.example', content: 'OPENAI_API_KEY=your-key-here\nDB_PASSWORD=changeme\n' },
      ],
      [
        'Bash',
        {
          command: 'cd /tmp/project && cat .env.example && git diff --no-index /dev/null config.py || true',
          description: 'Show',
        },
      ],
    ] as const;
    const { status, stdout, stderr, unforwarded } = await run(slug, session(calls));
    assert.deepEqual(unforwarded, [], stderr);
    assert.match(stdout, /The bottle is closed\./, stderr);
    assert.equal(status, 0);
    const turns = await world.seen(
      ({ url, headers }: Seen) => url.startsWith('/v1/messages') && headers['x-api-key'] === KEY,
    );
    assert.ok(turns.length > calls.length, `${turns.length} turns for ${calls.length} calls`);
  });

  it('Claude Code: what its environment holds', async () => {
    const calls = [['Bash', { command: 'env | sort', description: 'Look around' }]] as const;
    const { stdout, stderr, unforwarded } = await run(world.slug('env'), session(calls));
    assert.deepEqual(unforwarded, [], stderr);
    assert.match(stdout, /The bottle is closed\./, stderr);
  });

  it('Claude Code: a picture of 300 KB in base64, and the turn after it', async () => {
    const slug = world.slug('picture');
    const calls = [
      ['Read', { file_path: '/tmp/project/photo.png' }],
      ['Bash', { command: 'file /tmp/project/photo.png || true', description: 'Look' }],
    ] as const;
    const { stdout, stderr, unforwarded } = await run(slug, session(calls));
    assert.deepEqual(unforwarded, [], stderr);
    assert.match(stdout, /The bottle is closed\./, stderr);
    const longest = Math.max(
      ...(await world.seen(({ url }) => url.startsWith('/v1/messages'))).map(({ bytes }) => bytes),
    );
    assert.ok(longest > 300_000, `the longest message has ${longest} bytes: the picture is not in it`);
  });

  it('git push of a project with a lockfile and binary files', async () => {
    const { status, stderr, unforwarded } = await run(
      world.slug('push'),
      `cd /tmp/project; git init -q; git add .; git -c user.name=a -c user.email=a@example.com commit -qm all
       git push -q https://git.example.com/repo.git HEAD:refs/heads/harmless
       git ls-remote https://git.example.com/repo.git harmless | grep -q harmless
       git clone -q -b harmless https://git.example.com/repo.git /tmp/cloned; cmp photo.png /tmp/cloned/photo.png`,
    );
    assert.deepEqual(unforwarded, [], stderr);
    assert.equal(status, 0, stderr);
  });

  it('npm install, npm audit and npm view', async () => {
    const { status, stdout, stderr, unforwarded, exchanges } = await run(
      world.slug('npm'),
      `mkdir /tmp/app; cd /tmp/app; npm init -y >/dev/null; npm config set registry https://deep.sub.example.org/npm/
       npm install --no-fund bottled >&2; node -p "require('cork')"; npm audit >&2; npm view bottled dist.integrity; npm ci >&2`,
    );
    assert.deepEqual(unforwarded, [], stderr);
    assert.match(stdout, /^cork\nsha512-/, stderr);
    assert.equal(status, 0);
    assert.ok(exchanges >= 5, `${exchanges} exchanges`);
  });

  it('pip install', async (t) => {
    const pip = pipAt('/opt/pip');
    if (typeof pip === 'string') return t.skip(pip);
    const slug = world.slug('pip');
    const manifest = world.manifest({ name: `${slug}.yaml`, agent: { mounts: [pip] } });
    const { status, stdout, stderr, unforwarded } = await run(
      slug,
      `export PYTHONPATH=/opt/pip
       python3 -m pip install -q --target /tmp/lib --index-url https://deep.sub.example.org/simple/ bottled >&2
       PYTHONPATH=/tmp/lib python3 -c 'import bottled; print(bottled.NAME)'`,
      { manifest },
    );
    assert.deepEqual(unforwarded, [], stderr);
    assert.equal(stdout, 'bottled\n', stderr);
    assert.equal(status, 0);
  });
});

/** Claude Code does not wait at its end for what it reports of itself. */
const LEFT = /^the agent left/;

/** Claude Code, whose model makes these calls in turn. */
function session(calls: readonly (readonly [tool: string, input: object])[]): string {
  const prompt = calls.map(([tool, input]) => `do ${tool} ${JSON.stringify(input)}`).join('\n');
  return `cd /tmp/project; claude -p --allowedTools Read Bash Write <<'END'\nPlease go on.\n${prompt}\nEND`;
}

/** What projects hold: code that names credentials, hashes, tests with tokens that are none, pictures, archives. The same in every run. */
const PROJECT = `mkdir -p /tmp/project; cd /tmp/project; node - <<'END'
const { createHash } = require('node:crypto');
const { deflateSync, gzipSync, crc32 } = require('node:zlib');
const { writeFileSync } = require('node:fs');
const noise = (name, size) => Buffer.concat(Array.from({ length: Math.ceil(size / 32) }, (_, at) => createHash('sha256').update(name + at).digest())).subarray(0, size);
writeFileSync('config.py', \`import os

OPENAI_API_KEY = os.environ["OPENAI_API_KEY"]
DB_PASSWORD = os.environ.get("DB_PASSWORD", "")
AWS_SECRET_ACCESS_KEY = settings.AWS_SECRET_ACCESS_KEY
token = lexer.next_token()
headers = {"Authorization": f"Bearer {token}", "x-api-key": OPENAI_API_KEY}
\`);
writeFileSync('test_tokens.py', \`def test_prefix():
    assert kind_of("ghp_xxxxxxxx") == "github"
    assert kind_of("sk-...") == "openai"
    assert mask("AKIA****************") is None
    # 3f2504e0-4f89-11d3-9a0c-0305e82c3301, 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
\`);
const packages = Object.fromEntries(Array.from({ length: 150 }, (_, at) => ['node_modules/package-' + at, {
  version: at + '.' + (at * 7) % 10 + '.0',
  resolved: 'https://registry.example.org/package-' + at + '/-/package-' + at + '.tgz',
  integrity: 'sha512-' + createHash('sha512').update('lock' + at).digest('base64'),
}]));
writeFileSync('package-lock.json', JSON.stringify({ name: 'project', lockfileVersion: 3, packages }, null, 2));
const chunk = (type, data) => {
  const whole = Buffer.alloc(12 + data.length);
  whole.writeUInt32BE(data.length);
  whole.write(type, 4, 'latin1');
  data.copy(whole, 8);
  whole.writeUInt32BE(crc32(whole.subarray(4, 8 + data.length)), 8 + data.length);
  return whole;
};
const [width, height] = [300, 250];
const header = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 8, 2, 0, 0, 0]);
header.writeUInt32BE(width);
header.writeUInt32BE(height, 4);
const rows = Array.from({ length: height }, (_, row) => Buffer.concat([Buffer.from([0]), noise('row' + row, 3 * width)]));
writeFileSync('photo.png', Buffer.concat([
  Buffer.from('89504e470d0a1a0a', 'hex'), chunk('IHDR', header), chunk('IDAT', deflateSync(Buffer.concat(rows))), chunk('IEND', Buffer.alloc(0)),
]));
writeFileSync('data.bin', noise('data', 200000));
writeFileSync('data.json.gz', gzipSync(JSON.stringify(packages)));
END`;
