import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HEAD_FIELDS } from '../../../addon/limits.ts';
import type { Field } from '../../../addon/receipt.ts';
import { trailerRefusal } from '../../../addon/trailers.ts';

test('checksums, signatures of content and a status are trailers that are carried', () => {
  for (const name of ['X-Checksum', 'Content-MD5', 'Digest', 'x-amz-checksum-crc32', 'grpc-status', 'Server-Timing'])
    assert.equal(trailerRefusal([[name, 'v']]), undefined, name);
  assert.equal(trailerRefusal([]), undefined);
});

test('what frames, routes, proves who asks or says how to read is refused in a trailer, and not quoted', () => {
  for (const name of [
    'Transfer-Encoding',
    'Content-Length',
    'HOST',
    'Trailer',
    'Connection',
    'Upgrade',
    'TE',
    'Expect',
    'Content-Type',
    'Content-Encoding',
    'Content-Range',
    'Authorization',
    'Proxy-Authorization',
    'Cookie',
    'Set-Cookie',
    'x-api-key',
    'X-Goog-Api-Key',
    'Private-Token',
    'Range',
    'If-Match',
    'Cache-Control',
    'Max-Forwards',
    'X-Forwarded-For',
    'X-HTTP-Method-Override',
    'x-bottle-nonce',
    'x-pipelock-agent',
    'Sec-WebSocket-Key',
  ]) {
    const refusal = trailerRefusal([
      ['X-Fine', 'v'],
      [name, 'CANARY'],
    ]);
    assert.equal(refusal?.status, 400, name);
    assert.ok(!refusal?.reason.includes('CANARY') && !refusal?.reason.includes(name));
  }
});

test('there are no more trailers than fields', () => {
  const many: Field[] = Array.from({ length: HEAD_FIELDS + 1 }, () => ['X', 'y']);
  assert.equal(trailerRefusal(many)?.status, 431);
});
