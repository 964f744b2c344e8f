import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Ending, openJournal, recordedPath, type Subject } from '../../../addon/journal.ts';
import type { Outcome } from '../../../contracts/exchange.ts';
import { host, readJournal } from './rig.ts';

let folder: string;
let count = 0;
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'bottle-test-'));
});
after(() => rmSync(folder, { recursive: true }));

function open(maxBytes?: number) {
  const file = join(folder, `${count++}.jsonl`);
  const broken: string[] = [];
  const options = { file, onBroken: (why: string) => void broken.push(why) };
  return { file, broken, journal: openJournal(maxBytes === undefined ? options : { ...options, maxBytes }) };
}

const NOTHING = { path: '/', bytes: 0 };
const subject = (name = 'a.test', id = 'x1'): Subject => ({
  id,
  method: 'GET',
  target: { scheme: 'https', host: host(name), port: 443 },
});

function ending(outcome: Outcome, admitted = false): Ending {
  return { outcome, admitted, sent: 0, received: 0, durationMs: 1.23456 };
}

const denied: Outcome = { kind: 'denied', rule: 'no rule allows a.test' };

test('every line is one of the contract', () => {
  const { file, journal } = open();
  journal.admit(subject(), {
    path: '/p?secret',
    bytes: 5,
    elsewhere: [],
    unscanned: 0,
    masked: [{ mask: 'm', bytes: 3 }],
  });
  const masked = [{ mask: 'm', bytes: 4 }];
  journal.close(subject(), { ...ending({ kind: 'forwarded', status: 101 }, true), messages: 2, masked });
  journal.close(subject(), ending(denied));
  journal.close(subject(), ending({ kind: 'failed', stage: 'upstream', cause: 'x' }, true));
  journal[Symbol.dispose]();
  assert.deepEqual(
    readJournal(file).map((line) => line.event),
    ['admitted', 'closed', 'closed', 'closed'],
  );
  assert.deepEqual(
    readJournal(file).map((line) => 'masked' in line && line.masked),
    [[{ mask: 'm', bytes: 3 }], [{ mask: 'm', bytes: 4 }], false, false],
  );
  assert.ok(!readFileSync(file, 'utf8').includes('secret'));
});

test('a refusal that repeats is listed twenty times and then counted, each kind by itself', () => {
  const { file, journal } = open();
  for (let index = 0; index < 7500; index += 1) journal.close(subject(), ending(denied));
  journal.close(subject('b.test'), ending({ kind: 'denied', rule: 'no rule allows b.test' }));
  journal.flush();
  journal.flush();
  const lines = readJournal(file);
  assert.equal(lines.filter((line) => line.event === 'closed' && line.host === 'a.test').length, 20);
  assert.equal(lines.filter((line) => line.event === 'closed' && line.host === 'b.test').length, 1);
  const repeated = lines.filter((line) => line.event === 'repeated');
  assert.deepEqual(
    repeated.map((line) => [line.host, line.port, line.count]),
    [['a.test', 443, 7480]],
  );
  journal[Symbol.dispose]();
});

test('what was let through is never only counted', () => {
  const { file, journal } = open();
  for (let index = 0; index < 50; index += 1) {
    journal.close(subject(), ending({ kind: 'forwarded', status: 200 }, true));
    journal.close(subject(), ending({ kind: 'failed', stage: 'upstream', cause: 'x' }, true));
  }
  journal[Symbol.dispose]();
  assert.equal(readJournal(file).length, 100);
});

test('hosts without end do not fill memory: beyond a thousand kinds they are counted together', () => {
  const { file, journal } = open();
  for (let index = 0; index < 3000; index += 1) journal.close(subject(`h${index}.test`), ending(denied));
  journal[Symbol.dispose]();
  const lines = readJournal(file);
  const counted = lines.flatMap((line) => (line.event === 'repeated' ? [line.count] : []));
  assert.equal(lines.filter((line) => line.event === 'closed').length + counted.reduce((a, b) => a + b, 0), 3000);
  assert.ok(lines.length < 1100);
});

test('a journal that is full or cannot be written ends the service, and admits nothing any more', () => {
  const { journal, broken } = open(500);
  assert.throws(() => {
    for (let index = 0; index < 10; index += 1) journal.admit(subject(), NOTHING);
  });
  assert.equal(broken.length, 1);
  assert.throws(() => journal.admit(subject(), NOTHING));
  journal.close(subject(), ending(denied)); // does not throw: the end is under way
  journal[Symbol.dispose]();
  const full = openJournal({ file: '/dev/full', onBroken: (why) => void broken.push(why) });
  assert.throws(() => full.admit(subject(), NOTHING));
  assert.equal(broken.length, 2);
});

test('a path is recorded without its query, at most 256 characters of it', () => {
  assert.equal(recordedPath('/a/b?c=d'), '/a/b');
  assert.equal(recordedPath(`/${'x'.repeat(1000)}`).length, 256);
});
