import assert from 'node:assert/strict';
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, describe, it } from 'node:test';
import { readyLineSchema } from '../../../../contracts/sidecar.ts';

const PROGRAM = new URL('../../../../addon/scanner/main.ts', import.meta.url).pathname;
const KEY = Buffer.alloc(32, 1).toString('base64');

describe('the scanner’s program', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bottle-scanner-'));
  after(() => rmSync(folder, { recursive: true }));

  it('prints one ready line when it listens, on a socket for owner and group', async () => {
    const path = join(folder, 'ready.sock');
    const child = start(config(path));
    assert.deepEqual(await ready(child), { event: 'ready', role: 'scanner' });
    assert.equal(statSync(path).mode & 0o777, 0o660);
    child.stdin.end();
    await once(child, 'exit');
  });

  it('ends with 0 when its standard input ends', async () => {
    const child = start(config(join(folder, 'end.sock')));
    await ready(child);
    child.stdin.write('heartbeat\n');
    child.stdin.end();
    assert.deepEqual(await once(child, 'exit'), [0, null]);
  });

  it('ends with 0 on SIGTERM', async () => {
    const child = start(config(join(folder, 'term.sock')));
    await ready(child);
    child.kill('SIGTERM');
    assert.deepEqual(await once(child, 'exit'), [0, null]);
  });

  it('takes the place of a socket that nobody listens on', async () => {
    const path = join(folder, 'stale.sock');
    const killed = start(config(path));
    await ready(killed);
    killed.kill('SIGKILL');
    await once(killed, 'exit');
    assert.ok(existsSync(path));
    const child = start(config(path));
    await ready(child);
    child.stdin.end();
    await once(child, 'exit');
  });

  it('says in one line what is wrong with its configuration, without repeating it, and ends with 1', async () => {
    const taken = join(folder, 'file');
    writeFileSync(taken, 'x');
    const valid = JSON.parse(config(join(folder, 'x.sock')));
    for (const [line, expected] of [
      ['{"key":"CANARY', /not one line of JSON/],
      ['{"version":1,"key":"CANARY"}', /socket/],
      [JSON.stringify({ ...valid, key: 'CANARY' }), /key has \d+ bytes instead of 32/],
      [
        JSON.stringify({
          ...valid,
          own_credentials: [{ issuer: 'a', hosts: ['a'], place: { kind: 'header', name: 'a' }, shape: '(CANARY' }],
        }),
        /not a regular expression/,
      ],
      [config(taken), /not a socket/],
      [config(join(folder, 'no/such/folder/x.sock')), /listen/],
      ['', /configuration/],
    ] as const) {
      const child = start(line);
      child.stdin.end();
      const [error, [status]] = await Promise.all([text(child.stderr), once(child, 'exit')]);
      assert.match(error, expected);
      assert.match(error, /^scanner: [^\n]+\n$/);
      assert.ok(!error.includes('CANARY'), error);
      assert.equal(status, 1);
    }
  });
});

function config(socket: string): string {
  return JSON.stringify({ version: 1, key: KEY, socket, own_credentials: [] });
}

function start(line: string): ChildProcessWithoutNullStreams {
  const child = spawn(process.execPath, ['--no-warnings', PROGRAM]);
  child.stdin.on('error', () => {});
  child.stdin.write(`${line}\n`);
  return child;
}

async function ready(child: ChildProcessWithoutNullStreams): Promise<unknown> {
  const [line] = await once(createInterface({ input: child.stdout }), 'line');
  return readyLineSchema.parse(JSON.parse(String(line)));
}

async function text(stream: NodeJS.ReadableStream): Promise<string> {
  let all = '';
  for await (const chunk of stream) all += String(chunk);
  return all;
}
