/** Who may import whom, and why. The architecture's table as data. */

export interface Row {
  /** Files that the row is about; `not` are those that another row is about. */
  readonly files: readonly string[];
  readonly not?: readonly string[];
  /** What they may import. */
  readonly may: readonly string[];
  /** What they may import as types alone: nothing of it is there when the program runs. */
  readonly types?: readonly string[];
  readonly why: string;
}

const NODE_FILES = ['node:fs', 'node:path', 'node:crypto', 'node:os'];
/** Decisions of the sidecar: no socket, no file, no clock. */
const JUDGEMENT = [
  'addon/{blanks,body,budget,code,covered,exchange,h2fields,hello,identity,keynames,lane,limits,message,policy,present,receipt,request,respond,seam,selftest,shape,trailers,verdict}.ts',
];

const LAUNCHER: Row[] = [
  {
    files: ['src/{errors,together,unchecked}.ts'],
    may: [],
    why: 'everything may import these, so they import nothing',
  },
  {
    files: ['src/backend.ts'],
    may: [],
    types: ['contracts/plan.ts', 'node:stream'],
    why: 'it is the border to any engine: types alone, so that an engine in memory is one as well',
  },
  {
    files: ['src/{plan,container,scanner,secrets,describe,bind,builtin,egress,late,pipelock,redact}.ts'],
    may: ['contracts/*', 'src/{builtin,container,egress,pipelock,scanner,secrets}.ts'],
    types: ['src/{backend,credentials,manifest}.ts'],
    why: 'same input, same plan: no clock, no randomness, no file; what differs comes in as an argument',
  },
  {
    files: ['src/journal.ts', 'src/collect.ts'],
    may: ['contracts/*', 'src/redact.ts'],
    types: ['src/backend.ts', 'src/history.ts'],
    why: 'what is said of a session follows from its records alone',
  },
  {
    files: ['src/command.ts'],
    may: ['execa'],
    why: 'the one file that runs a program of the user’s, which the manifest names',
  },
  {
    files: ['src/credentials.ts'],
    may: ['contracts/*', 'src/errors.ts', 'node:fs', 'node:util'],
    types: ['src/sources.ts'],
    why: 'it reads values, and hands them to nobody but who asks: no engine, no output',
  },
  {
    files: ['src/upstream.ts'],
    may: ['contracts/*', 'src/errors.ts', 'node:crypto', 'node:fs'],
    types: ['src/sources.ts'],
    why: 'it reads what is shown to the outside, and hands it to nobody but who asks',
  },
  {
    files: ['src/{manifest,path,sources}.ts'],
    may: ['contracts/*', 'src/{errors,issues,mounts,path,sources,unchecked}.ts', 'yaml', ...NODE_FILES],
    why: 'it reads the user’s files, and knows neither network nor engine',
  },
  {
    files: ['src/issues.ts'],
    may: ['contracts/*', 'src/unchecked.ts', 'zod'],
    types: ['src/errors.ts'],
    why: 'what is said of a manifest follows from it and the schema alone',
  },
  {
    files: ['src/{lock,mounts,trust,history}.ts'],
    may: ['contracts/*', 'src/errors.ts', 'node:fs', 'node:path', 'node:crypto'],
    types: ['src/{backend,manifest}.ts'],
    why: 'with the manifest, the only files that read or write the user’s files',
  },
  {
    files: ['src/{agent,launch,serving,session,site}.ts'],
    may: [
      'contracts/*',
      'src/{agent,bind,errors,late,serving,session,site,together}.ts',
      'node:timers/promises',
      'node:util',
    ],
    types: ['src/{backend,credentials}.ts', 'src/provision/provisioner.ts', 'node:stream'],
    why: 'an engine in memory must be enough to test it: never the real one, never a file',
  },
  {
    files: ['src/provision/*'],
    may: ['contracts/*', 'src/errors.ts', 'src/provision/*'],
    types: ['src/backend.ts'],
    why: 'a step works over a container’s handle, whatever engine that is of',
  },
  {
    files: ['src/docker/*'],
    may: ['contracts/*', 'src/errors.ts', 'src/docker/*', 'node:*', 'node:*/*', 'dockerode', 'execa', 'tar-stream'],
    types: ['src/backend.ts'],
    why: 'one door for Docker: it does what it is told, and knows neither plan, launch nor commands',
  },
  {
    files: ['src/cli/program.ts'],
    may: ['contracts/*', 'src/cli/*', 'src/{errors,history}.ts', 'commander'],
    why: 'flags and words only',
  },
  {
    files: ['src/cli/manifest.ts'],
    may: ['contracts/*', 'src/cli/*', 'src/{builtin,errors}.ts', 'node:fs', 'node:path', 'zod'],
    why: 'it prints the schema of a manifest, and needs no engine',
  },
  {
    files: ['src/cli/io.ts'],
    may: ['src/{describe,errors}.ts', 'node:child_process', 'node:readline/promises'],
    types: ['src/cli/deps.ts', 'src/session.ts'],
    why: 'the streams, the terminal (which needs stty) and the signals of the process, and no command',
  },
  {
    files: ['src/cli/*'],
    not: ['src/cli/io.ts', 'src/cli/program.ts', 'src/cli/manifest.ts'],
    may: [
      'contracts/*',
      'src/cli/*',
      'src/{builtin,collect,command,credentials,describe,errors,history,journal,launch,lock,manifest,mounts,plan,upstream}.ts',
      'src/provision/list.ts',
      'node:fs',
      'node:path',
      'node:util',
      'node:timers/promises',
      'node:readline/promises',
    ],
    types: ['src/{backend,session,trust}.ts'],
    why: 'a command gets its engine, its clock and its terminal in deps, so that a test can give it others',
  },
  {
    files: ['src/main.ts'],
    may: ['src/cli/*', 'src/docker/*', 'src/{errors,history,trust}.ts', 'node:util', ...NODE_FILES],
    why: 'the one place where the real engine is named',
  },
];

const SIDECAR: Row[] = [
  {
    files: JUDGEMENT,
    not: ['addon/request.ts'],
    may: ['contracts/*', ...JUDGEMENT, 'node:crypto'],
    types: ['addon/{journal,members,secrets,spool}.ts'],
    why: 'what becomes of a request is decided from values alone: no socket, no file, no package',
  },
  {
    files: ['addon/request.ts'],
    may: ['contracts/*', ...JUDGEMENT, 'addon/h1/*', 'node:http'],
    why: 'it has Node’s own rules for field names and values, and no socket',
  },
  {
    files: ['addon/h1/*'],
    may: ['addon/h1/*', 'addon/{blanks,limits}.ts'],
    types: ['addon/receipt.ts'],
    why: 'one reading of HTTP/1.1 for both sides, from the bytes alone: no socket, no policy',
  },
  {
    files: ['addon/websocket/*'],
    may: ['contracts/*', ...JUDGEMENT, 'addon/websocket/*', 'node:{buffer,crypto,zlib}'],
    why: 'how a WebSocket is read and written follows from its bytes alone, whatever they come over: no socket, no file',
  },
  {
    files: ['addon/authority.ts'],
    may: ['contracts/*', 'addon/limits.ts', 'node:crypto', 'node:tls', 'node-forge'],
    why: 'one person can read in a sitting all that can sign',
  },
  {
    files: ['addon/packages.d.ts'],
    may: [],
    types: ['undici', 'node-forge'],
    why: 'types of the files by which these two are entered',
  },
  {
    files: ['addon/{journal,lifeline}.ts'],
    may: ['contracts/*', ...JUDGEMENT, 'node:fs'],
    why: 'a record is written to a file, and to nothing else',
  },
  {
    files: ['addon/dns.ts'],
    may: ['contracts/*', ...JUDGEMENT, 'node:dgram', 'node:net'],
    why: 'it answers the agent’s questions, and asks nobody',
  },
  {
    files: ['addon/{members,neutral,secrets,spellings,tap}.ts'],
    may: ['contracts/*', ...JUDGEMENT, 'addon/{members,neutral,spellings,tap}.ts', 'addon/decode/*', 'node:zlib'],
    why: 'what is done with a credential follows from the request alone: no socket, no file',
  },
  {
    files: ['addon/parts.ts'],
    may: ['contracts/*', ...JUDGEMENT, 'addon/{masks,reading}.ts', 'addon/decode/*'],
    why: 'what a scanner is given follows from the request alone: no socket, no file, no randomness',
  },
  {
    files: ['addon/{masks,reading}.ts'],
    may: ['contracts/*', ...JUDGEMENT, 'addon/masks.ts', 'addon/decode/*'],
    why: 'what is in a body, and what of it is not shown, follows from its bytes and the plan',
  },
  {
    files: ['addon/decode/*'],
    may: ['addon/decode/*', 'node:{buffer,stream,zlib}'],
    why: 'sidecar and scanner read what is encoded in one and the same way, from the bytes alone',
  },
  {
    files: ['addon/{windowed,windows}.ts'],
    may: ['contracts/*', ...JUDGEMENT, 'addon/{masks,parts,windows}.ts', 'addon/decode/*'],
    types: ['addon/secrets.ts'],
    why: 'what a scanner is given of a large body follows from its bytes alone, wherever they are read from',
  },
  {
    files: ['addon/spool.ts'],
    may: [...JUDGEMENT, 'node:{crypto,fs,path}', 'node:fs/promises'],
    why: 'it keeps bytes on a disk, and knows nothing of what they are',
  },
  {
    files: ['addon/scan.ts'],
    may: [
      'contracts/*',
      ...JUDGEMENT,
      'addon/{call,parts,windowed,windows}.ts',
      'addon/decode/object.ts',
      'node:crypto',
      'node:timers/promises',
    ],
    types: ['addon/secrets.ts'],
    why: 'it asks the scanner, and knows neither agent nor upstream',
  },
  {
    files: ['addon/call.ts'],
    may: [...JUDGEMENT, 'undici'],
    why: 'it has the scanner’s connections, and no others',
  },
  {
    files: ['addon/sink.ts'],
    may: ['contracts/*', ...JUDGEMENT, 'addon/dns.ts', 'node:{crypto,http,net}'],
    why: 'what reaches it ends there: it can open no connection of its own',
  },
  {
    files: ['addon/unopened.ts'],
    may: ['contracts/*', ...JUDGEMENT],
    types: ['addon/journal.ts', 'addon/upstream/dial.ts', 'node:net'],
    why: 'it is given both sockets, and opens none',
  },
  {
    files: ['addon/inflow.ts'],
    may: [],
    types: ['addon/budget.ts', 'node:http2'],
    why: 'it watches a stream that somebody else opened',
  },
  {
    files: ['addon/client/*'],
    may: [
      'contracts/*',
      ...JUDGEMENT,
      'addon/{authority,inflow}.ts',
      'addon/client/*',
      'addon/decode/*',
      'addon/h1/*',
      'addon/websocket/*',
      'node:{crypto,http2,net,tls}',
    ],
    types: ['node:stream'],
    why: 'what faces the agent cannot reach the world by itself',
  },
  {
    files: ['addon/upstream/{answer,failure,written}.ts'],
    may: ['contracts/*', ...JUDGEMENT, 'addon/h1/*', 'addon/websocket/*'],
    why: 'what is written to an upstream, and what its answer says, follows from the bytes alone: no socket',
  },
  {
    files: ['addon/upstream/*'],
    not: ['addon/upstream/{answer,failure,written}.ts'],
    may: [
      'contracts/*',
      ...JUDGEMENT,
      'addon/inflow.ts',
      'addon/h1/*',
      'addon/upstream/*',
      'node:{http,http2,net,tls}',
      'node:dns/promises',
    ],
    why: 'what faces the world gets a request that was judged, never an agent’s socket',
  },
  {
    files: ['addon/sidecar.ts', 'addon/main.ts'],
    may: [
      'contracts/*',
      'addon/*',
      'addon/client/*',
      'addon/upstream/*',
      'addon/websocket/*',
      'addon/scanner/detect.ts',
      'node:{crypto,os,path,readline}',
    ],
    why: 'they put the parts together; the scanner is another program',
  },
];

const SCANNER: Row[] = [
  {
    files: ['addon/scanner/{main,serve}.ts'],
    may: ['contracts/*', 'addon/receipt.ts', 'addon/scanner/*', 'node:{fs,http,net,readline}'],
    why: 'it serves one socket, and has no way out',
  },
  {
    files: ['addon/scanner/**'],
    not: ['addon/scanner/{main,serve}.ts', 'addon/scanner/url/address.ts'],
    may: ['contracts/*', 'addon/receipt.ts', 'addon/decode/*', 'addon/scanner/**', 'node:crypto'],
    why: 'what is found follows from the bytes alone: no socket, no file, no package',
  },
  {
    files: ['addon/scanner/url/address.ts'],
    may: ['addon/scanner/**', 'node:net'],
    why: 'it reads addresses as Node does, and opens none',
  },
];

export const ROWS: readonly Row[] = [
  {
    files: ['contracts/*'],
    may: ['contracts/*', 'zod'],
    why: 'it is compiled into both programs, so it knows neither, and nothing of the machine that it runs on',
  },
  ...LAUNCHER,
  ...SIDECAR,
  ...SCANNER,
];

/** Each package, and the files through which alone it is used. */
export const DOORS: Readonly<Record<string, readonly string[]>> = {
  commander: ['src/cli/program.ts'],
  dockerode: ['src/docker/*'],
  execa: ['src/docker/base.ts', 'src/command.ts'],
  'node-forge': ['addon/authority.ts', 'addon/packages.d.ts'],
  'tar-stream': ['src/docker/archive.ts'],
  undici: ['addon/call.ts', 'addon/packages.d.ts'],
  yaml: ['src/manifest.ts'],
  zod: ['contracts/*', 'src/issues.ts', 'src/cli/manifest.ts'],
};
