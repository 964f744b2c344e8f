/** Characters that are drawn like an ASCII one, or not at all, so that a credential with one of them inside still reads as it. */

/** Cyrillic and Greek letters with a Latin twin (Unicode TR 39, the ones of one stroke's difference). */
const TWINS: ReadonlyMap<number, number> = twins(
  'АAВBЕEКKМMНHОOРPСCТTХXУYЅSІIЈJԌGаaеeоoрpсcуyхxѕsіiјjһhԁdԛqԝwΑAΒBΕEΖZΗHΙIΚKΜMΝNΟOΡPΤTΥYΧXοoνvρpαaιi',
);

function twins(text: string): Map<number, number> {
  const characters = Array.from(text);
  const map = new Map<number, number>();
  for (let i = 0; i + 1 < characters.length; i += 2)
    map.set((characters[i] ?? '').codePointAt(0) ?? 0, (characters[i + 1] ?? '').charCodeAt(0));
  return map;
}

/** What stands at this byte: how many bytes, and the ASCII character or -1 for nothing. Undefined: something of its own. */
export function lookalike(bytes: Buffer, at: number): { read: number; point: number } | undefined {
  const lead = bytes[at] as number;
  const read = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (at + read > bytes.length) return undefined;
  let point = lead & (0xff >> (read + 1));
  for (let i = 1; i < read; i += 1) {
    const byte = bytes[at + i] as number;
    if ((byte & 0xc0) !== 0x80) return undefined;
    point = (point << 6) | (byte & 0x3f);
  }
  const ascii = toAscii(point);
  return ascii === undefined ? undefined : { read, point: ascii };
}

function toAscii(point: number): number | undefined {
  if (isInvisible(point)) return -1;
  if (point >= 0xff01 && point <= 0xff5e) return point - 0xfee0; // full width
  if (point === 0xa0 || (point >= 0x2000 && point <= 0x200a)) return 0x20;
  if (point >= 0x2010 && point <= 0x2015) return 0x2d; // dashes
  if (point >= 0x1d400 && point <= 0x1d7ff) {
    // Letters of mathematics: bold, script, double-struck …
    const plain = String.fromCodePoint(point).normalize('NFKC').codePointAt(0) ?? 0x80;
    return plain < 0x80 ? plain : undefined;
  }
  return TWINS.get(point);
}

function isInvisible(point: number): boolean {
  return (
    point === 0xad ||
    (point >= 0x200b && point <= 0x200f) ||
    (point >= 0x202a && point <= 0x202e) ||
    (point >= 0x2060 && point <= 0x2064) ||
    point === 0xfeff ||
    (point >= 0xfe00 && point <= 0xfe0f)
  );
}
