// Runs in a container: stands in for the hosts that an agent talks to. Makes a CA of its own, prints its certificate, then one JSON line
// for every request that reaches it.
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { serveCalls } from './calls.mjs';
import { chat, messages } from './model.mjs';
import { makePackages, npm, pip } from './registries.mjs';

const names = process.argv.slice(2);
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const ca = makeCertificates();

https
  .createServer({ key: readFileSync('/tmp/leaf.key'), cert: readFileSync('/tmp/leaf.pem') }, answer)
  .on('upgrade', talk)
  .listen(443)
  .on('error', fail);
https
  .createServer({ key: readFileSync('/tmp/leaf.key'), cert: readFileSync('/tmp/leaf.pem') }, answer)
  .listen(8443)
  .on('error', fail);
// Asks for a client certificate, and says which one it was shown.
https
  .createServer(
    {
      key: readFileSync('/tmp/leaf.key'),
      cert: readFileSync('/tmp/leaf.pem'),
      requestCert: true,
      rejectUnauthorized: false,
    },
    (request, response) => response.end(`shown ${request.socket.getPeerCertificate().fingerprint256 ?? 'nothing'}\n`),
  )
  .listen(9443)
  .on('error', fail);
serveCalls(8453, say, fail);
http.createServer(answer).listen(80).on('error', fail);
companyProxy();
http
  .createServer(answer)
  .listen(8080, () => say({ event: 'ready', ca }))
  .on('error', fail);
makeRepository();
makePackages();

function answer(request, response) {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const body = Buffer.concat(chunks);
    const { host } = request.headers;
    say({
      event: 'request',
      method: request.method,
      host,
      url: request.url,
      headers: request.headers,
      body: body.toString('latin1', 0, 2000),
      bytes: body.length,
    });
    route(request, response, body);
  });
}

/** A WebSocket that says back what it is told. The sidecar sends each message as one frame. */
function talk(request, socket) {
  const key = `${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
  const accept = createHash('sha1').update(key).digest('base64');
  const taken = request.headers['sec-websocket-extensions'] ? 'Sec-WebSocket-Extensions: permessage-deflate\r\n' : '';
  const head = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n';
  socket.write(`${head}Sec-WebSocket-Accept: ${accept}\r\n${taken}\r\n`);
  socket.on('error', () => socket.destroy());
  let bytes = Buffer.alloc(0);
  socket.on('data', (chunk) => {
    bytes = Buffer.concat([bytes, chunk]);
    while (bytes.length > 6) {
      const short = bytes[1] & 0x7f;
      const extended = short === 127 ? 8 : short === 126 ? 2 : 0;
      const from = 6 + extended;
      if (bytes.length < from) return;
      const length = extended === 8 ? Number(bytes.readBigUInt64BE(2)) : extended === 2 ? bytes.readUInt16BE(2) : short;
      if (bytes.length < from + length) return;
      const mask = bytes.subarray(from - 4, from);
      const payload = bytes.subarray(from, from + length).map((byte, at) => byte ^ mask[at % 4]);
      say({ event: 'request', method: 'WEBSOCKET', url: request.url, body: payload.toString('latin1'), bytes: length });
      const first = bytes.subarray(0, 2 + extended);
      socket.write(Buffer.concat([Buffer.from([first[0], first[1] & 0x7f]), first.subarray(2), payload]));
      if ((first[0] & 15) === 8) socket.end();
      bytes = bytes.subarray(from + length);
    }
  });
}

function route(request, response, body) {
  const [pathname] = request.url.split('?', 1); // no URL parser: a test asks for every spelling
  if (pathname === '/v1/messages') return messages(response, body);
  if (pathname === '/v1/chat/completions') return chat(response, body);
  if (pathname.startsWith('/npm/')) return npm(request, response);
  if (pathname.startsWith('/simple/')) return pip(pathname, response);
  if (pathname === '/events') return events(response);
  // Careless servers say back what they were sent.
  if (pathname === '/echo') {
    response.writeHead(200, { 'content-type': 'application/json' });
    return response.write(`{"padding":"${'x'.repeat(1000)}",`, () =>
      response.end(`"headers":${JSON.stringify(request.headers)}}`),
    );
  }
  if (pathname === '/echo-gzip')
    return response
      .writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' })
      .end(gzipSync(JSON.stringify(request.headers)));
  if (pathname === '/echo-header')
    return response.writeHead(302, { location: `https://x.example/?${request.headers['x-api-key']}` }).end();
  if (pathname === '/forged')
    return response
      .writeHead(403, { 'content-type': 'text/plain; charset=utf-8' })
      .end('blocked: forged by the upstream\n');
  if (pathname === '/truncated')
    return response.writeHead(200, { 'content-length': '1000' }).write('half', () => response.socket.destroy());
  if (pathname.startsWith('/repo.git/')) return git(request, response, body);
  if (pathname.startsWith('/private.git/') && !request.headers.authorization)
    return response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end();
  if (pathname.startsWith('/private.git/')) return git(request, response, body);
  if (pathname === '/api/hello' || pathname === '/v1/oauth/hello')
    return response.writeHead(200, { 'content-type': 'application/json' }).end('{"message":"hello"}');
  if (pathname === '/api/retail/prices')
    return response
      .writeHead(200, { 'content-type': 'application/json' })
      .end('{"Items":[],"NextPageLink":null,"Count":0}');
  if (pathname.startsWith('/api/') || pathname === '/mcp-registry/v0/servers')
    return response.writeHead(404, { 'content-type': 'application/json' }).end('{}');
  response
    .writeHead(200, { 'content-type': 'text/plain', 'x-upstream': 'stand-in' })
    .end(`upstream says hello to ${request.method} ${pathname}\n`);
}

// The second event is sent only when a GET to /released has come: a proxy that holds events back never lets the client ask for it.
let release;
function events(response) {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.write('data: first\n\n');
  release = () => response.end('data: second\n\n');
}
http.createServer((_, response) => (release?.(), response.end('ok'))).listen(8081);

// A company's proxy: HTTP Basic, and every name leads here.
function companyProxy() {
  const login = `Basic ${Buffer.from('user:pass word').toString('base64')}`;
  http
    .createServer((_, response) => response.writeHead(405).end())
    .on('connect', (request, socket, head) => {
      const authorized = request.headers['proxy-authorization'] === login;
      say({ event: 'tunnel', place: request.url, authorized });
      socket.on('error', () => socket.destroy());
      if (!authorized)
        return socket.end(
          'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="company"\r\n\r\n',
        );
      const upstream = connect(Number(request.url.split(':').at(-1)), '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
        upstream.write(head);
        socket.pipe(upstream).pipe(socket);
      });
      upstream.on('error', () => socket.destroy());
    })
    .listen(3128)
    .on('error', fail);
}

function git(request, response, body) {
  const { pathname, search } = new URL(request.url, 'http://upstream');
  const cgi = spawn('/usr/lib/git-core/git-http-backend', [], {
    env: {
      GIT_PROJECT_ROOT: '/tmp/git',
      GIT_HTTP_EXPORT_ALL: '1',
      PATH_INFO: pathname,
      QUERY_STRING: search.slice(1),
      REQUEST_METHOD: request.method,
      CONTENT_TYPE: request.headers['content-type'] ?? '',
      HTTP_CONTENT_ENCODING: request.headers['content-encoding'] ?? '',
      HTTP_GIT_PROTOCOL: request.headers['git-protocol'] ?? '',
      REMOTE_USER: 'pusher',
      PATH: process.env.PATH,
    },
  });
  const out = [];
  cgi.stdout.on('data', (chunk) => out.push(chunk));
  cgi.stdin.on('error', () => {}); // it may end without reading it
  cgi.stdin.end(body);
  cgi.on('close', () => {
    const whole = Buffer.concat(out);
    const cut = whole.indexOf('\r\n\r\n');
    const head = Object.fromEntries(
      whole
        .subarray(0, cut)
        .toString()
        .split('\r\n')
        .map((line) => line.split(/: (.*)/s)),
    );
    const { Status: status = '200', ...fields } = head;
    response.writeHead(Number.parseInt(status, 10), fields).end(whole.subarray(cut + 4));
  });
}

function makeRepository() {
  mkdirSync('/tmp/git', { recursive: true });
  const run = (...args) => execFileSync('git', args, { stdio: 'ignore', env: { ...process.env, HOME: '/tmp' } });
  run('init', '-q', '/tmp/work');
  writeFileSync('/tmp/work/README', 'cloned through the bottle\n');
  run('-C', '/tmp/work', 'add', '.');
  run('-C', '/tmp/work', '-c', 'user.name=u', '-c', 'user.email=u@example.com', 'commit', '-qm', 'first');
  run('clone', '-q', '--bare', '/tmp/work', '/tmp/git/repo.git');
  run('-C', '/tmp/git/repo.git', 'config', 'http.receivepack', 'true');
  run('clone', '-q', '--bare', '/tmp/work', '/tmp/git/private.git');
  run('-C', '/tmp/git/private.git', 'config', 'http.receivepack', 'true');
}

function makeCertificates() {
  const openssl = (...args) => execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'inherit'] });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl(
    'req',
    '-x509',
    ...key,
    '-keyout',
    '/tmp/ca.key',
    '-out',
    '/tmp/ca.pem',
    '-days',
    '2',
    '-subj',
    '/CN=stand-in root',
  );
  openssl('req', ...key, '-keyout', '/tmp/leaf.key', '-out', '/tmp/leaf.csr', '-subj', '/CN=stand-in');
  const alternatives = names.map((name) => (/^[\d.]+$/.test(name) ? `IP:${name}` : `DNS:${name}`)).join(',');
  writeFileSync('/tmp/leaf.ext', `subjectAltName=${alternatives}\nextendedKeyUsage=serverAuth\n`);
  openssl(
    'x509',
    '-req',
    '-in',
    '/tmp/leaf.csr',
    '-CA',
    '/tmp/ca.pem',
    '-CAkey',
    '/tmp/ca.key',
    '-CAcreateserial',
    '-out',
    '/tmp/leaf.pem',
    '-days',
    '2',
    '-extfile',
    '/tmp/leaf.ext',
  );
  return readFileSync('/tmp/ca.pem', 'utf8');
}

function fail(error) {
  say({ event: 'error', message: error.message });
  process.exit(1);
}
