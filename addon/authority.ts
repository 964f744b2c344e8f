/**
 * The session's certificate authority: made in memory, never written anywhere. Keys and signatures are node:crypto's, the DER
 * is built by hand (RFC 5280): node-forge signs RSA only.
 */
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';
import asn1 from 'node-forge/lib/asn1.js';
import type { Host } from '../contracts/host.ts';
import { CA_BACKDATED_HOURS, CA_DAYS, CA_MARGIN_HOURS, LEAVES } from './limits.ts';

export interface Authority {
  /** PEM of the CA's certificate. */
  readonly certificate: string;
  /** SHA-256 of its DER, lower-case hex. */
  readonly fingerprint: string;
  /** Kept for hosts that return; bounded, because hosts are the agent's choice. */
  contextFor(host: Host): SecureContext;
  /** PEM of a new leaf. */
  leafFor(host: Host): string;
  /** True when the CA is about to end and the session has to be started anew. */
  isEnding(now: Date): boolean;
}

/** Its CA is good from now on. */
export function makeAuthority(session: string): Authority {
  const [ca, leaf] = [keyPair(), keyPair()];
  const name = distinguishedName({ C: 'XX', O: 'bottle', CN: `bottle mitm ca ${session}`.slice(0, CN_CHARACTERS) });
  const now = Date.now();
  const notBefore = new Date(now - CA_BACKDATED_HOURS * HOUR);
  const notAfter = new Date(now + CA_DAYS * 24 * HOUR);
  const identifier = keyIdentifier(ca.publicKey);
  const issue = (subject: Der, key: KeyObject, extensions: Der[]): Buffer =>
    certificate({ issuer: name, subject, notBefore, notAfter, key, extensions }, ca.privateKey);

  const der = issue(name, ca.publicKey, [
    extension('2.5.29.19', true, sequence(boolean(true), integer(Buffer.from([0])))), // basicConstraints: CA, pathlen 0
    extension('2.5.29.15', true, bits(1, 0x06)), // keyUsage: keyCertSign, cRLSign
    extension('2.5.29.14', false, octets(identifier)), // subjectKeyIdentifier
  ]);
  const leafKey = leaf.privateKey.export({ type: 'pkcs8', format: 'pem' });
  const ticketKeys = randomBytes(48); // shared, so that a context that was dropped still resumes
  const contexts = new Map<string, SecureContext>();

  function leafFor(host: Host): string {
    const isNamed = host.text.length <= CN_CHARACTERS; // else empty, and the alternative name is critical: RFC 5280 section 4.1.2.6
    return pem(
      issue(distinguishedName(isNamed ? { CN: host.text } : {}), leaf.publicKey, [
        extension('2.5.29.17', !isNamed, sequence(alternativeName(host))),
        extension('2.5.29.37', false, sequence(oid('1.3.6.1.5.5.7.3.1'))), // extKeyUsage: serverAuth
        extension('2.5.29.15', true, bits(7, 0x80)), // keyUsage: digitalSignature
        extension('2.5.29.19', true, sequence()), // basicConstraints: not a CA
        extension('2.5.29.35', false, sequence(context(0, identifier))), // authorityKeyIdentifier
        extension('2.5.29.14', false, octets(keyIdentifier(leaf.publicKey))),
        extension('2.5.29.32', false, sequence(sequence(oid('2.5.29.32.0')))), // certificatePolicies: anyPolicy
        extension('1.3.6.1.5.5.7.1.1', false, sequence(sequence(oid('1.3.6.1.5.5.7.48.2'), context(6, ISSUER_URL)))),
      ]),
    );
  }

  return {
    certificate: pem(der),
    fingerprint: createHash('sha256').update(der).digest('hex'),
    leafFor,
    contextFor(host) {
      const known = contexts.get(host.text);
      const found = known ?? createSecureContext({ ...TLS, key: leafKey, cert: leafFor(host), ticketKeys });
      contexts.delete(host.text);
      contexts.set(host.text, found);
      if (contexts.size > LEAVES) contexts.delete(contexts.keys().next().value ?? '');
      return found;
    },
    isEnding: (at) => at.getTime() > notAfter.getTime() - CA_MARGIN_HOURS * HOUR,
  };
}

/** Short: a context's memory grows with its list. P-256 beside X25519 because TLS 1.2 with a P-256 leaf fails without it. */
const TLS = {
  minVersion: 'TLSv1.2',
  ecdhCurve: 'X25519MLKEM768:X25519:P-256',
  ciphers: [
    'TLS_AES_128_GCM_SHA256',
    'TLS_AES_256_GCM_SHA384',
    'TLS_CHACHA20_POLY1305_SHA256',
    'ECDHE-ECDSA-AES128-GCM-SHA256',
    'ECDHE-ECDSA-AES256-GCM-SHA384',
    'ECDHE-ECDSA-CHACHA20-POLY1305',
  ].join(':'),
} as const;

const HOUR = 3_600_000;
/** ub-common-name of RFC 5280. */
const CN_CHARACTERS = 64;
/**
 * Linters want a place of the issuer (authorityInfoAccess) in every leaf. Whoever verifies has the issuer, so this names none: Chromium
 * asks for any place that is named, and the agent's user would read of a refusal.
 */
const ISSUER_URL = Buffer.from('http:///');

type Der = ReturnType<typeof asn1.create>;

interface Body {
  readonly issuer: Der;
  readonly subject: Der;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly key: KeyObject;
  readonly extensions: readonly Der[];
}

/** DER of a signed certificate, RFC 5280 section 4.1. */
function certificate({ issuer, subject, notBefore, notAfter, key, extensions }: Body, signer: KeyObject): Buffer {
  const algorithm = sequence(oid('1.2.840.10045.4.3.2')); // ecdsa-with-SHA256
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40; // positive and of full length
  const body = sequence(
    context(0, [integer(Buffer.from([2]))]), // version 3
    integer(serial),
    algorithm,
    issuer,
    sequence(time(notBefore), time(notAfter)),
    subject,
    asn1.fromDer(key.export({ type: 'spki', format: 'der' }).toString('binary')),
    context(3, [sequence(...extensions)]),
  );
  const signature = sign('sha256', bytes(body), signer);
  return bytes(sequence(body, algorithm, bitString(signature)));
}

function keyPair() {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' });
}

/** RFC 7093 section 2, method 1: the leftmost 160 bits of the SHA-256 of the public key. */
function keyIdentifier(key: KeyObject): Buffer {
  const { x = '', y = '' } = key.export({ format: 'jwk' });
  const point = Buffer.concat([Buffer.from([4]), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')]);
  return createHash('sha256').update(point).digest().subarray(0, 20);
}

function alternativeName(host: Host): Der {
  if (host.kind === 'name') return context(2, Buffer.from(host.text));
  return context(7, host.kind === 'ipv4' ? Buffer.from(host.text.split('.').map(Number)) : ipv6Bytes(host.text));
}

/** Sixteen bytes of a compressed address. */
function ipv6Bytes(text: string): Buffer {
  const [left = '', right] = text.split('::');
  const groups = (half: string) => (half === '' ? [] : half.split(':').map((group) => Number.parseInt(group, 16)));
  const [head, tail] = [groups(left), groups(right ?? '')];
  const all = [...head, ...Array<number>(8 - head.length - tail.length).fill(0), ...tail];
  return Buffer.from(all.flatMap((group) => [group >> 8, group & 0xff]));
}

function extension(id: string, critical: boolean, value: Der): Der {
  return sequence(oid(id), ...(critical ? [boolean(true)] : []), octets(bytes(value)));
}

/** Lines of 64 characters and no empty one: OpenSSL refuses a certificate that ends in an empty line. */
function pem(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
}

const { Class, Type } = asn1;

function sequence(...parts: Der[]): Der {
  return asn1.create(Class.UNIVERSAL, Type.SEQUENCE, true, parts);
}

function primitive(type: number, value: Buffer | string): Der {
  return asn1.create(Class.UNIVERSAL, type, false, typeof value === 'string' ? value : value.toString('binary'));
}

const integer = (value: Buffer) => primitive(Type.INTEGER, value);
const octets = (value: Buffer) => primitive(Type.OCTETSTRING, value);
const boolean = (value: boolean) => primitive(Type.BOOLEAN, value ? '\xff' : '\x00');
const oid = (id: string) => primitive(Type.OID, asn1.oidToDer(id).getBytes());
const bits = (unused: number, value: number) => primitive(Type.BITSTRING, Buffer.from([unused, value]));
const bitString = (value: Buffer) => primitive(Type.BITSTRING, Buffer.concat([Buffer.from([0]), value]));

/** UTCTime until 2049, GeneralizedTime from 2050 on (RFC 5280 section 4.1.2.5). */
function time(at: Date): Der {
  return at.getUTCFullYear() < 2050
    ? primitive(Type.UTCTIME, asn1.dateToUtcTime(at))
    : primitive(Type.GENERALIZEDTIME, asn1.dateToGeneralizedTime(at));
}

const ATTRIBUTES = { C: '2.5.4.6', O: '2.5.4.10', CN: '2.5.4.3' } as const;

/** One attribute each, in the order that is given. A country is a PrintableString: RFC 5280 appendix A.1. */
function distinguishedName(attributes: Partial<Record<keyof typeof ATTRIBUTES, string>>): Der {
  const parts = Object.entries(attributes).map(([key, text]) => {
    const type = key === 'C' ? Type.PRINTABLESTRING : Type.UTF8;
    const attribute = sequence(oid(ATTRIBUTES[key as keyof typeof ATTRIBUTES]), primitive(type, Buffer.from(text)));
    return asn1.create(Class.UNIVERSAL, Type.SET, true, [attribute]);
  });
  return sequence(...parts);
}

function context(tag: number, value: Buffer | Der[]): Der {
  return asn1.create(
    Class.CONTEXT_SPECIFIC,
    tag,
    Array.isArray(value),
    Array.isArray(value) ? value : value.toString('binary'),
  );
}

function bytes(der: Der): Buffer {
  return Buffer.from(asn1.toDer(der).getBytes(), 'binary');
}
