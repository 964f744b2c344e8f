import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { follow } from '../../../../src/docker/progress.ts';
import { printable, printableLine } from '../../../../src/docker/printable.ts';
import { BackendError } from '../../../../src/errors.ts';

async function lines(...messages: object[]): Promise<string[]> {
  const said: string[] = [];
  const text = messages.map((message) => `${JSON.stringify(message)}\r\n`).join('');
  await follow(Readable.from([text.slice(0, 5), text.slice(5)]), (line) => said.push(line));
  return said;
}

test('what the engine says is passed on by lines, without bars and escape sequences', async () => {
  assert.deepEqual(
    await lines(
      { stream: 'Step 1/2 : FROM x\n' },
      { stream: '\n' },
      { status: 'Downloading', id: 'abc', progressDetail: { current: 1, total: 2 } },
      { status: 'Pull complete', id: 'abc', progressDetail: {} },
      { stream: '\u001b[31mred\u001b[0m\u0007' },
    ),
    ['Step 1/2 : FROM x', 'abc: Pull complete', 'red'],
  );
});

test("an error in the stream is thrown with the engine's words, once all has been read", async () => {
  await assert.rejects(lines({ error: 'the command returned 1' }, { stream: 'after' }), (error) => {
    assert.ok(error instanceof BackendError);
    assert.equal(error.message, 'the command returned 1');
    return true;
  });
});

test('a printable text has no line breaks, controls or direction marks; a printable line keeps its blanks', () => {
  assert.equal(printable(' a\r\n\u202eb\u0000 '), 'a b');
  assert.equal(printableLine('  a\tb\u001b[2Jc\u202e'), '  a\tbc');
});
