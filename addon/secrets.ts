/**
 * The secrets of a session, in this process's memory and nowhere else. The agent holds placeholders; towards the hosts that a secret
 * is bound to, and in its named place only, the value takes the placeholder's stead once the request has been judged.
 */
import type { Host } from '../contracts/host.ts';
import { ruleCoversHost } from '../contracts/policy.ts';
import type { BoundSecret, SecretPlace } from '../contracts/secret.ts';
import { bytesInMemory } from './body.ts';
import { decodeContent, openCompressed } from './decode/inflate.ts';
import { Work } from './decode/work.ts';
import {
  foreignMember,
  identityProblem,
  readBasic,
  readPair,
  standsInField,
  standsInPath,
  standsInQuery,
} from './identity.ts';
import { isKeyMember } from './keynames.ts';
import { membersInWindow, membersOf } from './members.ts';
import type { Client, Field, RequestHead, Target, Unit } from './message.ts';
import { neutralOf, replaceBytes, replaceCut, replaceText, standsIn } from './neutral.ts';
import { sha256 } from './receipt.ts';
import { valuesOf } from './request.ts';
import { Search } from './spellings.ts';
import { tap, type Tap } from './tap.ts';

export interface Secrets {
  /** Why this request may not go out, as a finding: a value in it, or a foreign identity towards a bound host. Never quotes either. */
  objection(head: RequestHead, unit: Unit): string | undefined;
  /** The request as a scanner may see it, and the secrets whose placeholder stands elsewhere than in its place. */
  neutralize(head: RequestHead, unit: Unit): Neutral;
  /** The same three for a body that is too large for them, window by window; undefined if there are no secrets. */
  inWindows(head: RequestHead): ((window: Buffer, begins: boolean) => WindowReview) | undefined;
  /** The parts that a scanner is to be given, once more: what was decoded on the way may hold what nothing showed before. */
  review<P extends ReviewedPart>(parts: readonly P[]): readonly P[] | { readonly finding: string };
  /** The head as it is sent: values in their places, the manifest's fields set. */
  inject(head: RequestHead): RequestHead;
  /** The client to relay an answer to, if the host is bound: an answer that repeats a value is cut. `cut` ends the upstream's side. */
  watch(client: Client, cut: () => void): Tap | undefined;
  /** Takes new values; the ones before are still looked for. Names that are not known are left out. */
  renew(values: Readonly<Record<string, string>>): void;
}

/** A window of a body as a scanner may see it, or a value that stands in it. */
export type WindowReview =
  | { readonly kind: 'reviewed'; readonly bytes: Buffer; readonly elsewhere: readonly string[] }
  | { readonly kind: 'block'; readonly finding: string };

/** What is looked at of a part. */
export interface ReviewedPart {
  readonly url: string;
  readonly fields: readonly Field[];
  readonly body: Buffer;
  readonly bodySha256: string;
}

export interface Neutral {
  readonly head: RequestHead;
  readonly unit: Unit;
  readonly elsewhere: readonly string[];
}

/** Values of one secret that are looked for: the present one and some before it, which may still be good. */
const REMEMBERED = 4;

export function holdSecrets(bound: readonly BoundSecret[]): Secrets {
  const values = new Map(bound.map(({ name, value }) => [name, [value]]));
  const neutrals = bound.map(neutralOf);
  let search = searchFor(values);

  const covering = ({ host }: Target) => bound.filter(({ hosts }) => hosts.some((rule) => ruleCoversHost(rule, host)));

  function objection(head: RequestHead, unit: Unit): string | undefined {
    if (bound.length === 0) return undefined;
    const body = bytesOf(unit);
    const read = body && readable(head, body);
    const leaked =
      search.inHost(head.target.host.text) ??
      search.inRequest(Buffer.from(headText(head, unit), 'latin1')) ??
      (body && search.inRequest(body)) ??
      (read === body ? undefined : read && search.inRequest(read));
    if (leaked !== undefined) return leakOf(leaked);
    const own = covering(head.target).filter((secret) => identityOf(secret, head.target.host) === 'bound');
    if (own.length === 0) return undefined;
    const [type = ''] = unit.message ? [unit.message.type] : valuesOf(head.fields, 'content-type');
    const members = read ? membersOf(type, read, isKeyMember) : [];
    // A message of a stream: who asks was judged with the head, and may be said anew.
    return unit.message
      ? foreignMember(members, own)
      : identityProblem(head, unit.last ? body : undefined, members, own);
  }

  function neutralize(head: RequestHead, unit: Unit): Neutral {
    if (bound.length === 0) return { head, unit, elsewhere: [] };
    const injected = headText(inject(head), unit);
    const sent = bytesOf(unit);
    const inHead = neutrals.filter(({ pairs }) => pairs.some(([from]) => injected.includes(from.text)));
    if (!sent)
      return {
        head: { ...head, path: plainText(head.path), fields: plainFields(head.fields) },
        unit: { ...unit, trailers: plainFields(unit.trailers) },
        elsewhere: inHead.map(({ name }) => name),
      };
    const read = readable(head, sent);
    const inBody = neutrals.filter((neutral) => standsIn(read, neutral));
    // A body that has none stays as it is sent, compressed or not.
    const body = inBody.length === 0 ? sent : plainBytes(read);
    const opened = inBody.length > 0 && read !== sent;
    const fields = head.fields.filter(([name]) => !opened || name.toLowerCase() !== 'content-encoding');
    return {
      head: { ...head, path: plainText(head.path), fields: plainFields(fields) },
      unit: body === sent && unit.trailers.length === 0 ? unit : copyOf(unit, body, plainFields(unit.trailers), opened),
      elsewhere: neutrals.filter((one) => inBody.includes(one) || inHead.includes(one)).map(({ name }) => name),
    };
  }

  const plainBytes = (bytes: Buffer) => neutrals.reduce(replaceBytes, bytes);
  const plainText = (text: string) => neutrals.reduce(replaceText, text);
  const plainFields = (fields: readonly Field[]) =>
    fields.map(([name, value]): Field => [plainText(name), plainText(value)]);

  function inWindows(head: RequestHead): ReturnType<Secrets['inWindows']> {
    if (bound.length === 0) return undefined;
    const own = covering(head.target).filter((secret) => identityOf(secret, head.target.host) === 'bound');
    const [type = ''] = valuesOf(head.fields, 'content-type');
    return (window, begins) => {
      const leaked = search.inRequest(window);
      if (leaked !== undefined) return { kind: 'block', finding: leakOf(leaked) };
      const members = own.length === 0 ? [] : membersInWindow(type, window, begins, isKeyMember);
      const problem = members === 'unreadable' ? TOO_LARGE_TO_JUDGE : foreignMember(members, own);
      if (problem !== undefined) return { kind: 'block', finding: problem };
      const found = neutrals.filter((neutral) => standsIn(window, neutral));
      const plain = neutrals.reduce((left, { pairs }) => replaceCut(left, pairs), plainBytes(window));
      return { kind: 'reviewed', bytes: plain, elsewhere: found.map(({ name }) => name) };
    };
  }

  function review<P extends ReviewedPart>(parts: readonly P[]): readonly P[] | { readonly finding: string } {
    if (bound.length === 0) return parts;
    for (const { url, fields, body } of parts) {
      const text = Buffer.from([url, ...fields.flat()].join('\n'), 'latin1');
      const leaked = search.inBytes(body) ?? search.inBytes(text);
      if (leaked !== undefined) return { finding: leakOf(leaked) };
    }
    return parts.map((part) => {
      const body = plainBytes(part.body);
      const changed = body === part.body ? {} : { body, bodySha256: sha256(body) };
      return { ...part, ...changed, fields: plainFields(part.fields) };
    });
  }

  function inject(head: RequestHead): RequestHead {
    const here = covering(head.target);
    if (here.length === 0) return head;
    const set = Object.entries(Object.assign({}, ...here.map(({ headers }) => headers)) as Record<string, string>);
    const replaced = new Set([
      'accept-encoding',
      'grpc-accept-encoding',
      'connect-accept-encoding',
      'sec-websocket-extensions',
      ...set.map(([name]) => name.toLowerCase()),
    ]);
    let { path } = head;
    // What cannot be read cannot be searched: a bound host is asked for plain answers, and no compression of messages is offered to it or asked of it.
    let fields = [
      ...head.fields.filter(([name]) => !replaced.has(name.toLowerCase())),
      ...set,
      ['Accept-Encoding', 'identity'] as const,
    ] as readonly Field[];
    for (const secret of here.filter((one) => mayGo(one, head.target))) {
      const value = values.get(secret.name)?.[0] ?? '';
      for (const place of secret.places) {
        fields = fields.map(([name, text]) => [name, fillField(place, secret, [name, text], value)]);
        path = fillPath(place, secret, path, value);
      }
    }
    return { ...head, path, fields };
  }

  return {
    objection,
    neutralize,
    inWindows,
    review,
    inject,
    watch(client, cut) {
      const here = covering(client.head.target);
      if (here.length === 0) return undefined;
      const own = here.some((secret) => identityOf(secret, client.head.target.host) === 'bound');
      return tap(client, { search, cut, cookies: own ? 'dropped' : 'kept' });
    },
    renew(fresh) {
      for (const [name, value] of Object.entries(fresh)) {
        const known = values.get(name);
        if (known && known[0] !== value)
          values.set(name, [value, ...known.filter((old) => old !== value)].slice(0, REMEMBERED));
      }
      search = searchFor(values);
    },
  };
}

/** `bound` if any rule of the secret that covers the host says so. */
function identityOf({ hosts }: BoundSecret, host: Host): 'bound' | 'open' {
  const covering = hosts.filter((rule) => ruleCoversHost(rule, host));
  return covering.some(({ identity }) => identity === 'bound') ? 'bound' : 'open';
}

const TOO_LARGE_TO_JUDGE =
  'blocked: a form or JSON of this size is not searched for other credentials than the one that this host is bound to';

/** Over TLS to a port of the rule; over plain HTTP only where the manifest names the port, and that is not TLS's. */
function mayGo({ hosts }: BoundSecret, { scheme, host, port }: Target): boolean {
  return hosts.some(
    (rule) =>
      ruleCoversHost(rule, host) &&
      rule.ports.includes(port) &&
      (scheme === 'https' || (rule.explicit && port !== TLS_PORT)),
  );
}

const TLS_PORT = 443;

function fillField(place: SecretPlace, secret: BoundSecret, [name, text]: Field, value: string): string {
  if (!standsInField(place, secret, name.toLowerCase(), text)) return text;
  if (place.kind === 'header') return `${text.slice(0, place.prefix.length)}${value}${place.suffix}`;
  const basic = readBasic(text);
  if (!basic || place.kind !== 'basic') return text;
  const pair = place.half === 'username' ? `${value}:${basic.password}` : `${basic.username}:${value}`;
  return `${basic.scheme}${Buffer.from(pair, 'latin1').toString('base64')}`;
}

function fillPath(place: SecretPlace, secret: BoundSecret, path: string, value: string): string {
  if (standsInPath(place, secret, path) && place.kind === 'path') {
    const rest = path.slice(place.prefix.length + secret.placeholder.length);
    return `${place.prefix}${encodeURIComponent(value)}${rest}`;
  }
  const at = path.indexOf('?') + 1;
  if (place.kind !== 'query' || at === 0) return path;
  const query = path
    .slice(at)
    .split('&')
    .map((raw) => {
      const { name, value: given } = readPair(raw);
      if (!standsInQuery(place, secret, name, given)) return raw;
      return `${raw.slice(0, raw.indexOf('=') + 1)}${encodeURIComponent(value)}`;
    });
  return `${path.slice(0, at)}${query.join('&')}`;
}

function searchFor(values: ReadonlyMap<string, readonly string[]>): Search {
  return new Search([...values].flatMap(([name, all]) => all.map((value) => [name, value] as const)));
}

function leakOf(name: string): string {
  return `blocked: the request holds the value of the secret ${name}`;
}

/** The body without the coding that is declared or that it begins with; the same bytes if there is none, or if it cannot be undone. */
function readable(head: RequestHead, body: Buffer): Buffer {
  if (body.length === 0) return body;
  const content = decodeContent(body, valuesOf(head.fields, 'content-encoding'), new Work());
  if (content.kind === 'unscannable') return body; // the scanner says so
  const opened = COMPRESSED.some((magic) => content.body.subarray(0, magic.length).equals(magic))
    ? openCompressed(content.body, new Work())
    : undefined;
  return opened ?? content.body;
}

/** How gzip, zlib and zstd begin. */
const COMPRESSED = [
  [0x1f, 0x8b],
  [0x78, 0x01],
  [0x78, 0x5e],
  [0x78, 0x9c],
  [0x78, 0xda],
  [0x28, 0xb5, 0x2f, 0xfd],
].map((bytes) => Buffer.from(bytes));

/** All of a head that an agent writes, and the trailers. */
function headText({ path, fields }: RequestHead, { trailers }: Unit): string {
  return [path, ...fields.flat(), ...trailers.flat()].join('\n');
}

/** What there is to read of a unit; undefined if it is not in memory, and is read in windows. */
function bytesOf(unit: Unit): Buffer | undefined {
  return unit.message ? unit.message.bytes : bytesInMemory(unit);
}

/** A unit to be scanned in another's place: it is not held by anybody. `opened`: nothing stands where it stood, so nothing is covered. */
function copyOf(unit: Unit, body: Buffer, trailers: readonly Field[], opened: boolean): Unit {
  const { type, covered } = unit.message ?? {};
  const message = unit.message ? { message: { type, bytes: body, ...(covered && !opened ? { covered } : {}) } } : {};
  return { ...unit, ...message, size: body.length, trailers, chunks: () => [body], [Symbol.dispose]: () => undefined };
}
