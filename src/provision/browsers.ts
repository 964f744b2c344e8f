/** Trust of browsers: they read no bundle and no variable, but policies, in a folder of each product. */
import { CERTIFICATE_FILE } from '../../contracts/variables.ts';
import type { FileEntry } from '../backend.ts';
import { LaunchError } from '../errors.ts';
import { certificatesIn } from './pem.ts';
import { type Environment, hasAny, programPaths } from './programs.ts';
import { FOLDER_MODE, type Provisioner, rootFile } from './provisioner.ts';

/** A product of the Chromium family, the folder of its policies, and where an image has it. */
interface Product {
  readonly policies: string;
  readonly programs: readonly string[];
  readonly places: (env: Environment) => readonly string[];
}

/** Where Playwright's images keep the browsers that it brings along. */
const playwright = ({ PLAYWRIGHT_BROWSERS_PATH: folder }: Environment): string[] => [
  folder?.startsWith('/') ? folder : '/ms-playwright',
];

const CHROMIUMS: readonly Product[] = [
  { policies: '/etc/chromium', programs: ['chromium', 'chromium-browser'], places: playwright },
  { policies: '/etc/opt/chrome_for_testing', programs: [], places: playwright },
  { policies: '/etc/opt/chrome', programs: [], places: () => ['/opt/google/chrome'] },
  { policies: '/etc/opt/edge', programs: [], places: () => ['/opt/microsoft/msedge'] },
];

export const chromiumProvisioner: Provisioner = {
  name: 'chromium',
  need: 'optional',
  async inspect(agent, env) {
    const found = await Promise.all(
      CHROMIUMS.map(({ programs, places }) => hasAny(agent, [...programPaths(programs, env), ...places(env)])),
    );
    const policies = CHROMIUMS.filter((_, index) => found[index]).map((product) => product.policies);
    return {
      files({ certificate }) {
        const CACertificates = certificatesIn(certificate).map((der) => der.toString('base64'));
        const content = `${JSON.stringify({ CACertificates })}\n`;
        return policies.flatMap((folder) => [
          ...folders(folder, `${folder}/policies`, `${folder}/policies/managed`),
          rootFile(`${folder}/policies/managed/bottle.json`, content),
        ]);
      },
    };
  },
};

const FIREFOX_POLICIES = '/etc/firefox/policies/policies.json';
/** Where installations of Firefox keep policies of their own. It reads one file only, and the one in /etc is the first. */
const FIREFOX_FOLDERS = ['/usr/lib/firefox', '/usr/lib/firefox-esr', '/opt/firefox'];

export const firefoxProvisioner: Provisioner = {
  name: 'firefox',
  need: 'optional',
  async inspect(agent, env) {
    const programs = programPaths(['firefox', 'firefox-esr'], env);
    if (!(await hasAny(agent, [...programs, '/opt/firefox']))) return { files: () => [] };
    const own = FIREFOX_FOLDERS.map((folder) => `${folder}/distribution/policies.json`);
    const files = await Promise.all([FIREFOX_POLICIES, ...own].map((path) => agent.get(path)));
    const content = withCertificate(files.find((found) => found !== undefined)?.toString('utf8') ?? '{}');
    return { files: () => [...folders('/etc/firefox', '/etc/firefox/policies'), rootFile(FIREFOX_POLICIES, content)] };
  },
};

/** An image's policies, with our certificate among those that are installed. @throws LaunchError if they are not what Firefox reads */
export function withCertificate(policies: string): string {
  const whole = record(parse(policies));
  const { policies: inner, ...others } = whole;
  const { Certificates, ...more } = record(inner ?? {});
  const { Install, ...rest } = record(Certificates ?? {});
  const installed: readonly unknown[] = Array.isArray(Install) ? Install : [];
  const wanted = { ...rest, Install: [...installed, CERTIFICATE_FILE] };
  return `${JSON.stringify({ ...others, policies: { ...more, Certificates: wanted } })}\n`;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new LaunchError('firefox', "the image's policies.json is not JSON: Firefox gets no trust", [], {
      cause: error,
    });
  }
}

function record(value: unknown): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  throw new LaunchError('firefox', "the image's policies.json has another form than Firefox reads: it gets no trust");
}

function folders(...paths: readonly string[]): FileEntry[] {
  return paths.map((path) => ({ path, mode: FOLDER_MODE, uid: 0, gid: 0 }));
}
