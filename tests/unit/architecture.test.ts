import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { suite, test } from 'node:test';
import { DOORS, ROWS, type Row } from './support/house.ts';
import { filesIn, type Import, importsOf, matches, packageOf, parseImports, ROOT } from './support/imports.ts';

const FILES = filesIn('contracts', 'src', 'addon');

function isAbout({ files, not = [] }: Row, file: string): boolean {
  return matches(file, files) && !matches(file, not);
}

function isAllowed({ may, types = [] }: Row, { target, typeOnly }: Import): boolean {
  const name = packageOf(target) ?? target;
  return matches(name, may) || (typeOnly && matches(name, types));
}

suite('every file imports only what its place in the house allows', () => {
  for (const file of FILES) {
    test(file, () => {
      const [row, ...more] = ROWS.filter((candidate) => isAbout(candidate, file));
      assert.ok(row, 'it has no place in the house yet: give it one in tests/unit/support/house.ts, with the reason');
      assert.deepEqual(more, [], 'it has one place, not two');
      for (const found of importsOf(file)) {
        const as = found.typeOnly ? ' as a type' : '';
        assert.ok(isAllowed(row, found), `${file} must not import ${found.target}${as}: ${row.why}`);
      }
    });
  }
});

suite('every row of the table says something', () => {
  for (const row of ROWS) {
    test(row.files.join(', '), () => {
      for (const glob of [...row.files, ...(row.not ?? [])])
        assert.ok(
          FILES.some((file) => matches(file, [glob])),
          `${glob} matches no file`,
        );
      assert.notEqual(row.why, '');
    });
  }
});

suite('a package has one door', () => {
  const used = FILES.flatMap((file) => importsOf(file).map(({ target }) => ({ file, name: packageOf(target) })));

  for (const [name, doors] of Object.entries(DOORS)) {
    test(name, () => {
      const users = [...new Set(used.filter((use) => use.name === name).map(({ file }) => file))];
      for (const file of users)
        assert.ok(matches(file, doors), `${file} must not import ${name}: its door is ${doors.join(', ')}`);
      for (const door of doors)
        assert.ok(
          users.some((file) => matches(file, [door])),
          `${door} does not use ${name}`,
        );
    });
  }

  test('and every dependency of the package is one of those', () => {
    const { dependencies }: { dependencies: object } = JSON.parse(readFileSync(resolve(ROOT, 'package.json'), 'utf8'));
    assert.deepEqual(Object.keys(dependencies).toSorted(), Object.keys(DOORS).toSorted());
  });
});

suite('what makes the product safe holds in whatever way the rows are written', () => {
  const violations = (where: readonly string[], forbidden: readonly string[]): string[] =>
    FILES.filter((file) => matches(file, where)).flatMap((file) =>
      importsOf(file)
        .filter(({ target }) => matches(packageOf(target) ?? target, forbidden))
        .map(({ target }) => `${file} imports ${target}`),
    );

  const rules: [title: string, where: string[], forbidden: string[]][] = [
    ['the sidecar ships without the launcher', ['addon/**'], ['src/**', 'dockerode', 'execa', 'commander']],
    ['the vocabulary knows nothing but itself', ['contracts/**'], ['node:*', 'node:*/*', 'src/**', 'addon/**']],
    ['a plan is pure', ['src/{plan,describe,bind,late}.ts'], ['node:*', 'node:*/*', 'dockerode', 'src/docker/**']],
    [
      'a launch does not know Docker',
      ['src/{agent,launch,serving,session,site}.ts', 'src/provision/**'],
      ['src/docker/**', 'dockerode'],
    ],
    ['a command does not know Docker', ['src/cli/**'], ['src/docker/**', 'dockerode']],
    ['the launcher does not know the sidecar’s inside', ['src/**'], ['addon/**']],
    ['the side that faces the agent has no way to the world', ['addon/client/**'], ['addon/upstream/**', 'undici']],
    [
      'the scanner has no way out',
      ['addon/scanner/**'],
      ['undici', 'node:https', 'node:tls', 'node:dns', 'node:dns/*', 'node:dgram'],
    ],
    [
      'no program of the host is run but by one file, and stty',
      ['src/*', 'src/cli/!(io).ts', 'src/docker/**', 'src/provision/**', 'addon/**'],
      ['node:child_process'],
    ],
  ];
  for (const [title, where, forbidden] of rules) {
    test(title, () => {
      for (const glob of where)
        assert.ok(
          FILES.some((file) => matches(file, [glob])),
          `${glob} matches no file`,
        );
      assert.deepEqual(violations(where, forbidden), []);
    });
  }
});

suite('an import is found in every form that there is', () => {
  const value = (target: string): Import[] => [{ target, typeOnly: false }];
  const type = (target: string): Import[] => [{ target, typeOnly: true }];
  const rows: [text: string, imports: Import[]][] = [
    ["import a from 'x';", value('x')],
    ["import * as a from 'x';", value('x')],
    ["import { a } from 'node:fs/promises';", value('node:fs/promises')],
    ["import {\n  a,\n  b,\n} from '../x.ts';", value('../x.ts')],
    ["import a, { b } from 'x';", value('x')],
    ["import 'x';", value('x')],
    ["import type { A } from 'x';", type('x')],
    ["  import type { A } from 'x';", type('x')],
    ["import { type A } from 'x';", value('x')],
    ["import type from 'x';", value('x')],
    ["export { a } from 'x';", value('x')],
    ["export * from 'x';", value('x')],
    ["export type { A } from 'x';", type('x')],
    ["const a = await import('x');", value('x')],
    ["const a = await import('x', { with: { type: 'json' } });", value('x')],
    ["type A = import('x').A;", value('x')],
    ["const a = require('x');", value('x')],
    ['const a = await import(name);', value('?')],
    ['const a = await import(`x`);', value('?')],
    ['const a = createRequire(import.meta.url);', value('?')],
    ["const a = process.getBuiltinModule('fs');", value('?')],
    ["const text = 'import x';", []],
    ["// import a from 'x';", []],
    [" * import a from 'x';", []],
  ];
  for (const [text, imports] of rows) test(JSON.stringify(text), () => assert.deepEqual(parseImports(text), imports));
});
