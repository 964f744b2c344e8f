/** Git packs made by hand, for tests. */
import { createHash } from 'node:crypto';
import { deflateSync } from 'node:zlib';

export const [COMMIT, TREE, BLOB, TAG, OFFSET, NAMED] = [1, 2, 3, 4, 6, 7] as const;
export const PUSH = 'application/x-git-receive-pack-request';

/** One branch is to be updated, as a line of the protocol; then the pack. */
export const COMMANDS = Buffer.from(
  `${lineOf(`${'0'.repeat(40)} ${'1'.repeat(40)} refs/heads/main\0 report-status side-band-64k agent=git/2.39.5`)}0000`,
);

export function lineOf(text: string): string {
  return `${(text.length + 4).toString(16).padStart(4, '0')}${text}`;
}

/** Bytes of a seed, the same on every run. */
export function random(size: number, seed: string): Buffer {
  return createHash('shake256', { outputLength: size }).update(seed).digest();
}

function number(value: number): number[] {
  return value < 0x80 ? [value] : [(value % 0x80) | 0x80, ...number(Math.floor(value / 0x80))];
}

/** What stands in front of an object's stream. `behind`: the base of a difference. */
export function objectHead(kind: number, size: number, behind: Buffer = Buffer.alloc(0)): Buffer {
  const low = (kind << 4) | (size % 16);
  const rest = Math.floor(size / 16);
  return Buffer.concat([Buffer.from(rest === 0 ? [low] : [low | 0x80, ...number(rest)]), behind]);
}

export function object(kind: number, content: Buffer, behind: Buffer = Buffer.alloc(0), level = -1): Buffer {
  return Buffer.concat([objectHead(kind, content.length, behind), deflateSync(content, { level })]);
}

export function packHead(count: number): Buffer {
  const head = Buffer.from([...Buffer.from('PACK'), 0, 0, 0, 2, 0, 0, 0, 0]);
  head.writeUInt32BE(count, 8);
  return head;
}

export function pack(...objects: Buffer[]): Buffer {
  return Buffer.concat([packHead(objects.length), ...objects, random(20, 'sum')]);
}

/** Copies from its base, and adds texts before, between and behind. */
export function delta(...added: string[]): Buffer {
  const copy = Buffer.of(0x80 | 1 | 2 | 16, 5, 1, 100);
  const adding = (text: string) =>
    Array.from({ length: Math.ceil(text.length / 127) }, (_, at) =>
      Buffer.from(text.slice(at * 127, at * 127 + 127)),
    ).flatMap((piece) => [Buffer.of(piece.length), piece]);
  return Buffer.concat([
    Buffer.from([...number(5_000), ...number(6_000)]),
    ...added.flatMap((text) => [copy, ...adding(text)]),
  ]);
}

/**
 * A push whose lines hold a pack of their own that can be read to its end: its one object, stored as it is, reaches over the beginning of
 * the real pack into the first object there. Whoever goes on behind it never sees the beginning of the real one.
 */
export function swallowed(secret: Buffer): Buffer {
  const stored = (length: number) =>
    Buffer.of(0x78, 0x01, 0x01, length & 0xff, length >> 8, ~length & 0xff, (~length >> 8) & 0xff);
  const checksum = (content: Buffer) => deflateSync(content).subarray(-4);
  const real = Buffer.concat([packHead(2), objectHead(BLOB, 4), stored(4)]);
  const inside = Buffer.concat([COMMANDS, real]);
  const decoy = Buffer.concat([packHead(1), objectHead(BLOB, inside.length), stored(inside.length)]);
  const line = Buffer.from(lineOf(decoy.toString('latin1')), 'latin1');
  const first = checksum(inside);
  return Buffer.concat([line, inside, first, checksum(first), secret, random(20, 'sum')]);
}
