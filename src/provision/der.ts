/** DER (X.690): as much of it as a trust store is made of. */

export const sequence = (...parts: readonly Buffer[]): Buffer => value(0x30, parts);
export const set = (...parts: readonly Buffer[]): Buffer => value(0x31, parts);
export const octets = (...parts: readonly Buffer[]): Buffer => value(0x04, parts);
/** A value inside `[n]`, explicitly tagged. */
export const inside = (n: number, ...parts: readonly Buffer[]): Buffer => value(0xa0 | n, parts);
/** A non-negative integer below 128. */
export const small = (n: number): Buffer => value(0x02, [Buffer.from([n])]);

/** Of the dotted form. Arcs below 2^31, which is all that a store names. */
export function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  return value(0x06, [Buffer.from([first * 40 + second, ...rest.flatMap(base128)])]);
}

/** True if these bytes are one SEQUENCE and nothing more. */
export function isSequence(bytes: Buffer): boolean {
  if (bytes[0] !== 0x30) return false;
  const size = bytes[1] ?? 0x80;
  if (size < 0x80) return bytes.length === 2 + size;
  const octetsOfSize = size & 0x7f; // none: indefinite, which DER has not
  if (octetsOfSize === 0 || octetsOfSize > 4 || bytes.length < 2 + octetsOfSize) return false;
  return bytes.length === 2 + octetsOfSize + bytes.readUIntBE(2, octetsOfSize);
}

function value(tag: number, parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([tag, ...size(content.length)]), content]);
}

/** Short form below 128, else the number of octets and the octets (section 8.1.3). */
function size(length: number): number[] {
  if (length < 0x80) return [length];
  const bytes: number[] = [];
  for (let left = length; left > 0; left = Math.floor(left / 256)) bytes.unshift(left % 256);
  return [0x80 | bytes.length, ...bytes];
}

/** Seven bits an octet, all but the last marked (section 8.19.2). */
function base128(arc: number): number[] {
  const bytes = [arc & 0x7f];
  for (let left = arc >>> 7; left > 0; left >>>= 7) bytes.unshift((left & 0x7f) | 0x80);
  return bytes;
}
