/** The sidecar as a whole: listeners, scanner and upstream around `exchange`. */
import { randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { dirname } from 'node:path';
import { bodyLimit, unscannedOver } from '../contracts/bodies.ts';
import type { Outcome } from '../contracts/exchange.ts';
import type { Renewal } from '../contracts/secret.ts';
import { parseHost } from '../contracts/host.ts';
import type { ProxyConfig } from '../contracts/upstream.ts';
import { HEARTBEAT_LOST_MS, type PipelockScanner, type SidecarConfig } from '../contracts/sidecar.ts';
import { type Authority, makeAuthority } from './authority.ts';
import { makeBodies } from './body.ts';
import { makeBudget } from './budget.ts';
import { takeSessions } from './client/h2.ts';
import { openDoor } from './client/listen.ts';
import type { Switch } from './client/raw.ts';
import { webSocketOver } from './client/websocket.ts';
import { passUnopened } from './unopened.ts';
import { serveNames } from './dns.ts';
import { exchange, type Steps } from './exchange.ts';
import { openJournal } from './journal.ts';
import { holdLifeline } from './lifeline.ts';
import {
  BODY_BYTES,
  BUDGET_BYTES,
  NETWORK_SCAN_QUEUE,
  NETWORK_WINDOW_BYTES,
  SPOOL_BYTES,
  WINDOW_BYTES,
} from './limits.ts';
import { makeMasks } from './masks.ts';
import { type Client, failed, type Refusal, refused, type Target } from './message.ts';
import { decide, isTunnelPort, isUnopened } from './policy.ts';
import type { Unforwarded } from './respond.ts';
import { holdSecrets } from './secrets.ts';
import { connectScanner, type ScannerOptions } from './scan.ts';
import { makeSpool } from './spool.ts';
import { openSink, type SinkOptions } from './sink.ts';
import { addressCheck, refusalOf } from './upstream/address.ts';
import { makeDial } from './upstream/dial.ts';
import { WEBSOCKET } from './websocket/handshake.ts';
import { makeUpstream } from './upstream/open.ts';
import type { Proxy } from './upstream/proxy.ts';
import { makeResolve, type Resolve } from './upstream/resolve.ts';

export interface Sidecar {
  readonly authority: Authority;
  /** Where the proxy listens; the configuration's, unless that was 0. */
  readonly port: number;
  /** Where a network scanner's requests end. */
  readonly sinkPort: number | undefined;
  /** Waits for the scanner, and tests it. @returns what is wrong with it, if so */
  scannerReady(): Promise<string | undefined>;
  /** A line of the launcher has come. */
  beat(): void;
  /** New values of secrets. */
  renew(renewal: Renewal): void;
  /** Destroys every tunnel, writes what is left to write. */
  close(): Promise<void>;
}

/** What tests put in place of the world. */
export interface Surroundings {
  /** There must be no service any more: the record is broken. */
  readonly onBroken: (why: string) => void;
  readonly resolve?: Resolve;
  readonly deadline?: NonNullable<ScannerOptions['deadline']>;
  readonly lostMs?: number;
  readonly budgetBytes?: number;
  /** Bytes of one message of a stream. */
  readonly messageBytes?: number;
  readonly connectMs?: number;
  readonly headMs?: number;
}

/** Rejects if a listener cannot be bound or the journal cannot be opened. */
export async function serve(config: SidecarConfig, around: Surroundings): Promise<Sidecar> {
  const { listen, policy } = config;
  const authority = makeAuthority(config.session);
  const journal = openJournal({ file: config.journal, onBroken: around.onBroken });
  const key = Buffer.from(config.key, 'base64');
  const network = config.scanner.kind === 'pipelock' ? config.scanner : undefined;
  const sink = network && (await openSink(sinkOptions(network, key)));
  const secrets = holdSecrets(config.secrets);
  const budget = makeBudget(around.budgetBytes ?? BUDGET_BYTES);
  const limit = ({ host, port }: Target) => bodyLimit(config.bodies, host, port);
  const spool = makeSpool({
    folder: dirname(config.journal),
    disk: makeBudget(Math.max(SPOOL_BYTES, 2 * config.bodies.limit_bytes)),
  });
  const bodies = makeBodies({ budget, spool, limit });
  const scanner = connectScanner({
    ...(await reachOf(config.scanner)),
    key,
    budget,
    review: (all) => secrets.review(all),
    inWindows: (head) => secrets.inWindows(head),
    unscannedOver: ({ host, port }) => unscannedOver(config.bodies, host, port),
    ...(around.deadline ? { deadline: around.deadline } : {}),
  });
  const check = addressCheck(policy.allow_private);
  const dial = makeDial({
    check,
    resolve: around.resolve ?? makeResolve(),
    extraRoots: config.upstream_ca,
    certificates: config.client_certificates,
    ...(config.upstream_proxy ? { proxy: proxyOf(config.upstream_proxy) } : {}),
    self: [
      { address: listen.address, ports: [listen.proxy_port, listen.dns_port] },
      ...(network
        ? [
            { address: network.address, ports: [network.port] },
            { address: network.sink.address, ports: [network.sink.port, network.sink.dns_port] },
          ]
        : []),
    ],
    ...(around.connectMs === undefined ? {} : { connectMs: around.connectMs }),
  });
  const upstream = makeUpstream(dial);
  const underway = new Set<Promise<unknown>>();
  function keep(work: Promise<unknown>): void {
    underway.add(work);
    void work.finally(() => underway.delete(work));
  }
  const lifeline = holdLifeline({ lostMs: around.lostMs ?? HEARTBEAT_LOST_MS, onLost: cut });

  const steps: Steps = {
    unavailable() {
      if (!lifeline.isAlive()) return 'the launcher does not answer; requests are served again when it is back';
      return authority.isEnding(new Date()) ? 'the session is too old; restart it (bottle start)' : undefined;
    },
    decide(target) {
      const decision = decide(policy, target);
      if (decision.kind !== 'allow' || target.host.kind === 'name') return decision;
      const address = check(target.host.text); // names are checked when they are resolved, after the scan
      return address.kind === 'public'
        ? decision
        : { kind: 'deny', why: refusalOf(target.host.text, target.host.text, address.why) };
    },
    scan: (...request) => scanner.scan(...request),
    secrets,
    journal,
    upstream,
  };

  const own = new Set(config.own_names.map((name) => name.toLowerCase()));
  function refuseTunnel(target: Target): Unforwarded | undefined {
    const unavailable = steps.unavailable();
    if (unavailable !== undefined) return failed('internal', unavailable);
    const refusal = loop(target);
    if (refusal) return refusal;
    return isTunnelPort(policy, target.port)
      ? undefined
      : { kind: 'denied', rule: `no rule allows port ${target.port} of any host` };
  }
  /** Our own name on any port; our own address where we listen. */
  function loop({ host, port }: Target): Refusal | undefined {
    const ports = [listen.proxy_port, listen.dns_port, door.port];
    const is = host.text === listen.address ? ports.includes(port) : own.has(host.text);
    return is ? refused(403, 'the target is the sidecar itself') : undefined;
  }

  const messageBytes = around.messageBytes ?? network?.body_bytes ?? BODY_BYTES;
  const webSocket: Switch = (plain, bytes) => webSocketOver(plain, bytes, { budget, messageBytes });
  const switches = new Map(config.websockets === 'allow' ? [[WEBSOCKET, webSocket]] : []);

  function run(client: Client): void {
    keep(exchange(client, newId(), steps).catch(() => client.destroy()));
  }
  const sessions = takeSessions({ bodies, budget, messageBytes, refuse: loop, switches, serve: run });
  function cut(): void {
    sessions.cut(); // first: they say goodbye on the connections that the door closes
    door.cut();
  }

  const door = await openDoor({
    address: listen.address,
    port: listen.proxy_port,
    gate: listen.gate,
    ...(around.headMs === undefined ? {} : { headMs: around.headMs }),
    authority,
    bodies,
    refuse: loop,
    refuseTunnel,
    switches,
    serve: run,
    takeUnopened(socket, target) {
      if (!isUnopened(policy, target)) return false;
      keep(passUnopened(socket, target, newId(), { ...steps, dial }));
      return true;
    },
    h2: sessions.accept,
    record(method, target, outcome: Outcome) {
      const id = newId();
      journal.close({ id, method, target }, { outcome, sent: 0, received: 0, durationMs: 0, admitted: false });
      return id;
    },
  });
  const names = await serveNames(listen.address, listen.dns_port);

  return {
    authority,
    port: door.port,
    sinkPort: sink?.port,
    scannerReady: () => scanner.ready(),
    beat: () => lifeline.beat(),
    renew: (renewal) => secrets.renew(renewal.secrets),
    async close() {
      lifeline[Symbol.dispose]();
      sessions.cut();
      door.close();
      upstream[Symbol.dispose]();
      await Promise.allSettled([names.close(), scanner.close(), sink?.close()]);
      await Promise.race([Promise.all(underway), new Promise((resolve) => setTimeout(resolve, CLOSING_MS))]);
      journal[Symbol.dispose]();
    },
  };
}

/** Milliseconds in which requests that were cut off get their last line. */
const CLOSING_MS = 1_000;

function proxyOf({ host, port, credentials, direct }: ProxyConfig): Proxy {
  const parsed = parseHost(host.includes(':') ? `[${host}]` : host);
  if (parsed.kind === 'invalid') throw new Error(`the proxy's host ${parsed.why}`);
  return { host: parsed, port, credentials: credentials ?? undefined, direct };
}

function sinkOptions({ address, sink }: PipelockScanner, key: Buffer): SinkOptions {
  return { address: sink.address, port: sink.port, dnsPort: sink.dns_port, scanner: address, key };
}

/** One scan per core: a network scanner takes a core for each, and more of them would only wait inside it. */
async function reachOf(
  scanner: SidecarConfig['scanner'],
): Promise<Pick<ScannerOptions, 'reach' | 'limits' | 'windowBytes' | 'connections' | 'queue'>> {
  if (scanner.kind === 'embedded')
    return {
      reach: { kind: 'socket', path: scanner.socket },
      limits: { reads: 'all', bodyBytes: BODY_BYTES },
      windowBytes: WINDOW_BYTES,
    };
  const { address, port, body_bytes: bodyBytes, masks } = scanner;
  // Loaded where it is wanted only: the rules take 13 MB of memory.
  const { secretsIn } = await import('./scanner/detect.ts');
  return {
    reach: { kind: 'tcp', address, port },
    limits: { reads: 'plain', bodyBytes, masking: { masks: makeMasks(masks), secretsIn } },
    windowBytes: NETWORK_WINDOW_BYTES,
    connections: availableParallelism(),
    queue: NETWORK_SCAN_QUEUE,
  };
}

function newId(): string {
  return randomBytes(8).toString('hex');
}
