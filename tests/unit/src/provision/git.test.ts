import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { suite, test } from 'node:test';
import { gitProvisioner } from '../../../../src/provision/git.ts';
import { makeFolder } from '../../support/folder.ts';
import { imageOf } from '../../support/image.ts';
import { PEM } from '../../support/manifests.ts';

async function filesFor(image: Record<string, string>) {
  const { agent } = imageOf({ files: image });
  return (await gitProvisioner.inspect(agent, {})).files({ certificate: PEM, user: 'node', home: '/home/agent' });
}

suite('an image with git', () => {
  const rows: [title: string, own: Record<string, string>, version: string][] = [
    ['speaks HTTP/1.1', {}, 'HTTP/1.1'],
    ['keeps what its own file says of other things', { '/etc/gitconfig': '[user]\n\tname = somebody\n' }, 'HTTP/1.1'],
    ['speaks what its own file says', { '/etc/gitconfig': '[http]\n\tversion = HTTP/2\n' }, 'HTTP/2'],
  ];
  for (const [title, own, version] of rows)
    test(title, async () => {
      const [file, ...more] = await filesFor({ '/usr/bin/git': '', ...own });
      assert.deepEqual([file?.path, file?.mode, file?.uid, file?.gid, more], ['/etc/gitconfig', 0o644, 0, 0, []]);
      using folder = makeFolder();
      const path = folder.write('gitconfig', String(file?.content));
      const said = (key: string) => execFileSync('git', ['config', '--file', path, '--default', '', key]).toString();
      assert.equal(said('http.version'), `${version}\n`);
      if ('/etc/gitconfig' in own && version === 'HTTP/1.1') assert.equal(said('user.name'), 'somebody\n');
    });
});

test('an image without git gets nothing', async () => {
  assert.deepEqual(await filesFor({}), []);
});
