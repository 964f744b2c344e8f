/** Checksums of cryptocurrency keys and addresses. */
import { createHash } from 'node:crypto';
import { BASE58 } from '../rules/rule.ts';

/** Base58Check: the last four bytes are the beginning of a double SHA-256 of the rest. */
export function isBase58Check(text: string, bytes: number): boolean {
  let value = 0n;
  for (const character of text) {
    const digit = BASE58.indexOf(character);
    if (digit < 0) return false;
    value = value * 58n + BigInt(digit);
  }
  const hex = value.toString(16).padStart(bytes * 2, '0');
  if (hex.length !== bytes * 2) return false;
  const raw = Buffer.from(hex, 'hex');
  const sum = sha256(sha256(raw.subarray(0, -4))).subarray(0, 4);
  return sum.equals(raw.subarray(-4));
}

/** Writes bytes with their checksum in Base58Check; for examples. */
export function base58Check(payload: Buffer): string {
  const raw = Buffer.concat([payload, sha256(sha256(payload)).subarray(0, 4)]);
  let value = BigInt(`0x${raw.toString('hex')}`);
  let text = '';
  for (; value > 0n; value /= 58n) text = (BASE58[Number(value % 58n)] ?? '') + text;
  for (const byte of raw) {
    if (byte !== 0) break;
    text = `1${text}`;
  }
  return text;
}

const BECH32 = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';
const GENERATOR = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3];

/** Bech32 (constant 1) or Bech32m (BIP 350). */
export function isBech32(text: string): boolean {
  const lower = text.toLowerCase();
  if (text !== lower && text !== text.toUpperCase()) return false;
  const split = lower.lastIndexOf('1');
  const values = Array.from(lower.slice(split + 1)).map((character) => BECH32.indexOf(character));
  if (split < 1 || values.length < 6 || values.includes(-1)) return false;
  const sum = polymod([...expand(lower.slice(0, split)), ...values]);
  return sum === 1 || sum === 0x2bc830a3;
}

/** Writes a Bech32 text from five-bit values; for examples. */
export function bech32(prefix: string, values: readonly number[]): string {
  const sum = polymod([...expand(prefix), ...values, 0, 0, 0, 0, 0, 0]) ^ 1;
  const check = [0, 1, 2, 3, 4, 5].map((i) => (sum >>> (5 * (5 - i))) & 31);
  return `${prefix}1${[...values, ...check].map((value) => BECH32[value]).join('')}`;
}

function expand(prefix: string): number[] {
  const codes = Array.from(prefix).map((character) => character.charCodeAt(0));
  return [...codes.map((code) => code >> 5), 0, ...codes.map((code) => code & 31)];
}

function polymod(values: readonly number[]): number {
  let sum = 1;
  for (const value of values) {
    const top = sum >>> 25;
    sum = ((sum & 0x1ffffff) << 5) ^ value;
    for (const [i, generator] of GENERATOR.entries()) if ((top >>> i) & 1) sum ^= generator;
  }
  return sum >>> 0;
}

function sha256(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes).digest();
}
