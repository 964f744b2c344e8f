/** The first message of a TLS client, read without answering it (RFC 8446 section 4.1.2). Pure. */

export type Hello =
  /** It is not whole yet. */
  | { readonly kind: 'more' }
  /** `name`: the server name that it asks for (RFC 6066), if any. */
  | { readonly kind: 'hello'; readonly name: string | undefined }
  | { readonly kind: 'malformed'; readonly why: string };

/** `bytes`: all that has come so far. */
export function readHello(bytes: Buffer): Hello {
  const { handshake, broken } = unwrap(bytes);
  const whole = handshake.length >= 4 && handshake.length >= 4 + handshake.readUIntBE(1, 3);
  if (handshake.length > 0 && handshake[0] !== CLIENT_HELLO) return malformed('its first message is no ClientHello');
  if (!whole) return broken ? malformed('it does not begin with a TLS handshake') : MORE;
  try {
    return { kind: 'hello', name: serverName(new Reader(handshake.subarray(4, 4 + handshake.readUIntBE(1, 3)))) };
  } catch (error) {
    if (error instanceof RangeError) return malformed('its ClientHello cannot be read');
    throw error;
  }
}

/** The handshake's bytes out of their records, as far as they have come. `broken`: what follows is no record of a handshake. */
function unwrap(bytes: Buffer): { handshake: Buffer; broken: boolean } {
  const pieces: Buffer[] = [];
  let broken = false;
  for (let at = 0; at < bytes.length && !broken; ) {
    const length = bytes.length < at + 5 ? undefined : bytes.readUInt16BE(at + 3);
    broken = bytes[at] !== HANDSHAKE || length === 0 || (length ?? 0) > RECORD_BYTES;
    if (length === undefined || broken) break;
    pieces.push(bytes.subarray(at + 5, at + 5 + length));
    at += 5 + length;
  }
  return { handshake: Buffer.concat(pieces), broken };
}

/** Throws a RangeError where a length leads beyond the end. */
function serverName(hello: Reader): string | undefined {
  hello.take(2 + 32); // version, random
  hello.vector(1); // session id
  hello.vector(2); // cipher suites
  hello.vector(1); // compression
  if (hello.left === 0) return undefined;
  const extensions = new Reader(hello.vector(2));
  let name: string | undefined;
  while (extensions.left > 0) {
    const type = extensions.number(2);
    const body = new Reader(extensions.vector(2));
    if (type !== SERVER_NAME) continue;
    if (name !== undefined) throw new RangeError('two lists of server names');
    const list = new Reader(body.vector(2));
    if (list.number(1) !== HOST_NAME) throw new RangeError('a name of another kind');
    name = list.vector(2).toString('latin1');
    if (list.left > 0) throw new RangeError('two server names');
  }
  return name;
}

class Reader {
  #rest: Buffer;

  constructor(bytes: Buffer) {
    this.#rest = bytes;
  }

  get left(): number {
    return this.#rest.length;
  }

  take(bytes: number): Buffer {
    if (bytes > this.#rest.length) throw new RangeError('too short');
    const taken = this.#rest.subarray(0, bytes);
    this.#rest = this.#rest.subarray(bytes);
    return taken;
  }

  number(bytes: 1 | 2): number {
    return this.take(bytes).readUIntBE(0, bytes);
  }

  /** What stands behind a length of so many bytes. */
  vector(lengthBytes: 1 | 2): Buffer {
    return this.take(this.number(lengthBytes));
  }
}

function malformed(why: string): Hello {
  return { kind: 'malformed', why };
}

const MORE: Hello = { kind: 'more' };
const HANDSHAKE = 0x16;
const CLIENT_HELLO = 1;
const SERVER_NAME = 0;
const HOST_NAME = 0;
/** Bytes of a record's content (RFC 8446 section 5.1). */
const RECORD_BYTES = 16_384;
