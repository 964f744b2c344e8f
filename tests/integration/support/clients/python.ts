/** Python: the system’s, and what its packages bring. */
import { BRINGS_A_SOCKET, NOT_AN_API, NOT_A_REGISTRY, type Row, row } from './row.ts';

const python = (client: string, code: string, more: Partial<Row> = {}) =>
  row(client, scriptFor('/opt/py/bin/python', code), more);
const system = (client: string, code: string) => row(client, scriptFor('/usr/bin/python3', code));
/** The newest, with the packages of the other as far as they are pure Python. */
const newest = (client: string, code: string) =>
  row(
    `${client}, Python 3.13`,
    `export PYTHONPATH=/opt/py/lib/python3.11/site-packages\n${scriptFor('/opt/trixie/python', code)}`,
    { image: 'all' },
  );
const URLLIB = 'import urllib.request as u; print(u.urlopen(U).read())';
const REQUESTS = 'import requests; print(requests.get(U).text)';
const HTTPX = 'import httpx; print(httpx.get(U).text)';
const WEBSOCKETS =
  'from websockets.sync.client import connect\nwith connect(U.replace("https", "wss")) as s: s.send("hi"); print(s.recv())';

export const PYTHON: readonly Row[] = [
  system('Python urllib', URLLIB),
  system('requests (Debian)', REQUESTS),
  row('httpie (Debian)', 'http --check-status --ignore-stdin GET "$U"'),
  python(
    'http.client',
    "import http.client as h; c = h.HTTPSConnection('api.anthropic.com', timeout=10); c.request('GET', '/row/http-client'); print(c.getresponse().status)",
    BRINGS_A_SOCKET,
  ),
  row('httpie', '/opt/py/bin/http --check-status --ignore-stdin GET "$U"'),
  python('requests', REQUESTS),
  python('httpx', HTTPX),
  python('httpx with h2', 'import httpx; r = httpx.Client(http2=True).get(U); print(r.http_version, r.text)'),
  python('niquests', 'import niquests; r = niquests.get(U); print(r.http_version, r.text)'),
  python('httplib2', 'import httplib2; print(httplib2.Http().request(U))'),
  python('websockets', WEBSOCKETS),
  python(
    'websocket-client',
    'import websocket; s = websocket.create_connection(U.replace("https", "wss")); s.send("hi"); print(s.recv())',
  ),
  python('curl_cffi', 'from curl_cffi import requests; print(requests.get(U).text)'),
  python(
    'aiohttp',
    'import aiohttp, asyncio\nasync def main():\n  async with aiohttp.ClientSession() as s:\n    async with s.get(U) as r: print(await r.text())\nasyncio.run(main())',
    BRINGS_A_SOCKET,
  ),
  python(
    'aiohttp, trust_env',
    'import aiohttp, asyncio\nasync def main():\n  async with aiohttp.ClientSession(trust_env=True) as s:\n    async with s.get(U) as r: print(await r.text())\nasyncio.run(main())',
  ),
  python(
    'urllib3 PoolManager',
    'import urllib3; print(urllib3.PoolManager(retries=False).request("GET", U).data)',
    BRINGS_A_SOCKET,
  ),
  python(
    'urllib3 ProxyManager',
    'import urllib3; print(urllib3.ProxyManager(os.environ["HTTPS_PROXY"]).request("GET", U).data)',
  ),
  python(
    'openai (Python)',
    "import openai; print(openai.OpenAI(base_url=U, api_key='none', max_retries=0).models.list())",
    NOT_AN_API,
  ),
  python(
    'anthropic (Python)',
    "import anthropic; print(anthropic.Anthropic(base_url=U, api_key='none', max_retries=0).messages.create(model='m', max_tokens=1, messages=[{'role': 'user', 'content': 'hi'}]))",
  ),
  python(
    'boto3',
    "import boto3; print(boto3.client('s3', endpoint_url=U, region_name='x', aws_access_key_id='none', aws_secret_access_key='none').list_buckets())",
    NOT_AN_API,
  ),
  row(
    'pip 23 (Debian)',
    '/usr/bin/pip download --no-deps --no-cache-dir --index-url "$U/simple" nothing',
    NOT_A_REGISTRY,
  ),
  row('pip 26', '/opt/py/bin/pip download --no-deps --no-cache-dir --index-url "$U/simple" nothing', NOT_A_REGISTRY),
  row(
    'uv',
    '/opt/py/bin/uv pip download nothing 2>/dev/null; /opt/py/bin/uv pip install --no-cache --target here --index-url "$U/simple" nothing',
    NOT_A_REGISTRY,
  ),
  row(
    'poetry',
    'printf "[project]\\nname = \\"x\\"\\nversion = \\"1\\"\\nrequires-python = \\">=3.11\\"\\ndependencies = [\\"nothing\\"]\\n[tool.poetry]\\npackage-mode = false\\n[[tool.poetry.source]]\\nname = \\"here\\"\\nurl = \\"$U/simple/\\"\\npriority = \\"primary\\"\\n" > pyproject.toml; /opt/py/bin/poetry lock -n',
    NOT_A_REGISTRY,
  ),
  newest('urllib', URLLIB),
  newest('requests', REQUESTS),
  newest('httpx', HTTPX),
  newest('websockets', WEBSOCKETS),
];

function scriptFor(interpreter: string, code: string): string {
  return `${interpreter} - <<'PY'\nimport os\nU = os.environ['U']\n${code}\nPY`;
}
