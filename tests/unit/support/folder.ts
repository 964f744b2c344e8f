/** A folder of its own for a test, gone when the test is. */
import { mkdirSync, mkdtempSync, realpathSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

export interface Folder extends Disposable {
  readonly path: string;
  at(name: string): string;
  /** Writes a file, with the folders that it needs. @returns its path */
  write(name: string, text: string): string;
  folder(name: string): string;
  link(name: string, target: string): string;
  move(name: string, target: string): void;
}

export function makeFolder(): Folder {
  const path = realpathSync(mkdtempSync(join(tmpdir(), 'bottle-unit-')));
  const at = (name: string) => join(path, name);
  return {
    path,
    at,
    write(name, text) {
      mkdirSync(dirname(at(name)), { recursive: true });
      writeFileSync(at(name), text);
      return at(name);
    },
    folder(name) {
      mkdirSync(at(name), { recursive: true });
      return at(name);
    },
    link(name, target) {
      symlinkSync(target, at(name));
      return at(name);
    },
    move: (name, target) => renameSync(at(name), at(target)),
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
}
