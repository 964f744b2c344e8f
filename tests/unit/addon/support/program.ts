/** The real pipelock on loopback, where `BOTTLE_PIPELOCK_BINARY` names it: what it would let pass ends at a sink that keeps nothing. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../../support/port.ts';
import type { Read } from './reader.ts';

export interface Program extends AsyncDisposable {
  read(part: Read): Promise<'found' | 'nothing' | 'refused'>;
}

export async function startProgram(binary: string): Promise<Program> {
  const folder = mkdtempSync(join(tmpdir(), 'bottle-test-'));
  const sink = createServer((incoming, response) => {
    incoming.resume().on('end', () => response.writeHead(204).end());
  });
  const [sinkPort, port] = [await listen(sink), await freePort()];
  const file = join(folder, 'pipelock.yaml');
  writeFileSync(file, JSON.stringify(configuration(port)));
  const child = spawn(binary, ['run', '--config', file], { stdio: 'ignore' });
  const program: Program = {
    async read(part) {
      const { status, text } = await ask(port, `localhost:${sinkPort}`, part);
      if (status === 204) return 'nothing';
      return /contains secret|DLP match/.test(text) ? 'found' : 'refused';
    },
    async [Symbol.asyncDispose]() {
      child.kill();
      await once(child, 'exit');
      sink.closeAllConnections();
      sink.close();
      rmSync(folder, { recursive: true });
    },
  };
  const clean = { method: 'GET', url: 'http://localhost/', fields: [], body: Buffer.alloc(0) };
  for (let tries = 0; tries < 200; tries += 1) {
    if ((await program.read(clean).catch(() => 'refused')) === 'nothing') return program;
    await delay(25);
  }
  await program[Symbol.asyncDispose]();
  throw new Error('pipelock does not let a clean request pass');
}

async function ask(port: number, sink: string, part: Read): Promise<{ status: number; text: string }> {
  const { pathname, search } = new URL(part.url);
  const asked = request({
    host: '127.0.0.1',
    port,
    method: part.method,
    path: `http://${sink}${pathname}${search}`,
    headers: ['Host', sink, ...part.fields.flat(), 'Content-Length', String(part.body.length)] as unknown as Record<
      string,
      string
    >,
  });
  asked.end(part.body);
  const [answer] = (await once(asked, 'response')) as [import('node:http').IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk as Buffer);
  return { status: answer.statusCode ?? 0, text: Buffer.concat(chunks).toString() };
}

const OFF = { enabled: false };

/** As the launcher generates it, but for the network: no resolver is needed for `localhost`. */
function configuration(port: number): object {
  return {
    version: 1,
    enforce: true,
    internal: [],
    fetch_proxy: {
      listen: `127.0.0.1:${port}`,
      monitoring: {
        max_url_length: 16384,
        entropy_threshold: 8.5,
        subdomain_entropy_threshold: 8.5,
        max_requests_per_minute: 1_000_000,
        blocklist: [],
      },
    },
    forward_proxy: { enabled: true },
    websocket_proxy: OFF,
    request_body_scanning: {
      enabled: true,
      action: 'block',
      max_body_bytes: 8 * 1024 * 1024,
      scan_headers: true,
      header_mode: 'all',
      ignore_headers: ['X-Bottle-Nonce', 'X-Bottle-Part', 'X-Pipelock-Agent', 'Connection', 'Content-Length', 'Host'],
    },
    dlp: { scan_env: false },
    seed_phrase_detection: OFF,
    response_scanning: OFF,
    media_policy: OFF,
    session_profiling: OFF,
    adaptive_enforcement: OFF,
    taint: OFF,
    cross_request_detection: OFF,
    sentry: OFF,
    logging: { format: 'json', output: 'stdout' },
  };
}

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}
