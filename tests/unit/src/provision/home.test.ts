import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { FileEntry } from '../../../../src/backend.ts';
import { homeProvisioner, identify } from '../../../../src/provision/home.ts';
import { PASSWD } from '../../support/backend.ts';
import { imageOf } from '../../support/image.ts';

suite('a user is read as the engine reads it', () => {
  const rows: [title: string, user: string, identity: ReturnType<typeof identify>][] = [
    ['nothing is root', '', { uid: 0, gid: 0, known: true }],
    ['a name is looked up', 'node', { uid: 1000, gid: 1000, known: true }],
    ['a uid is looked up for its group', '1000', { uid: 1000, gid: 1000, known: true }],
    ['a name with a gid has that group', 'node:7', { uid: 1000, gid: 7, known: true }],
    ["a name with a group's name has its own group", 'node:staff', { uid: 1000, gid: 1000, known: true }],
    ['a uid that the image does not know is in group 0', '5000', { uid: 5000, gid: 0, known: false }],
    [
      'a uid and a gid that the image does not know are what they are',
      '5000:6000',
      { uid: 5000, gid: 6000, known: false },
    ],
    ['root by number is root', '0:0', { uid: 0, gid: 0, known: true }],
  ];
  for (const [title, user, identity] of rows) test(title, () => assert.deepEqual(identify(PASSWD, user), identity));

  test('without a passwd, numbers are what they are', () => {
    assert.deepEqual(identify('', '1000:1000'), { uid: 1000, gid: 1000, known: false });
  });

  test('a name is not taken for a beginning of another', () => {
    assert.equal(identify(PASSWD, 'no').known, false);
  });
});

suite('the home', () => {
  async function filesFor(user: string, passwd: string | undefined = PASSWD): Promise<readonly FileEntry[]> {
    const { agent } = imageOf({ files: { '/etc/passwd': passwd } });
    const ready = await homeProvisioner.inspect(agent, {});
    return ready.files({ certificate: 'PEM', user, home: '/home/agent' });
  }

  test("is the agent's own", async () => {
    assert.deepEqual(await filesFor('node'), [{ path: '/home/agent', mode: 0o700, uid: 1000, gid: 1000 }]);
  });

  test('of a user id that the image does not know comes with a name for it', async () => {
    const [home, passwd] = await filesFor('5000:6000');
    assert.deepEqual(home, { path: '/home/agent', mode: 0o700, uid: 5000, gid: 6000 });
    assert.equal(passwd?.path, '/etc/passwd');
    assert.equal(String(passwd.content), `${PASSWD}agent:x:5000:6000:agent:/home/agent:/bin/sh\n`);
    assert.deepEqual([passwd.mode, passwd.uid, passwd.gid], [0o644, 0, 0]);
  });

  test('changes nothing else of a passwd, whatever bytes are in it', async () => {
    const { agent } = imageOf({});
    const bytes = Buffer.from([...Buffer.from('root:x:0:0:'), 0xff, 0xe9, 0x0a]);
    agent.get = () => Promise.resolve(bytes);
    const ready = await homeProvisioner.inspect(agent, {});
    const [, passwd] = ready.files({ certificate: 'PEM', user: '5000', home: '/home/agent' });
    assert.ok(Buffer.isBuffer(passwd?.content));
    assert.deepEqual(passwd.content.subarray(0, bytes.length), bytes);
  });

  test('of an image whose passwd ends without a line break gets a line of its own', async () => {
    const [, passwd] = await filesFor('5000', 'root:x:0:0::/root:/bin/sh');
    assert.match(String(passwd?.content), /\/bin\/sh\nagent:x:5000:0:/);
  });

  test('is there also in an image without a passwd', async () => {
    const { agent } = imageOf({ files: { '/etc/passwd': undefined } });
    const ready = await homeProvisioner.inspect(agent, {});
    const [, passwd] = ready.files({ certificate: 'PEM', user: '5000', home: '/home/agent' });
    assert.equal(String(passwd?.content), 'agent:x:5000:0:agent:/home/agent:/bin/sh\n');
  });
});
