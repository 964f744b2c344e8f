#!/usr/bin/env node
// The entry, in plain JavaScript that any Node since 12.20 reads, so that it can say which Node is needed.
import { existsSync } from 'fs';
import { fileURLToPath } from 'url';

const NEEDED = 24;
const main = new URL('../dist/src/main.js', import.meta.url);

if (Number(process.versions.node.split('.')[0]) < NEEDED) {
  fail(
    'bottle needs Node ' + NEEDED + ' or later, and this is ' + process.version + '. Get it from https://nodejs.org',
  );
} else if (!existsSync(main)) {
  fail('bottle is not compiled: ' + fileURLToPath(main) + ' (it is a clone). Run: npm run build');
} else {
  void import(main.href); // no `await`: the oldest of them do not know it here
}

/** 125: the wrapper itself failed, as `docker run` says it. */
function fail(sentence) {
  process.stderr.write(sentence + '\n');
  process.exitCode = 125;
}
