/** WebSockets as an agent has them: real Docker, the real program, real clients with no flag of their own. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type Dockerode from 'dockerode';
import { engine, World } from './support/world.ts';

const docker = await engine();
const skip = typeof docker === 'string' ? docker : false;

const URL = 'wss://api.anthropic.com/talk';
const SECRET = ['AKIA', 'IOSFODNN7', 'EXAMPLE'].join('');
const LONG = 'the quick brown fox; '.repeat(500);

/** Says something, gets it back, and then says what it should not, in two messages. Prints what came, and the close. */
const NODE = `
  const heard = [];
  const say = [${JSON.stringify(LONG)}, 'the key is ${SECRET.slice(0, 9)}', '${SECRET.slice(9)}'];
  const next = (data) => { if (data !== undefined) heard.push(data.length); socket.send(say.shift()); };
  const over = (code, reason) => console.log(JSON.stringify({ heard, code, reason: String(reason) }));`;
const PYTHON = `
import json
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
heard = []
with connect("${URL}") as socket:
    try:
        for said in [${JSON.stringify(LONG)}, "the key is ${SECRET.slice(0, 9)}", "${SECRET.slice(9)}"]:
            socket.send(said)
            heard.append(len(socket.recv()))
    except ConnectionClosed as error:
        print(json.dumps({"heard": heard, "code": error.rcvd.code, "reason": error.rcvd.reason}))
`;
const ws = folderOf('ws');
const websockets = pythonFolder();

const CLIENTS: { name: string; skip: string | false; mount?: string | undefined; command: string }[] = [
  {
    name: 'the WebSocket of Node',
    skip: false,
    command: `node -e ${quoted(`${NODE}
      const socket = new WebSocket('${URL}');
      socket.onopen = () => next();
      socket.onmessage = ({ data }) => next(data);
      socket.onclose = ({ code, reason }) => over(code, reason);`)}`,
  },
  {
    name: 'ws',
    skip: ws === undefined && 'the package ws is not installed',
    mount: ws,
    // It knows no proxy by itself; Node's own agent does.
    command: `node -e ${quoted(`${NODE}
      const { WebSocket } = require('/opt/client');
      const socket = new WebSocket('${URL}', { agent: require('node:https').globalAgent, perMessageDeflate: { threshold: 1 } });
      socket.on('open', () => next());
      socket.on('message', next);
      socket.on('close', over);
      socket.on('error', console.error);`)}`,
  },
  {
    name: 'websockets of Python',
    skip: websockets === undefined && 'BOTTLE_TEST_PYTHON names no Python that has websockets',
    mount: websockets,
    command: `PYTHONPATH=/opt/client python3 -c ${quoted(PYTHON)}`,
  },
];

describe('websockets', { skip }, () => {
  let world: World;
  before(async () => {
    world = await World.open(docker as Dockerode);
  });
  after(() => world[Symbol.asyncDispose]());
  const messages = () => world.seen(({ method }) => method === 'WEBSOCKET');

  for (const client of CLIENTS)
    it(`${client.name} talks, and is told which message it may not send`, { skip: client.skip }, async () => {
      const from = (await messages()).length;
      const mounts = client.mount ? [{ source: client.mount, target: '/opt/client', read_only: true }] : [];
      const manifest = world.manifest({ agent: { mounts } });
      const name = world.slug('websocket');
      const { stdout, stderr } = await world.agent(client.command, { manifest, name });
      const told = JSON.parse(stdout || 'null') as { heard: number[]; code: number; reason: string } | null;
      assert.deepEqual(told?.heard, [LONG.length, 20], stderr);
      assert.equal(told?.code, 1008);
      assert.match(told?.reason ?? '', /^blocked: /);
      const bodies = (await messages()).slice(from).map(({ body }) => body);
      assert.equal(bodies.length, 2);
      assert.ok(!bodies.join('').includes(SECRET));
      const records = await world.records(name);
      const closed = records.find(({ event, messages: count }) => event === 'closed' && count === 2);
      assert.equal((closed?.['outcome'] as { kind?: string } | undefined)?.kind, 'blocked');
      assert.match(stderr, /blocked once/);
    });

  it('where the manifest refuses them, a client is told so at once', async () => {
    const manifest = world.manifest({ egress: { websockets: 'refuse' } });
    const script = `curl -sS -o /dev/null -w '%{http_code}' --http1.1 -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' https://api.anthropic.com/talk`;
    const { stdout, stderr } = await world.agent(script, { manifest });
    assert.equal(stdout, '426', stderr);
  });
});

function quoted(script: string): string {
  return `'${script.replaceAll("'", `'\\''`)}'`;
}

function folderOf(name: string): string | undefined {
  try {
    return dirname(createRequire(import.meta.url).resolve(`${name}/package.json`));
  } catch {
    return undefined;
  }
}

/** What its packages lie in. */
function pythonFolder(): string | undefined {
  const python = process.env['BOTTLE_TEST_PYTHON'];
  if (python === undefined) return undefined;
  const script = 'import os, websockets; print(os.path.dirname(os.path.dirname(websockets.__file__)))';
  return execFileSync(python, ['-c', script], { encoding: 'utf8' }).trim();
}
