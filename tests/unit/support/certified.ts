/** Certificates of every kind that a test needs, also those that the session's own authority never makes. RSA, because node-forge signs nothing else. */
import { generateKeyPairSync } from 'node:crypto';
import forge from 'node-forge';

export interface Certified {
  /** PEM. */
  readonly cert: string;
  /** PEM. */
  readonly key: string;
}

export interface Wish {
  readonly host?: string;
  /** Without one it signs itself. */
  readonly issuer?: Certified;
  readonly isCa?: boolean;
  /** Days from now. */
  readonly from?: number;
  readonly until?: number;
}

export function certified({ host = 'a.test', issuer, isCa = false, from = -1, until = 1 }: Wish = {}): Certified {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = forge.pki.publicKeyFromPem(publicKey);
  certificate.serialNumber = `01${forge.util.bytesToHex(forge.random.getBytesSync(8))}`;
  certificate.validity.notBefore = new Date(Date.now() + from * DAY_MS);
  certificate.validity.notAfter = new Date(Date.now() + until * DAY_MS);
  const subject = [{ name: 'commonName', value: isCa ? `${host} root` : host }];
  certificate.setSubject(subject);
  certificate.setIssuer(issuer ? forge.pki.certificateFromPem(issuer.cert).subject.attributes : subject);
  certificate.setExtensions([
    { name: 'basicConstraints', cA: isCa, critical: true },
    ...(isCa
      ? [{ name: 'keyUsage', keyCertSign: true, critical: true }]
      : [{ name: 'subjectAltName', altNames: [{ type: 2, value: host }] }]),
  ]);
  certificate.sign(forge.pki.privateKeyFromPem(issuer?.key ?? privateKey), forge.md.sha256.create());
  return { cert: forge.pki.certificateToPem(certificate).replaceAll('\r', ''), key: privateKey };
}

const DAY_MS = 86_400_000;
