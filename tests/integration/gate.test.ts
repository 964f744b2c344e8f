/** The gate's rules against the real engine: what the agent's namespace lets through, and how fast it refuses the rest. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type Dockerode from 'dockerode';
import type { Container } from '../../src/backend.ts';
import { Lab, sh, tcp } from './support/lab.ts';
import { engine } from './support/world.ts';

const found = await engine();

/** Stands in for the sidecar: something on its proxy's port and on another, and NXDOMAIN for every name. */
const SIDECAR = `
  const { createServer } = require('node:net');
  for (const port of [8080, 9090]) createServer((socket) => socket.end('port ' + port)).listen(port);
  const dns = require('node:dgram').createSocket('udp4');
  dns.on('message', (query, { port, address }) => {
    query[2] = 0x81;
    query[3] = 0x83;
    dns.send(query, port, address);
  });
  dns.bind(53, () => console.log('{"event":"ready"}'));
  process.stdin.resume().on('end', () => process.exit());
`;

/** Milliseconds that a refusal may take: far below any timeout, on a busy machine too. */
const AT_ONCE = 1500;

suite('gate', { skip: typeof found === 'string' && found }, () => {
  const docker = found as Dockerode; // a string skips the suite

  /** Gate, sidecar and agent, as a launch makes them. */
  async function world(
    here: Lab,
  ): Promise<Record<'gate' | 'bump' | 'agent', Container> & { sidecar: string; end: () => void }> {
    const { backend, session, signal } = here;
    const spec = { name: here.name('agent'), role: 'agent', subnet: '' } as const;
    const network = await backend.createNetwork(spec, session, signal);
    const [sidecar, address] = [network.address(2), network.address(3)];
    const on = (at: string) => ({ kind: 'networks' as const, networks: [{ name: network.name, address: at }] });
    const bump = await here.create('bump', ['node', '-e', SIDECAR], { network: on(sidecar) });
    const bumpLine = await bump.lifeline();
    await bump.start(signal);
    await bump.readyLine(10_000, signal);
    const hardening = { ...here.spec('', []).hardening, cap_add: ['NET_ADMIN', 'SETUID', 'SETGID', 'SETPCAP'] };
    const gate = await here.create('gate', ['/bin/sh', '/opt/bottle/addon/gate/gate.sh'], {
      role: 'gate',
      user: '0:0',
      dns: [sidecar],
      network: on(address),
      hardening,
    });
    const gateLine = await gate.lifeline();
    const sharing = { attach: 'none', network: { kind: 'container', name: gate.name } } as const;
    const agent = await here.create('agent', ['sleep', '60'], sharing); // before the gate runs, as a launch does
    await gate.start(signal);
    gateLine.write(JSON.stringify({ version: 1, sidecar, proxy_port: 8080, dns_port: 53 }));
    assert.deepEqual(JSON.parse(await gate.readyLine(10_000, signal)), { event: 'ready', role: 'gate' });
    await agent.start(signal);
    const end = (): void => {
      gateLine[Symbol.dispose]();
      bumpLine[Symbol.dispose]();
    };
    return { gate, bump, agent, sidecar, end };
  }

  test('the agent reaches the proxy and its resolver, and everything else is refused at once', async () => {
    await using here = await new Lab(docker).prepare();
    const { gate, bump, agent, sidecar, end } = await world(here);

    const capabilities = (await sh(gate, 'grep ^Cap /proc/1/status')).output.trim().split('\n');
    assert.equal(capabilities.length, 5);
    for (const line of capabilities) assert.match(line, /\t0+$/);

    assert.equal((await sh(agent, tcp(sidecar, 8080))).output, 'port 8080');
    assert.equal(
      (await sh(agent, tcp(bump.name, 8080))).output,
      'port 8080',
      "by name, through the engine's own resolver",
    );

    const refused: [what: string, command: string][] = [
      ['another port of the sidecar', tcp(sidecar, 9090)],
      [
        'the address that a gateway would have',
        tcp(
          sidecar.replace(/\d+$/, (last) => String(Number(last) - 1)),
          22,
        ),
      ],
      ['a public address', tcp('1.1.1.1', 443)],
      ['the bridge of the host', tcp('172.17.0.1', 22)],
      ['UDP', 'echo x > /dev/udp/1.1.1.1/443'],
      ['DNS of another server', 'echo x > /dev/udp/8.8.8.8/53'],
      ['a name', 'getent hosts example.com'],
      ['IPv6', tcp('::1', 22)],
      ['rules', 'iptables -F'],
      ['routes', 'ip route del default || ip route add 1.1.1.1 dev eth0'],
    ];
    for (const [what, command] of refused) {
      const begin = performance.now();
      const { status, output } = await sh(agent, command);
      const took = performance.now() - begin;
      assert.ok(status !== 0 && took < AT_ONCE, `${what}: status ${status} after ${took.toFixed(0)} ms: ${output}`);
    }

    const server = 'const s = require("node:net").createServer((c) => c.end("own")).listen(7777, "127.0.0.1")';
    const own = await sh(agent, `node -e '${server}' & sleep 0.5; ${tcp('127.0.0.1', 7777)}; kill %1`);
    assert.equal(own.output, 'own', "the agent's own servers stay reachable for itself");
    assert.notEqual((await sh(bump, tcp(here.name('gate'), 7777))).status, 0);

    const ended = gate.wait();
    end();
    assert.equal(await ended, 0, "its end is its input's end");
    const { status, output } = await sh(agent, tcp(sidecar, 9090));
    assert.ok(status !== 0 && output !== 'port 9090', 'without the gate nothing is open either');
  });

  test('a gate that cannot read its configuration never says ready', async () => {
    await using here = await new Lab(docker).prepare();
    const gate = await here.create('gate', ['/bin/sh', '/opt/bottle/addon/gate/gate.sh'], { user: '0:0' });
    using lifeline = await gate.lifeline();
    await gate.start(here.signal);
    lifeline.write('{"version":1,"sidecar":"everything","proxy_port":8080,"dns_port":53}');
    await assert.rejects(
      gate.readyLine(10_000, here.signal),
      /it ended before it was ready[^]*gate: configuration cannot be read: sidecar/,
    );
  });

  test('a gate without the right to set rules never says ready', async () => {
    await using here = await new Lab(docker).prepare();
    const gate = await here.create('gate', ['/bin/sh', '/opt/bottle/addon/gate/gate.sh'], { user: '0:0' });
    using lifeline = await gate.lifeline();
    await gate.start(here.signal);
    lifeline.write('{"version":1,"sidecar":"10.213.0.2","proxy_port":8080,"dns_port":53}');
    await assert.rejects(gate.readyLine(10_000, here.signal), /it ended before it was ready/);
  });
});
