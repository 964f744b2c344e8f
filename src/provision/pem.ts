/** Certificates in PEM, RFC 7468. */
import { isSequence } from './der.ts';

/** DER of every certificate of a bundle, each once, in its order. What is not one whole value is left out: it would spoil a store. */
export function certificatesIn(bundle: string): Buffer[] {
  const found = new Map<string, Buffer>();
  for (const [, text = ''] of bundle.matchAll(BLOCK)) {
    const der = Buffer.from(text, 'base64');
    if (isSequence(der)) found.set(der.toString('latin1'), der);
  }
  return [...found.values()];
}

const BLOCK = /-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]*)-----END CERTIFICATE-----/g;
