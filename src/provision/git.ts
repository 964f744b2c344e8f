/**
 * Git over HTTP/1.1. The libcurl of distributions' git (Debian's 7.88 with GnuTLS was tried, against any server) sends over HTTP/2 something
 * else than it was given when the network does not take it at once: on a busy machine one push in four broke off or was not what it
 * should be. Where the image or the user says something else, that holds.
 */
import { type Provisioner, rootFile } from './provisioner.ts';

const GIT = '/usr/bin/git';
/** Of the git that a distribution has. What stands further down, in the user's or in the folder's holds before it (git-config(1)). */
const SYSTEM_CONFIG = '/etc/gitconfig';
const OVER_HTTP1 = '[http]\n\tversion = HTTP/1.1\n';

export const gitProvisioner: Provisioner = {
  name: 'git',
  need: 'optional',
  async inspect(agent) {
    if (!(await agent.has(GIT))) return { files: () => [] };
    const own = (await agent.get(SYSTEM_CONFIG)) ?? Buffer.alloc(0);
    const content = Buffer.concat([Buffer.from(OVER_HTTP1), own]);
    return { files: () => [rootFile(SYSTEM_CONFIG, content)] };
  },
};
