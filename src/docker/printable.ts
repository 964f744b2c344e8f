/** Foreign text on one line, safe for a terminal. */
import { stripVTControlCharacters } from 'node:util';

/** Without escape sequences, control characters and characters that change the direction of what follows. */
export function printable(text: string): string {
  return stripVTControlCharacters(text)
    .replace(/\s+/g, ' ')
    .replace(/[\p{Cc}\p{Cf}]/gu, '')
    .trim();
}

/** The same for a line of a log, with its blanks as they are. */
export function printableLine(line: string): string {
  return stripVTControlCharacters(line).replace(/(?!\t)[\p{Cc}\p{Cf}]/gu, '');
}
