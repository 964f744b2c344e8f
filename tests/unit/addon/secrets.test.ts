import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { bytesInMemory, unitInMemory } from '../../../addon/body.ts';
import type { Client, Field, RequestHead, ResponseHead, Unit } from '../../../addon/message.ts';
import { holdSecrets } from '../../../addon/secrets.ts';
import type { BoundSecret } from '../../../contracts/secret.ts';
import { host } from './rig.ts';

const VALUE = 'sk-ant-api03-the-real-one-0123456789';
const PLACEHOLDER = 'sk-ant-api03-stands-in-for-it-987654';
const FOREIGN = 'sk-ant-api03-of-somebody-else-555555';

const KEY: BoundSecret = {
  name: 'KEY',
  placeholder: PLACEHOLDER,
  value: VALUE,
  hosts: [{ match: 'exact', host: 'api.test', ports: [443, 80], identity: 'bound', explicit: false }],
  places: [{ kind: 'header', name: 'x-api-key', prefix: '', suffix: '' }],
  headers: {},
};
const PLACES: BoundSecret['places'] = [
  { kind: 'header', name: 'authorization', prefix: 'Bearer ', suffix: '' },
  { kind: 'basic', half: 'password' },
  { kind: 'query', name: 'key' },
  { kind: 'path', prefix: '/bot', suffix: '/' },
];
const SOCKET = { method: 'GET', upgrade: 'websocket' } as const;
const basic = (pair: string) => `Basic ${Buffer.from(pair).toString('base64')}`;

function headOf(
  wish: Partial<RequestHead> & { host?: string; scheme?: 'http' | 'https'; port?: number } = {},
): RequestHead {
  const target = { scheme: wish.scheme ?? 'https', host: host(wish.host ?? 'api.test'), port: wish.port ?? 443 };
  const upgrade = wish.upgrade === undefined ? {} : { upgrade: wish.upgrade };
  return { method: wish.method ?? 'POST', target, path: wish.path ?? '/', fields: wish.fields ?? [], ...upgrade };
}

function unitOf(body: string | Buffer = ''): Unit {
  const bytes = Buffer.from(body);
  return unitInMemory(bytes);
}

const bodyOf = (unit: Unit) => (bytesInMemory(unit) ?? Buffer.of()).toString('latin1');

suite('a bound host accepts the bound identity only', () => {
  const own: Field = ['X-Api-Key', PLACEHOLDER];
  const blocked: [title: string, head: Partial<RequestHead>, finding: RegExp, body?: string][] = [
    ['a foreign key in its place', { fields: [['x-api-key', FOREIGN]] }, /the field x-api-key/],
    [
      'a foreign key beside its own',
      { fields: [own, ['Authorization', `Bearer ${FOREIGN}`]] },
      /the field authorization/,
    ],
    ['two in one field', { fields: [['x-api-key', `${PLACEHOLDER}, ${FOREIGN}`]] }, /the field x-api-key/],
    ['the placeholder with something behind it', { fields: [['x-api-key', `${PLACEHOLDER}x`]] }, /the field x-api-key/],
    ['Basic', { fields: [own, ['Authorization', basic('user:opaque')]] }, /the field authorization/],
    ...[
      'api_key',
      'X_Api_Key',
      'DD-APPLICATION-KEY',
      'x-subscription-key',
      'x-parse-master-key',
      'x-jwt-assertion',
      'x-basic-auth',
      'X-Honeycomb-Team',
      'Api-Key',
      'Private-Token',
      'X-Auth-Token',
    ].map((name): (typeof blocked)[number] => [
      `a key in ${name}`,
      { fields: [own, [name, 'opaque']] },
      new RegExp(`the field ${name.toLowerCase()} `),
    ]),
    [
      'a key among the protocols of a WebSocket',
      { ...SOCKET, fields: [own, ['Sec-WebSocket-Protocol', `realtime, openai-insecure-api-key.${FOREIGN}`]] },
      /the field sec-websocket-protocol/,
    ],
    ['a WebSocket without a credential', SOCKET, /bound to KEY/],
    ['a cookie', { fields: [own, ['Cookie', 'session=1']] }, /the field cookie/],
    ['another provider’s key field', { fields: [own, ['x-goog-api-key', 'AIza']] }, /the field x-goog-api-key/],
    ['a token by any name', { fields: [own, ['X-Custom-Access-Token', 'opaque']] }, /the field x-custom-access-token/],
    ['a security token', { fields: [own, ['x-amz-security-token', 'opaque']] }, /the field x-amz-security-token/],
    ['a forwarded client certificate', { fields: [own, ['X-Forwarded-Client-Cert', 'x']] }, /client-cert/],
    ['a token in the URL', { fields: [own], path: '/?a=1&access_token=opaque' }, /the query parameter access_token/],
    ['one whose name is percent-encoded', { fields: [own], path: '/?%61pi_key=opaque' }, /the query parameter api_key/],
    ['one behind a semicolon', { fields: [own], path: '/?a=1;token=opaque' }, /the query parameter token/],
    ...['x-api-key', 'auth_key', 'subscription-key', 'oauth_signature', 'client_secret', 'hapikey', 'token[]'].map(
      (name): (typeof blocked)[number] => [
        `a GET with ${name} in its URL`,
        { method: 'GET', path: `/?a=1&${name}=opaque` },
        /the query parameter/,
      ],
    ),
    ['a signed URL', { fields: [own], path: '/?X-Amz-Signature=ab' }, /the query parameter x-amz-signature/],
    ['a GET with a foreign key', { method: 'GET', fields: [['x-api-key', FOREIGN]] }, /the field x-api-key/],
    [
      'a form with a token',
      { fields: [own, ['content-type', 'application/x-www-form-urlencoded']] },
      /the form field private_token/,
      'a=b&private_token=opaque',
    ],
    [
      'a multipart form with a token',
      { fields: [own, ['content-type', 'multipart/form-data; boundary=XX']] },
      /the form field access_token/,
      '--XX\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--XX\r\nContent-Disposition: form-data; name="access_token"\r\nContent-Type: text/plain\r\n\r\nopaque\r\n--XX--\r\n',
    ],
    ...(['client_secret', 'access_token', 'refresh_token', 'api_key', 'Api-Key', 'clientSecret'] as const).map(
      (name): [string, Partial<RequestHead>, RegExp, string] => [
        `JSON with ${name}`,
        { fields: [own, ['content-type', 'application/json']] },
        new RegExp(`the JSON member ${name.toLowerCase()}`),
        JSON.stringify({ a: [{ b: 'c' }], [name]: 'opaque', d: 1 }),
      ],
    ),
    [
      'a form with a token that begins like JSON',
      { fields: [own, ['content-type', 'application/x-www-form-urlencoded']] },
      /the form field access_token/,
      '{=1&access_token=opaque',
    ],
    [
      'a form with Slack’s token',
      { fields: [own, ['content-type', 'application/x-www-form-urlencoded']] },
      /the form field token/,
      'channel=C1&token=opaque',
    ],
    ['JSON with an escaped name', { fields: [own] }, /the JSON member api_key/, '{"\\u0061pi_key":"opaque"}'],
    ['JSON with a name twice', { fields: [own] }, /api_key/, `{"api_key":"${PLACEHOLDER}","api_key":"opaque"}`],
    ['JSON that does not end', { fields: [own] }, /api_key/, '{"api_key":"opaque","x"'],
    ['JSON behind a byte order mark', { fields: [own] }, /api_key/, '\ufeff {"api_key":"opaque"}'],
    ['a POST without a credential', {}, /bound to KEY \(header x-api-key: \{\}\)/, '{}'],
    ['a DELETE without', { method: 'DELETE' }, /bound to KEY/],
    ['an OPTIONS without', { method: 'OPTIONS' }, /bound to KEY/],
    ['a GET without, but with a body', { method: 'GET' }, /bound to KEY/, 'x'],
    [
      'a GET without that says it is a POST',
      { method: 'GET', fields: [['X-HTTP-Method-Override', 'POST']] },
      /bound to KEY/,
    ],
    [
      'the placeholder in another place alone',
      { fields: [['Authorization', `Bearer ${PLACEHOLDER}`]] },
      /bound to KEY/,
    ],
  ];
  for (const [title, head, finding, body] of blocked)
    test(`blocked: ${title}`, () => {
      const found = holdSecrets([KEY]).objection(headOf(head), unitOf(body)) ?? '';
      assert.match(found, /^blocked: /);
      assert.match(found, finding);
      assert.ok(!found.includes(FOREIGN) && !found.includes('opaque'));
    });

  const passed: [title: string, head: Parameters<typeof headOf>[0], body?: string][] = [
    ['the placeholder in its place', { fields: [own] }, '{}'],
    [
      'the same with it in another place as well',
      { fields: [own, ['Authorization', `Bearer ${PLACEHOLDER}`]] },
      PLACEHOLDER,
    ],
    ['JSON with the placeholder', { fields: [own] }, JSON.stringify({ api_key: PLACEHOLDER, client_secret: '' })],
    [
      'JSON with such a name further down',
      { fields: [own] },
      '{"a":{"api_key":"x"},"b":[{"api_key":"x"}],"api_key":1}',
    ],
    ['GET without a credential', { method: 'GET' }],
    ['HEAD without a credential', { method: 'HEAD', path: '/?q=token' }],
    [
      'fields that only sound like it',
      { fields: [own, ['x-csrf-token', 'a'], ['x-stainless-lang', 'js'], ['anthropic-version', '1']] },
    ],
    [
      'names of what is no key',
      {
        method: 'GET',
        path: '/?pageToken=a&page_token=b&next_token=c&continuation-token=d&projectKey=e',
        fields: [own, ['Idempotency-Key', 'a'], ['Sec-WebSocket-Key', 'b'], ['X-Continuation-Token', 'c']],
      },
    ],
    [
      'a WebSocket with it, and protocols that are names',
      {
        ...SOCKET,
        fields: [own, ['Sec-WebSocket-Protocol', 'realtime, openai-beta.realtime-v1, protobuf.reliable.azure.v1']],
      },
    ],
    [
      'the placeholder among the protocols',
      { ...SOCKET, fields: [own, ['Sec-WebSocket-Protocol', `realtime, openai-insecure-api-key.${PLACEHOLDER}`]] },
    ],
    ['an empty field', { fields: [own, ['Cookie', '']] }],
    ['another host', { host: 'other.test', fields: [['x-api-key', FOREIGN]] }, 'x'],
  ];
  for (const [title, head, body] of passed)
    test(`passed: ${title}`, () => assert.equal(holdSecrets([KEY]).objection(headOf(head), unitOf(body)), undefined));

  const elsewhere: [title: string, place: BoundSecret['places'][number], head: Partial<RequestHead>][] = [
    ['a path', { kind: 'path', prefix: '/bot', suffix: '/' }, { path: `/bot${FOREIGN}/send?text=data` }],
    ['a path in capitals', { kind: 'path', prefix: '/bot', suffix: '/' }, { path: `/BOT${FOREIGN}/send` }],
    ['an encoded path', { kind: 'path', prefix: '/bot', suffix: '/' }, { path: `//%62ot${FOREIGN}/send` }],
    [
      'a path that goes back',
      { kind: 'path', prefix: '/bot', suffix: '/' },
      { path: `/bot${PLACEHOLDER}/..%2f../bot${FOREIGN}/send` },
    ],
    ['a parameter', { kind: 'query', name: 'appid' }, { path: `/?AppId=${FOREIGN}` }],
    ['a parameter twice', { kind: 'query', name: 'appid' }, { path: `/?appid=${PLACEHOLDER}&appid=${FOREIGN}` }],
    ['a field', { kind: 'header', name: 'x-team', prefix: '', suffix: '' }, { fields: [['X-Team', FOREIGN]] }],
    [
      'a field twice',
      { kind: 'header', name: 'x-team', prefix: '', suffix: '' },
      {
        fields: [
          ['x-team', PLACEHOLDER],
          ['x-team', FOREIGN],
        ],
      },
    ],
    [
      'the other half of Basic',
      { kind: 'basic', half: 'password' },
      { fields: [['authorization', basic(`ghp_${FOREIGN}:${PLACEHOLDER}`)]] },
    ],
  ];
  for (const [title, place, head] of elsewhere)
    test(`blocked: a GET with a foreign key in the secret’s own place: ${title}`, () => {
      const found = holdSecrets([{ ...KEY, places: [place] }]).objection(headOf({ method: 'GET', ...head }), unitOf());
      assert.match(found ?? '', /^blocked: the (path|query parameter|field) .*holds a credential other/);
    });

  test('a path that goes back out of its place is no credential', () => {
    const held = holdSecrets([{ ...KEY, places: [{ kind: 'path', prefix: '/bot', suffix: '/' }] }]);
    const head = headOf({ path: `/bot${PLACEHOLDER}/../other` });
    assert.match(held.objection(head, unitOf('{}')) ?? '', /bound to KEY/);
    assert.equal(held.inject(head).path, head.path);
  });

  test('a GET that more follows is not harmless: messages of a stream', () => {
    const first = { ...unitOf(), last: false };
    assert.match(holdSecrets([KEY]).objection(headOf({ method: 'GET' }), first) ?? '', /bound to KEY/);
  });

  test('a message of a stream may not name somebody else', () => {
    const said = (text: string) => ({
      ...unitOf('frames'),
      message: { type: 'application/json', bytes: Buffer.from(text) },
    });
    const secrets = holdSecrets([KEY]);
    const head = headOf({ ...SOCKET, fields: [own] });
    assert.match(secrets.objection(head, said('{"access_token":"opaque"}')) ?? '', /the JSON member access_token/);
    assert.equal(secrets.objection(head, said(`{"access_token":"${PLACEHOLDER}"}`)), undefined);
  });

  test('on every port, also where its value does not go', () => {
    const head = headOf({ port: 8443, fields: [['x-api-key', FOREIGN]] });
    assert.match(holdSecrets([KEY]).objection(head, unitOf()) ?? '', /blocked/);
  });

  test('an open host accepts others', () => {
    const open = { ...KEY, hosts: KEY.hosts.map((rule) => ({ ...rule, identity: 'open' as const })) };
    assert.equal(holdSecrets([open]).objection(headOf({ fields: [['x-api-key', FOREIGN]] }), unitOf('x')), undefined);
  });

  test('one bound secret of two is enough to bind, and either proves', () => {
    const secrets = holdSecrets([
      { ...KEY, hosts: KEY.hosts.map((rule) => ({ ...rule, identity: 'open' as const })) },
      { ...KEY, name: 'TOKEN', placeholder: 'tok-placeholder-01234567', value: 'tok-value-0123456789', places: PLACES },
    ]);
    assert.match(secrets.objection(headOf({ fields: [['cookie', 'a']] }), unitOf()) ?? '', /cookie/);
    assert.equal(
      secrets.objection(headOf({ fields: [['authorization', 'bearer tok-placeholder-01234567']] }), unitOf('x')),
      undefined,
    );
  });
});

suite('the value goes into its place, and nowhere else', () => {
  const secrets = holdSecrets([{ ...KEY, places: [...KEY.places, ...PLACES], headers: { 'X-Org': 'mine' } }]);
  const rows: [title: string, sent: Parameters<typeof headOf>[0], path: string, fields: Field[]][] = [
    ['a header', { fields: [['X-API-Key', PLACEHOLDER]] }, '/', [['X-API-Key', VALUE]]],
    ['a format', { fields: [['Authorization', `bearer ${PLACEHOLDER}`]] }, '/', [['Authorization', `bearer ${VALUE}`]]],
    [
      'Basic',
      { fields: [['Authorization', basic(`u:${PLACEHOLDER}`)]] },
      '/',
      [['Authorization', basic(`u:${VALUE}`)]],
    ],
    [
      'Basic, other half',
      { fields: [['Authorization', basic(`${PLACEHOLDER}:x`)]] },
      '/',
      [['Authorization', basic(`${PLACEHOLDER}:x`)]],
    ],
    ['the query', { path: `/a?xkey=${PLACEHOLDER}&key=${PLACEHOLDER}` }, `/a?xkey=${PLACEHOLDER}&key=${VALUE}`, []],
    ['the path', { path: `/bot${PLACEHOLDER}/send?a` }, `/bot${VALUE}/send?a`, []],
    ['the path elsewhere', { path: `/x/bot${PLACEHOLDER}/` }, `/x/bot${PLACEHOLDER}/`, []],
    ['another field', { fields: [['X-Note', PLACEHOLDER]] }, '/', [['X-Note', PLACEHOLDER]]],
    ['a longer value', { fields: [['X-Api-Key', `${PLACEHOLDER} `]] }, '/', [['X-Api-Key', `${PLACEHOLDER} `]]],
  ];
  const added: Field[] = [
    ['X-Org', 'mine'],
    ['Accept-Encoding', 'identity'],
  ];
  for (const [title, sent, path, fields] of rows)
    test(title, () => {
      const head = secrets.inject(headOf(sent));
      assert.equal(head.path, path);
      assert.deepEqual(head.fields, [...fields, ...added]);
    });

  test('no compression of messages is offered: what comes back could not be searched', () => {
    const asked = headOf({
      fields: [
        ['Sec-WebSocket-Extensions', 'permessage-deflate'],
        ['grpc-accept-encoding', 'gzip'],
        ['Connect-Accept-Encoding', 'gzip'],
        ['Sec-WebSocket-Version', '13'],
      ],
    });
    assert.deepEqual(secrets.inject(asked).fields, [['Sec-WebSocket-Version', '13'], ...added]);
  });

  test('the manifest’s fields take the place of the agent’s own', () => {
    const head = secrets.inject(
      headOf({
        fields: [
          ['x-org', 'other'],
          ['accept-encoding', 'gzip'],
        ],
      }),
    );
    assert.deepEqual(head.fields, added);
  });

  test('another host’s request is sent as it is', () => {
    const head = headOf({ host: 'other.test', fields: [['x-api-key', PLACEHOLDER]] });
    assert.equal(secrets.inject(head), head);
  });

  const clear: [title: string, explicit: boolean, ports: number[], port: number, goes: boolean][] = [
    ['not over plain HTTP', false, [443, 80], 80, false],
    ['not over plain HTTP to 443', true, [443], 443, false],
    ['over plain HTTP to a port that is named', true, [8080], 8080, true],
    ['not to another port', true, [8080], 8081, false],
  ];
  for (const [title, explicit, ports, port, goes] of clear)
    test(title, () => {
      const hosts = KEY.hosts.map((rule) => ({ ...rule, explicit, ports }));
      const sent = headOf({ scheme: 'http', port, fields: [['x-api-key', PLACEHOLDER]] });
      const [[, value] = []] = holdSecrets([{ ...KEY, hosts }]).inject(sent).fields;
      assert.equal(value, goes ? VALUE : PLACEHOLDER);
    });

  test('a new value is sent from then on, and the one before is still looked for', () => {
    const renewed = holdSecrets([KEY]);
    renewed.renew({ KEY: 'sk-ant-a-newer-one-0123456789', OTHER: 'x' });
    const head = renewed.inject(headOf({ fields: [['x-api-key', PLACEHOLDER]] }));
    assert.equal(head.fields[0]?.[1], 'sk-ant-a-newer-one-0123456789');
    for (const value of [VALUE, 'sk-ant-a-newer-one-0123456789'])
      assert.match(
        renewed.objection(headOf({ host: 'other.test' }), unitOf(value)) ?? '',
        /holds the value of the secret KEY/,
      );
  });
});

suite('a scanner is shown a neutral word', () => {
  const secrets = holdSecrets([KEY]);
  const own: Field = ['x-api-key', PLACEHOLDER];

  test('in every part of a request and in every spelling, in which nothing else changes', () => {
    const spellings = [
      PLACEHOLDER,
      Buffer.from(`x:${PLACEHOLDER}`).toString('base64'),
      Buffer.from(PLACEHOLDER).toString('hex'),
    ];
    for (const text of spellings) {
      const sent = headOf({ path: `/?q=${text}`, fields: [own, ['x-note', text]] });
      const { head, unit, elsewhere } = secrets.neutralize(sent, unitOf(`{"a":"${text}","b":1}`));
      const seen = JSON.stringify([head, bodyOf(unit)]);
      for (const spelling of [PLACEHOLDER.slice(13), Buffer.from(PLACEHOLDER.slice(13)).toString('hex')])
        assert.ok(!seen.includes(spelling), seen);
      assert.equal(bodyOf(unit).length, `{"a":"${text}","b":1}`.length);
      assert.match(bodyOf(unit), /^\{"a":".*","b":1\}$/);
      assert.deepEqual(elsewhere, ['KEY']);
    }
  });

  test('where it breaks off, as tools print it: whatever stands there of it', () => {
    for (const kept of [17, 20, PLACEHOLDER.length - 1]) {
      const piece = PLACEHOLDER.slice(0, kept);
      const sent = headOf({ path: `/?q=${piece}`, fields: [own, ['x-note', `${piece}…`]] });
      const { head, unit } = secrets.neutralize(
        sent,
        unitOf(`{"a":"${piece}...","b":"${piece}","c":"sk-ant-api03-other"}`),
      );
      assert.equal(
        bodyOf(unit).replaceAll(/placeholder-[a-z-]*/g, 'W'),
        '{"a":"W...","b":"W","c":"sk-ant-api03-other"}',
      );
      assert.ok(!JSON.stringify(head).includes(piece));
      assert.equal(head.path.length, sent.path.length);
    }
    const shorter = PLACEHOLDER.slice(0, 16);
    assert.equal(bodyOf(secrets.neutralize(headOf({ fields: [own] }), unitOf(shorter)).unit), shorter);
  });

  test('in a compressed body too, which is then shown in plain', () => {
    const fields: Field[] = [own, ['Content-Encoding', 'gzip']];
    const { head, unit, elsewhere } = secrets.neutralize(headOf({ fields }), unitOf(gzipSync(`env ${PLACEHOLDER}`)));
    assert.match(bodyOf(unit), /^env placeholder-/);
    assert.deepEqual(
      head.fields.map(([name]) => name),
      ['x-api-key'],
    );
    assert.deepEqual(elsewhere, ['KEY']);
  });

  test('a request without one elsewhere is scanned as it is sent', () => {
    const unit = unitOf(gzipSync('nothing'));
    const neutral = secrets.neutralize(headOf({ fields: [own, ['Content-Encoding', 'gzip']] }), unit);
    assert.equal(neutral.unit, unit);
    assert.deepEqual(neutral.elsewhere, []);
  });

  test('a value in a compressed body is found', () => {
    const head = headOf({ host: 'other.test', fields: [['Content-Encoding', 'gzip']] });
    assert.match(secrets.objection(head, unitOf(gzipSync(VALUE))) ?? '', /holds the value/);
    assert.match(secrets.objection(headOf({ host: 'other.test' }), unitOf(gzipSync(VALUE))) ?? '', /holds the value/);
  });

  test('a part that was decoded on the way is looked at again', () => {
    const part = { url: 'http://a/', fields: [], body: Buffer.from(`text ${VALUE}`), bodySha256: '' };
    assert.ok('finding' in secrets.review([part]));
    const reviewed = secrets.review([{ ...part, body: Buffer.from(PLACEHOLDER) }]);
    assert.ok(!('finding' in reviewed) && reviewed[0]?.body.toString().startsWith('placeholder-'));
    assert.notEqual('finding' in reviewed ? '' : reviewed[0]?.bodySha256, '');
  });
});

test('what is covered of a message stays so beside a neutral word, and nothing is where all of it was opened', () => {
  const secrets = holdSecrets([KEY]);
  const covered = [{ mask: 'm', from: 0, to: 4 }];
  const message = (bytes: Buffer) => ({ ...unitOf(), message: { type: 'text/plain', bytes, covered } });
  const text = Buffer.from(`Zm9v ${PLACEHOLDER}`);
  const plain = secrets.neutralize(headOf(), message(text)).unit.message;
  assert.deepEqual([plain?.bytes.toString(), plain?.covered], ['Zm9v placeholder-placeholder-placeholder-', covered]);
  const opened = secrets.neutralize(headOf(), message(gzipSync(text))).unit.message;
  assert.deepEqual(
    [opened?.bytes.toString(), opened?.covered],
    ['Zm9v placeholder-placeholder-placeholder-', undefined],
  );
});

test('a value never reaches the scanner nor another host, wherever and however it stands in a request', () => {
  const secrets = holdSecrets([KEY]);
  const spelled = fc.constantFrom<(text: string) => string>(
    (text) => text,
    (text) => Buffer.from(text).toString('base64'),
    (text) => Buffer.from(`a${text}`).toString('base64'),
    (text) => Buffer.from(`ab${text}c`).toString('base64url'),
    (text) => Buffer.from(text).toString('hex'),
    (text) => text.split('').toReversed().join(''),
    (text) => text.replaceAll(/./g, (c) => `%${c.charCodeAt(0).toString(16)}`),
    (text) => gzipSync(text).toString('latin1'),
  );
  const place = fc.constantFrom('path', 'field', 'body');
  fc.assert(
    fc.property(spelled, place, fc.constantFrom('api.test', 'other.test'), (spell, where, name) => {
      if (where !== 'body' && spell(VALUE).startsWith('\x1f')) return;
      const text = spell(VALUE);
      const head = headOf({
        host: name,
        path: where === 'path' ? `/?a=${text}` : '/',
        fields: [['x-api-key', PLACEHOLDER], ...(where === 'field' ? [['x-note', text] as const] : [])],
      });
      const body = where === 'body' ? Buffer.from(text, 'latin1') : Buffer.alloc(0);
      assert.match(secrets.objection(head, unitOf(body)) ?? '', /holds the value of the secret KEY/);
    }),
  );
});

suite('an answer that repeats a value is cut', () => {
  function relay(pieces: readonly Buffer[], head: Partial<ResponseHead> = {}, trailers: Field[] = []) {
    const out: Buffer[] = [];
    const log: string[] = [];
    const heads: ResponseHead[] = [];
    const client: Client = {
      head: headOf(),
      refusal: undefined,
      units: { [Symbol.asyncIterator]: () => ({ next: async () => ({ done: true, value: undefined }) }) },
      gone: new AbortController().signal,
      onDrain: undefined,
      inform: () => undefined,
      start: (given) => void heads.push(given),
      write: (chunk) => out.push(chunk) > 0,
      finish: () => void log.push('finish'),
      destroy: () => void log.push('destroy'),
    };
    const tap = holdSecrets([KEY]).watch(client, () => log.push('cut'));
    assert.ok(tap);
    tap.client.start({ status: 200, text: 'OK', fields: [], ...head });
    for (const piece of pieces) tap.client.write(piece);
    tap.client.finish(trailers);
    return { tap, out: () => Buffer.concat(out).toString('latin1'), log, heads };
  }

  test('wherever its pieces are divided and however it is spelled; what holds none passes whole and at once', () => {
    const spelled = fc.constantFrom(
      VALUE,
      Buffer.from(`xy${VALUE}`).toString('base64'),
      Buffer.from(VALUE).toString('hex').toUpperCase(),
      VALUE.split('').toReversed().join(''),
    );
    const cuts = fc.array(fc.nat(400), { maxLength: 12 });
    fc.assert(
      fc.property(spelled, fc.nat(150), cuts, fc.boolean(), (text, before, at, leaks) => {
        const whole = Buffer.from(`${'.'.repeat(before)}${leaks ? text : text.slice(0, -3)}${'-'.repeat(60)}`);
        const edges = [0, ...at.map((edge) => edge % whole.length).toSorted((a, b) => a - b), whole.length];
        const pieces = edges.slice(1).map((end, index) => whole.subarray(edges[index], end));
        const { tap, out, log } = relay(pieces);
        if (leaks) {
          assert.ok(!out().includes(text) && whole.toString().startsWith(out()));
          assert.deepEqual(log, ['destroy', 'cut']);
          assert.match(tap.cut ?? '', /repeats the value of the secret KEY/);
        } else {
          assert.equal(out(), whole.toString());
          assert.deepEqual(log, ['finish']);
        }
      }),
    );
  });

  test('in its head, then the agent gets none of it', () => {
    const { tap, heads, log, out } = relay([Buffer.from('body')], { fields: [['Location', `/?key=${VALUE}`]] });
    assert.deepEqual([heads, log, out(), tap.started], [[], ['cut'], '', false]);
  });

  test('in its trailers', () => assert.deepEqual(relay([], {}, [['x', VALUE]]).log, ['destroy', 'cut']));

  test('compressed, before its end is told', async () => {
    const fields: Field[] = [['Content-Encoding', 'gzip']];
    const { tap, log } = relay([gzipSync(`a${VALUE}`)], { fields });
    assert.deepEqual(log, []);
    await tap.done;
    assert.deepEqual(log, ['destroy', 'cut']);
    const harmless = relay([gzipSync('harmless')], { fields });
    await harmless.tap.done;
    assert.deepEqual(harmless.log, ['finish']);
  });

  test('in a coding that nobody can read here, and one that is broken', async () => {
    assert.match(
      relay([Buffer.from('x')], { fields: [['Content-Encoding', 'exotic']] }).tap.cut ?? '',
      /cannot be searched/,
    );
    const broken = relay([Buffer.from('no gzip')], { fields: [['Content-Encoding', 'gzip']] });
    await broken.tap.done;
    assert.match(broken.tap.cut ?? '', /cannot be decoded/);
  });

  test('an answer without a body may name a coding', () =>
    assert.deepEqual(relay([], { fields: [['Content-Encoding', 'gzip']] }).log, ['finish']));

  test('a bound host’s cookies are dropped: what has none sends none back', () => {
    const { heads } = relay([], {
      fields: [
        ['Set-Cookie', 'a=b'],
        ['X', 'y'],
      ],
    });
    assert.deepEqual(heads[0]?.fields, [['X', 'y']]);
  });
});
