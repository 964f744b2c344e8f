/** Parts of tokens that can be read without their key. */

/** A JWT's first segment is JSON that names an algorithm. */
export function isJwtHeader(segment: string): boolean {
  const header = Buffer.from(segment, 'base64url').toString('latin1');
  return /^\s*\{[^]{0,2000}"(?:alg|enc)"\s*:\s*"/.test(header);
}

/**
 * What follows a PEM header is a key: its first line that is no "Name: value". Lines may be those of the text, escaped ones, or
 * the pieces of a string in source code.
 */
export function beginsWithKey(text: string): boolean {
  const lines = text.split(/[\r\n]|\\[nrt]/).map((line) => line.replace(/^[\s"'`+,>|]+/, ''));
  const first = lines.find((line) => line.length > 1 && !/^[A-Za-z-]{4,20}: /.test(line)) ?? '';
  if (/^[A-Za-z0-9+/=]{16}/.test(first)) return true;
  // Lines that were folded into one.
  return /^\s*(?:Version|Comment|Charset|Hash|Proc-Type|DEK-Info): /.test(text) && /\s[A-Za-z0-9+/]{32}/.test(text);
}

/** The first segment of a Discord token is the bot's id, a decimal number, in base64. */
export function isSnowflake(segment: string): boolean {
  return /^\d{17,20}$/.test(Buffer.from(segment, 'base64').toString('latin1'));
}

/** Too few different characters for a secret: what documentation writes in its place. */
export function isFiller(text: string): boolean {
  return new Set(text).size <= 3;
}
