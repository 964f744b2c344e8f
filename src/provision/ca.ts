/** Trust: the session's CA certificate, and a bundle that holds it, before the agent's first instruction. */
import { BUNDLE_FILE, CERTIFICATE_FILE } from '../../contracts/variables.ts';
import type { Container } from '../backend.ts';
import { LaunchError } from '../errors.ts';
import { FOLDER_MODE, type Provisioner, rootFile } from './provisioner.ts';

const UPDATE = '/usr/sbin/update-ca-certificates';

/**
 * The certificate and a spliced copy of the image's bundle are there when the agent starts; `update-ca-certificates` runs beside it
 * and leaves the same end state, with the hashed folder and whatever hooks the image has (0.7 s and more, off the critical path).
 */
export const caProvisioner: Provisioner = {
  name: 'trust',
  need: 'essential',
  async inspect(agent) {
    const [bundle, update] = await Promise.all([agent.get(BUNDLE_FILE), agent.get(UPDATE)]);
    if (bundle === undefined) throw missing(BUNDLE_FILE);
    if (update === undefined) throw missing(UPDATE);
    return {
      files: ({ certificate }) => [
        { path: '/usr/local/share/ca-certificates', mode: FOLDER_MODE, uid: 0, gid: 0 },
        rootFile(CERTIFICATE_FILE, certificate),
        rootFile(BUNDLE_FILE, splice(bundle, certificate)),
      ],
      follow: updateCertificates,
    };
  },
};

/** The bundle with the certificate after it, each PEM block on lines of its own. */
export function splice(bundle: Buffer, certificate: string): string {
  const text = bundle.toString('latin1');
  return `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}${certificate.trimEnd()}\n`;
}

async function updateCertificates(agent: Container): Promise<void> {
  const { status, output } = await agent.exec([UPDATE], { user: '0:0' });
  if (status === 0) return;
  throw new LaunchError('trust', `${UPDATE} ended with status ${status}`, output.trim().split('\n').slice(-10));
}

function missing(path: string): LaunchError {
  return new LaunchError(
    'trust',
    `the agent's image has no ${path}. Install the package ca-certificates in it (apt-get install ca-certificates)`,
  );
}
