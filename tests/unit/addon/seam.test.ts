/** What two messages of a stream show together: nothing that lies within the window is missed, and what a mask covers stays covered. */
import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { suite, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { makeBudget } from '../../../addon/budget.ts';
import { codingOf, messages as grpcMessages } from '../../../addon/client/grpc.ts';
import { messages as webSocketMessages } from '../../../addon/client/websocket.ts';
import type { Covered } from '../../../addon/covered.ts';
import { SEAM_BYTES } from '../../../addon/limits.ts';
import { coveredIn, makeMasks } from '../../../addon/masks.ts';
import type { Received, RequestHead, Unit } from '../../../addon/message.ts';
import { type Preparation, parts } from '../../../addon/parts.ts';
import { secretsIn } from '../../../addon/scanner/detect.ts';
import { Seams } from '../../../addon/seam.ts';
import { masksOf } from '../../../contracts/mask.ts';
import { rulesOf } from '../../../contracts/policy.ts';
import { randomBytes } from './scanner/support/bodies.ts';
import { frame } from './websocket/frames.ts';

const MiB = 1024 * 1024;
const HOST = { kind: 'name', text: 'api.openai.com' } as const;
const HEAD: RequestHead = {
  method: 'GET',
  target: { scheme: 'https', host: HOST, port: 443 },
  path: '/v1/responses',
  fields: [],
};
const masks = makeMasks(masksOf({ built_in: true, own: [] }, rulesOf([HOST.text])));
const masking = { masks, secretsIn };

const options = {
  budget: makeBudget(16 * MiB),
  messageBytes: MiB,
  covered: (type: string | undefined, content: Buffer) => coveredIn(type, content, masks(HOST)),
};

const PLAIN = (text: Buffer) => text;
type Protocol = (texts: readonly string[]) => AsyncIterable<Received>;
const PROTOCOLS: Readonly<Record<string, Protocol>> = {
  'a WebSocket'(texts) {
    async function* bytes() {
      for (const payload of texts) yield frame({ opcode: 1, payload });
    }
    return webSocketMessages(bytes(), { kind: 'agreed', deflate: undefined }, options);
  },
  'a stream of Connect': (texts) => overConnect(texts, PLAIN),
  'a stream of Connect, compressed': (texts) => overConnect(texts, (text) => gzipSync(text)),
};

function overConnect(texts: readonly string[], written: (text: Buffer) => Buffer): AsyncIterable<Received> {
  const coding = codingOf([
    ['content-type', 'application/connect+json'],
    ['connect-content-encoding', 'gzip'],
  ]);
  assert.ok(coding);
  const stream = new PassThrough();
  for (const text of texts) {
    const bytes = written(Buffer.from(text));
    const prefix = Buffer.alloc(5);
    prefix.writeUInt8(written === PLAIN ? 0 : 1);
    prefix.writeUInt32BE(bytes.length, 1);
    stream.write(Buffer.concat([prefix, bytes]));
  }
  stream.end();
  return grpcMessages(stream, { ...options, coding, inflow: { isWhole: true, count: () => undefined } });
}

/** What a scanner is given of each unit that these messages become. */
async function given(over: Protocol, texts: readonly string[]): Promise<Exclude<Preparation, { kind: 'refused' }>[]> {
  const all: Exclude<Preparation, { kind: 'refused' }>[] = [];
  for await (const one of over(texts)) {
    assert.ok(one.kind === 'unit');
    const prepared = parts({ id: 'id', nonce: 'nonce' }, HEAD, one, { reads: 'plain', bodyBytes: 8 * MiB, masking });
    assert.ok(prepared.kind !== 'refused', 'nothing of it is too much');
    all.push(prepared);
    one[Symbol.dispose]();
  }
  return all;
}

/** Everything that is in some part. */
function shownOf(all: readonly Preparation[]): string[] {
  return all.flatMap((one) => (one.kind === 'prepared' ? one.parts.map(({ body }) => body.toString('latin1')) : []));
}

/** An event as Codex sends it; `behind` are the bytes that stand behind the picture. */
function event(bytes: number, behind: number, seed: string): string {
  const image_url = `data:image/png;base64,${randomBytes(bytes, seed).toString('base64')}`;
  const content = [
    { type: 'input_image', image_url },
    { type: 'input_text', text: 'a word '.repeat(behind / 7) },
  ];
  return JSON.stringify({ type: 'response.create', input: [{ type: 'message', role: 'user', content }] });
}

/** Text of which every place is another, and no run is long. */
const UNLIKE = Array.from({ length: 3 * SEAM_BYTES }, (_, at) => `${at},`).join('');
const LONG_RUN = /[A-Za-z0-9+/]{40}/;

for (const [protocol, over] of Object.entries(PROTOCOLS))
  suite(`with masks on, over ${protocol}`, () => {
    const size = fc.constantFrom(60, 1_000, SEAM_BYTES, 3 * SEAM_BYTES);
    const events = fc.array(fc.tuple(size, fc.constantFrom(0, 700, SEAM_BYTES), fc.string()), { maxLength: 3 });

    test('whatever is at most as long as the window is given whole, however it is cut into messages', async () => {
      await fc.assert(
        fc.asyncProperty(
          events,
          events,
          fc.integer({ min: 2, max: SEAM_BYTES }),
          fc.array(fc.integer({ min: 1, max: SEAM_BYTES - 1 }), { minLength: 1, maxLength: 4 }),
          fc.nat(2 * SEAM_BYTES),
          async (before, after, length, cuts, more) => {
            const secret = UNLIKE.slice(0, length);
            const at = [0, ...new Set(cuts.map((cut) => cut % length).toSorted((a, b) => a - b)), length];
            const pieces = at.slice(1).map((to, index) => secret.slice(at[index], to));
            // What stands around it in its first and last message.
            pieces[0] = 'word '.repeat(more / 5) + (pieces[0] ?? '');
            pieces.push(`${pieces.pop() ?? ''} ${'word '.repeat(more / 5)}`);
            const all = await given(over, [
              ...before.map((one) => event(...one)),
              ...pieces,
              ...after.map((one) => event(...one)),
            ]);
            assert.ok(shownOf(all).some((shown) => shown.includes(secret)));
          },
        ),
        { numRuns: 40 },
      );
    });

    test('no run that a mask covers in a message is shown in what it spells with another', async () => {
      await fc.assert(
        fc.asyncProperty(events, fc.string({ maxLength: 30 }), async (all, text) => {
          for (const shown of shownOf(await given(over, [...all.map((one) => event(...one)), text, '{"a":1}'])))
            assert.doesNotMatch(shown, LONG_RUN);
        }),
        { numRuns: 40 },
      );
      const [first, second] = [event(9_000, 0, 'a'), event(9_000, 0, 'b')];
      const noJson = shownOf(await given(over, [`${first},`, second]));
      assert.ok(
        noJson.some((shown) => LONG_RUN.test(shown)),
        'without a mask it is, or this test shows nothing',
      );
    });
  });

test('of any messages, exactly those bytes of a seam are covered that are covered in the messages', () => {
  const length = fc.constantFrom(1, 7, 100, SEAM_BYTES - 1, SEAM_BYTES, 2 * SEAM_BYTES);
  const piece = fc.record({ length, isCovered: fc.boolean() });
  const message = fc.record({ kind: fc.constantFrom('a', 'b'), pieces: fc.array(piece, { maxLength: 4 }) });
  fc.assert(
    fc.property(fc.array(message, { maxLength: 6 }), (all) => {
      const seams = new Seams();
      /** Of each kind everything until now, a letter for a byte: which of them are covered. */
      const streams = new Map<string, string>();
      for (const { kind, pieces } of all) {
        const flags = pieces.map(({ length: size, isCovered }) => (isCovered ? 'X' : '-').repeat(size)).join('');
        let at = 0;
        const covered: Covered[] = pieces.flatMap(({ length: size, isCovered }) => {
          at += size;
          return isCovered ? [{ mask: 'm', from: at - size, to: at }] : [];
        });
        const seam = seams.next([{ kind, content: Buffer.from(flags), covered }]);
        const before = streams.get(kind) ?? '';
        streams.set(kind, before + flags);
        const expected = before.slice(-SEAM_BYTES) + flags.slice(0, SEAM_BYTES);
        if (before === '' || flags === '') assert.equal(seam, undefined);
        else assert.equal(flagged(seam), expected);
      }
    }),
    { numRuns: 300 },
  );
});

function flagged(seam: Unit | undefined): string {
  const { bytes, covered = [] } = seam?.message ?? { bytes: Buffer.alloc(0) };
  const flags = Buffer.alloc(bytes.length, '-');
  for (const { from, to } of covered) {
    assert.ok(0 <= from && from < to && to <= bytes.length);
    flags.fill('X', from, to);
  }
  assert.equal(flags.toString(), bytes.toString(), 'what is covered is what the message said');
  return flags.toString();
}
