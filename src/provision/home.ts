/** The agent's home and identity: a folder that its user may write, and a name for a user id that the image does not know. */
import type { FileEntry } from '../backend.ts';
import { type Provisioner, rootFile } from './provisioner.ts';

const PASSWD = '/etc/passwd';

/** Without an entry in passwd, `whoami`, ssh and Node's `os.userInfo()` fail; a fresh volume is root's. */
export const homeProvisioner: Provisioner = {
  name: 'home',
  need: 'essential',
  async inspect(agent) {
    const passwd = (await agent.get(PASSWD))?.toString('latin1') ?? '';
    return {
      files({ user, home }) {
        const identity = identify(passwd, user);
        const owned: FileEntry = { path: home, mode: 0o700, uid: identity.uid, gid: identity.gid };
        if (identity.known) return [owned];
        const line = `agent:x:${identity.uid}:${identity.gid}:agent:${home}:/bin/sh\n`;
        const content = `${passwd}${passwd === '' || passwd.endsWith('\n') ? '' : '\n'}${line}`;
        return [owned, rootFile(PASSWD, Buffer.from(content, 'latin1'))];
      },
    };
  },
};

/** Reads `''`, `name`, `uid`, `name:group` or `uid:gid` as the engine does; a group's name is not looked up, the user's own is taken. */
export function identify(passwd: string, user: string): { uid: number; gid: number; known: boolean } {
  const [who = '', group] = (user === '' ? '0' : user).split(':');
  const entry = passwd
    .split('\n')
    .map((line) => line.split(':'))
    .find(([name, , uid]) => name === who || uid === who);
  const uid = entry ? Number(entry[2]) : Number(who);
  const gid = group !== undefined && /^\d+$/.test(group) ? Number(group) : entry ? Number(entry[3]) : 0;
  return { uid: Number.isInteger(uid) ? uid : 0, gid: Number.isInteger(gid) ? gid : 0, known: entry !== undefined };
}
