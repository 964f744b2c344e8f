/** Heads and chunks as bytes. Whatever is handed in, no line can begin that was not meant to. RFC 9112. */
import type { Field } from '../receipt.ts';
import type { RequestLine, StatusLine } from './head.ts';
import { TOKEN } from './section.ts';

/** Throws if a part of it could be read as more than that part. `fields` are all that is written: `Host` and framing as well. */
export function writeRequestHead({ method, url, fields }: Omit<RequestLine, 'version'>): Buffer {
  if (!TOKEN.test(method) || !TARGET.test(url)) throw new TypeError('not a request line');
  return Buffer.from(`${method} ${url} HTTP/1.1\r\n${lines(fields)}\r\n`, 'latin1');
}

/** Throws if a part of it could be read as more than that part. */
export function writeResponseHead({ status, text, fields }: Omit<StatusLine, 'version'>): Buffer {
  if (!(status >= 100 && status <= 999) || !VALUE.test(text)) throw new TypeError('not a status line');
  return Buffer.from(`HTTP/1.1 ${status} ${text}\r\n${lines(fields)}\r\n`, 'latin1');
}

/** One chunk; nothing for no bytes, since an empty one would be the last. */
export function chunk(bytes: Buffer): Buffer {
  if (bytes.length === 0) return bytes;
  const size = `${bytes.length.toString(16)}\r\n`;
  const whole = Buffer.allocUnsafe(size.length + bytes.length + 2);
  whole.write(size, 'latin1');
  bytes.copy(whole, size.length);
  whole.write('\r\n', size.length + bytes.length, 'latin1');
  return whole;
}

/** Throws if a part of the trailers could be read as more than that part. */
export function lastChunk(trailers: readonly Field[]): Buffer {
  return trailers.length === 0 ? LAST : Buffer.from(`0\r\n${lines(trailers)}\r\n`, 'latin1');
}

function lines(fields: readonly Field[]): string {
  let text = '';
  for (const [name, value] of fields) {
    if (!TOKEN.test(name) || !VALUE.test(value)) throw new TypeError('not a header field');
    text += `${name}: ${value}\r\n`;
  }
  return text;
}

const TARGET = /^[\x21-\x7e]+$/;
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
const LAST = Buffer.from('0\r\n\r\n');
