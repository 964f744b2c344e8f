/** Reads a manifest: file → schema → what the plan needs to know of the user's machine, or an error with every issue. */
import { createHash, X509Certificate } from 'node:crypto';
import { lstatSync, readFileSync, realpathSync } from 'node:fs';
import { dirname } from 'node:path';
import { LineCounter, parseDocument, visit } from 'yaml';
import { type Manifest, manifestSchema } from '../contracts/manifest.ts';
import { type SecretWish, secretWishSchema } from '../contracts/secret.ts';
import { clientCertificateSchema, upstreamProxySchema } from '../contracts/upstream.ts';
import { ManifestError, type ManifestIssue, reasonOf } from './errors.ts';
import { issuesOf } from './issues.ts';
import { type MountSource, resolveMountSource } from './mounts.ts';
import { pathIn } from './path.ts';
import { type CredentialSource, findSource } from './sources.ts';
import { field, listIn } from './unchecked.ts';

/** A manifest with all that was looked up on this machine for it. */
export interface LoadedManifest {
  readonly source: { readonly kind: 'file'; readonly path: string } | { readonly kind: 'built-in' };
  /** Stable name of the manifest's folder: 12 hex digits of the SHA-256 of its real path. */
  readonly folderId: string;
  readonly manifest: Manifest;
  /** In the manifest's order. */
  readonly mounts: readonly (MountSource & { readonly target: string; readonly read_only: boolean })[];
  readonly upstreamCa: readonly { readonly path: string; readonly pem: string }[];
  /** Values of the agent's variables that refer to the caller's environment. */
  readonly secrets: Readonly<Record<string, string>>;
  /** Where the values of `secrets` come from; none has been read. */
  readonly credentials: Readonly<Record<string, CredentialSource>>;
  /** Where `egress.upstream_proxy` and `egress.client_certificates` have theirs: `proxy`, `cert.0`, `key.0`. None has been read. */
  readonly upstream: Readonly<Record<string, CredentialSource>>;
  /** SHA-256 over the manifest, the files that it names and the real paths of its mounts: what a user confirms. */
  readonly contentHash: string;
}

export interface ManifestContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Folder with bottle's own records; never to be mounted. */
  readonly stateFolder: string;
}

/** @throws ManifestError listing every problem with its path in the file */
export function readManifest(file: string, context: ManifestContext): LoadedManifest {
  const text = readText(file);
  const path = realpathSync(file);
  return loadManifest({ kind: 'file', path }, dirname(path), text, parseText(file, text), context);
}

/** Checks a manifest's value, from a file or built in. @throws ManifestError */
export function loadManifest(
  source: LoadedManifest['source'],
  folder: string,
  text: string,
  value: unknown,
  context: ManifestContext,
): LoadedManifest {
  const issues: ManifestIssue[] = [];
  const parsed = manifestSchema.safeParse(value);
  if (!parsed.success) issues.push(...parsed.error.issues.flatMap(issuesOf));

  // The user's files are looked at also where the schema has complaints elsewhere: every problem is to be said at once.
  const search = { value, folder, context, issues };
  const mounts = findMounts(search);
  const upstreamCa = findCertificates(search);
  const secrets = readSecrets(value, context.env, issues);
  const given = mounts.flatMap((mount) => (mount ? [mount.real] : []));
  const credentials = findCredentials(search, given);
  const upstream = findUpstream(search, given);

  if (issues.length > 0 || !parsed.success) {
    throw new ManifestError(source.kind === 'file' ? source.path : 'the built-in default', issues);
  }
  const wished = parsed.data.agent.mounts;
  const resolved = mounts.flatMap((mount, index) => {
    const wish = wished[index];
    return mount && wish ? [{ ...mount, target: wish.target, read_only: wish.read_only }] : [];
  });
  return {
    source,
    folderId: sha256(folder).slice(0, 12),
    manifest: parsed.data,
    mounts: resolved,
    upstreamCa,
    secrets,
    credentials,
    upstream,
    // Not what stands in a secret's file: it is meant to change.
    contentHash: sha256(
      JSON.stringify([
        text,
        resolved.map(({ real }) => real),
        upstreamCa.map(({ path, pem }) => [path, pem]),
        ...(Object.keys(credentials).length > 0 ? [credentials] : []),
        ...(Object.keys(upstream).length > 0 ? [upstream] : []),
      ]),
    ),
  };
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new ManifestError(file, [{ path: '', message: `cannot be read (${reasonOf(error)})` }], { cause: error });
  }
}

function parseText(file: string, text: string): unknown {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, strict: true, uniqueKeys: true });
  const problems = document.errors.map(({ pos, message }) => ({ at: pos[0], message }));
  visit(document, {
    Alias: (_, { range, source }) => {
      problems.push({ at: range?.[0] ?? 0, message: `*${source} is an alias; write out what it stands for` });
    },
  });
  if (problems.length === 0) return document.toJS();
  throw new ManifestError(
    file,
    problems.map(({ at, message }) => {
      const { line, col } = lines.linePos(at);
      return {
        path: `line ${line}, column ${col}`,
        message: (message.split('\n')[0] ?? '').replace(/ at line \d+.*$/, ''),
      };
    }),
  );
}

/** Where the user's files are looked for, and what is found wrong with them. */
interface Search {
  /** The manifest as it was written, checked or not. */
  readonly value: unknown;
  readonly folder: string;
  readonly context: ManifestContext;
  readonly issues: ManifestIssue[];
}

/** By their place in the manifest; undefined for one that may not be mounted. */
function findMounts({ value, folder, context, issues }: Search): (MountSource | undefined)[] {
  return listIn(value, 'agent', 'mounts').map((wish, index) => {
    const source = field(wish, 'source');
    if (typeof source !== 'string' || source === '') return undefined;
    const found = resolveMountSource(pathIn(folder, source), context.stateFolder, context.env);
    if (found.kind === 'invalid') issues.push({ path: `agent.mounts[${index}].source`, message: found.why });
    return found.kind === 'invalid' ? undefined : found;
  });
}

function findCertificates({ value, folder, issues }: Search): { path: string; pem: string }[] {
  return listIn(value, 'egress', 'upstream_ca').flatMap((name, index) => {
    if (typeof name !== 'string' || name === '') return [];
    const found = readCertificates(pathIn(folder, name));
    if ('why' in found) issues.push({ path: `egress.upstream_ca[${index}]`, message: found.why });
    return 'why' in found ? [] : [found];
  });
}

/** `given`: real paths that the agent is given. */
function findCredentials(
  { value, folder, context, issues }: Search,
  given: readonly string[],
): Record<string, CredentialSource> {
  const credentials: Record<string, CredentialSource> = {};
  for (const [name, wish] of Object.entries(Object(field(value, 'secrets')))) {
    const source = secretWishSchema.safeParse(wish);
    if (!source.success) continue;
    const found = findSource(source.data.from, folder, given, context.env);
    if ('why' in found) issues.push({ path: `secrets.${name}.from.${found.key}`, message: found.why });
    else credentials[name] = found;
  }
  return credentials;
}

function findUpstream(
  { value, folder, context, issues }: Search,
  given: readonly string[],
): Record<string, CredentialSource> {
  const upstream: Record<string, CredentialSource> = {};
  for (const { name, path, from } of upstreamSources(value)) {
    const found = findSource(from, folder, given, context.env);
    if ('why' in found)
      issues.push({ path: path ?? `egress.upstream_proxy.credentials.${found.key}`, message: found.why });
    else upstream[name] = found;
  }
  return upstream;
}

function readCertificates(path: string): { path: string; pem: string } | { why: string } {
  let pem: string;
  try {
    pem = readFileSync(path, 'utf8');
  } catch (error) {
    return { why: `${path} cannot be read (${reasonOf(error)})` };
  }
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) return { why: `${path} holds no PEM certificate` };
  try {
    for (const block of blocks) new X509Certificate(block);
  } catch (error) {
    return { why: `${path} holds a certificate that cannot be parsed (${reasonOf(error)})` };
  }
  return { path: realpathSync(path), pem: `${blocks.join('\n')}\n` };
}

const REFERENCE = /\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g;

/** Values of `agent.env` that refer to the caller's environment, filled in. */
function readSecrets(value: unknown, env: ManifestContext['env'], issues: ManifestIssue[]): Record<string, string> {
  const secrets: Record<string, string> = {};
  for (const [name, text] of Object.entries(Object(field(field(value, 'agent'), 'env')))) {
    if (typeof text !== 'string' || text.search(REFERENCE) < 0) continue;
    secrets[name] = text.replaceAll(REFERENCE, (_, variable: string) => {
      const found = Object.hasOwn(env, variable) ? env[variable] : undefined;
      if (found === undefined)
        issues.push({ path: `agent.env.${name}`, message: `\${${variable}} is not set in your environment` });
      return found ?? '';
    });
  }
  return secrets;
}

/** What the way out needs of the user's files and environment, as far as it is written as it should be. */
function upstreamSources(value: unknown): { name: string; path?: string; from: Partial<SecretWish['from']> }[] {
  const proxy = upstreamProxySchema.safeParse(field(field(value, 'egress'), 'upstream_proxy'));
  const { credentials } = proxy.success ? proxy.data : {};
  return [
    ...(credentials ? [{ name: 'proxy', from: credentials }] : []),
    ...listIn(value, 'egress', 'client_certificates').flatMap((wish, index) => {
      const given = clientCertificateSchema.safeParse(wish);
      if (!given.success) return [];
      const path = `egress.client_certificates[${index}]`;
      return [
        { name: `cert.${index}`, path: `${path}.cert`, from: { file: given.data.cert } },
        { name: `key.${index}`, path: `${path}.key`, from: { file: given.data.key } },
      ];
    }),
  ];
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** True if anything lies at this path, also a link to nothing: what cannot be read is an error, never no manifest. */
export function manifestExists(file: string): boolean {
  return lstatSync(file, { throwIfNoEntry: false }) !== undefined;
}
