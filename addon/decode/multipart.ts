/** Bodies of type multipart/form-data, as strict parsers read them. */
import { SPACE } from './sink.ts';

/** What parsers and scanners take; beyond it they refuse the body. */
const MAX_PARTS = 100;
const MAX_LINE = 256;

/**
 * What stands around the contents: the text before the first part and after the last, and all lines of the parts' heads, a space
 * behind each. Undefined: two parsers could read it differently, or a strict one refuse it.
 */
export function readEnvelope(bytes: Buffer, boundary: string): Buffer | undefined {
  const delimiter = Buffer.from(`--${boundary}`, 'latin1');
  const envelope: Buffer[] = [];
  let [at, parts, done] = [bytes.indexOf(delimiter), 0, false];
  if (at < 0) return undefined;
  envelope.push(bytes.subarray(0, at), ONE_SPACE);
  while (at >= 0) {
    if (done || !isLineStart(bytes, at)) return undefined;
    const behind = at + delimiter.length;
    const next = bytes.indexOf(delimiter, behind);
    if (bytes.toString('latin1', behind, Math.min(behind + 2, bytes.length)) === '--') {
      done = true;
      envelope.push(bytes.subarray(behind + 2));
    } else {
      parts += 1;
      const end = bytes.indexOf('\r\n\r\n', behind);
      if (!isLineEnd(bytes, behind) || end < 0 || next < end || parts > MAX_PARTS) return undefined;
      const lines = bytes.toString('latin1', behind, end).split('\r\n').slice(1);
      if (!lines.every(isPlainLine)) return undefined;
      envelope.push(Buffer.from(`${lines.join(' ')} `, 'latin1'));
    }
    at = next;
  }
  return done ? Buffer.concat(envelope) : undefined;
}

const ONE_SPACE = Buffer.of(SPACE);

/** A transfer encoding changes the content under the parser's hands, and an unknown one is an error to some. */
function isPlainLine(line: string): boolean {
  return (
    line.length <= MAX_LINE && /^[A-Za-z-]+: ?[\t\x20-\x7e\x80-\xff]+$/.test(line) && !/^content-transfer-/i.test(line)
  );
}

function isLineStart(bytes: Buffer, at: number): boolean {
  return at === 0 || isLineEnd(bytes, at - 2);
}

function isLineEnd(bytes: Buffer, at: number): boolean {
  return bytes[at] === 0x0d && bytes[at + 1] === 0x0a;
}
