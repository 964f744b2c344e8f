/** Heads of HTTP/1.1 messages, from bytes as they come. RFC 9112 sections 3 and 4. */
import { HEAD_BYTES } from '../limits.ts';
import type { Field } from '../receipt.ts';
import { type Malformed, malformed, SectionReader } from './section.ts';

/** Head of a request. */
export interface RequestLine {
  readonly method: string;
  /** Request target as it stands on the line. */
  readonly url: string;
  /** `1.0` or `1.1`. */
  readonly version: string;
  readonly fields: readonly Field[];
}

/** Head of a response. */
export interface StatusLine {
  /** `1.0` or `1.1`. */
  readonly version: string;
  /** 100–999. */
  readonly status: number;
  /** Reason phrase, Latin-1; may be empty. */
  readonly text: string;
  readonly fields: readonly Field[];
}

export type Parsed<T> =
  | { readonly kind: 'more' }
  /** `rest`: what stands behind the head, a part of the piece that was pushed last. */
  | { readonly kind: 'head'; readonly head: T; readonly rest: Buffer }
  | Malformed;

/** Reads one head after another. What was pushed is not kept by reference. */
export interface HeadReader<T> {
  /** Once a head has been read, the next piece begins the next; after `malformed` there is none. */
  push(bytes: Buffer): Parsed<T>;
  /** Not a byte of the next head has come. */
  readonly isUntouched: boolean;
}

/** One empty line before the head is skipped. */
export function requestReader(): HeadReader<RequestLine> {
  return new LineReader(readRequestLine, true);
}

export function responseReader(): HeadReader<StatusLine> {
  return new LineReader(readStatusLine, false);
}

class LineReader<T extends { readonly fields: readonly Field[] }> implements HeadReader<T> {
  readonly #readLine: (line: string) => Omit<T, 'fields'> | Malformed;
  readonly #blank: boolean;
  #section: SectionReader;
  #line: Omit<T, 'fields'> | undefined;

  constructor(readLine: (line: string) => Omit<T, 'fields'> | Malformed, blank: boolean) {
    this.#readLine = readLine;
    this.#blank = blank;
    this.#section = this.#next();
  }

  get isUntouched(): boolean {
    return this.#section.isUntouched;
  }

  push(bytes: Buffer): Parsed<T> {
    const found = this.#section.push(bytes);
    if (found.kind !== 'section') return found;
    const head = { ...this.#line, fields: found.fields } as T; // the line comes before the fields
    this.#section = this.#next();
    return { kind: 'head', head, rest: found.rest };
  }

  #next(): SectionReader {
    return new SectionReader({
      most: HEAD_BYTES,
      what: 'head',
      blank: this.#blank,
      start: (text) => {
        const line = this.#readLine(text);
        if ('kind' in line) return line as Malformed;
        this.#line = line;
        return undefined;
      },
    });
  }
}

function readRequestLine(line: string): Omit<RequestLine, 'fields'> | Malformed {
  const found = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([\x21-\x7e]+) HTTP\/(1\.[01])$/.exec(line);
  if (found) return { method: found[1] as string, url: found[2] as string, version: found[3] as string };
  const version = /^[\x21-\x7e]+ \S+ HTTP\/(\d\.\d)$/.exec(line)?.[1];
  if (version === undefined) return malformed('the first line is not "method target HTTP/1.1"');
  return malformed(
    version.startsWith('1.') && Number(version) <= 1.1
      ? 'the method or the target has a character that is not allowed there'
      : 'the HTTP version is neither 1.0 nor 1.1',
  );
}

/** The space before an empty reason phrase is left out by enough servers. */
function readStatusLine(line: string): Omit<StatusLine, 'fields'> | Malformed {
  const found = /^HTTP\/(1\.[01]) ([1-9]\d\d)(?: ([\t\x20-\x7e\x80-\xff]*))?$/.exec(line);
  if (!found) return malformed('the first line is not "HTTP/1.1 status reason"');
  return { version: found[1] as string, status: Number(found[2]), text: found[3] ?? '' };
}
