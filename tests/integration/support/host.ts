/** Programs on the engine's own machine: what an agent must not reach, and what looks at all that leaves it. */
import type Dockerode from 'dockerode';
import { demultiplex } from '../../../src/docker/frames.ts';
import { eventually, type World } from './world.ts';

/** A container in the host's own network, which prints JSON lines. */
export class OnHost implements AsyncDisposable {
  readonly #container: Dockerode.Container;

  private constructor(container: Dockerode.Container) {
    this.#container = container;
  }

  static async start(world: World, command: readonly string[], capabilities: readonly string[] = []): Promise<OnHost> {
    const container = await world.docker.createContainer({
      Image: world.agentImage,
      User: '0',
      Labels: { 'bottle.test': '1' },
      Entrypoint: [...command],
      Cmd: [],
      HostConfig: { NetworkMode: 'host', Init: true, CapDrop: ['ALL'], CapAdd: [...capabilities] },
    });
    const here = new OnHost(container);
    try {
      await container.start();
      await eventually(async () => (await here.lines()).some(({ event }) => event === 'ready'));
      return here;
    } catch (error) {
      await here[Symbol.asyncDispose]();
      throw error;
    }
  }

  async lines(): Promise<Record<string, unknown>[]> {
    const raw = await this.#container.logs({ stdout: true, stderr: true, follow: false });
    return demultiplex(Buffer.from(raw as unknown as Uint8Array))
      .toString('utf8')
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#container.remove({ force: true, v: true });
  }
}

/** A service on every address of the host, by TCP and UDP: prints its port and the host's addresses, then whatever comes. */
export const SERVICE = [
  'node',
  '-e',
  `
  const say = (line) => console.log(JSON.stringify(line));
  const addresses = Object.values(require('node:os').networkInterfaces()).flat()
    .filter(({ family, internal }) => family === 'IPv4' && !internal).map(({ address }) => address);
  const tcp = require('node:net').createServer((socket) => {
    say({ event: 'tcp', from: socket.remoteAddress });
    socket.on('error', () => {}).end('the host');
  });
  tcp.listen(0, '0.0.0.0', () => {
    const { port } = tcp.address();
    const udp = require('node:dgram').createSocket('udp4');
    udp.on('message', (_, { address }) => say({ event: 'udp', from: address }));
    udp.bind(port, '0.0.0.0', () => say({ event: 'ready', port, addresses }));
  });`,
];

/** Prints each packet of port 53 on any interface of the host that holds `canary` followed by letters and digits: the word, and the bridge. */
export const SNIFFER = [
  'python3',
  '-uc',
  `
import json, os, re, socket
packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
packets.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
print(json.dumps({"event": "ready"}))
seen = set()
while True:
    data, (interface, *_) = packets.recvfrom(65536)
    if b"canary" not in data.lower(): continue
    header = data[14:]
    if data[12:14] != b"\\x08\\x00": ports = ()
    else:
        rest = header[(header[0] & 15) * 4:]
        ports = (int.from_bytes(rest[0:2], "big"), int.from_bytes(rest[2:4], "big"))
    if ports and 53 not in ports: continue
    try: bridge = os.path.basename(os.readlink(f"/sys/class/net/{interface}/master"))
    except OSError: bridge = interface
    for word in re.findall(rb"canary[a-z0-9]+", data.lower()):
        if (word, bridge) in seen: continue
        seen.add((word, bridge))
        print(json.dumps({"event": "packet", "word": word.decode(), "bridge": bridge}))
`,
];

/** Prints the bridge (or the interface) on which an IPv4 packet from or to an address of the subnet was seen, each once. */
export function snifferOf(subnet: string): string[] {
  return [
    'python3',
    '-uc',
    `
import ipaddress, json, os, socket
net = ipaddress.ip_network("${subnet}")
packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
packets.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
print(json.dumps({"event": "ready"}))
seen = set()
while True:
    data, (interface, *_) = packets.recvfrom(65536)
    if data[12:14] != b"\\x08\\x00": continue
    if not any(ipaddress.ip_address(data[at:at + 4]) in net for at in (26, 30)): continue
    try: bridge = os.path.basename(os.readlink(f"/sys/class/net/{interface}/master"))
    except OSError: bridge = interface
    if bridge in seen: continue
    seen.add(bridge)
    print(json.dumps({"event": "packet", "bridge": bridge}))
`,
  ];
}
