/**
 * Trust of Java: a PKCS12 store (RFC 7292) with the image's roots and the session's CA, for every JDK. One that is not the
 * distribution's own reads no other file, and none of them reads PEM. Which store it is stands in JAVA_TOOL_OPTIONS.
 */
import { BUNDLE_FILE, TRUST_STORE_FILE } from '../../contracts/variables.ts';
import { inside, octets, oid, sequence, set, small } from './der.ts';
import { certificatesIn } from './pem.ts';
import { type Environment, hasAny, programPaths } from './programs.ts';
import { FOLDER_MODE, type Provisioner, rootFile } from './provisioner.ts';

export const javaProvisioner: Provisioner = {
  name: 'java',
  need: 'optional',
  async inspect(agent, env) {
    if (!(await hasAny(agent, jdkPaths(env)))) return { files: () => [] };
    const bundle = (await agent.get(BUNDLE_FILE))?.toString('latin1') ?? '';
    return {
      files: ({ certificate }) => [
        { path: TRUST_STORE_FILE.replace(/\/[^/]*$/, ''), mode: FOLDER_MODE, uid: 0, gid: 0 },
        rootFile(TRUST_STORE_FILE, trustStore(certificatesIn(`${bundle}\n${certificate}`))),
      ],
    };
  },
};

/** Where an image has a JDK: what its variables name, its programs, and the folder of distributions and of the official images. */
function jdkPaths(env: Environment): string[] {
  const home = env['JAVA_HOME'];
  return [
    ...(home?.startsWith('/') ? [`${home}/bin/java`] : []),
    ...programPaths(['java'], env),
    '/usr/lib/jvm',
    '/opt/java',
  ];
}

const DATA = oid('1.2.840.113549.1.7.1');
const CERT_BAG = oid('1.2.840.113549.1.12.10.1.3');
const X509_CERTIFICATE = oid('1.2.840.113549.1.9.22.1');
/** Oracle's: whoever has it is trusted, here for any purpose. Java passes over every bag without it, and says nothing. */
const TRUSTED_KEY_USAGE = oid('2.16.840.1.113894.746875.1.1');
const ANY_USAGE = oid('2.5.29.37.0');

/** A store of certificates alone: public, so neither encrypted nor with a MAC, and any password opens it. */
export function trustStore(certificates: readonly Buffer[]): Buffer {
  const trusted = set(sequence(TRUSTED_KEY_USAGE, set(ANY_USAGE)));
  const bags = certificates.map((certificate) =>
    sequence(CERT_BAG, inside(0, sequence(X509_CERTIFICATE, inside(0, octets(certificate)))), trusted),
  );
  return sequence(small(3), data(sequence(data(sequence(...bags)))));
}

/** ContentInfo of type data, RFC 5652 sections 3 and 4. */
function data(content: Buffer): Buffer {
  return sequence(DATA, inside(0, octets(content)));
}
