/**
 * A tunnel that the manifest wants relayed unopened, for hosts that pin certificates: the policy holds, its ClientHello must ask for the host
 * of the CONNECT, it is recorded like a request, and its bytes are counted. Nothing of it is scanned.
 */
import type { Socket } from 'node:net';
import type { Outcome } from '../contracts/exchange.ts';
import { unexpected } from './code.ts';
import { HANDSHAKE_MS, HELLO_BYTES } from './limits.ts';
import type { Journal } from './journal.ts';
import { failed, refused, type Target } from './message.ts';
import { isSameName } from './request.ts';
import type { Dial } from './upstream/dial.ts';
import { readHello } from './hello.ts';

export interface UnopenedSteps {
  /** Why nothing is served at the moment, if so. */
  readonly unavailable: () => string | undefined;
  /** To a checked address, without TLS. Rejects with a `DialError`. */
  readonly dial: Dial;
  readonly journal: Journal;
}

/** Never rejects; the socket is closed when it resolves. `id`: as of an exchange. */
export async function passUnopened(socket: Socket, target: Target, id: string, steps: UnopenedSteps): Promise<Outcome> {
  const began = performance.now();
  const subject = { id, method: 'CONNECT', target };
  const bytes = { sent: 0, received: 0, admitted: false };
  let outcome: Outcome;
  try {
    outcome = await pass(socket, target, () => steps.journal.admit(subject, { path: '', bytes: 0 }), steps, bytes);
  } catch (error) {
    outcome = failed('internal', unexpected(error));
  }
  if (outcome.kind !== 'passed' && !socket.destroyed) socket.end(outcome.kind === 'refused' ? WRONG_NAME : BROKEN);
  socket.destroySoon();
  try {
    steps.journal.close(subject, { outcome, ...bytes, durationMs: performance.now() - began });
  } catch {
    socket.destroy(); // the journal has ended the service by itself
  }
  return outcome;
}

async function pass(
  socket: Socket,
  target: Target,
  admit: () => void,
  { unavailable, dial }: UnopenedSteps,
  bytes: { sent: number; received: number; admitted: boolean },
): Promise<Outcome> {
  const hello = await awaitHello(socket);
  if (hello === 'gone') return failed('internal', 'the agent left before its TLS handshake was whole');
  if ('why' in hello) return refused(400, hello.why);
  if (hello.name !== undefined && !isSameName(hello.name, target.host))
    return refused(421, 'the TLS server name is another host than the tunnel');
  const why = unavailable();
  if (why !== undefined) return failed('internal', why);
  admit();
  bytes.admitted = true;
  let upstream: Socket;
  const gone = new AbortController();
  socket.once('close', () => gone.abort());
  try {
    // The TLS is the agent's own.
    ({ socket: upstream } = await dial({ ...target, scheme: 'http' }, { alpn: [], gone: gone.signal }));
  } catch (error) {
    return dialFailure(error);
  }
  await splice(socket, upstream, hello.bytes);
  bytes.sent = upstream.bytesWritten;
  bytes.received = upstream.bytesRead;
  return { kind: 'passed' };
}

type Greeting = { readonly bytes: Buffer; readonly name: string | undefined } | { readonly why: string } | 'gone';

function awaitHello(socket: Socket): Promise<Greeting> {
  return new Promise((resolve) => {
    let bytes = Buffer.alloc(0);
    const timer = setTimeout(() => settle({ why: 'its TLS handshake did not arrive in time' }), HANDSHAKE_MS);
    const onGone = () => settle('gone');
    function settle(greeting: Greeting): void {
      clearTimeout(timer);
      socket.off('data', onData);
      socket.off('end', onGone);
      socket.off('close', onGone);
      socket.pause();
      resolve(greeting);
    }
    function onData(piece: Buffer): void {
      bytes = Buffer.concat([bytes, piece]);
      const hello = readHello(bytes);
      if (hello.kind === 'hello') settle({ bytes, name: hello.name });
      else if (hello.kind === 'malformed') settle({ why: hello.why });
      else if (bytes.length > HELLO_BYTES) settle({ why: 'its ClientHello is too long' });
    }
    socket.on('data', onData);
    socket.on('end', onGone);
    socket.on('close', onGone);
    if (socket.destroyed) onGone();
    else socket.resume();
  });
}

/** Both ways until both are closed: whoever ends or breaks takes the other along, after what it had sent. */
async function splice(agent: Socket, upstream: Socket, first: Buffer): Promise<void> {
  upstream.on('error', () => upstream.destroy());
  upstream.write(first);
  agent.pipe(upstream);
  upstream.pipe(agent);
  const closed = [closing(agent).then(() => upstream.destroySoon()), closing(upstream).then(() => agent.destroySoon())];
  await Promise.all(closed);
}

function closing(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.closed) resolve();
    else socket.once('close', () => resolve());
  });
}

function dialFailure(error: unknown): Outcome {
  if (!(error instanceof Error && 'kind' in error)) throw error;
  return error.kind === 'forbidden' ? { kind: 'denied', rule: error.message } : failed('upstream', error.message);
}

/** A fatal alert in a record of its own (RFC 8446 section 6.2): the only words that an unopened tunnel has. */
const alert = (description: number) => Buffer.from([0x15, 3, 3, 0, 2, 2, description]);
const WRONG_NAME = alert(112); // unrecognized_name
const BROKEN = alert(80); // internal_error
