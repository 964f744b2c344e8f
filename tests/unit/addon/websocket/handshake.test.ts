import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Field } from '../../../../addon/message.ts';
import { acceptOf, handshakeProblem, knownExtensions, readSwitch } from '../../../../addon/websocket/handshake.ts';

/** The example of RFC 6455 section 1.3. */
const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const ACCEPT = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=';

const ASKED: readonly Field[] = [
  ['Upgrade', 'websocket'],
  ['Connection', 'keep-alive, Upgrade'],
  ['Sec-WebSocket-Version', '13'],
  ['Sec-WebSocket-Key', KEY],
];
const ANSWERED: readonly Field[] = [
  ['Upgrade', 'WebSocket'],
  ['Connection', 'upgrade'],
  ['Sec-WebSocket-Accept', ACCEPT],
];

const without = (fields: readonly Field[], name: string) => fields.filter(([given]) => given !== name);
const extensions = (value: string): Field => ['Sec-WebSocket-Extensions', value];

test('the accept of the RFC’s key is the RFC’s', () => assert.equal(acceptOf(KEY), ACCEPT));

test('a request for a WebSocket has version 13 and a key', () => {
  const status = (fields: readonly Field[]) => handshakeProblem(fields)?.status;
  assert.equal(status(ASKED), undefined);
  assert.equal(status(without(ASKED, 'Sec-WebSocket-Version')), 400);
  assert.equal(status([...without(ASKED, 'Sec-WebSocket-Version'), ['Sec-WebSocket-Version', '8']]), 400);
  assert.equal(status([...ASKED, ['Sec-WebSocket-Version', '13']]), 400);
  assert.equal(status(without(ASKED, 'Sec-WebSocket-Key')), 400);
  assert.equal(status([...ASKED, ['sec-websocket-key', KEY]]), 400);
  for (const key of ['', 'abc', `${KEY}=`, 'dGhlIHNhbXBsZSBub25jZR==', `${KEY.slice(0, -2)}AA==`])
    assert.equal(status([...without(ASKED, 'Sec-WebSocket-Key'), ['Sec-WebSocket-Key', key]]), 400, key);
  assert.equal(status([...ASKED, ['Sec-WebSocket-Protocol', 'chat, super chat']]), 400);
  assert.equal(status([...ASKED, ['Sec-WebSocket-Protocol', 'chat, superchat']]), undefined);
  for (const value of ['a b', 'x; y z', 'x; y="a,b"', 'x; y=1; Y=2', '; y', 'x;'])
    assert.equal(status([...ASKED, extensions(value)]), 400, value);
});

test('only offers of compression that can be read go on', () => {
  const offer = (value: string) =>
    knownExtensions([['A', 'b'], extensions(value)]).flatMap(([name, text]) => (name === 'A' ? [] : [text]));
  assert.deepEqual(offer('permessage-deflate; client_max_window_bits'), ['permessage-deflate; client_max_window_bits']);
  assert.deepEqual(offer('permessage-deflate, foo, Permessage-Deflate; server_max_window_bits="10"'), [
    'permessage-deflate, Permessage-Deflate; server_max_window_bits="10"',
  ]);
  for (const unknown of [
    'x-webkit-deflate-frame',
    'permessage-deflate; foo',
    'permessage-deflate; server_max_window_bits',
    'permessage-deflate; server_max_window_bits=7',
    'permessage-deflate; client_max_window_bits=016',
    'permessage-deflate; client_no_context_takeover=1',
    'permessage-deflate; __proto__',
  ])
    assert.deepEqual(offer(unknown), [], unknown);
});

test('an answer is a switch only if it is one to this request', () => {
  const kind = (answer: readonly Field[], asked = ASKED) => readSwitch(asked, answer).kind;
  assert.equal(kind(ANSWERED), 'agreed');
  for (const [name] of ANSWERED) assert.equal(kind(without(ANSWERED, name)), 'wrong', name);
  assert.equal(kind([...without(ANSWERED, 'Upgrade'), ['Upgrade', 'h2c']]), 'wrong');
  assert.equal(kind([...ANSWERED, ['Upgrade', 'h2c']]), 'wrong');
  assert.equal(kind([...ANSWERED, ['sec-websocket-accept', ACCEPT]]), 'wrong');
  assert.equal(
    kind([...without(ANSWERED, 'Sec-WebSocket-Accept'), ['Sec-WebSocket-Accept', ACCEPT.toLowerCase()]]),
    'wrong',
  );
});

test('a sub-protocol must be one that was offered', () => {
  const asked: Field[] = [...ASKED, ['Sec-WebSocket-Protocol', 'chat, v2']];
  const kind = (...protocols: string[]) =>
    readSwitch(asked, [...ANSWERED, ...protocols.map((name): Field => ['Sec-WebSocket-Protocol', name])]).kind;
  assert.equal(kind(), 'agreed');
  assert.equal(kind('v2'), 'agreed');
  assert.equal(kind('V2'), 'wrong');
  assert.equal(kind('chat', 'v2'), 'wrong');
  assert.equal(kind('chat, v2'), 'wrong');
});

/** What is compressed after this offer and this answer: undefined if the answer is wrong. */
function agreed(offer: string | undefined, answer: string): { clientNoContextTakeover: boolean } | 'none' | undefined {
  const asked = offer === undefined ? ASKED : [...ASKED, extensions(offer)];
  const read = readSwitch(asked, [...ANSWERED, extensions(answer)]);
  return read.kind === 'wrong' ? undefined : (read.deflate ?? 'none');
}

const [KEPT, NONE] = [{ clientNoContextTakeover: false }, { clientNoContextTakeover: true }];
const PLAIN = 'permessage-deflate';
const ROWS: [offer: string | undefined, answer: string, result: ReturnType<typeof agreed>][] = [
  [PLAIN, PLAIN, KEPT],
  [PLAIN, '', 'none'],
  [PLAIN, `${PLAIN}; client_no_context_takeover`, NONE],
  [PLAIN, `${PLAIN}; server_no_context_takeover; server_max_window_bits=9`, KEPT],
  [`${PLAIN}; client_max_window_bits`, `${PLAIN}; client_max_window_bits=10`, KEPT],
  [`${PLAIN}; client_max_window_bits=12`, `${PLAIN}; client_max_window_bits=12`, KEPT],
  [`${PLAIN}; server_max_window_bits=10`, `${PLAIN}; server_max_window_bits=9`, KEPT],
  [`${PLAIN}; server_max_window_bits=10, ${PLAIN}`, PLAIN, KEPT],
  // Not offered, or not in this way.
  [undefined, PLAIN, undefined],
  ['foo', 'foo', undefined],
  [PLAIN, 'foo', undefined],
  [PLAIN, `${PLAIN}, ${PLAIN}`, undefined],
  [PLAIN, `${PLAIN}; client_max_window_bits=10`, undefined],
  [`${PLAIN}; client_max_window_bits`, `${PLAIN}; client_max_window_bits`, undefined],
  [`${PLAIN}; client_max_window_bits=10`, `${PLAIN}; client_max_window_bits=11`, undefined],
  [`${PLAIN}; server_max_window_bits=10`, PLAIN, undefined],
  [`${PLAIN}; server_max_window_bits=10`, `${PLAIN}; server_max_window_bits=11`, undefined],
  [`${PLAIN}; server_no_context_takeover`, PLAIN, undefined],
  [PLAIN, `${PLAIN}; client_no_context_takeover; client_no_context_takeover`, undefined],
  [PLAIN, `${PLAIN}; server_max_window_bits=16`, undefined],
  [PLAIN, `${PLAIN}; other`, undefined],
];
for (const [offer, answer, result] of ROWS)
  test(`"${offer ?? ''}", answered "${answer}", is ${result ? JSON.stringify(result) : 'wrong'}`, () =>
    assert.deepEqual(agreed(offer, answer), result));
