/** The way out as a user sees it: a company's proxy and client certificates, with real Docker, the real program and curl. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type Dockerode from 'dockerode';
import { certified } from '../unit/support/certified.ts';
import { engine, World } from './support/world.ts';

const docker = await engine();
const skip = typeof docker === 'string' ? docker : false;

describe('the way out', { skip }, () => {
  let world: World;
  let folder: string;
  before(async () => {
    world = await World.open(docker as Dockerode);
    folder = mkdtempSync(join(tmpdir(), 'bottle-upstream-'));
  });
  after(async () => {
    await world[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });

  describe('through a company’s proxy', () => {
    const PASSWORD = 'pass word';
    const throughProxy = async (egress: object = {}) => {
      const url = `http://${await world.upstreamAddress()}:3128`;
      const upstream_proxy = { url, credentials: { env: 'PROXY_LOGIN' } };
      // No private address is allowed: what is dialled directly would be refused.
      return world.manifest({ name: 'proxy.yaml', egress: { upstream_proxy, allow_private: [], ...egress } });
    };

    it('passes TLS and plain HTTP in tunnels, with credentials that nobody else gets to see', async () => {
      const manifest = await throughProxy();
      const env = { PROXY_LOGIN: `user:${PASSWORD}` };
      const name = world.slug('proxy');
      const script = 'curl -sS https://api.anthropic.com/by-tls && curl -sS http://api.anthropic.com/plain && env';
      const { status, stdout, stderr } = await world.agent(script, { manifest, env, name });
      assert.equal(status, 0, stderr);
      assert.match(stdout, /hello to GET \/by-tls\n[^]*hello to GET \/plain\n/);
      assert.deepEqual(await world.tunnels(), [
        { place: 'api.anthropic.com:443', authorized: true },
        { place: 'api.anthropic.com:80', authorized: true },
      ]);
      const headers = (await world.seen(({ url }) => url === '/by-tls')).map((seen) => seen.headers);
      assert.equal(headers[0]?.['proxy-authorization'], undefined);
      const shown = await world.run(['start', '-f', manifest, '--dry-run', '--format', 'json'], { env });
      assert.match(shown.stdout, /PROXY_LOGIN of your environment/);
      const records = JSON.stringify(await world.records(name));
      for (const text of [stdout, stderr, shown.stdout, records])
        assert.ok(!text.includes(PASSWORD) && !text.includes(Buffer.from(`user:${PASSWORD}`).toString('base64')));
    });

    it('says what the proxy says no to, as 502', async () => {
      const env = { PROXY_LOGIN: 'user:another' };
      const { stdout } = await world.agent('curl -sS -w "%{http_code}" https://api.anthropic.com/', {
        manifest: await throughProxy(),
        env,
      });
      assert.match(stdout, /the company's proxy asks for other credentials[^]*502$/);
      assert.doesNotMatch(stdout, /another/);
    });

    it('still checks the address of a host that goes without it', async () => {
      const url = `http://${await world.upstreamAddress()}:3128`;
      const upstream_proxy = { url, no_proxy: ['git.example.com'] };
      const manifest = await throughProxy({ upstream_proxy });
      const { stdout } = await world.agent('curl -sS -w "%{http_code}" https://git.example.com/', { manifest });
      assert.match(stdout, /git\.example\.com resolves to [^]*allow_private[^]*403$/);
    });
  });

  it('relays unopened what egress.tls_bump_ignore names, without a look at it, and says so before and after', async () => {
    const manifest = world.manifest({ name: 'pins.yaml', egress: { tls_bump_ignore: ['api.anthropic.com'] } });
    const name = world.slug('pins');
    const secret = ['AKIA', 'Q3EGRZPXV4T7KWJB'].join('');
    // The agent does not know the root of the stand-ins: that -k is needed shows whose certificate it is.
    const script = `curl -sS -o /dev/null https://api.anthropic.com/; echo $?
      curl -sSk -w '%{http_code}\\n' -d key=${secret} https://api.anthropic.com/pinned
      curl -sSk -o /dev/null --connect-to other.example:443:api.anthropic.com:443 https://other.example/; echo $?
      curl -sS -o /dev/null -w '%{http_code}\\n' -d key=${secret} https://git.example.com/opened`;
    const { stdout, stderr } = await world.agent(script, { manifest, name });
    assert.match(stdout, /^60\nupstream says hello to POST \/pinned\n200\n35\n403\n$/);
    assert.match(stderr, /relayed unopened, not scanned: api\.anthropic\.com/);
    assert.match(stderr, /not scanned: \d+ bytes to api\.anthropic\.com \(unopened\), \d+ % of all that left/);
    const closed = (await world.records(name)).filter(({ event }) => event === 'closed');
    assert.deepEqual(
      closed.map(({ method, outcome }) => [method, (outcome as { kind: string }).kind]),
      [
        ['CONNECT', 'passed'],
        ['CONNECT', 'passed'],
        ['CONNECT', 'refused'],
        ['POST', 'blocked'],
      ],
    );
  });

  it('shows a client certificate to the host that it is for, and to no other', async () => {
    const { cert, key } = certified({ host: 'client' });
    writeFileSync(join(folder, 'client.pem'), cert);
    writeFileSync(join(folder, 'client.key'), key);
    const files = { cert: join(folder, 'client.pem'), key: join(folder, 'client.key') };
    const manifest = world.manifest({
      name: 'certificate.yaml',
      egress: {
        allow: ['git.example.com:9443', 'api.anthropic.com:9443'],
        client_certificates: [{ host: 'git.example.com', ...files }],
      },
    });
    const script = 'curl -sS https://git.example.com:9443/ && curl -sS https://api.anthropic.com:9443/';
    const { stdout, stderr } = await world.agent(script, { manifest });
    assert.equal(stdout, `shown ${new X509Certificate(cert).fingerprint256}\nshown nothing\n`, stderr);
  });
});
