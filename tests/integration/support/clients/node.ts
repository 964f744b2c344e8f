/** Node in four versions, its libraries and its kin. */
import { BRINGS_A_SOCKET, NOT_A_REGISTRY, NOT_AN_API, type Row, row } from './row.ts';

const VERSIONS = {
  20: '/opt/js/node_modules/node20/bin/node',
  22: '/opt/js/node_modules/node22/bin/node',
  24: 'node',
  26: '/opt/js/node_modules/node26/bin/node',
} as const;
type Version = keyof typeof VERSIONS;
const node = (client: string, code: string, version: Version, more: Partial<Row> = {}) =>
  row(
    `${client}, Node ${version}`,
    `cd /opt/js && ${VERSIONS[version]} --input-type=module - <<'JS'\nconst { U } = process.env;\n${code}\nJS`,
    more,
  );
const FETCH = 'const r = await fetch(U); console.log(r.status, await r.text()); if (!r.ok) process.exit(1);';
const HTTPS = "import https from 'node:https'; https.get(U, (r) => { console.log(r.statusCode); r.resume(); });";
const GOT = "import got from 'got'; console.log(await got(U).text());";
const NODE_FETCH = "import fetch from 'node-fetch'; console.log(await (await fetch(U)).text());";
const AXIOS = "import axios from 'axios'; console.log((await axios.get(U)).data);";
const UNDICI =
  "import { EnvHttpProxyAgent, request } from 'undici'; const r = await request(U, { dispatcher: new EnvHttpProxyAgent() }); console.log(r.statusCode, await r.body.text());";
const UNDICI_FETCH = "import { fetch } from 'undici'; console.log(await (await fetch(U)).text());";
const OPENAI =
  "import OpenAI from 'openai'; console.log(await new OpenAI({ baseURL: U, apiKey: 'none', maxRetries: 0 }).chat.completions.create({ model: 'm', messages: [] }));";
const ANTHROPIC =
  "import A from '@anthropic-ai/sdk'; console.log(await new A({ baseURL: U, apiKey: 'none', maxRetries: 0 }).messages.create({ model: 'm', max_tokens: 1, messages: [{ role: 'user', content: 'hi' }] }));";
const GENAI =
  "import { GoogleGenAI } from '@google/genai'; console.log(await new GoogleGenAI({ apiKey: 'none', httpOptions: { baseUrl: U } }).models.generateContent({ model: 'm', contents: 'hi' }));";
/** For every runtime that has a WebSocket of its own: says one word, and is content with any answer. */
const talk = (url: string, exit: string) =>
  `const s = new WebSocket(${url}.replace("https", "wss")); s.onopen = () => s.send("hi"); s.onmessage = () => ${exit}(0); s.onclose = () => ${exit}(1);`;
const UNKNOWN = { expect: 'refused', why: 'Node 20 does not know NODE_USE_ENV_PROXY' } as const;

export const NODE: readonly Row[] = [
  node('fetch', FETCH, 20, UNKNOWN),
  node('https', HTTPS, 20, UNKNOWN),
  node('node-fetch', NODE_FETCH, 20, UNKNOWN),
  node('axios', AXIOS, 20),
  node('undici 7 EnvHttpProxyAgent', UNDICI.replace("'undici'", "'undici7'"), 20),
  ...([22, 24, 26] as const).flatMap((version) => [
    node('fetch', FETCH, version),
    node('https', HTTPS, version),
    node('axios', AXIOS, version),
    node('got', GOT, version),
    node('node-fetch', NODE_FETCH, version),
    node('undici EnvHttpProxyAgent', UNDICI, version),
    node('openai', OPENAI, version),
    node('Anthropic SDK', ANTHROPIC, version),
    node('@google/genai', GENAI, version, NOT_AN_API),
    node('WebSocket', talk('U', 'process.exit'), version),
  ]),
  node(
    'undici request',
    "import { request } from 'undici'; const r = await request(U); console.log(r.statusCode, await r.body.text());",
    26,
  ),
  node('undici fetch', UNDICI_FETCH, 26),
  node(
    'node:http2',
    "import h2 from 'node:http2'; const s = h2.connect('https://api.anthropic.com'); s.request({ ':path': '/row/node-http2-node-24' }).on('response', () => process.exit(0));",
    24,
    BRINGS_A_SOCKET,
  ),
  node(
    'ws',
    "import WS from 'ws'; new WS(U.replace('https', 'wss')).on('open', () => process.exit(0));",
    24,
    BRINGS_A_SOCKET,
  ),
  row('npm 11', 'npm view --registry "$U/" nothing', NOT_A_REGISTRY),
  row('npm 12', '/opt/js/node_modules/.bin/npm view --registry "$U/" nothing', NOT_A_REGISTRY),
  row('yarn 1', '/opt/js/node_modules/.bin/yarn info --registry "$U" nothing', NOT_A_REGISTRY),
  row(
    'yarn 4',
    'echo "{}" > package.json; YARN_NPM_REGISTRY_SERVER="$U" YARN_ENABLE_TELEMETRY=0 node /opt/js/node_modules/yarn4/bin/yarn.js npm info nothing',
    NOT_A_REGISTRY,
  ),
  row(
    'pnpm',
    'pnpm_config_fetch_retries=0 /opt/js/node_modules/.bin/pnpm view --registry "$U/" nothing',
    NOT_A_REGISTRY,
  ),
  row('Bun fetch', `/opt/js/node_modules/.bin/bun -e '${FETCH.replace('fetch(U)', 'fetch(process.env.U)')}'`),
  row(
    'Bun https',
    `/opt/js/node_modules/.bin/bun -e 'require("https").get(process.env.U, (r) => { console.log(r.statusCode); r.resume(); })'`,
  ),
  row(
    'bun add',
    'echo "{}" > package.json; BUN_CONFIG_REGISTRY="$U/" /opt/js/node_modules/.bin/bun add nothing',
    NOT_A_REGISTRY,
  ),
  row('Bun WebSocket', `/opt/js/node_modules/.bin/bun -e '${talk('process.env.U', 'process.exit')}'`, BRINGS_A_SOCKET),
  row(
    'Deno fetch',
    `/opt/js/node_modules/.bin/deno eval 'const r = await fetch(Deno.env.get("U")); console.log(r.status, await r.text())'`,
  ),
  row('Deno WebSocket', `/opt/js/node_modules/.bin/deno eval '${talk('Deno.env.get("U")', 'Deno.exit')}'`),
  row('Deno npm:', 'NPM_CONFIG_REGISTRY="$U/" /opt/js/node_modules/.bin/deno cache npm:nothing', NOT_A_REGISTRY),
];
