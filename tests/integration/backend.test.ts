/** The backend and the gate against the real engine. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { BlockList, createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type Dockerode from 'dockerode';
import { sessionLabels } from '../../src/docker/labels.ts';
import { BackendError } from '../../src/errors.ts';
import { Lab, sh, tcp } from './support/lab.ts';
import { engine } from './support/world.ts';

const found = await engine();
const READY = 'echo "{\\"event\\":\\"ready\\",\\"said\\":\\"$line\\"}"';

suite('backend', { skip: typeof found === 'string' && found }, () => {
  const docker = found as Dockerode; // a string skips the suite
  const lab = async (): Promise<Lab> => await new Lab(docker).prepare();

  suite('attaching', () => {
    test('a megabyte of random bytes goes through `cat` unchanged', async () => {
      await using here = await lab();
      const input = randomBytes(1 << 20);
      const { status, stdout, stderr } = await here.run(['cat'], input);
      assert.equal(status, 0);
      assert.ok(stdout.equals(input));
      assert.equal(stderr.length, 0);
    });

    test('standard output and error stay apart, and the status is the own', async () => {
      await using here = await lab();
      const { status, stdout, stderr } = await here.run(
        ['sh', '-c', 'echo out; echo err >&2; exit 7'],
        Buffer.alloc(0),
      );
      assert.deepEqual([status, String(stdout), String(stderr)], [7, 'out\n', 'err\n']);
    });

    test('no quick end is missed', async () => {
      await using here = await lab();
      for (let round = 0; round < 10; round += 1) {
        const { status, stdout } = await here.run(['sh', '-c', 'echo x; exit 3'], Buffer.alloc(0));
        assert.deepEqual([status, String(stdout)], [3, 'x\n']);
      }
    });

    test('input that nobody reads costs no byte of output', async () => {
      await using here = await lab();
      const command = 'sleep 0.2; head -c 3000000 /dev/zero; echo end';
      const { status, stdout } = await here.run(['sh', '-c', command], randomBytes(8 << 20));
      assert.deepEqual([status, stdout.length, String(stdout.subarray(-4))], [0, 3_000_004, 'end\n']);
    });

    test("a terminal passes every key at once, the engine's detach keys too", async () => {
      await using here = await lab();
      await using container = await here.create('tty', ['sh', '-c', 'stty raw -echo; head -c 4 | od -An -tx1'], {
        attach: 'streams',
        terminal: 'caller',
      });
      using attachment = await container.attach(true);
      const ended = container.wait();
      await container.start(here.signal);
      await attachment.resize(100, 40);
      const [keys, screen] = [new PassThrough(), new PassThrough()];
      const piped = attachment.pipe(keys, screen, new PassThrough());
      await sleep(300); // the terminal is raw by then
      // Ctrl-P, Ctrl-Q are the usual detach keys. Input stays open, so that nothing but the engine passes them on.
      for (const key of ['\x10', '\x11', 'a', '\x10']) keys.write(key);
      await piped;
      assert.equal(await ended, 0);
      assert.match(String(screen.read()), /10 11 61 10/);
    });
  });

  suite('lifeline and ready line', () => {
    test('the configuration goes in by standard input, the ready line comes out of the log', async () => {
      await using here = await lab();
      const container = await here.create('bump', ['sh', '-c', `read line; echo noise; ${READY}; exec cat >/dev/null`]);
      using lifeline = await container.lifeline();
      const ended = container.wait();
      await container.start(here.signal);
      lifeline.write('configuration');
      assert.equal(await container.readyLine(5000, here.signal), '{"event":"ready","said":"configuration"}');
      lifeline[Symbol.dispose]();
      assert.equal(await ended, 0);
      assert.deepEqual(await container.logs(5), ['noise', '{"event":"ready","said":"configuration"}']);
    });

    test('a launcher that is killed with -9 is noticed within a second, and its session is dead', async () => {
      await using here = await lab();
      const child = spawn(process.execPath, [join(import.meta.dirname, 'support/launcher.ts'), here.session.slug], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      await once(child.stdout, 'data');
      const container = await here.backend.find(here.session.slug, 'bump');
      assert.ok(container !== undefined);
      const state = async (): Promise<unknown> =>
        (await here.backend.sessions()).find(({ session }) => session.slug === here.session.slug)?.state;
      assert.equal(await state(), 'running');
      child.kill('SIGKILL');
      const status = await Promise.race([container.wait(), sleep(1000, 'still running', { ref: false })]);
      assert.equal(status, 0);
      // An engine's list of containers may lag behind its own `wait`.
      for (let tries = 0; tries < 20 && (await state()) === 'running'; tries += 1) await sleep(50);
      assert.equal(await state(), 'dead');
    });

    test('a container that ends, or stays silent, is an error with its last lines', async () => {
      await using here = await lab();
      const ends = await here.create('ends', ['sh', '-c', 'echo "\\033[31mno such thing" >&2; exit 1'], {
        attach: 'none',
      });
      await ends.start(here.signal);
      await assert.rejects(ends.readyLine(5000, here.signal), (error) => {
        assert.ok(error instanceof BackendError);
        assert.match(error.message, /ends \(it ended before it was ready\)\n {2}\| no such thing$/);
        return true;
      });
      const silent = await here.create('silent', ['sleep', '30'], { attach: 'none' });
      await silent.start(here.signal);
      await assert.rejects(silent.readyLine(300, here.signal), /silent \(no ready line in 0\.3 s\)/);
      await assert.rejects(silent.readyLine(5000, AbortSignal.abort(new Error('stop'))), /^Error: stop$/);
    });
  });

  suite('files', () => {
    test('files are put in before the start with owner and mode, and read back also from a dead container', async () => {
      await using here = await lab();
      const container = await here.create('files', ['sh', '-c', 'stat -c "%u %g %a" /opt/a/b; cat /opt/a/b'], {
        attach: 'none',
        hardening: { ...here.spec('x', []).hardening, read_only_root: false },
        user: '0',
      });
      await container.put([
        { path: '/opt/a', mode: 0o755 },
        { path: '/opt/a/b', content: 'text', mode: 0o640, uid: 0, gid: 1234 },
      ]);
      const ended = container.wait();
      await container.start(here.signal);
      assert.equal(await ended, 0);
      assert.deepEqual(await container.logs(3), ['0 1234 640', 'text']);
      assert.equal(String(await container.get('/opt/a/b')), 'text');
      assert.equal(await container.get('/opt/none'), undefined);
    });

    test('links are followed to the file, a circle of them is an error', async () => {
      await using here = await lab();
      const writable = { ...here.spec('x', []).hardening, read_only_root: false };
      const command =
        'cd /opt && echo x > f && mkdir d && ln -s ../f d/l && ln -s d e && ln -s c1 c2 && ln -s c2 c1 && ln -s no way';
      const container = await here.create('links', ['sh', '-c', command], {
        attach: 'none',
        hardening: writable,
        user: '0',
      });
      const ended = container.wait();
      await container.start(here.signal);
      assert.equal(await ended, 0);
      assert.equal(String(await container.get('/opt/e/l')), 'x\n');
      assert.match(String(await container.get('/etc/os-release')), /^PRETTY_NAME/);
      await assert.rejects(container.get('/opt/c1'), BackendError);
      await assert.rejects(container.get('/opt/d'), /it is a directory/);
      for (const path of ['/opt/d', '/opt/e/l', '/opt/way', '/etc/passwd', '/etc'])
        assert.ok(await container.has(path), path);
      for (const path of ['/opt/none', '/none/at/all']) assert.equal(await container.has(path), false, path);
    });

    test("the journal's volume is the unprivileged user's, the scanner's is a tmpfs; both go with the session", async () => {
      await using here = await lab();
      const specs = (['journal', 'scan'] as const).map((role) => ({ name: here.name(role), role, keep: false }));
      for (const spec of specs) await here.backend.createVolume(spec, here.session, here.signal);
      const { status, stdout } = await here.run(
        [
          'sh',
          '-c',
          'echo 1 > /var/lib/bottle/j && echo 1 > /run/scan/s && stat -f -c %T /run/scan && stat -c %a /run/scan',
        ],
        Buffer.alloc(0),
        {
          mounts: [
            { kind: 'volume', source: here.name('journal'), target: '/var/lib/bottle', read_only: false },
            { kind: 'volume', source: here.name('scan'), target: '/run/scan', read_only: false },
          ],
        },
      );
      assert.deepEqual([status, String(stdout)], [0, 'tmpfs\n770\n']);
    });

    test('a mount whose source is missing is an error, and no folder is made', async () => {
      await using here = await lab();
      const mounts = [{ kind: 'bind', source: '/no/such/folder', target: '/w', read_only: true }] as const;
      await assert.rejects(here.create('bind', ['true'], { mounts: [...mounts] }), /\/no\/such\/folder/);
    });
  });

  suite('what is left', () => {
    test('the sweep takes containers, networks and volumes, running or not, twice if need be, and leaves kept homes', async () => {
      await using here = await lab();
      const { backend, session, signal } = here;
      const home = `bottle-home-${session.slug}`;
      try {
        const network = await backend.createNetwork(
          { name: here.name('agent'), role: 'agent', subnet: '' },
          session,
          signal,
        );
        await backend.createVolume({ name: here.name('journal'), role: 'journal', keep: false }, session, signal);
        for (let twice = 0; twice < 2; twice += 1)
          await backend.createVolume({ name: home, role: 'home', keep: true }, session, signal);
        const container = await here.create('agent', ['sleep', '60'], {
          attach: 'none',
          network: { kind: 'networks', networks: [{ name: network.name, address: network.address(2) }] },
          mounts: [{ kind: 'volume', source: home, target: '/home', read_only: false }],
        });
        await container.start(signal);
        await Promise.all([backend.sweep(session), backend.sweep(session)]);
        await backend.sweep(session);
        const filters = { label: [`bottle.session=${session.slug}`] };
        assert.deepEqual(await docker.listContainers({ all: true, filters }), []);
        assert.deepEqual(await docker.listNetworks({ filters }), []);
        assert.deepEqual((await docker.listVolumes({ filters })).Volumes ?? [], []);
        assert.ok((await backend.homes()).includes(home));
        assert.equal(await container.running(), false);
        await container[Symbol.asyncDispose]();
        await network[Symbol.asyncDispose]();
      } finally {
        await backend.removeHome(home);
      }
      assert.ok(!(await backend.homes()).includes(home));
    });

    test('an image that is there is found in well under a second', async () => {
      await using here = await lab();
      const said: string[] = [];
      const spec = { kind: 'built', name: 'sidecar', dockerfile: 'Dockerfile.sidecar' } as const;
      const begin = performance.now();
      const first = await here.backend.ensureImage(spec, (line) => said.push(line), here.signal);
      assert.ok(performance.now() - begin < 500);
      assert.deepEqual(said, []);
      assert.equal(first.user, '65534:65534');
      assert.equal(
        (await here.backend.ensureImage({ kind: 'named', reference: first.id }, () => undefined, here.signal)).id,
        first.id,
      );
    });

    test('nothing that this machine trusts beyond its own is left in an image', async () => {
      await using here = await lab();
      const { stdout } = await here.run(['sh', '-c', 'find / -xdev -name "host-ca*" | wc -l'], Buffer.alloc(0));
      assert.equal(String(stdout).trim(), '0');
    });
  });

  /** A quarter of the pool, taken by somebody else's network; the first quarter that is free. */
  async function squat(here: Lab): Promise<BlockList> {
    for (const quarter of ['10.213.0.0', '10.213.64.0', '10.213.128.0', '10.213.192.0']) {
      const IPAM = { Driver: 'default', Config: [{ Subnet: `${quarter}/18` }] };
      const Labels = sessionLabels(here.session, 'egress');
      const made = await docker.createNetwork({ Name: here.name('squatter'), IPAM, Labels }).catch(() => undefined);
      const taken = new BlockList();
      taken.addSubnet(quarter, 18);
      if (made !== undefined) return taken;
    }
    return assert.fail('no quarter of the pool is free');
  }

  suite('networks', () => {
    test('fifty networks fit, each on a subnet of its own', async () => {
      await using here = await lab();
      const { backend, session, signal } = here;
      const specs = Array.from({ length: 50 }, (_, n) => ({
        name: here.name(`net${n}`),
        role: 'egress' as const,
        subnet: '',
      }));
      const networks = [];
      for (const spec of specs) networks.push(await backend.createNetwork(spec, session, signal));
      assert.equal(new Set(networks.map(({ subnet }) => subnet)).size, 50);
    });

    test('a subnet that is taken is passed over', async () => {
      await using here = await lab();
      const { backend, session, signal } = here;
      const taken = await squat(here);
      for (let round = 0; round < 12; round += 1) {
        const spec = { name: here.name(`net${round}`), role: 'agent' as const, subnet: '' };
        const network = await backend.createNetwork(spec, session, signal);
        assert.ok(!taken.check(network.address(1)), network.subnet);
      }
    });

    test("no service of the host is reached from the agent's network, through any of its addresses", async () => {
      await using here = await lab();
      const { backend, session, signal } = here;
      const server = createServer((socket) => socket.end('the host')).listen(0, '0.0.0.0');
      await once(server, 'listening');
      try {
        const address = server.address();
        const port = typeof address === 'object' && address !== null ? address.port : 0;
        const network = await backend.createNetwork(
          { name: here.name('agent'), role: 'agent', subnet: '' },
          session,
          signal,
        );
        const container = await here.create('agent', ['sleep', '60'], {
          attach: 'none',
          network: { kind: 'networks', networks: [{ name: network.name, address: network.address(2) }] },
        });
        await container.start(signal);
        const own = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
        const hosts = own
          .filter(({ family, internal }) => family === 'IPv4' && !internal)
          .map((entry) => entry.address);
        for (const host of [network.address(1), ...hosts]) {
          const { status, output } = await sh(container, tcp(host, port));
          assert.ok(status !== 0 && !output.includes('the host'), `${host}: ${output}`);
        }
      } finally {
        server.close();
      }
    });
  });
});
