import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Field } from '../../../addon/receipt.ts';
import { NOWHERE, readAuthority, readConnect, readHead, type Tunnel } from '../../../addon/request.ts';
import { host } from './rig.ts';

const tunnel: Tunnel = { target: { scheme: 'https', host: host('a.test'), port: 443 }, sni: undefined };
const HOST: Field = ['Host', 'a.test'];

function status(line: { method?: string; url?: string; version?: string; fields?: Field[] }, via?: Tunnel) {
  const raw = { method: 'GET', url: '/', version: '1.1', fields: [HOST], ...line };
  return readHead(raw, via).refusal?.status;
}

test('a request in a tunnel is for the host of the tunnel, with or without its port', () => {
  for (const value of ['a.test', 'A.TEST', 'a.test:443'])
    assert.equal(status({ fields: [['Host', value]] }, tunnel), undefined, value);
  for (const value of ['b.test', 'a.test:444', 'xa.test'])
    assert.equal(status({ fields: [['host', value]] }, tunnel), 421, value);
  for (const value of ['', 'a.test.', 'u@a.test', 'a.test:', 'a test', '[::1', 'a.test:99999'])
    assert.equal(status({ fields: [['Host', value]] }, tunnel), 400, value);
  const six = { target: { ...tunnel.target, host: host('[2001:db8::1]'), port: 8443 }, sni: undefined };
  for (const value of ['[2001:db8::1]', '[2001:DB8:0::1]:8443'])
    assert.equal(status({ fields: [['Host', value]] }, six), undefined, value);
});

test('a server name must be the host of the tunnel; none at all is fine', () => {
  assert.equal(status({}, { ...tunnel, sni: 'A.test' }), undefined);
  for (const sni of ['b.test', 'a.test.', '', '127.0.0.1']) assert.equal(status({}, { ...tunnel, sni }), 421, sni);
});

test('an address is no server name, not even that of the tunnel (RFC 6066 section 3)', () => {
  for (const text of ['127.0.0.1', '[2001:db8::1]']) {
    const to = { target: { ...tunnel.target, host: host(text) }, sni: text };
    assert.equal(status({ fields: [['Host', text]] }, to), 421, text);
    assert.equal(status({ fields: [['Host', text]] }, { ...to, sni: undefined }), undefined, text);
  }
});

test('a name that programs behind a gateway read as one that frames is refused', () => {
  for (const name of ['Transfer_Encoding', 'content_length'])
    assert.equal(status({ fields: [HOST, [name, '1']] }, tunnel), 400, name);
  assert.equal(status({ fields: [HOST, ['X_Content_Length', '1']] }, tunnel), undefined);
});

test('only HTTP/1.0 may leave Host out', () => {
  assert.equal(status({ version: '1.0', fields: [] }, tunnel), undefined);
  assert.equal(status({ version: '1.1', fields: [] }, tunnel), 400);
  assert.equal(status({ version: '0.9', fields: [] }, tunnel), 400);
});

test('the absolute form is read once: scheme, host, port and path', () => {
  const read = (url: string, value: string) =>
    readHead({ method: 'GET', url, version: '1.1', fields: [['Host', value]] }, undefined);
  const { head, refusal } = read('HTTP://A.Test:8080/p?q', 'a.test:8080');
  assert.equal(refusal, undefined);
  assert.deepEqual([head.target.host.text, head.target.port, head.path], ['a.test', 8080, '/p?q']);
  assert.equal(read('http://a.test?q', 'a.test').head.path, '/?q');
  assert.equal(read('http://a.test', 'a.test').head.path, '/');
  assert.equal(read('http://[2001:db8::1]/', '[2001:db8::1]').refusal, undefined);
  assert.equal(read('http://a.test/', 'b.test').refusal?.status, 421);
  for (const url of [
    '/',
    '*',
    'https://a.test/',
    'ftp://a.test/',
    'http:///',
    'http://u:p@a.test/',
    'http://0x7f.1/',
    'a.test',
  ])
    assert.equal(read(url, 'a.test').refusal?.status, 400, url);
  assert.equal(read('junk', 'a.test').head.target, NOWHERE);
});

test('an absolute form inside a tunnel may only repeat the tunnel', () => {
  assert.equal(status({ url: 'https://a.test/x' }, tunnel), undefined);
  for (const url of ['https://b.test/x', 'http://a.test/x', 'https://a.test:444/x'])
    assert.equal(status({ url }, tunnel), 400, url);
});

test('a refusal never quotes a value', () => {
  for (const fields of [
    [['Host', 'CANARY!']],
    [['Host', 'u:CANARY@a.test']],
    [HOST, ['Expect', 'CANARY']],
  ] as Field[][]) {
    const { refusal } = readHead({ method: 'GET', url: '/', version: '1.1', fields }, tunnel);
    assert.ok(refusal && !refusal.reason.includes('CANARY'), refusal?.reason);
  }
  const { refusal } = readHead({ method: 'GET', url: 'http://CANARY!/', version: '1.1', fields: [HOST] }, undefined);
  assert.ok(refusal && !refusal.reason.includes('CANARY'));
});

test('framing fields are refused unless there is exactly one reading of them', () => {
  const framed = (...fields: Field[]) => status({ method: 'POST', fields: [HOST, ...fields] }, tunnel);
  assert.equal(framed(['Transfer-Encoding', 'Chunked']), undefined);
  assert.equal(framed(['Content-Length', '3']), undefined);
  assert.equal(framed(['Transfer-Encoding', 'chunked'], ['Content-Length', '3']), 400);
  assert.equal(framed(['Content-Length', '3'], ['content-length', '3']), 400);
  for (const value of ['gzip, chunked', 'chunked, chunked', 'identity', '', 'xchunked', 'chunked;a=b'])
    assert.equal(framed(['Transfer-Encoding', value]), 400, value);
  for (const value of ['-1', '+3', '0x3', '3, 3', '', ' ', '1e3'])
    assert.equal(framed(['Content-Length', value]), 400, value);
  assert.equal(
    status({ method: 'POST', version: '1.0', fields: [HOST, ['Transfer-Encoding', 'chunked']] }, tunnel),
    400,
  );
});

test('what is not carried says so', () => {
  assert.equal(status({ method: 'TRACE' }, tunnel), 405);
  assert.equal(status({ method: 'CONNECT' }, tunnel), 405);
  assert.equal(status({ method: 'INVENTED' }, tunnel), 405);
  assert.equal(status({ fields: [HOST, ['Upgrade', 'websocket']] }, tunnel), 426);
  assert.equal(status({ fields: [HOST, ['Upgrade', 'h2c, websocket']] }, tunnel), 426);
  assert.equal(status({ fields: [HOST, ['Upgrade', 'h2c']] }, tunnel), undefined);
  assert.equal(status({ fields: [HOST, ['Expect', '100-Continue']] }, tunnel), undefined);
  assert.equal(status({ fields: [HOST, ['Expect', 'x']] }, tunnel), 417);
});

test('a host that two parsers could take for two hosts is refused wherever a request names it', () => {
  const long = `${'a'.repeat(63)}.`.repeat(4).slice(0, 254);
  for (const name of [
    'user@a.test',
    'user:password@a.test',
    '0177.0.0.1',
    '0x7f.0.0.1',
    '0x7f000001',
    '2130706433',
    '127.1',
    '127.0.0.01',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '[0:0:0:0:0:FFFF:0:0]',
    '[fe80::1%eth0]',
    'a.test.',
    'b\xfccher.test',
    'a..test',
    `${'a'.repeat(64)}.test`,
    long,
    '',
  ]) {
    assert.ok('kind' in readAuthority(`${name}:443`), `CONNECT ${name}`);
    assert.equal(status({ url: `http://${name}/`, fields: [['Host', name]] }), 400, `target ${name}`);
    assert.equal(status({ fields: [['Host', name]] }, tunnel), 400, `Host ${name}`);
    assert.equal(status({ url: `https://${name}/` }, tunnel), 400, `target in a tunnel ${name}`);
    assert.equal(status({}, { ...tunnel, sni: name }), 421, `server name ${name}`);
  }
  // Punycode and upper case have one reading.
  for (const name of ['XN--BCHER-KVA.example', `${'a'.repeat(63)}.test`])
    assert.equal(status({ url: `http://${name}/`, fields: [['Host', name.toLowerCase()]] }), undefined, name);
});

test('OPTIONS may ask for the server as a whole, and no other method may', () => {
  const path = (url: string, via?: Tunnel, method = 'OPTIONS') => {
    const { head, refusal } = readHead({ method, url, version: '1.1', fields: [HOST] }, via);
    return refusal?.status ?? head.path;
  };
  assert.equal(path('*', tunnel), '*');
  assert.equal(path('https://a.test', tunnel), '*');
  assert.equal(path('http://a.test', undefined), '*');
  assert.equal(path('http://a.test/', undefined), '/');
  assert.equal(path('http://a.test?q', undefined), '/?q');
  assert.equal(path('*', undefined), 400);
  assert.equal(path('*', tunnel, 'GET'), 400);
  assert.equal(path('**', tunnel), 400);
});

test('a switch of protocol is told by the head if it is carried and asked for in the one way', () => {
  const carried = new Set(['websocket']);
  const read = (fields: Field[], line: { method?: string; version?: string } = {}) => {
    const raw = { method: 'GET', url: '/', version: '1.1', fields: [HOST, ...fields], ...line };
    const { head, refusal } = readHead(raw, tunnel, carried);
    return refusal?.status ?? head.upgrade;
  };
  const asked: Field[] = [
    ['Connection', 'keep-alive, Upgrade'],
    ['Upgrade', 'WebSocket'],
  ];
  assert.equal(read(asked), 'websocket');
  assert.equal(read([]), undefined);
  assert.equal(read([...asked, ['Upgrade', 'h2c']]), 426);
  assert.equal(read([['Upgrade', 'websocket']]), 426);
  assert.equal(
    read([
      ['Connection', 'upgrade'],
      ['Upgrade', 'websocket, h2c'],
    ]),
    426,
  );
  assert.equal(read([...asked, ['Content-Length', '1']]), 426);
  assert.equal(read(asked, { method: 'POST' }), 426);
  assert.equal(read(asked, { version: '1.0' }), 426);
  assert.equal(status({ fields: [HOST, ...asked] }, tunnel), 426);
});

test('a CONNECT has neither a body nor a field that is repeated', () => {
  const connect = (...fields: Field[]) => {
    const place = readConnect({ method: 'CONNECT', url: 'a.test:443', version: '1.1', fields });
    return 'kind' in place ? place.status : place.port;
  };
  assert.equal(connect(), 443);
  assert.equal(connect(HOST, ['Content-Length', '0'], ['Proxy-Connection', 'close']), 443);
  assert.equal(connect(['Content-Length', '1']), 400);
  assert.equal(connect(['Transfer-Encoding', 'chunked']), 400);
  assert.equal(connect(['Transfer-Encoding', 'gzip']), 400);
  assert.equal(connect(HOST, HOST), 400);
});

test('a CONNECT target is host:port and nothing else', () => {
  assert.deepEqual(readAuthority('A.test:443'), { host: host('a.test'), port: 443 });
  for (const text of [
    'a.test',
    'a.test:',
    ':443',
    'a:b:443',
    '::1:443',
    'a.test:0',
    'a.test:65536',
    'a.test:443/x',
    '',
  ])
    assert.ok('kind' in readAuthority(text), text);
});

test('whatever the fields are, what goes on holds nothing of the hop', () => {
  const name = fc.constantFrom(
    'Connection',
    'X-A',
    'x-bottle-nonce',
    'Proxy-Foo',
    'TE',
    'Upgrade',
    'Host',
    'Expect',
    'X-Pipelock-Agent',
  );
  fc.assert(
    fc.property(
      fc.array(fc.tuple(name, fc.constantFrom('x-a', 'close', 'h2c', 'a.test', 'X-A, close')), { maxLength: 8 }),
      (fields) => {
        const { head } = readHead({ method: 'GET', url: '/', version: '1.1', fields }, tunnel);
        const names = head.fields.map(([field]) => field.toLowerCase());
        const named = fields.some(([field, value]) => field === 'Connection' && value.toLowerCase().includes('x-a'));
        assert.ok(names.every((field) => field === 'x-a') && !(named && names.length > 0));
      },
    ),
  );
});
