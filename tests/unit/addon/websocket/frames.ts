/** Frames as an agent, or somebody who means harm, may write them: no rule of the protocol is kept for the caller. */
import { constants, createDeflateRaw } from 'node:zlib';

export interface Written {
  opcode: number;
  payload: string | Buffer;
  fin?: boolean;
  /** RSV1 is 4. */
  rsv?: number;
  /** Undefined, if it is given: no mask. */
  key?: Buffer | undefined;
  /** Of the extended length: 0, 2 or 8. */
  lengthBytes?: 0 | 2 | 8;
}

export function frame(written: Written): Buffer {
  const { opcode, fin = true, rsv = 0 } = written;
  const key = 'key' in written ? written.key : Buffer.from([0x5a, 0x00, 0xff, 0x13]);
  const payload = Buffer.from(written.payload as Buffer);
  const extended = written.lengthBytes ?? (payload.length > 65_535 ? 8 : payload.length > 125 ? 2 : 0);
  const head = Buffer.alloc(2 + extended);
  head[0] = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
  head[1] = (key ? 0x80 : 0) | (extended === 8 ? 127 : extended === 2 ? 126 : payload.length);
  if (extended === 2) head.writeUInt16BE(payload.length, 2);
  if (extended === 8) head.writeBigUInt64BE(BigInt(payload.length), 2);
  const masked = key ? payload.map((byte, index) => byte ^ (key[index % 4] ?? 0)) : payload;
  return Buffer.concat([head, ...(key ? [key] : []), masked]);
}

/** A deflater that remembers, or not, what went before. */
export function deflater(context: 'kept' | 'none'): (text: Buffer) => Promise<Buffer> {
  let stream = createDeflateRaw();
  return async (text) => {
    if (context === 'none') stream = createDeflateRaw();
    const pieces: Buffer[] = [];
    const onData = (piece: Buffer) => void pieces.push(piece);
    stream.on('data', onData);
    await new Promise<void>((resolve) => {
      stream.write(text);
      stream.flush(constants.Z_SYNC_FLUSH, resolve);
    });
    stream.off('data', onData);
    return Buffer.concat(pieces).subarray(0, -4);
  };
}
