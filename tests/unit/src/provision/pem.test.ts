import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { certificatesIn } from '../../../../src/provision/pem.ts';
import { OTHER_PEM, PEM } from '../../support/manifests.ts';

const der = (pem: string) => Buffer.from(pem.replaceAll(/-----.*-----|\s/g, ''), 'base64');

suite('the certificates of a bundle', () => {
  test('are its blocks in their order, whatever stands between them', () => {
    const bundle = `# a comment\n${PEM}\nIssuer: CN=other\n${OTHER_PEM.replaceAll('\n', '\r\n')}`;
    assert.deepEqual(certificatesIn(bundle), [der(PEM), der(OTHER_PEM)]);
  });

  test('are each there once', () => assert.deepEqual(certificatesIn(`${PEM}\n${OTHER_PEM}\n${PEM}`).length, 2));

  test('are none in a bundle that is empty', () => assert.deepEqual(certificatesIn(''), []));

  test('are only those that are whole: one that is cut would spoil every store', () => {
    const lines = PEM.trimEnd().split('\n');
    const cut = [...lines.slice(0, -2), lines.at(-1)].join('\n');
    const open = lines.slice(0, -1).join('\n');
    assert.deepEqual(certificatesIn(`${cut}\n${open}\n${OTHER_PEM}`), [der(OTHER_PEM)]);
  });

  test('are not what else PEM can hold', () => {
    const others = ['PRIVATE KEY', 'TRUSTED CERTIFICATE', 'CERTIFICATE REQUEST'].map((kind) =>
      PEM.replaceAll('CERTIFICATE', kind),
    );
    assert.deepEqual(certificatesIn(others.join('\n')), []);
  });
});
