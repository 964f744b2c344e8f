/** Bodies of type application/x-www-form-urlencoded, as strict parsers read them. */
import { SPACE } from './sink.ts';

const [AMPERSAND, EQUALS, PLUS, PERCENT, SEMICOLON] = [0x26, 0x3d, 0x2b, 0x25, 0x3b];
/** Pairs beyond which some parsers give up. */
const MAX_PAIRS = 1_000;

/** Names and values, decoded, a space between any two. Undefined: a strict parser refuses it, or may. */
export function readPairs(bytes: Buffer): Buffer | undefined {
  const out = Buffer.allocUnsafe(bytes.length);
  let [to, pairs] = [0, 1];
  for (let at = 0; at < bytes.length; at += 1) {
    let byte = bytes[at] as number;
    if (byte === SEMICOLON) return undefined;
    if (byte === AMPERSAND) pairs += 1;
    if (byte === AMPERSAND || byte === EQUALS || byte === PLUS) byte = SPACE;
    else if (byte === PERCENT) {
      const digits = bytes.toString('latin1', at + 1, Math.min(at + 3, bytes.length));
      if (!/^[0-9a-fA-F]{2}$/.test(digits)) return undefined;
      byte = Number.parseInt(digits, 16);
      at += 2;
    }
    out[to] = byte;
    to += 1;
  }
  return pairs > MAX_PAIRS ? undefined : out.subarray(0, to);
}
