/**
 * Protocol Buffers, as far as text that goes on in the next message is behind a tag and a length there.
 * https://protobuf.dev/programming-guides/encoding
 */

/**
 * The message as it is; from the beginning of its first text on; from the beginning of the first text inside that on; and so on. What is
 * no message of this kind has the first reading alone, or others by chance.
 */
export function readingsOf(message: Buffer): Buffer[] {
  const readings: Buffer[] = [];
  for (let rest: Buffer | undefined = message; rest && readings.length < DEEPEST; rest = behindPrefix(rest))
    readings.push(rest);
  return readings;
}

/** Numbers may stand in front of the first field that has a length. */
function behindPrefix(bytes: Buffer): Buffer | undefined {
  for (let at = 0; at < bytes.length; ) {
    const tag = varint(bytes, at);
    if (!tag || tag.value < 8) return undefined; // there is no field 0
    const wire = tag.value % 8;
    if (wire === LENGTH) {
      const length = varint(bytes, tag.end);
      return length && length.value <= bytes.length - length.end ? bytes.subarray(length.end) : undefined;
    }
    const end = wire === VARINT ? varint(bytes, tag.end)?.end : FIXED[wire] && tag.end + FIXED[wire];
    if (end === undefined) return undefined;
    at = end;
  }
  return undefined;
}

/** Values beyond 2 ** 53 are not exact, and are no lengths. */
function varint(bytes: Buffer, from: number): { value: number; end: number } | undefined {
  let value = 0;
  for (let at = from; at < Math.min(bytes.length, from + VARINT_BYTES); at += 1) {
    const byte = bytes.readUInt8(at);
    value += (byte & 0x7f) * 2 ** (7 * (at - from));
    if (byte < 0x80) return { value, end: at + 1 };
  }
  return undefined;
}

/** Wire types. */
const VARINT = 0;
const LENGTH = 2;
/** Bytes of the others, by wire type. */
const FIXED: Readonly<Record<number, number>> = { 1: 8, 5: 4 };
const VARINT_BYTES = 10;
/** Readings of one message: a text two messages deep in it, as in those of models, and one more. */
const DEEPEST = 4;
