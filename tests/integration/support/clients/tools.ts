/** Programs of the command line, most of them C. */
import { BRINGS_A_SOCKET, NOT_AN_API, NOT_A_REGISTRY, type Row, row } from './row.ts';

export const TOOLS: readonly Row[] = [
  row('curl', 'curl -sSf "$U"'),
  row('wget', 'wget -qO- "$U"'),
  row('aria2', 'aria2c -q -o file "$U" && cat file'),
  row('lynx', 'lynx -dump "$U" | tee out && grep -q "upstream says hello" out'),
  row('w3m', 'w3m -dump "$U" | tee out && grep -q "upstream says hello" out'),
  row('git', 'git clone -q https://git.example.com/repo.git && cat repo/README', { path: '/repo.git/info/refs' }),
  row('git-lfs', 'git init -q . && git remote add origin "$U/x.git" && git lfs locks', NOT_AN_API),
  row('gh', 'GH_HOST=git.example.com GH_ENTERPRISE_TOKEN=none gh api row/gh', {
    ...NOT_AN_API,
    path: '/api/v3/row/gh',
  }),
  row('docker (client)', 'docker manifest inspect api.anthropic.com/row/docker', { ...NOT_A_REGISTRY, path: '/v2' }),
  row(
    'apt',
    'mkdir -p lists/partial; echo "deb $U x main" > list; apt-get update -o Dir::Etc::SourceList=$PWD/list -o Dir::Etc::SourceParts=- -o Dir::State::Lists=$PWD/lists -o Dir::Cache=$PWD -o APT::Sandbox::User= -o APT::Update::Error-Mode=any',
    NOT_A_REGISTRY,
  ),
  row(
    'openssl s_client',
    'printf "GET ${U#https://api.anthropic.com} HTTP/1.0\\r\\nHost: api.anthropic.com\\r\\n\\r\\n" | openssl s_client -quiet -verify_return_error -connect api.anthropic.com:443',
    BRINGS_A_SOCKET,
  ),
  row(
    'openssl s_client -proxy',
    '(printf "GET ${U#https://api.anthropic.com} HTTP/1.1\\r\\nHost: api.anthropic.com\\r\\nConnection: close\\r\\n\\r\\n"; sleep 2) | openssl s_client -quiet -verify_return_error -proxy "${HTTPS_PROXY#http://}" -connect api.anthropic.com:443 | tee out; grep -q "upstream says hello" out',
  ),
  row('ssh', 'ssh -o BatchMode=yes -o StrictHostKeyChecking=no -o ConnectTimeout=5 git.example.com true', {
    expect: 'refused',
    why: 'not HTTP',
  }),
  row('psql', 'PGCONNECT_TIMEOUT=5 psql "postgresql://u@git.example.com/x?sslmode=require" -c "select 1"', {
    expect: 'refused',
    why: 'not HTTP',
  }),
];
