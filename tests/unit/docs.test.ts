/** What the documents name is there: files, folders, tests, headings, and what the tests are called. */
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { posix, resolve } from 'node:path';
import { suite, test } from 'node:test';
import { ROOT } from './support/imports.ts';

const FOLDERS = ['.ci', 'addon', 'bench', 'bin', 'contracts', 'docs', 'scripts', 'src', 'tests'];
const FILES = globSync(['*', ...FOLDERS.map((folder) => `${folder}/**`)], { cwd: ROOT });
const { dependencies }: { dependencies: object } = JSON.parse(readFileSync(resolve(ROOT, 'package.json'), 'utf8'));

/** `[words](../file.md#heading)` */
const LINK = /\]\(([^)\s]+)\)/g;
/** A name of source, script or document, anywhere: `upstream/h1.ts`, `bench/start.ts`. */
const NAME = /(?<![\w/.<-])(?:\.{1,2}\/|\$PWD\/)*(\w[\w.-]*(?:\/[\w.-]+)*\.(?:ts|mjs|js|sh|py|go|md))\b(?![\w(])/g;
/** A folder or file from the root: `addon/h1/`. */
const PLACE = new RegExp(`\`((?:${FOLDERS.join('|').replace('.', '\\.')})/[^\` *]*)\``, 'g');
/** A test, as the tables of promises have it: `unit/addon/server`. */
const TEST = /`((?:unit|integration)\/[\w./-]+)`/g;

/** The same, or the title of a test of the one before: `unit/addon/server`: *a title*. */
const PROMISE = /`((?:unit|integration)\/[\w./-]+)`|`[^`]*`|(?<![*\\])\*((?:\\\*|[^*|])+)\*(?!\*)/g;

/** What a document names and nobody has. `document`: its path from the root. */
function missing(text: string, document: string): string[] {
  const all = (form: RegExp) => [...text.matchAll(form)].map(([, name = '']) => name);
  return [
    ...all(LINK).filter((to) => !/^(https?|mailto):/.test(to) && !leads(to, document)),
    ...all(NAME).filter((name) => !isOurs(name) && !isOfPackage(name)),
    ...all(PLACE).filter((place) => !existsSync(resolve(ROOT, place))),
    ...all(TEST).filter((name) => fileOf(name) === undefined),
    ...text.split('\n').flatMap(missingTitles),
  ];
}

/** Titles that stand behind the name of a test's file, and that no test there has. */
function missingTitles(line: string): string[] {
  let file: string | undefined;
  return [...line.matchAll(PROMISE)].flatMap(([, name, written]) => {
    const title = written?.replaceAll('\\*', '*');
    if (name !== undefined) file = fileOf(name);
    return file === undefined || title === undefined || hasTitle(file, title) ? [] : [`${file}: ${title}`];
  });
}

/** A title may be made of values: a template's, or one that the document leaves out. */
function hasTitle(file: string, title: string): boolean {
  const source = readFileSync(resolve(ROOT, file), 'utf8').replaceAll("\\'", "'");
  if (source.includes(title)) return true;
  const templates = [...source.matchAll(/`([^`]*\$\{[^`]*)`/g)].map(([, text = '']) =>
    text.split(/\$\{[^}]*\}/).map((fixed) => fixed.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')),
  );
  return templates.some(
    (parts) => parts.some((fixed) => fixed.length > 3) && new RegExp(`^${parts.join('.*')}$`).test(title),
  );
}

function fileOf(test: string): string | undefined {
  return [`tests/${test}.test.ts`, `tests/${test}`].find((file) => FILES.includes(file) && file.endsWith('.ts'));
}

function leads(to: string, document: string): boolean {
  const [path = '', anchor] = to.split('#');
  const file = path === '' ? document : posix.join(posix.dirname(document), path);
  if (anchor === undefined) return existsSync(resolve(ROOT, file));
  return FILES.includes(file) && anchorsIn(readFileSync(resolve(ROOT, file), 'utf8')).includes(anchor);
}

/** As GitHub makes them of headings, and what the tests are called. */
function anchorsIn(text: string): string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\w\s-]/g, '')
      .replaceAll(' ', '-'),
  );
}

/** From the root, from a folder that the document speaks of, or compiled. */
function isOurs(name: string): boolean {
  const source = name.replace(/^dist\/(.*)\.js$/, '$1.ts');
  return FILES.some((file) => file === source || file.endsWith(`/${source}`));
}

function isOfPackage(name: string): boolean {
  const places = [name, ...Object.keys(dependencies).map((dependency) => posix.join(dependency, name))];
  return places.some((place) => existsSync(resolve(ROOT, 'node_modules', place)));
}

suite('every file that a document names is there', () => {
  const documents = FILES.filter((file) => file.endsWith('.md'));
  for (const document of documents) {
    test(document, () => {
      assert.deepEqual(missing(readFileSync(resolve(ROOT, document), 'utf8'), document), []);
    });
  }
});

suite('a file that is gone is found in every form that documents name it in', () => {
  for (const name of [
    '[words](gone.md)',
    '[words](../docs/errors.md)',
    '[words](../lifecycle.md#gone)',
    '[words](#gone)',
    '`gone.ts`',
    'src/gone.ts',
    'upstream/gone.ts',
    'dist/src/gone.js',
    '"$PWD/bin/gone.js"',
    '`addon/gone/`',
    '`unit/addon/gone`',
    '`integration/faul`',
    '`unit/addon/server`: *a title that no test has*',
  ])
    test(name, () => assert.notDeepEqual(missing(name, 'docs/prds/0001-main-job.md'), []));
  for (const name of [
    '[words](../lifecycle.md#websockets)',
    '[words](../errors.md)',
    '[words](https://example.org/gone.md)',
    '`main.ts`',
    'upstream/h1.ts',
    'dist/src/main.js',
    '"$PWD/bin/bottle.js"',
    '`addon/h1/`',
    '`unit/addon/server`',
    '`unit/docs`: *every file that a document names is there*; *but not `main.ts`*',
    '*a word*, and `unit/docs`',
    '`unit/**/*.test.ts`',
    'console.log(`x`)',
  ])
    test(`but not ${name}`, () => assert.deepEqual(missing(name, 'docs/prds/0001-main-job.md'), []));
});
