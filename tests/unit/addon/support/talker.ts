/** Both ends of a WebSocket as little as can be: what they are told is written as it is, and what comes is read from the RFC. */
import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Authority } from '../../../../addon/authority.ts';
import { frame, type Written } from '../websocket/frames.ts';
import { listenRaw, openTunnel, readHead, type Rig, type TestUpstream } from '../rig.ts';

/** A frame as it came, without its mask. */
export interface Came {
  opcode: number;
  fin: boolean;
  rsv: number;
  masked: boolean;
  payload: Buffer;
}

/** Reads frames for good; `on` gets each. */
function readFrames(socket: Duplex, on: (came: Came) => void): void {
  let bytes: Buffer = Buffer.alloc(0);
  let chunks: Buffer[] = [];
  let missing = 0;
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    missing -= chunk.length;
    if (missing > 0) return;
    bytes = Buffer.concat([bytes, ...chunks]);
    chunks = [];
    for (;;) {
      const [first = 0, second = 0] = bytes;
      const short = second & 0x7f;
      const extended = short === 127 ? 8 : short === 126 ? 2 : 0;
      const masked = (second & 0x80) !== 0;
      const size = 2 + extended + (masked ? 4 : 0);
      if (bytes.length < Math.max(2, size)) return;
      const length = extended === 8 ? Number(bytes.readBigUInt64BE(2)) : extended === 2 ? bytes.readUInt16BE(2) : short;
      missing = size + length - bytes.length;
      if (missing > 0) return;
      const key = masked ? bytes.subarray(size - 4, size) : Buffer.alloc(4);
      const payload = Buffer.from(bytes.subarray(size, size + length).map((byte, at) => byte ^ (key[at % 4] ?? 0)));
      bytes = bytes.subarray(size + length);
      on({ opcode: first & 15, fin: (first & 0x80) !== 0, rsv: (first >> 4) & 7, masked, payload });
    }
  });
}

/** A frame that is not masked. */
export function served(opcode: number, payload: string | Buffer, more: Partial<Written> = {}): Buffer {
  return frame({ opcode, payload, key: undefined, ...more });
}

export interface EchoOptions {
  /** Fields of the 101 beside those that it must have; a name that is there already replaces it. */
  fields?: (asked: string) => string[];
  /** In place of the 101. */
  answer?: string;
  /** Takes the place of the echo. */
  speak?: (socket: Socket, came: Came) => void;
  /** Right behind the 101, in one write with it. */
  greeting?: Buffer;
}

export interface Echo extends TestUpstream {
  /** Request heads. */
  heads: string[];
  came: Came[];
  /** Connections that are over. */
  over: Socket[];
  sockets: Socket[];
}

/** Answers every request with 101, every message with itself and a close with a close. */
export async function makeEcho(tls: { ca: Authority; host: string }, options: EchoOptions = {}): Promise<Echo> {
  const [heads, came, over, sockets]: [string[], Came[], Socket[], Socket[]] = [[], [], [], []];
  const listening = await listenRaw((socket) => {
    sockets.push(socket);
    socket.on('close', () => over.push(socket));
    void readHead(socket).then((head) => {
      heads.push(head);
      if (options.answer !== undefined) return void socket.end(options.answer);
      const key = /^sec-websocket-key: *(\S+)/im.exec(head)?.[1] ?? '';
      const own = options.fields?.(head) ?? [];
      const fields = [
        'Upgrade: websocket',
        'Connection: Upgrade',
        `Sec-WebSocket-Accept: ${createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')}`,
      ].filter((field) => !own.some((other) => other.split(':')[0] === field.split(':')[0]));
      const answer = `HTTP/1.1 101 Switching Protocols\r\n${[...fields, ...own].join('\r\n')}\r\n\r\n`;
      socket.write(Buffer.concat([Buffer.from(answer), options.greeting ?? Buffer.alloc(0)]));
      readFrames(socket, (one) => {
        came.push(one);
        if (options.speak) options.speak(socket, one);
        else if (one.opcode === 8) socket.end(served(8, one.payload));
        else if (one.opcode === 9) socket.write(served(10, one.payload));
        else socket.write(served(one.opcode, one.payload, { rsv: one.rsv, fin: one.fin }));
      });
    });
  }, tls);
  return { ...listening, heads, came, over, sockets };
}

/** An agent's end, over a connection or a stream of one. */
export class Talker {
  readonly socket: Duplex;
  readonly head: string;
  readonly came: Came[] = [];
  isOver = false;

  constructor(socket: Duplex, head: string) {
    this.socket = socket;
    this.head = head;
    readFrames(socket, (one) => this.came.push(one));
    for (const event of ['end', 'close']) socket.on(event, () => (this.isOver = true));
  }

  say(...frames: Written[]): void {
    this.socket.write(Buffer.concat(frames.map(frame)));
  }

  /** Texts of the messages that came. */
  get texts(): string[] {
    return this.came.filter(({ opcode }) => opcode < 8).map(({ payload }) => payload.toString());
  }

  /** Code and reason of the close that came. */
  get close(): [code: number, reason: string] | undefined {
    const found = this.came.find(({ opcode }) => opcode === 8);
    return found && [found.payload.length > 1 ? found.payload.readUInt16BE(0) : 0, found.payload.toString('utf8', 2)];
  }
}

export interface TalkOptions {
  host: string;
  port: number;
  path?: string;
  /** Further lines of the head. */
  fields?: string[];
}

/** Through the sidecar, over TLS. Whatever is answered is in `head`. */
export async function talk(rig: Rig, { host, port, path = '/', fields = [] }: TalkOptions): Promise<Talker> {
  const socket = await openTunnel(rig, { host, port });
  const lines = [
    `GET ${path} HTTP/1.1`,
    `Host: ${host}:${port}`,
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    ...fields,
  ];
  socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  return new Talker(socket, await readHead(socket));
}
