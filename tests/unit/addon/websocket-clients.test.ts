import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { after, before, suite, test } from 'node:test';
import { makeCa, makeRig, makeUpstreamServer, type Rig, type TestUpstream } from './rig.ts';
import { type EmbeddedScanner, startEmbedded } from './support/embedded.ts';
import { type Echo, makeEcho } from './support/talker.ts';

/** Real programs over the sidecar and the embedded scanner. What is not installed here is left out, with a reason. */
const HOST = 'ws.example.test';
const SECRET = ['AKIA', 'IOSFODNN7', 'EXAMPLE'].join('');
const LONG = 'the quick brown fox jumps over the lazy dog; '.repeat(2_500);
const WS = findWs();
const PYTHON = process.env['BOTTLE_TEST_PYTHON'];

/** Says two things, gets them back, and then says what it should not. Prints what it heard, and the close. */
const CLIENTS: {
  name: string;
  program: string;
  args: (file: string) => string[];
  script: string;
  missing: string | false;
}[] = [
  {
    name: 'the WebSocket of Node',
    program: process.execPath,
    args: (file) => [file],
    missing: false,
    script: `
      const heard = [];
      const socket = new WebSocket(process.env.URL, ['v1', 'v2']);
      const say = [process.env.LONG, new Uint8Array([0, 1, 2]), 'the key is ' + process.env.SECRET];
      socket.binaryType = 'arraybuffer';
      socket.onopen = () => socket.send(say.shift());
      socket.onmessage = ({ data }) => { heard.push(data.length ?? data.byteLength); socket.send(say.shift()); };
      socket.onclose = ({ code, reason }) => console.log(JSON.stringify({ heard, code, reason }));
      socket.onerror = ({ error }) => console.error(error);`,
  },
  {
    name: 'ws',
    program: process.execPath,
    args: (file) => [file],
    missing: WS === undefined && 'the package ws is not installed',
    script: `
      import { createRequire } from 'node:module';
      import { connect as connectTcp } from 'node:net';
      import { connect as connectTls } from 'node:tls';
      const { WebSocket } = createRequire(import.meta.url)(${JSON.stringify(WS ?? '')});
      const [{ hostname, port }, proxy] = [new URL(process.env.URL), new URL(process.env.HTTPS_PROXY)];
      const raw = connectTcp(proxy.port, proxy.hostname);
      raw.write('CONNECT ' + hostname + ':' + port + ' HTTP/1.1\\r\\nHost: ' + hostname + '\\r\\n\\r\\n');
      await new Promise((resolve) => raw.once('data', resolve));
      const createConnection = () => connectTls({ socket: raw, servername: hostname });
      const heard = [];
      const socket = new WebSocket(process.env.URL, ['v2'], { createConnection, perMessageDeflate: { threshold: 1 } });
      const say = [process.env.LONG, Buffer.from([0, 1, 2]), 'the key is ' + process.env.SECRET];
      socket.on('open', () => socket.send(say.shift()));
      socket.on('message', (data) => { heard.push(data.length); socket.send(say.shift()); });
      socket.on('close', (code, reason) => console.log(JSON.stringify({ heard, code, reason: reason.toString() })));
      socket.on('error', (error) => console.error(error));`,
  },
  {
    name: 'websockets of Python',
    program: PYTHON ?? '',
    args: (file) => [file],
    missing: PYTHON === undefined && 'BOTTLE_TEST_PYTHON names no Python that has websockets',
    script: `
import json, os
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
heard = []
with connect(os.environ["URL"], subprotocols=["v2"]) as socket:
    try:
        for said in [os.environ["LONG"], bytes([0, 1, 2])]:
            socket.send(said)
            heard.append(len(socket.recv()))
        socket.send(["the key is ", os.environ["SECRET"]])
        socket.recv()
    except ConnectionClosed as error:
        print(json.dumps({"heard": heard, "code": error.rcvd.code, "reason": error.rcvd.reason}))`,
  },
];

let scanner: EmbeddedScanner;
const ca = makeCa();
let rig: Rig;
let echo: Echo;
let peer: TestUpstream | undefined;
const heardByPeer: string[] = [];

before(async () => {
  scanner = await startEmbedded();
  const fields = () => ['Sec-WebSocket-Protocol: v2', 'Sec-WebSocket-Extensions: permessage-deflate'];
  echo = await makeEcho({ ca, host: HOST }, { fields });
  peer = WS === undefined ? undefined : await makePeer(WS);
  rig = await makeRig({
    allow: [echo, ...(peer ? [peer] : [])].map(({ port }) => `${HOST}:${port}`),
    upstreamCa: ca,
    config: { scanner: scanner.config },
  });
  scanner.folder.write('ca.pem', rig.sidecar.authority.certificate);
});
after(async () => {
  await rig[Symbol.asyncDispose]();
  await echo[Symbol.asyncDispose]();
  await peer?.[Symbol.asyncDispose]();
  scanner[Symbol.dispose]();
});

for (const { name, program, args, script, missing } of CLIENTS)
  suite(name, () => {
    test('is told what it may not say, by an upstream of ours', { skip: missing }, async () => {
      const seen = echo.came.length;
      assert.deepEqual(await run(program, args, script, echo.port), EXPECTED);
      const came = echo.came.slice(seen);
      assert.ok(came.every(({ masked, fin, rsv }) => masked && fin && rsv === 0));
      assert.deepEqual(
        came.map(({ opcode, payload }) => [opcode, payload.length]),
        [
          [1, LONG.length],
          [2, 3],
        ],
      );
    });
    test('and by a server of ws', {
      skip: missing || (WS === undefined && 'the package ws is not installed'),
    }, async () => {
      heardByPeer.length = 0;
      assert.deepEqual(await run(program, args, script, peer?.port ?? 0), EXPECTED);
      assert.deepEqual(heardByPeer, [LONG, '\0\x01\x02']);
    });
  });

const EXPECTED = {
  heard: [LONG.length, 3],
  code: 1008,
  reason: 'blocked: request body contains secret: AWS Access ID',
};

async function run(program: string, args: (file: string) => string[], script: string, port: number): Promise<unknown> {
  const file = scanner.folder.write('client.mjs', script);
  const proxy = `http://127.0.0.1:${rig.sidecar.port}`;
  const bundle = scanner.folder.at('ca.pem');
  const env = {
    ...process.env,
    URL: `wss://${HOST}:${port}/`,
    LONG,
    SECRET,
    HTTPS_PROXY: proxy,
    https_proxy: proxy,
    NODE_USE_ENV_PROXY: '1',
    NODE_EXTRA_CA_CERTS: bundle,
    SSL_CERT_FILE: bundle,
    NODE_OPTIONS: '',
  };
  const output = await new Promise<string>((resolve, reject) => {
    execFile(program, args(file), { env, timeout: 30_000 }, (error, stdout, stderr) =>
      error || stdout === ''
        ? reject(new Error(`${error?.message ?? 'it printed nothing'}\n${stdout}\n${stderr}`))
        : resolve(stdout),
    );
  });
  return JSON.parse(output) as unknown;
}

function findWs(): string | undefined {
  try {
    return createRequire(import.meta.url).resolve('ws');
  } catch {
    return undefined;
  }
}

/** A server of ws that answers each message with itself. */
async function makePeer(path: string): Promise<TestUpstream> {
  const { WebSocketServer } = createRequire(import.meta.url)(path) as { WebSocketServer: new (options: object) => Ws };
  const server = new WebSocketServer({
    noServer: true,
    perMessageDeflate: { threshold: 1 },
    handleProtocols: (offered: Set<string>) => offered.has('v2') && 'v2',
  });
  const listening = await makeUpstreamServer(
    (_, response) => response.end(),
    { ca, host: HOST },
    (...upgrade) =>
      server.handleUpgrade(...upgrade, (socket) => {
        socket.on('message', (data, isBinary) => {
          heardByPeer.push(data.toString('latin1'));
          socket.send(data, { binary: isBinary });
        });
        socket.on('error', () => undefined);
      }),
  );
  return listening;
}

/** What is used of ws, which has no types here. */
interface Ws {
  handleUpgrade(...call: [...Upgrade, (socket: WsSocket) => void]): void;
}
type Upgrade = Parameters<NonNullable<Parameters<typeof makeUpstreamServer>[2]>>;
interface WsSocket {
  on(event: 'message', listener: (data: Buffer, isBinary: boolean) => void): void;
  on(event: 'error', listener: () => void): void;
  send(data: Buffer, options: { binary: boolean }): void;
}
