/** What is large: browsers, JDKs, compilers, clouds, agents. */
import { BRINGS_A_SOCKET, NOT_AN_API, NOT_A_REGISTRY, type Row, row } from './row.ts';

const heavy = (client: string, command: string, more: Partial<Row> = {}) =>
  row(client, command, { image: 'all', ...more });
const jvm = (java: string, kind: string) => `${java} -cp /opt/rows/java Fetch ${kind} "$U"`;
const COMPILED_IN = {
  expect: 'refused',
  why: 'trusts only the roots that are compiled in',
  says: /UnknownIssuer/,
} as const;

export const HEAVY: readonly Row[] = [
  heavy(
    'Chromium',
    'chromium --headless --no-sandbox --disable-gpu --user-data-dir=$PWD --dump-dom "$U" 2>/dev/null | tee out; grep -q "upstream says hello" out',
  ),
  heavy(
    'playwright-core with Chromium',
    `cd /opt/agents && node --input-type=module - <<'JS'\nimport { chromium } from 'playwright-core';\nconst b = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });\nconst p = await b.newPage(); await p.goto(process.env.U); console.log(await p.textContent('body')); await b.close();\nJS`,
  ),
  heavy(
    'playwright-core APIRequest',
    `cd /opt/agents && node --input-type=module - <<'JS'\nimport { request } from 'playwright-core';\nconst r = await (await request.newContext()).get(process.env.U); console.log(r.status());\nJS`,
    BRINGS_A_SOCKET,
  ),
  heavy('Firefox', 'firefox-esr --headless --no-remote --profile $PWD --screenshot $PWD/out.png "$U"; test -s out.png'),
  heavy('JDK 17 HttpClient', jvm('java', 'client')),
  heavy('JDK 17 HttpURLConnection', jvm('java', 'connection')),
  heavy('Temurin 25 HttpClient', jvm('/opt/jdk/home/bin/java', 'client')),
  heavy('Temurin 25 HttpURLConnection', jvm('/opt/jdk/home/bin/java', 'connection')),
  heavy(
    'Maven',
    'mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.6.0:get -Dartifact=no:thing:1 -DremoteRepositories="$U" || { printf "<settings><mirrors><mirror><id>m</id><mirrorOf>*</mirrorOf><url>$U</url></mirror></mirrors></settings>" > s.xml; mvn -q -B -s s.xml org.apache.maven.plugins:maven-dependency-plugin:3.6.0:get -Dartifact=no:thing:1; }',
    NOT_A_REGISTRY,
  ),
  heavy('gRPC for Java', "java -cp '/opt/rows/java:/opt/rows/java/*' Call api.anthropic.com:8453 row.grpc_java/Unary", {
    path: '/row.grpc_java/Unary',
  }),
  heavy('Go net/http', '/opt/rows/go-fetch "$U"'),
  heavy('gorilla/websocket', '/opt/rows/go-talk "wss${U#https}"'),
  heavy(
    'go mod',
    'GOFLAGS=-mod=mod GOPROXY="$U" GONOSUMDB=* GOPATH=$PWD/go GOCACHE=$PWD/c /opt/tools/go/bin/go mod download example.com/nothing@v1.0.0',
    NOT_A_REGISTRY,
  ),
  heavy('reqwest 0.12, native roots', '/opt/rows/reqwest12-native-roots "$U"'),
  heavy('reqwest 0.12, native-tls', '/opt/rows/reqwest12-native-tls "$U"'),
  heavy('reqwest 0.12, webpki-roots', '/opt/rows/reqwest12-webpki-roots "$U"', COMPILED_IN),
  heavy('reqwest 0.13', '/opt/rows/reqwest13 "$U"'),
  heavy('ureq', '/opt/rows/ureq "$U"', COMPILED_IN),
  heavy('kubectl 1.20', 'kubectl --token=none --server="$U" get pods', NOT_AN_API),
  heavy('kubectl 1.37', '/opt/tools/bin/kubectl --token=none --server="$U" get pods', NOT_AN_API),
  heavy(
    'Azure MCP server (.NET)',
    `DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1 /opt/agents/node_modules/.bin/azmcp pricing get --sku x | tee out; grep -q '"status": 200' out`,
    { path: '/api/retail/prices' },
  ),
  heavy(
    'AWS CLI 2',
    'AWS_ACCESS_KEY_ID=none AWS_SECRET_ACCESS_KEY=none aws --region x --endpoint-url "$U" s3api list-buckets',
    NOT_AN_API,
  ),
  heavy(
    'cargo 1.65, git',
    'mkdir src && touch src/lib.rs && printf "[package]\\nname=\\"x\\"\\nversion=\\"1.0.0\\"\\n[dependencies]\\ny={git=\\"https://git.example.com/repo.git\\"}\\n" > Cargo.toml; /opt/cargo/usr/bin/cargo fetch',
    { ...NOT_A_REGISTRY, path: '/repo.git/info/refs' },
  ),
  heavy(
    'cargo 1.96',
    'mkdir src .cargo && touch src/lib.rs && printf "[registries.r]\\nindex=\\"sparse+$U/\\"\\n" > .cargo/config.toml; printf "[package]\\nname=\\"x\\"\\nversion=\\"1.0.0\\"\\n[dependencies]\\ny={version=\\"1\\",registry=\\"r\\"}\\n" > Cargo.toml; cargo generate-lockfile',
    NOT_A_REGISTRY,
  ),
  heavy('cargo search', 'cargo search --index "sparse+$U/" x || cargo search --index "$U" x', NOT_A_REGISTRY),
  heavy(
    'Gemini CLI',
    `mkdir -p ~/.gemini && echo '{"security":{"auth":{"selectedType":"gemini-api-key"}}}' > ~/.gemini/settings.json; GEMINI_API_KEY=none GOOGLE_GEMINI_BASE_URL="$U" timeout 25 /opt/agents/node_modules/.bin/gemini --skip-trust -p hi`,
    NOT_AN_API,
  ),
  heavy(
    'Codex CLI',
    'CODEX_HOME=$PWD OPENAI_BASE_URL="$U" OPENAI_API_KEY=none CODEX_API_KEY=none /opt/agents/node_modules/.bin/codex exec --skip-git-repo-check -c "model_providers.x={name=\\"x\\",base_url=\\"$U\\",env_key=\\"OPENAI_API_KEY\\",wire_api=\\"responses\\",request_max_retries=0,stream_max_retries=0}" -c model_provider=x hi',
    NOT_AN_API,
  ),
  heavy(
    'Copilot CLI',
    'COPILOT_GITHUB_TOKEN=github_pat_none timeout 25 /opt/agents/node_modules/.bin/copilot -p hi --allow-all-tools',
    { ...NOT_AN_API, path: '/copilot_internal' },
  ),
  heavy(
    'opencode',
    `echo '{"provider":{"x":{"npm":"@ai-sdk/openai-compatible","options":{"baseURL":"'"$U"'","apiKey":"none"},"models":{"m":{}}}}}' > opencode.json; OPENCODE_CONFIG=$PWD/opencode.json timeout 20 /opt/agents/node_modules/.bin/opencode run -m x/m hi`,
    NOT_AN_API,
  ),
];
