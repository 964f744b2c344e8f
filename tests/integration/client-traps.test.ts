/** What makes clients go astray in a bottle, as far as it was seen: each trap is a scenario. The table of clients is clients.test.ts. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type Dockerode from 'dockerode';
import { imageWith, imageWithEnv } from './support/clients.ts';
import { Running } from './support/running.ts';
import { engine, eventually, World } from './support/world.ts';

const docker = await engine();
const skip = typeof docker === 'string' ? docker : false;
/** Set to a place where nothing is. */
const NOWHERE = '/nonexistent/roots.pem';

const PYTHON = '/opt/py/bin/python';
const JS = '/opt/js/node_modules/.bin';
/** One request each, to `$U/NAME`. */
const ASK = {
  curl: 'curl -sSf $U/curl',
  wget: 'wget -qO- $U/wget',
  aria2: 'aria2c -q -d /tmp -o aria2 --allow-overwrite=true $U/aria2',
  git: 'git ls-remote https://git.example.com/repo.git >/dev/null',
  urllib: `python3 -c 'import urllib.request as u; u.urlopen("'$U'/urllib").read()'`,
  requests: `${PYTHON} -c 'import requests; requests.get("'$U'/requests").raise_for_status()'`,
  httpx: `${PYTHON} -c 'import httpx; httpx.get("'$U'/httpx").raise_for_status()'`,
  node: `node -e 'fetch("'$U'/node").then((r) => process.exit(r.ok ? 0 : 1), (e) => { console.error(e.cause); process.exit(1) })'`,
  axios: `cd /opt/js; node -e 'require("axios").get("'$U'/axios").catch((e) => { console.error(e.message); process.exit(1) })'`,
  go: 'GH_HOST=git.example.com GH_ENTERPRISE_TOKEN=none gh api x 2>&1 | grep -q "HTTP 404"', // the stand-in's answer
  deno: `${JS}/deno eval 'const r = await fetch("'$U'/deno"); if (!r.ok) Deno.exit(1)'`,
  bun: `${JS}/bun -e 'const r = await fetch("'$U'/bun"); if (!r.ok) process.exit(1)'`,
  ruby: `ruby -rnet/http -e 'Net::HTTP.get_response(URI("'$U'/ruby")).value'`,
  php: `php -r '$c = curl_init("'$U'/php"); exit(curl_exec($c) ? 0 : 1);'`,
} as const;
type Client = keyof typeof ASK;

describe('a trap for clients', { skip }, () => {
  let world: World;
  let image: string;
  before(async () => {
    world = await World.open(docker as Dockerode);
    image = await imageWith(world, 'core');
  });
  after(async () => {
    await world[Symbol.asyncDispose]();
  });

  /** Which of the clients get their answer, each run behind `prefix`, in an image with these variables. */
  async function served(clients: readonly Client[], options: { env?: Record<string, string>; prefix?: string } = {}) {
    const agent = { image: options.env ? await imageWithEnv(world, image, options.env) : image };
    const scripts = clients.map((client) => `(${options.prefix ?? ''} bash -c "$ASK_${client}") >&2 && echo ${client}`);
    const asked = clients.map((client) => `export ASK_${client}=${quote(ASK[client])}`);
    const script = [`export U=https://api.anthropic.com/trap`, ...asked, ...scripts].join('\n');
    const { stdout, stderr } = await world.agent(`${script}\ntrue`, { manifest: world.manifest({ agent }) });
    const names = stdout.split('\n').filter((line): line is Client => clients.includes(line as Client));
    return { names, stderr };
  }

  async function serves(clients: readonly Client[], options: { env?: Record<string, string>; prefix?: string } = {}) {
    const { names, stderr } = await served(clients, options);
    assert.deepEqual(names, clients, stderr);
  }

  for (const name of ['no_proxy', 'NO_PROXY'])
    it(`an image that sets ${name} alone opens no way past the proxy: ours is in force in both cases`, () =>
      serves(['curl', 'wget', 'urllib', 'requests', 'node', 'axios', 'bun', 'ruby', 'go', 'deno'], {
        env: { [name]: '*' },
      }));

  it('an image’s ALL_PROXY leads nobody elsewhere', () =>
    serves(['curl', 'git', 'requests', 'httpx', 'deno', 'bun', 'php'], {
      env: { ALL_PROXY: 'http://127.0.0.1:9', all_proxy: 'http://127.0.0.1:9' },
    }));

  it('wget and aria2 read the proxy in lower case only, so upper case alone is not enough', async () => {
    await serves(['wget', 'aria2', 'curl'], { prefix: 'env -u HTTP_PROXY -u HTTPS_PROXY -u ALL_PROXY' });
    const { names } = await served(['wget', 'aria2', 'curl'], {
      prefix: 'env -u http_proxy -u https_proxy -u all_proxy',
    });
    assert.deepEqual(names, ['curl']);
  });

  it('the bundle is there at the first instruction: a client that is the agent itself trusts', async () => {
    const manifest = world.manifest({ agent: { image } });
    for (const command of [
      [PYTHON, '-c', "import httpx; print(httpx.get('https://api.anthropic.com/first').text)"],
      [PYTHON, '-c', "import requests; print(requests.get('https://api.anthropic.com/first').text)"],
      ['curl', '-sS', 'https://api.anthropic.com/first'],
    ]) {
      const { stdout, stderr } = await world.run(['start', '-f', manifest, '--trust', '--', ...command]);
      assert.match(stdout, /upstream says hello to GET \/first/, stderr);
    }
  });

  it('the bundle holds the image’s own roots beside the CA, before and after update-ca-certificates', async () => {
    const { stdout, stderr } = await world.agent(
      [
        'count() { grep -c BEGIN /etc/ssl/certs/ca-certificates.crt; }',
        'count; for i in $(seq 100); do test -e /etc/ssl/certs/bottle-mitm.pem && break; sleep 0.1; done; sleep 1; count',
        'cat /usr/share/ca-certificates/mozilla/*.crt | grep -c BEGIN',
      ].join('\n'),
      { manifest: world.manifest({ agent: { image } }) },
    );
    const [early, late, roots] = stdout.trim().split('\n').map(Number);
    assert.ok(roots !== undefined && roots > 100, stderr);
    assert.deepEqual([early, late], [roots + 1, roots + 1]);
  });

  it('an image’s SSL_CERT_DIR that leads nowhere does no harm beside our SSL_CERT_FILE', () =>
    serves(['curl', 'urllib', 'httpx', 'go', 'ruby', 'bun'], { env: { SSL_CERT_DIR: '/nonexistent' } }));

  it('Node reads NODE_EXTRA_CA_CERTS once, when it starts, and no other variable: without it, it refuses', async () => {
    await serves(['node']);
    const late = `process.env.NODE_EXTRA_CA_CERTS='/usr/local/share/ca-certificates/bottle-mitm.crt'; fetch('https://api.anthropic.com/late').then(() => console.log('trusted'), (e) => console.log(e.cause.code))`;
    const { stdout } = await world.agent(`env -u NODE_EXTRA_CA_CERTS node -e ${quote(late)}`);
    assert.match(stdout, /^(UNABLE_TO_VERIFY_LEAF_SIGNATURE|UNABLE_TO_GET_ISSUER_CERT_LOCALLY)\n$/);
  });

  it('what reads the system’s bundle only, trusts with no variable but the proxy', () =>
    serves(['wget', 'aria2', 'git', 'php', 'curl'], {
      prefix: 'env -i U=$U PATH=$PATH HOME=$HOME https_proxy=$https_proxy',
    }));

  it('an image’s own variables of trust, which would win over ours by being narrower, lead nobody elsewhere', () =>
    serves(['curl', 'git', 'requests', 'httpx', 'node', 'deno', 'go'], {
      env: {
        AWS_CA_BUNDLE: NOWHERE,
        CURL_CA_BUNDLE: NOWHERE,
        DENO_CERT: NOWHERE,
        GIT_SSL_CAINFO: NOWHERE,
        NODE_EXTRA_CA_CERTS: NOWHERE,
        PIP_CERT: NOWHERE,
        REQUESTS_CA_BUNDLE: NOWHERE,
        SSL_CERT_FILE: NOWHERE,
      },
    }));

  /** Sends text to the proxy and prints what comes back; the connection is then closed. */
  const raw = (text: string) =>
    `node -e 'const u = new URL(process.env.HTTPS_PROXY); const s = require("net").connect(u.port, u.hostname, () => s.write(${JSON.stringify(text)})); s.on("data", (d) => { process.stdout.write(d); s.destroy(); }); s.on("error", (e) => console.log(e.code))'`;

  it('a CONNECT of HTTP/1.0 without Host, as old Python and openssl send it, is a tunnel like any other', async () => {
    const { stdout, stderr } = await world.agent(raw('CONNECT api.anthropic.com:443 HTTP/1.0\r\n\r\n'));
    assert.match(stdout, /^HTTP\/1\.[01] 200 /, stderr);
  });

  it('a tunnel that is closed unused, as Copilot and Chromium do, is no error: nothing is recorded or said', async () => {
    const name = world.slug('unused');
    const { stderr } = await world.agent(
      raw('CONNECT api.anthropic.com:443 HTTP/1.1\r\nHost: api.anthropic.com:443\r\n\r\n'),
      {
        name,
      },
    );
    assert.match(stderr, /^bottle: mitm ca fingerprint: [0-9a-f]+\.\.\.\n$/);
    assert.deepEqual(await world.records(name), []);
  });

  it('a name that a client resolves before it uses the proxy is answered, with no such name', async () => {
    const { stdout } = await world.agent('getent hosts api.anthropic.com; echo $?');
    assert.equal(stdout, '2\n', 'getent: one or more supplied keys could not be found');
  });

  it('git pushes whole to a sidecar that is slow to read: over HTTP/2 its libcurl would mix up what does not go out at once', async () => {
    const slug = world.slug('slow');
    const pushes = `git init -q /tmp/repo; cd /tmp/repo; git config user.name a; git config user.email a@example.com
      for turn in 1 2 3 4 5 6; do
        head -c 900000 /dev/urandom >data; git add data; git commit -qm $turn
        git push -q https://git.example.com/repo.git HEAD:refs/heads/${slug}-$turn && echo pushed
      done; exec cat`;
    await using session = await Running.start(world, slug, { does: pushes });
    const sidecar = world.docker.getContainer(`bottle-${slug}-bump`);
    await sidecar.update({ CpuPeriod: 100_000, CpuQuota: 20_000 }); // of every 100 ms it stands still for most
    const tried = () => session.stdout.split('pushed').length - 1 + (session.stderr.match(/^fatal: /gm)?.length ?? 0);
    await eventually(() => tried() === 6, 120_000);
    await sidecar.update({ CpuQuota: -1 });
    assert.doesNotMatch(session.stderr, /RPC failed/);
    const { status } = await session.end();
    assert.equal(status, 0);
    const pushed = await world.seen(({ url }) => url.endsWith('git-receive-pack'));
    assert.ok(pushed.length >= 6);
  });

  it('an image without a JDK or a browser gets nothing of theirs', async () => {
    const { stdout } = await world.agent(
      'ls -d /etc/bottle /etc/chromium /etc/opt/chrome /etc/opt/chrome_for_testing /etc/opt/edge /etc/firefox 2>/dev/null; true',
      { manifest: world.manifest({ agent: { image } }) },
    );
    assert.equal(stdout, '');
  });
});

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
