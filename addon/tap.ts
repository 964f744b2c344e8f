/**
 * Searches an answer while it passes: nothing is held back, memory is bounded by the longest spelling. An answer that repeats a
 * secret's value is cut where it does, so that the agent sees that it is not whole.
 */
import { createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from 'node:zlib';
import type { Client, Field, ResponseHead } from './message.ts';
import { valuesOf } from './request.ts';
import type { Search } from './spellings.ts';

export interface Tap {
  /** To be given to the leg in the agent's place. */
  readonly client: Client;
  /** Resolves when the answer has been searched to its end, or the agent has left. */
  readonly done: Promise<void>;
  /** Why the answer was cut, if it was. */
  readonly cut: string | undefined;
  /** The agent has its head. */
  readonly started: boolean;
}

export interface TapOptions {
  readonly search: Search;
  /** Ends the upstream's side. */
  readonly cut: () => void;
  /** A bound host's cookies are dropped: an agent that has none can send back none. */
  readonly cookies: 'dropped' | 'kept';
}

export function tap(client: Client, { search, cut, cookies }: TapOptions): Tap {
  const plain = new Seam(search);
  const finished = Promise.withResolvers<void>();
  let decoder: Decoder | undefined;
  let why: string | undefined;
  let started = false;
  let over = false;
  // Nobody is told an end who has left.
  client.gone.addEventListener('abort', () => finished.resolve(), { once: true });
  if (client.gone.aborted) finished.resolve();

  /** Nothing more reaches the agent. */
  function stop(reason: string): void {
    if (why !== undefined) return;
    why = reason;
    decoder?.destroy();
    if (started) client.destroy();
    finished.resolve();
    cut();
  }
  const found = (name: string) => stop(`its answer repeats the value of the secret ${name}: it was cut off`);
  function look(fields: readonly Field[], text = ''): boolean {
    const name = search.inBytes(Buffer.from([text, ...fields.flat()].join('\n'), 'latin1'));
    if (name !== undefined) found(name);
    return name === undefined;
  }

  const guarded: Client = {
    ...client,
    set onDrain(listener: (() => void) | undefined) {
      client.onDrain = listener;
    },
    get onDrain() {
      return client.onDrain;
    },
    inform(head) {
      if (why === undefined && look(head.fields, head.text)) client.inform(head);
    },
    start(head) {
      if (why !== undefined || !look(head.fields, head.text)) return;
      decoder = decoderFor(head, search, {
        found,
        failed: (what) => stop(`its answer ${what}: it was cut off`),
        drained: () => client.onDrain?.(),
      });
      started = true;
      client.start(cookies === 'dropped' ? withoutCookies(head) : head);
    },
    write(chunk) {
      if (why !== undefined) return true;
      const name = plain.next(chunk);
      if (name !== undefined) {
        found(name);
        return true;
      }
      const decoded = decoder?.write(chunk) ?? true;
      return why === undefined ? client.write(chunk) && decoded : true;
    },
    finish(trailers) {
      if (why !== undefined || over || !look(trailers)) return;
      over = true;
      // The end is told only when all before it has been searched: what is cut must not look whole.
      const end = () => {
        if (why === undefined) client.finish(trailers);
        finished.resolve();
      };
      if (decoder) decoder.end(end);
      else end();
    },
    destroy() {
      finished.resolve();
      client.destroy();
    },
  };
  return {
    client: guarded,
    done: finished.promise,
    get cut() {
      return why;
    },
    get started() {
      return started;
    },
  };
}

/** Bytes that come in pieces, searched across their seams. */
class Seam {
  readonly #search: Search;
  #tail: Buffer = Buffer.alloc(0);

  constructor(search: Search) {
    this.#search = search;
  }

  next(chunk: Buffer): string | undefined {
    const reach = Math.max(0, this.#search.longest - 1);
    const seam = Buffer.concat([this.#tail, chunk.subarray(0, reach)]);
    const found = this.#search.inBytes(seam) ?? (chunk.length > reach ? this.#search.inBytes(chunk) : undefined);
    const after = chunk.length >= reach ? chunk : seam;
    this.#tail = Buffer.from(after.subarray(Math.max(0, after.length - reach))); // a copy: the chunk is not ours to keep
    return found;
  }
}

interface Decoder {
  /** False: wait for `drained`. */
  write(chunk: Buffer): boolean;
  /** Calls back once all has been searched. */
  end(done: () => void): void;
  destroy(): void;
}

interface Told {
  readonly found: (name: string) => void;
  readonly failed: (why: string) => void;
  readonly drained: () => void;
}

/** For an upstream that compresses although it was asked not to. Decoded bytes are searched and dropped. */
function decoderFor(head: ResponseHead, search: Search, { found, failed, drained }: Told): Decoder | undefined {
  const coding = valuesOf(head.fields, 'content-encoding').join(',').trim().toLowerCase();
  if (coding === '' || coding === 'identity') return undefined;
  const make = Object.hasOwn(DECODERS, coding) ? DECODERS[coding] : undefined;
  const seam = new Seam(search);
  let stream: ReturnType<typeof createGunzip> | undefined; // made with the first byte: there may be none (HEAD, 304)
  let onEnd: (() => void) | undefined;

  function open(): typeof stream {
    if (!make) {
      failed('has a content-encoding that cannot be searched');
      return undefined;
    }
    const opened = make();
    opened.on('data', (chunk: Buffer) => {
      const name = seam.next(chunk);
      if (name !== undefined) found(name);
    });
    opened.on('error', () => {
      opened.destroy();
      failed('cannot be decoded, so it cannot be searched');
    });
    opened.on('drain', drained);
    opened.on('end', () => onEnd?.());
    return opened;
  }
  return {
    write(chunk) {
      stream ??= open();
      return stream?.write(Buffer.from(chunk)) ?? true;
    },
    end(done) {
      if (!stream) return done();
      onEnd = done;
      stream.end();
    },
    destroy: () => stream?.destroy(),
  };
}

const DECODERS: Readonly<Record<string, () => ReturnType<typeof createGunzip>>> = {
  gzip: () => createGunzip(),
  'x-gzip': () => createGunzip(),
  deflate: () => createInflate(),
  br: () => createBrotliDecompress() as ReturnType<typeof createGunzip>,
  zstd: () => createZstdDecompress() as ReturnType<typeof createGunzip>,
};

function withoutCookies(head: ResponseHead): ResponseHead {
  return { ...head, fields: head.fields.filter(([name]) => !/^set-cookie2?$/i.test(name)) };
}
