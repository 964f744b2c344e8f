/** Ways of writing a text that every decoder must undo. */
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';

/** Text in, text out: these can stand inside one another and anywhere. */
export const ENCODERS: Readonly<Record<string, (text: string) => string>> = {
  base64: (text) => Buffer.from(text).toString('base64'),
  'base64 of the web': (text) => Buffer.from(text).toString('base64url'),
  'base64 in lines': (text) =>
    (
      Buffer.from(text)
        .toString('base64')
        .match(/.{1,76}/g) ?? []
    ).join('\r\n'),
  'a data URL': (text) => `data:text/plain;base64,${Buffer.from(text).toString('base64')}`,
  base32: (text) => base32(Buffer.from(text)),
  hex: (text) => Buffer.from(text).toString('hex'),
  'hex in capitals': (text) => Buffer.from(text).toString('hex').toUpperCase(),
  'hex with colons': (text) => (Buffer.from(text).toString('hex').match(/../g) ?? []).join(':'),
  percent: (text) => encodeURIComponent(text),
  'percent for every byte': (text) =>
    (Buffer.from(text).toString('hex').match(/../g) ?? []).map((pair) => `%${pair}`).join(''),
  'a JSON string': (text) => JSON.stringify({ value: text }),
  'unicode escapes': (text) =>
    JSON.stringify({ value: '@' }).replace('@', () =>
      Array.from({ length: text.length }, (_, i) => `\\u${text.charCodeAt(i).toString(16).padStart(4, '0')}`).join(''),
    ),
  'HTML entities': (text) => Array.from({ length: text.length }, (_, i) => `&#${text.charCodeAt(i)};`).join(''),
  'quoted-printable for every byte': (text) =>
    `${(Buffer.from(text).toString('hex').toUpperCase().match(/../g) ?? []).map((pair) => `=${pair}`).join('')}\r\n`,
  'gzip in base64': (text) => gzipSync(text).toString('base64'),
  'zlib in base64': (text) => deflateSync(text).toString('base64'),
  'zstd in base64': (text) => zstdCompressSync(text).toString('base64'),
  'UTF-16 in base64': (text) => Buffer.from(text, 'utf16le').toString('base64'),
};

/** Whole bodies by their Content-Encoding. */
export const CODINGS: Readonly<Record<string, (body: Buffer) => Buffer>> = {
  identity: (body) => body,
  gzip: (body) => gzipSync(body),
  deflate: (body) => deflateSync(body),
  br: (body) => brotliCompressSync(body),
  zstd: (body) => zstdCompressSync(body),
};

function base32(bytes: Buffer): string {
  let bits = '';
  for (const byte of bytes) bits += byte.toString(2).padStart(8, '0');
  return (bits.match(/.{1,5}/g) ?? [])
    .map((five) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[Number.parseInt(five.padEnd(5, '0'), 2)])
    .join('');
}
