/**
 * A model of how pipelock reads a request, with exactly the gaps that were seen with the real program: what it finds, it finds only
 * where that does. `parts.test.ts` shows each gap with it, and asks the program itself where there is one.
 */
import type { Field } from '../../../../addon/message.ts';

export interface Read {
  readonly method: string;
  readonly url: string;
  readonly fields: readonly Field[];
  readonly body: Buffer;
}

/** `refused`: it answers with an error instead of reading. */
export function read(part: Read, secret: RegExp): 'found' | 'nothing' | 'refused' {
  const body = readBody(part);
  if (body === undefined) return 'refused';
  const fields = part.fields.filter(([name]) => !IGNORED.has(name.toLowerCase())).flat();
  const texts = [new URL(part.url).pathname, ...new URL(part.url).searchParams.values(), ...fields, ...body];
  return texts.some((text) => isIn(text, secret)) ? 'found' : 'nothing';
}

const IGNORED = new Set(['x-pipelock-agent', 'connection', 'content-length', 'host']);

function valueOf({ fields }: Read, wanted: string): string {
  return fields.find(([name]) => name.toLowerCase() === wanted)?.[1] ?? '';
}

/** The texts in a body, undefined where it refuses it. */
function readBody(part: Read): string[] | undefined {
  const { body } = part;
  if (body.length === 0) return [];
  if (!['', 'identity'].includes(valueOf(part, 'content-encoding'))) return undefined;
  const [type = ''] = valueOf(part, 'content-type').toLowerCase().split(';');
  if (type === 'application/json' || type.endsWith('+json')) return readJson(body.toString());
  if (type === 'application/x-www-form-urlencoded') return readForm(body.toString('latin1'));
  if (type === 'multipart/form-data') return readMultipart(body.toString('latin1'), valueOf(part, 'content-type'));
  return [body.toString('latin1')];
}

/** The last of equal keys, 64 levels, numbers as doubles; each string, and all of them as one. */
function readJson(text: string): string[] | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text.startsWith('\ufeff') ? '\ufeff\ufeff' : text);
  } catch {
    return undefined;
  }
  const strings = stringsIn(value, 0);
  return [...strings, strings.toSorted().join('\n')];
}

function stringsIn(value: unknown, depth: number): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value === 'number') return [String(value)];
  if (typeof value !== 'object' || value === null || depth >= 64) return [];
  const inside = (one: unknown) => stringsIn(one, depth + 1);
  return Array.isArray(value)
    ? value.flatMap(inside)
    : Object.entries(value).flatMap(([key, one]) => [key, ...inside(one)]);
}

function readForm(text: string): string[] | undefined {
  if (text.includes(';') || /%(?![0-9a-f]{2})/i.test(text)) return undefined;
  return [...new URLSearchParams(text)].flat();
}

/** Contents, names and file names. */
function readMultipart(text: string, type: string): string[] | undefined {
  const boundary = /boundary="?([^";]+)/.exec(type)?.[1];
  if (boundary === undefined || !text.includes(`--${boundary}--`)) return undefined;
  const parts = text.split(`--${boundary}--`, 1).join('').split(`--${boundary}\r\n`).slice(1);
  return parts.flatMap((part) => {
    const [head = '', ...content] = part.split('\r\n\r\n');
    const names = [...head.matchAll(/name="([^"]*)"/g)].map(([, name = '']) => name);
    return [...names, content.join('\r\n\r\n')];
  });
}

/** The text without control characters; percent; runs between a few delimiters, three deep. */
function isIn(text: string, secret: RegExp, depth = 0): boolean {
  const clean = Array.from(text)
    .filter((character) => character > '\x1f' && character !== '\x7f')
    .join('');
  if (secret.test(clean)) return true;
  const percent = clean.replaceAll(/%([0-9a-f]{2})/gi, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  if (percent !== clean) return isIn(percent, secret, depth);
  if (depth === 3) return false;
  const runs = [clean, ...clean.split(/[ /?&=]/)];
  return runs.some((run) => decoded(run).some((inside) => isIn(inside, secret, depth + 1)));
}

function decoded(run: string): string[] {
  const texts: string[] = [];
  if (/^[A-Za-z0-9+/_-]{8,}=*$/.test(run)) texts.push(Buffer.from(run, 'base64').toString('latin1'));
  if (/^([0-9a-fA-F]{2}){8,}$/.test(run)) texts.push(Buffer.from(run, 'hex').toString('latin1'));
  return texts;
}
