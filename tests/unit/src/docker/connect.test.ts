import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { clientOptions, connect, findEndpoint } from '../../../../src/docker/connect.ts';
import { BackendError } from '../../../../src/errors.ts';

const home = mkdtempSync(join(tmpdir(), 'bottle-connect-'));
after(() => rmSync(home, { recursive: true }));
const folder = join(home, '.docker');

function context(name: string, docker: object, tls: readonly string[] = []): string {
  const id = createHash('sha256').update(name).digest('hex');
  mkdirSync(join(folder, 'contexts/meta', id), { recursive: true });
  writeFileSync(join(folder, 'contexts/meta', id, 'meta.json'), JSON.stringify({ Name: name, Endpoints: { docker } }));
  const material = join(folder, 'contexts/tls', id, 'docker');
  if (tls.length > 0) mkdirSync(material, { recursive: true });
  for (const file of tls) writeFileSync(join(material, file), file);
  return material;
}

function current(name: string): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ currentContext: name }));
}

test('DOCKER_HOST goes before every context', () => {
  current('missing');
  const found = findEndpoint({ HOME: home, DOCKER_HOST: 'unix:///x.sock', DOCKER_CONTEXT: 'missing' });
  assert.deepEqual(found, { source: 'DOCKER_HOST', host: 'unix:///x.sock' });
});

test('DOCKER_CONTEXT goes before the configured context', () => {
  current('missing');
  context('one', { Host: 'unix:///one.sock' });
  assert.equal(findEndpoint({ HOME: home, DOCKER_CONTEXT: 'one' }).host, 'unix:///one.sock');
});

test('the configured context is read with its TLS material, without a docker CLI', () => {
  const tls = context('far', { Host: 'tcp://far.example:2376' }, ['ca.pem', 'cert.pem', 'key.pem']);
  current('far');
  const endpoint = findEndpoint({ HOME: home });
  assert.deepEqual(endpoint, { source: 'context far', host: 'tcp://far.example:2376', tls });
  const options = clientOptions(endpoint);
  assert.equal(options.protocol, 'https');
  assert.equal(options.host, 'far.example');
  assert.equal(options.port, '2376');
  assert.deepEqual([options.ca, options.cert, options.key], ['ca.pem', 'cert.pem', 'key.pem']);
});

test('the context named default, and none, are the local socket', () => {
  current('default');
  assert.match(findEndpoint({ HOME: home }).host, /^unix:\/\/.*docker\.sock$/);
  assert.match(findEndpoint({ HOME: join(home, 'nobody') }).host, /^unix:\/\/.*docker\.sock$/);
});

test('a context that does not exist, or that does not verify the engine, is an error with a command to try', () => {
  assert.throws(
    () => findEndpoint({ HOME: home, DOCKER_CONTEXT: 'nowhere' }),
    /context does not exist: nowhere .*docker context ls/,
  );
  context('blind', { Host: 'tcp://far.example:2376', SkipTLSVerify: true });
  assert.throws(() => findEndpoint({ HOME: home, DOCKER_CONTEXT: 'blind' }), /context is refused: blind/);
});

test('DOCKER_TLS_VERIFY takes its certificates from DOCKER_CERT_PATH', () => {
  const found = findEndpoint({
    HOME: home,
    DOCKER_HOST: 'tcp://h:1',
    DOCKER_TLS_VERIFY: '1',
    DOCKER_CERT_PATH: '/certs',
  });
  assert.equal(found.tls, '/certs');
});

test('tcp without TLS is http, on its own port', () => {
  const options = clientOptions({ source: 'DOCKER_HOST', host: 'tcp://127.0.0.1:4000' });
  assert.deepEqual([options.protocol, options.host, options.port], ['http', '127.0.0.1', '4000']);
  assert.equal(clientOptions({ source: 'x', host: 'tcp://[::1]:4000' }).host, '::1');
});

test('what is no address and what is not supported is said', () => {
  for (const host of ['nonsense', 'ssh://user@far']) {
    assert.throws(
      () => clientOptions({ source: 'DOCKER_HOST', host }),
      (error) => error instanceof BackendError && error.message.includes(host),
    );
  }
});

test('an engine that cannot be reached is named, with the reason and something to try', async () => {
  await assert.rejects(connect({ DOCKER_HOST: `unix://${home}/none.sock` }), (error) => {
    assert.ok(error instanceof BackendError);
    assert.match(
      error.message,
      /^engine cannot be reached: unix:\/\/.*none\.sock from DOCKER_HOST \(.*ENOENT.*\)\. Start it/,
    );
    return true;
  });
});
