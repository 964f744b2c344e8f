/** Parts of tokens that can be read without their key. */

/** A JWT's first segment is JSON that names an algorithm. */
export function isJwtHeader(segment: string): boolean {
  const header = Buffer.from(segment, 'base64url').toString('latin1');
  return /^\s*\{[^]{0,2000}"(?:alg|enc)"\s*:\s*"/.test(header);
}

/** The first segment of a Discord token is the bot's id, a decimal number, in base64. */
export function isSnowflake(segment: string): boolean {
  return /^\d{17,20}$/.test(Buffer.from(segment, 'base64').toString('latin1'));
}

/** Too few different characters for a secret: what documentation writes in its place. */
export function isFiller(text: string): boolean {
  return new Set(text).size <= 3;
}
