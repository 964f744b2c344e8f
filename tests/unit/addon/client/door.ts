/** The agent's door alone: what comes through it is answered by the test. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { makeAuthority } from '../../../../addon/authority.ts';
import { makeBudget } from '../../../../addon/budget.ts';
import { type DoorOptions, openDoor } from '../../../../addon/client/listen.ts';
import type { Client, Field, Received, Unit } from '../../../../addon/message.ts';
import { readHead } from '../rig.ts';

export interface TestDoor extends Disposable {
  readonly port: number;
  /** What was served, in its order. */
  readonly clients: Client[];
  /** What never became a request. */
  readonly recorded: string[];
}

const authority = makeAuthority('door test');

/** `serve`: by default the whole request is read, and answered with its body. */
export async function makeDoor(options: Partial<DoorOptions> = {}): Promise<TestDoor> {
  const clients: Client[] = [];
  const recorded: string[] = [];
  const door = await openDoor({
    address: '127.0.0.1',
    port: 0,
    gate: '127.0.0.1',
    authority,
    budget: makeBudget(1_000_000),
    bodyBytes: 100_000,
    refuse: () => undefined,
    refuseTunnel: () => undefined,
    takeUnopened: () => false,
    record(method, _, outcome) {
      recorded.push(`${method} ${outcome.kind === 'refused' ? outcome.status : outcome.kind}`);
      return 'an-id';
    },
    ...options,
    serve(client) {
      clients.push(client);
      (options.serve ?? echo)(client);
    },
  });
  return { port: door.port, clients, recorded, [Symbol.dispose]: () => door.close() };
}

export function echo(client: Client): void {
  void unitOf(client).then((received) => {
    if (client.refusal) answer(client, client.refusal.status);
    else if (received?.kind === 'unit') answer(client, 200, [], Buffer.concat([...received.chunks()]));
    else if (received?.kind === 'refused') answer(client, received.status);
    else client.destroy();
  });
}

export async function unitOf(client: Client): Promise<Received | undefined> {
  const { value } = (await client.units[Symbol.asyncIterator]().next()) as { value: Received | undefined };
  return value;
}

export function textOf(unit: Unit): string {
  return Buffer.concat([...unit.chunks()]).toString('latin1');
}

/** With a length, unless `fields` say how it ends. */
export function answer(
  client: Client,
  status: number,
  fields: readonly Field[] = [],
  body: Buffer | string = '',
): void {
  client.start({ status, text: 'Told', fields: [...fields, ['Content-Length', String(body.length)]] });
  client.write(Buffer.from(body));
  client.finish([]);
}

export async function dial(door: TestDoor, text = ''): Promise<Socket> {
  const socket = connect({ port: door.port, host: '127.0.0.1', allowHalfOpen: true });
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  if (text !== '') socket.write(Buffer.from(text, 'latin1'));
  return socket;
}

/** Into a tunnel to `a.test:80`, in which plain HTTP is spoken. */
export async function dialTunnel(door: TestDoor, text = ''): Promise<Socket> {
  const socket = await dial(door, 'CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\n\r\n');
  await readHead(socket);
  if (text !== '') socket.write(Buffer.from(text, 'latin1'));
  return socket;
}

export async function dialTls(door: TestDoor, protocols: string[]): Promise<TLSSocket> {
  const socket = await dial(door, 'CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n');
  await readHead(socket);
  const tls = connectTls({ socket, servername: 'a.test', ca: authority.certificate, ALPNProtocols: protocols });
  tls.on('error', () => undefined);
  await once(tls, 'secureConnect');
  return tls;
}
