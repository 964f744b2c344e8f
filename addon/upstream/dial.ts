/**
 * The way out: resolve once, check every address, dial a checked one, verify its certificate. Nothing is dialled by name,
 * unless it is the company's proxy that does it.
 */
import type { Socket } from 'node:net';
import type { Host } from '../../contracts/host.ts';
import type { Target } from '../message.ts';
import { type AddressCheck, refusalOf } from './address.ts';
import { connectFirst } from './connect.ts';
import { DialError } from './failure.ts';
import { isDirect, openTunnel, type Proxy } from './proxy.ts';
import type { Resolve } from './resolve.ts';
import { makeSecure, type Protocol, type TlsOptions } from './tls.ts';

export interface DialOptions extends TlsOptions {
  readonly check: (address: string) => AddressCheck;
  readonly resolve: Resolve;
  /** Listeners of the session itself, which are never dialled whatever else is allowed. */
  readonly self: readonly { readonly address: string; readonly ports: readonly number[] }[];
  /** What everything but its `direct` hosts goes through. */
  readonly proxy?: Proxy;
  /** Milliseconds to connect to one address, and until the next is tried beside it. */
  readonly connectMs?: number;
  readonly staggerMs?: number;
}

export interface Wish {
  /** What is offered in TLS. An upstream without ALPN speaks HTTP/1.1. */
  readonly alpn: readonly Protocol[];
  /** Whoever wants the connection has gone. */
  readonly gone: AbortSignal;
}

export interface Dialled {
  readonly socket: Socket;
  readonly protocol: Protocol;
}

/** Rejects with a `DialError` only. */
export type Dial = (target: Target, wish: Wish) => Promise<Dialled>;

export function makeDial(options: DialOptions): Dial {
  const secure = makeSecure(options);
  return async (target, wish) => {
    const raw = await reach(target, wish.gone, options);
    if (target.scheme === 'http') return { socket: raw, protocol: 'http/1.1' };
    const socket = await secure(raw, target, wish);
    return { socket, protocol: socket.alpnProtocol === 'h2' ? 'h2' : 'http/1.1' };
  };
}

async function reach(target: Target, gone: AbortSignal, options: DialOptions): Promise<Socket> {
  const { proxy } = options;
  const connect = (addresses: readonly string[], port: number) => connectFirst(addresses, port, { ...options, gone });
  if (!proxy || isDirect(proxy, target)) return await connect(await checkedAddresses(target, options), target.port);

  const refused = refusedLiteral(target.host, options);
  if (refused !== undefined) throw new DialError('forbidden', refused);
  // The manifest names the proxy: its address may be a private one.
  const near = { ...target, host: proxy.host, port: proxy.port };
  const socket = await connect(await checkedAddresses(near, { ...options, check: () => PUBLIC }), proxy.port);
  await openTunnel(socket, proxy, target, gone);
  return socket;
}

async function checkedAddresses(target: Target, { check, resolve, self }: DialOptions): Promise<string[]> {
  const { host, port } = target;
  const found = host.kind === 'name' ? await resolve(host.text) : [host.text];
  let refused: string | undefined;
  const usable = found.filter((address) => {
    const answer = check(address);
    if (answer.kind === 'refused') refused ??= refusalOf(host.text, address, answer.why);
    else if (self.some((own) => address === own.address && own.ports.includes(port)))
      refused ??= `${host.text} is the sidecar itself`;
    else return true;
    return false;
  });
  if (usable.length > 0) return usable;
  throw new DialError('forbidden', refused ?? `${host.text} has no address`);
}

/** What can be told of a host that the proxy resolves: an address, and the names that stand for one (RFC 6761 section 6.3). */
function refusedLiteral({ kind, text }: Host, { check }: DialOptions): string | undefined {
  const address = kind !== 'name' ? text : /(^|\.)localhost$/.test(text) ? '127.0.0.1' : undefined;
  if (address === undefined) return undefined;
  const answer = check(address);
  return answer.kind === 'refused' ? refusalOf(text, address, answer.why) : undefined;
}

const PUBLIC: AddressCheck = { kind: 'public' };
