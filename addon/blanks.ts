/**
 * Optional white space (RFC 9110 section 5.6.3). By hand: a pattern for its end begins anew at each of the blanks inside, and 64 KiB of
 * them would hold up everybody for seconds.
 */

/** Without the spaces and tabs around it; linear. */
export function trimBlanks(text: string): string {
  let from = 0;
  let to = text.length;
  while (from < to && isBlank(text.charCodeAt(from))) from += 1;
  while (to > from && isBlank(text.charCodeAt(to - 1))) to -= 1;
  return text.slice(from, to);
}

/** `code`: of a character. */
export function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
