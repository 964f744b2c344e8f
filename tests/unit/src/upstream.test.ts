import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { suite, test } from 'node:test';
import { LaunchError } from '../../../src/errors.ts';
import { readUpstream } from '../../../src/upstream.ts';
import { makeFolder } from '../support/folder.ts';
import { PEM } from '../support/manifests.ts';
import { certified } from '../support/certified.ts';

const env = { kind: 'env', variable: 'LOGIN' } as const;

test('what is shown to the outside is read from where the manifest says', () => {
  using folder = makeFolder();
  const { cert, key } = certified();
  const sources = {
    proxy: env,
    'cert.0': { kind: 'file', path: folder.write('cert', `${cert}\n`) },
    'key.0': { kind: 'file', path: folder.write('key', key) },
  } as const;
  assert.deepEqual(readUpstream(sources, { LOGIN: ' user:pass:word\n' }), {
    proxy: 'user:pass:word',
    'cert.0': cert.trim(),
    'key.0': key.trim(),
  });
});

suite('is refused without being quoted:', () => {
  const { key } = certified();
  const locked = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    privateKeyEncoding: { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'canary' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  }).privateKey;
  const pairs: [title: string, cert: string, key: string, why: RegExp][] = [
    ['a key that is another’s', PEM, key, /the key is not its own/],
    ['a key with a passphrase', certified().cert, locked, /a key with a passphrase/],
    ['a certificate that is none', 'canary', key, /is not a PEM certificate with its PEM key/],
    ['a key that is none', certified().cert, 'canary', /is not a PEM certificate with its PEM key/],
  ];
  for (const [title, cert, own, why] of pairs)
    test(title, () => {
      using folder = makeFolder();
      const sources = {
        'cert.1': { kind: 'file', path: folder.write('cert', cert) },
        'key.1': { kind: 'file', path: folder.write('key', own) },
      } as const;
      assert.throws(() => readUpstream(sources, {}), isSaid('egress.client_certificates[1].cert', why));
    });

  const logins: [title: string, login: string, why: RegExp][] = [
    ['a login without a colon', 'canary', /is not user:password/],
    ['an empty one', '', /is empty/],
    ['one of two lines', 'canary:a\nb', /control character/],
    ['one that is too long', `canary:${'x'.repeat(1_024)}`, /longer than 1024/],
  ];
  for (const [title, login, why] of logins)
    test(title, () => {
      assert.throws(
        () => readUpstream({ proxy: env }, { LOGIN: login }),
        isSaid('egress.upstream_proxy.credentials', why),
      );
    });

  test('a file that has gone since', () => {
    const sources = { proxy: { kind: 'file', path: '/nonexistent/login' } } as const;
    assert.throws(() => readUpstream(sources, {}), isSaid('egress.upstream_proxy.credentials', /cannot be read/));
  });
});

function isSaid(place: string, why: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof LaunchError);
    assert.ok(error.message.includes(place), error.message);
    assert.match(error.message, why);
    assert.doesNotMatch(error.message, /canary/);
    return true;
  };
}
