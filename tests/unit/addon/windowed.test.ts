/** What a scanner that decodes little is given of a push that is too large for one look. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { suite, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { unitInMemory } from '../../../addon/body.ts';
import { makeMasks } from '../../../addon/masks.ts';
import type { RequestHead } from '../../../addon/message.ts';
import { secretsIn } from '../../../addon/scanner/detect.ts';
import { holdSecrets } from '../../../addon/secrets.ts';
import { scanWindowed, type WindowedScan } from '../../../addon/windowed.ts';
import { masksOf, masksWishSchema } from '../../../contracts/mask.ts';
import { BLOB, COMMANDS, delta, object, OFFSET, pack, PUSH, random } from './support/packs.ts';

const CREDENTIAL = `AKIA${'Q3EGRZPY7WLN5TKD'}`;
const HEAD: RequestHead = {
  method: 'POST',
  path: '/a.git/git-receive-pack',
  target: { scheme: 'https', host: { kind: 'name', text: 'git.example.test' }, port: 443 },
  fields: [['Content-Type', PUSH]],
};
const masking = { masks: makeMasks(masksOf(masksWishSchema.parse({}), [])), secretsIn };

/** Everything that was asked about, in windows of 100 KB. */
async function shown(objects: readonly Buffer[], more: Partial<WindowedScan> = {}) {
  const texts: Buffer[] = [];
  const result = await scanWindowed(HEAD, unitInMemory(Buffer.concat([COMMANDS, pack(...objects)])), {
    name: { id: 'id', nonce: 'nonce' },
    limits: { reads: 'plain', bodyBytes: 8_000_000, masking },
    windowBytes: 100_000,
    review: undefined,
    leave: 'nothing',
    ask: async ({ body }) => {
      texts.push(Buffer.from(body));
      return { kind: 'allow' };
    },
    ...more,
  });
  return { result, texts };
}

suite('a push in windows, to a scanner that decodes little', () => {
  const picture = object(BLOB, random(300_000, 'picture'));

  it('is shown what its objects hold, and what that decodes to', async () => {
    const text = `key = ${CREDENTIAL}\n`;
    for (const hidden of [
      object(BLOB, Buffer.from(text)),
      object(OFFSET, delta('so', text), Buffer.of(5)),
      object(BLOB, Buffer.from(`a: ${Buffer.from(text).toString('base64')}\n`)),
      object(BLOB, gzipSync(text)),
    ]) {
      const { result, texts } = await shown([picture, hidden, picture]);
      assert.equal(result.kind, 'allow');
      assert.ok(texts.some((some) => some.includes(CREDENTIAL)));
    }
  });

  it('is shown nothing of the hashes of a lockfile, wherever they stand, and the record says how much', async () => {
    const hashes = Array.from({ length: 3_000 }, (_, at) => random(64, `hash ${at}`).toString('base64'));
    const file = hashes.map((hash) => `      "integrity": "sha512-${hash}",\n`).join('');
    const { result, texts } = await shown([object(BLOB, Buffer.from(file)), picture], { windowBytes: 10_000_000 });
    assert.deepEqual(result, { kind: 'allow', elsewhere: [], masked: [{ mask: 'known-forms', bytes: 3_000 * 88 }] });
    for (const hash of hashes) assert.ok(!texts.some((text) => text.includes(hash)));
    // What two windows share is counted in both; a hash that a window's end cuts is whole in the one before or behind.
    const cut = await shown([object(BLOB, Buffer.from(file)), picture]);
    assert.ok(cut.result.kind === 'allow');
    const [masked] = cut.result.masked ?? [];
    assert.ok(masked && masked.bytes > 3_000 * 88);
    assert.ok(hashes.filter((hash) => cut.texts.some((text) => text.includes(hash))).length === 0);
  });

  it('is blocked if a secret stands in what is masked', async () => {
    const hash = `${random(30, 'h').toString('base64')}/${CREDENTIAL}/${random(60, 'i').toString('base64')}`.slice(
      0,
      86,
    );
    const file = `"integrity": "sha512-${hash}=="\n`;
    const { result, texts } = await shown([object(BLOB, Buffer.from(file))]);
    assert.match(result.kind === 'block' ? result.finding : '', /^blocked: request body contains secret: AWS/);
    assert.ok(!texts.some((text) => text.includes(CREDENTIAL)));
  });

  it('is shown no picture but as it is sent', async () => {
    const { texts } = await shown([object(BLOB, random(50_000, 'stored'), undefined, 0)]);
    const start = random(50_000, 'stored').subarray(0, 100);
    assert.equal(texts.filter((text) => text.includes(start)).length, 1);
  });

  it('never holds the value of a secret, also if nobody is to scan it', async () => {
    const value = randomBytes(20).toString('hex');
    const secrets = holdSecrets([
      { name: 'TOKEN', placeholder: 'ghp_placeholder0123456789', value, hosts: [], places: [], headers: {} },
    ]);
    const review = secrets.inWindows(HEAD);
    for (const leave of ['nothing', 'body'] as const) {
      const { result, texts } = await shown([picture, object(BLOB, Buffer.from(`a ${value} b`))], { review, leave });
      assert.match(result.kind === 'block' ? result.finding : '', /holds the value of the secret TOKEN/);
      assert.ok(!texts.some((text) => text.includes(value)));
    }
  });
});
