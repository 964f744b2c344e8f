/** One upstream, and a sidecar that allows it alone: what most tests of the whole need. */
import type { ClientHttp2Session } from 'node:http2';
import type { Authority } from '../../../../addon/authority.ts';
import { makeCa, makeRig, makeUpstreamServer, type Rig, type RigOptions, type TestUpstream } from '../rig.ts';
import { openSession } from './h2.ts';

/** Where an upstream is, and who signs for it. */
export interface Place {
  readonly ca: Authority;
  readonly host: string;
}

export interface World<Upstream> extends AsyncDisposable {
  readonly upstream: Upstream;
  readonly port: number;
  readonly rig: Rig;
  /** The same upstream behind a sidecar of its own. */
  rigWith(options: Partial<RigOptions>): Promise<Rig>;
}

export async function makeWorld<Upstream extends AsyncDisposable & { readonly port: number }>(
  place: Place,
  serve: (place: Place) => Promise<Upstream>,
  options: Partial<RigOptions> = {},
): Promise<World<Upstream>> {
  const upstream = await serve(place);
  const { port } = upstream;
  const rigWith = (more: Partial<RigOptions>) =>
    makeRig({ allow: [`${place.host}:${port}`], upstreamCa: place.ca, ...more });
  const rig = await rigWith(options);
  return {
    upstream,
    port,
    rig,
    rigWith,
    async [Symbol.asyncDispose]() {
      await rig[Symbol.asyncDispose]();
      await upstream[Symbol.asyncDispose]();
    },
  };
}

/** With a session of HTTP/2 in it. */
export async function withSession<Upstream>(
  world: World<Upstream>,
  { host }: Place,
): Promise<World<Upstream> & { readonly session: ClientHttp2Session }> {
  const session = await openSession(world.rig, { host, port: world.port });
  return {
    ...world,
    session,
    async [Symbol.asyncDispose]() {
      session.destroy();
      await world[Symbol.asyncDispose]();
    },
  };
}

/** A place of its own. */
export function placeOf(host: string): Place {
  return { ca: makeCa(), host };
}

/** An upstream that answers everything with `hello`. */
export function hello(place: Place): Promise<TestUpstream> {
  return makeUpstreamServer((_, response) => response.end('hello'), place);
}
