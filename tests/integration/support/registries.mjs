// Stands in for two registries, with packages that it makes itself: `bottled`, which needs `cork`, for npm below /npm/; a wheel
// `bottled` for pip below /simple/.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';

const FOLDER = '/tmp/packages';
const WHEEL = 'bottled-1.0.0-py3-none-any.whl';

export function makePackages() {
  for (const [name, dependencies] of Object.entries(NPM)) {
    mkdirSync(`${FOLDER}/${name}/package`, { recursive: true });
    writeFileSync(`${FOLDER}/${name}/package/package.json`, JSON.stringify({ name, version: '1.0.0', dependencies }));
    writeFileSync(`${FOLDER}/${name}/package/index.js`, `module.exports = '${name}';\n`);
    execFileSync('tar', ['-czf', `${FOLDER}/${name}.tgz`, '-C', `${FOLDER}/${name}`, 'package']);
  }
  const files = {
    'bottled.py': "NAME = 'bottled'\n",
    'bottled-1.0.0.dist-info/METADATA': 'Metadata-Version: 2.1\nName: bottled\nVersion: 1.0.0\n',
    'bottled-1.0.0.dist-info/WHEEL':
      'Wheel-Version: 1.0\nGenerator: bottle\nRoot-Is-Purelib: true\nTag: py3-none-any\n',
    'bottled-1.0.0.dist-info/RECORD': '',
  };
  const zip =
    'import json,sys,zipfile\nz = zipfile.ZipFile(sys.argv[1], "w")\nfor n, t in json.load(sys.stdin).items(): z.writestr(n, t)';
  execFileSync('python3', ['-c', zip, `${FOLDER}/${WHEEL}`], { input: JSON.stringify(files) });
}

export function npm(request, response) {
  const [, , name, file] = new URL(request.url, 'http://registry').pathname.split('/');
  if (name === '-') return json(response, {}); // the audit finds nothing
  if (!(name in NPM)) return response.writeHead(404).end();
  if (file) return response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(packed(name));
  const dist = {
    tarball: `https://${request.headers.host}/npm/${name}/${name}-1.0.0.tgz`,
    integrity: `sha512-${createHash('sha512').update(packed(name)).digest('base64')}`,
  };
  json(response, {
    name,
    'dist-tags': { latest: '1.0.0' },
    versions: { '1.0.0': { name, version: '1.0.0', dependencies: NPM[name], dist } },
  });
}

export function pip(pathname, response) {
  if (pathname.endsWith('.whl')) return response.writeHead(200).end(readFileSync(`${FOLDER}/${WHEEL}`));
  if (pathname !== '/simple/bottled/') return response.writeHead(404).end();
  const hash = createHash('sha256')
    .update(readFileSync(`${FOLDER}/${WHEEL}`))
    .digest('hex');
  response
    .writeHead(200, { 'content-type': 'text/html' })
    .end(`<!DOCTYPE html><a href="/simple/bottled/${WHEEL}#sha256=${hash}">${WHEEL}</a>`);
}

function packed(name) {
  return readFileSync(`${FOLDER}/${name}.tgz`);
}

function json(response, value) {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}

const NPM = { bottled: { cork: '^1.0.0' }, cork: {} };
