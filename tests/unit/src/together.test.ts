import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { Together } from '../../../src/together.ts';

suite('what is owned together', () => {
  test('is disposed of side by side: nothing waits for another', async () => {
    const together = new Together();
    const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let begun = 0;
    for (const { promise } of gates)
      together.use({
        async [Symbol.asyncDispose]() {
          begun += 1;
          await promise;
        },
      });
    const end = together[Symbol.asyncDispose]();
    assert.equal(begun, 2);
    for (const { resolve } of gates) resolve();
    await end;
  });

  test('begins with the lifelines', async () => {
    const said: string[] = [];
    const together = new Together();
    together.use({ [Symbol.asyncDispose]: async () => void said.push('container') });
    together.own({ [Symbol.dispose]: () => void said.push('lifeline') });
    await together[Symbol.asyncDispose]();
    assert.deepEqual(said, ['lifeline', 'container']);
  });

  test('is disposed of once', async () => {
    let count = 0;
    const together = new Together();
    together.use({ [Symbol.asyncDispose]: async () => void (count += 1) });
    await together[Symbol.asyncDispose]();
    await together[Symbol.asyncDispose]();
    assert.equal(count, 1);
  });

  test('is all disposed of, also when some of it fails', async () => {
    const said: string[] = [];
    const together = new Together();
    const failing = (name: string) => ({
      async [Symbol.asyncDispose](): Promise<void> {
        said.push(name);
        throw new Error(name);
      },
    });
    together.use(failing('a'));
    together.use({ [Symbol.asyncDispose]: async () => void said.push('b') });
    together.use(failing('c'));
    await assert.rejects(together[Symbol.asyncDispose](), (error) => {
      assert.ok(error instanceof AggregateError);
      assert.deepEqual(
        error.errors.map((one: unknown) => String(one)),
        ['Error: a', 'Error: c'],
      );
      return true;
    });
    assert.deepEqual(said, ['a', 'b', 'c']);
  });

  test('fails with the one error, if it is one', async () => {
    const error = new Error('still in use');
    const together = new Together();
    together.use({ [Symbol.asyncDispose]: () => Promise.reject(error) });
    await assert.rejects(together[Symbol.asyncDispose](), error);
  });

  test('is all disposed of, also when a lifeline fails', async () => {
    const said: string[] = [];
    const together = new Together();
    together.own({
      [Symbol.dispose]() {
        throw new Error('lifeline');
      },
    });
    together.own({ [Symbol.dispose]: () => void said.push('lifeline') });
    together.use({ [Symbol.asyncDispose]: async () => void said.push('container') });
    await assert.rejects(together[Symbol.asyncDispose](), /lifeline/);
    assert.deepEqual(said, ['lifeline', 'container']);
  });
});
