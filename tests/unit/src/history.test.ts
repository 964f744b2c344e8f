import assert from 'node:assert/strict';
import { existsSync, readdirSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { historyIn, type SessionRecord, stateFolder } from '../../../src/history.ts';
import { type Folder, makeFolder } from '../support/folder.ts';

const record = (text: string): SessionRecord => ({
  journal: `${text}\n`,
  logs: { bump: [text, ''], scanner: [], gate: ['ready'] },
});
const started = (day: string) => `2026-${day}T03:04:05.678Z`;
const kept = (folder: Folder) => readdirSync(folder.at('sessions')).toSorted();

suite('the folder for records', () => {
  const rows: [title: string, env: Record<string, string>, folder: string][] = [
    ['lies in the home folder', {}, '/home/user/.local/state/bottle'],
    ['lies where XDG_STATE_HOME says', { XDG_STATE_HOME: '/var/state' }, '/var/state/bottle'],
    ['is the default where that is empty', { XDG_STATE_HOME: '' }, '/home/user/.local/state/bottle'],
    [
      'is the default where that is relative, as the specification wants',
      { XDG_STATE_HOME: 'x' },
      '/home/user/.local/state/bottle',
    ],
  ];
  for (const [title, env, folder] of rows) test(title, () => assert.equal(stateFolder(env, '/home/user'), folder));
});

suite('what is kept of a session', () => {
  test('is found again as it was', () => {
    using folder = makeFolder();
    const history = historyIn(folder.path);
    history.save({ slug: 'a', started: started('01-02') }, record('one'));
    assert.deepEqual(history.find('a'), record('one'));
  });

  test('is the latest of its name, in whichever order they were saved', () => {
    using folder = makeFolder();
    const history = historyIn(folder.path);
    for (const [day, text] of [
      ['01-02', 'old'],
      ['03-04', 'new'],
      ['02-03', 'middle'],
    ] as const)
      history.save({ slug: 'a', started: started(day) }, record(text));
    assert.deepEqual(history.find('a'), record('new'));
  });

  test('is not lost when it is saved again from containers that are gone', () => {
    using folder = makeFolder();
    const history = historyIn(folder.path);
    const session = { slug: 'a', started: started('01-02') };
    history.save(session, record('one'));
    history.save(session, { journal: '', logs: { bump: [], scanner: ['late'], gate: [] } });
    assert.deepEqual(history.find('a'), { ...record('one'), logs: { ...record('one').logs, scanner: ['late'] } });
  });

  test('is not that of a session whose name ends in the same way', () => {
    using folder = makeFolder();
    const history = historyIn(folder.path);
    history.save({ slug: 'x-a', started: started('01-02') }, record('other'));
    assert.equal(history.find('a'), undefined);
    assert.deepEqual(history.find('x-a'), record('other'));
  });

  test('is nothing before the first session has ended', () => {
    using folder = makeFolder();
    assert.equal(historyIn(folder.at('absent')).find('a'), undefined);
  });

  test('is replaced by what is saved of the same session again', () => {
    using folder = makeFolder();
    const history = historyIn(folder.path);
    for (const text of ['first', 'second']) history.save({ slug: 'a', started: started('01-02') }, record(text));
    assert.deepEqual(history.find('a'), record('second'));
    assert.equal(kept(folder).length, 1);
  });

  test('is whole or not there: a save that breaks off leaves what was there', () => {
    using folder = makeFolder();
    const history = historyIn(folder.path);
    history.save({ slug: 'a', started: started('01-02') }, record('whole'));
    const broken: SessionRecord = {
      journal: 'half\n',
      get logs(): never {
        throw new Error('broken off');
      },
    };
    for (const day of ['01-02', '01-03'])
      assert.throws(() => history.save({ slug: 'a', started: started(day) }, broken), /broken off/);
    assert.deepEqual(history.find('a'), record('whole'));
    history.save({ slug: 'a', started: started('01-03') }, record('again'));
    assert.deepEqual(history.find('a'), record('again'));
  });

  test("is the user's own to read", () => {
    using folder = makeFolder();
    historyIn(folder.path).save({ slug: 'a', started: started('01-02') }, record('x'));
    const [name = ''] = kept(folder);
    const path = folder.at(join('sessions', name));
    assert.equal(statSync(path).mode & 0o777, 0o700);
    for (const file of readdirSync(path)) assert.equal(statSync(join(path, file)).mode & 0o777, 0o600, file);
  });
});

suite('what is too old or too much', () => {
  const day = 24 * 3_600_000;

  test('goes after 30 days, and not before', () => {
    using folder = makeFolder();
    const history = historyIn(folder.path);
    history.save({ slug: 'old', started: started('01-01') }, record('x'));
    history.save({ slug: 'new', started: started('01-02') }, record('x'));
    history.prune(new Date(Date.parse(started('01-02')) + 30 * day));
    assert.equal(history.find('old'), undefined);
    assert.deepEqual(history.find('new'), record('x'));
  });

  test('goes from the oldest, beyond 1 GiB', () => {
    using folder = makeFolder();
    const history = historyIn(folder.path);
    for (const [slug, date] of [
      ['first', '01-01'],
      ['second', '01-02'],
      ['third', '01-03'],
    ] as const)
      history.save({ slug, started: started(date) }, record('x'));
    for (const name of kept(folder)) truncateSync(folder.at(join('sessions', name, 'bump.log')), 400 * 1024 ** 2); // sparse
    history.prune(new Date(started('01-04')));
    assert.deepEqual(
      kept(folder).map((name) => name.split('-').at(-1)),
      ['second', 'third'],
    );
  });

  test('leaves alone what is no record', () => {
    using folder = makeFolder();
    const history = historyIn(folder.path);
    history.save({ slug: 'old', started: started('01-01') }, record('x'));
    const note = folder.write('sessions/note.txt', 'mine');
    history.prune(new Date(started('12-31')));
    assert.ok(existsSync(note));
    assert.equal(history.find('old'), undefined);
  });

  test('is nothing where nothing was kept yet', () => {
    using folder = makeFolder();
    assert.doesNotThrow(() => historyIn(folder.at('absent')).prune(new Date(0)));
  });
});
