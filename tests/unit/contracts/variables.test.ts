import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { BUNDLE_FILE, CERTIFICATE_FILE, clientVariables, isReservedVariable } from '../../../contracts/variables.ts';

const variables = clientVariables({ host: 'bottle-x-bump', port: 8080 });
const proxy = 'http://bottle-x-bump:8080';

suite('the variables that lead clients to the proxy', () => {
  const rows: [names: string[], value: string][] = [
    [['HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY', 'https_proxy', 'ALL_PROXY', 'all_proxy'], proxy],
    [['NO_PROXY', 'no_proxy'], 'localhost,127.0.0.1,::1'],
    [['NODE_USE_ENV_PROXY'], '1'],
    [['NODE_EXTRA_CA_CERTS'], CERTIFICATE_FILE],
    [['SSL_CERT_FILE', 'REQUESTS_CA_BUNDLE', 'CURL_CA_BUNDLE', 'GIT_SSL_CAINFO'], BUNDLE_FILE],
  ];
  for (const [names, value] of rows)
    for (const name of names) test(`${name} is ${value}`, () => assert.equal(variables[name], value));

  test('name the proxy wherever a client has a setting of its own', () => {
    const naming = Object.keys(variables).filter((name) => variables[name]?.includes('bottle-x-bump'));
    assert.deepEqual(naming.toSorted(), [
      'ALL_PROXY',
      'HTTPS_PROXY',
      'HTTP_PROXY',
      'JAVA_TOOL_OPTIONS',
      'YARN_HTTPS_PROXY',
      'YARN_HTTP_PROXY',
      'all_proxy',
      'http_proxy',
      'https_proxy',
    ]);
  });

  test('say nothing that switches verification off', () => {
    for (const name of ['NODE_TLS_REJECT_UNAUTHORIZED', 'GIT_SSL_NO_VERIFY', 'PYTHONHTTPSVERIFY'])
      assert.equal(variables[name], undefined);
  });
});

suite('a manifest may not set', () => {
  for (const name of Object.keys(variables)) {
    test(name, () => {
      assert.ok(isReservedVariable(name));
      assert.ok(isReservedVariable(name.toLowerCase()));
      assert.ok(isReservedVariable(name.toUpperCase()));
    });
  }
  for (const name of [
    'ALL_PROXY',
    'all_proxy',
    'SSL_CERT_DIR',
    'NODE_TLS_REJECT_UNAUTHORIZED',
    'GIT_SSL_NO_VERIFY',
    'HOME',
  ])
    test(name, () => assert.ok(isReservedVariable(name)));
});

test('a manifest may set every other name, also one that objects have by nature', () => {
  for (const name of ['LOG_LEVEL', 'TOKEN', 'PATH', 'PROXY', 'constructor', '__proto__', 'toString'])
    assert.equal(isReservedVariable(name), false, name);
});
