/** The real pipelock under our configuration, without Docker: it takes it, passes the self-test, and stops what it should and no more. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { PIPELOCK_VERSIONS } from '../../../contracts/pipelock.ts';
import { notAlone, runAlone } from '../support/alone.ts';
import { checkConfig, configFor, pipelockBinary } from '../support/program.ts';
import { SINK } from '../support/variations.ts';

const binary = pipelockBinary();
const skip = [binary, notAlone()].find((why) => typeof why === 'string') ?? false;
const file = typeof binary === 'string' ? '' : binary.file;
/** The line of the program, as for its image. */
const version = PIPELOCK_VERSIONS.find((line) => line === process.env['BOTTLE_PIPELOCK_VERSION']) ?? '2.3';

const HARMLESS = [
  'SHELL=/bin/bash\nCLAUDE_CODE_MESSAGING_TOKEN=312f960b1ded95c349ae942b41dc514d\nPWD=/tmp',
  'OPENAI_API_KEY = os.environ["OPENAI_API_KEY"]',
  'run();\n  token = lexer.next()',
  // All of them pass Luhn's test, and begin like a card.
  '{"uptime":0.5284807060000001,"rss":126701568}',
  'x = 4.111111111111111',
  '"cpuPercent": 41.11111111111111, ',
  'd0a5411-1111-4111-1118',
  '54111111-1111-1111-8888-000000000000',
  'gb82west12345698765432',
];
const SECRETS = [
  'SHELL=/bin/bash\nDB_PASSWORD=hunter22hunter\nPWD=/tmp',
  'CLAUDE_CODE_TOKEN=312f960b1ded95c349ae942b41dc514d',
  'DB_PASSWORD="hunter22hunter"',
  'card 4111111111111111',
  '{"cardNumber": "4111111111111111"}',
  'card: "4111 1111 1111 1111"',
  '4111-1111-1111-1111, 12/29',
  '3782 822463 10005',
  'IBAN GB82WEST12345698765432',
];

suite(`pipelock under the configuration for ${version}`, { skip }, () => {
  test('its own check takes it', () => assert.equal(checkConfig(file, configFor(version, SINK)), undefined));

  const [ready, ...verdicts] = skip === false ? judge([...HARMLESS, ...SECRETS]) : [];
  test('it passes the self-test', () => assert.equal(ready, 'ready'));
  for (const [at, text] of HARMLESS.entries())
    test(`lets pass: ${JSON.stringify(text)}`, () => assert.equal((verdicts[at] as { kind: string }).kind, 'allow'));
  for (const [at, text] of SECRETS.entries())
    test(`stops: ${JSON.stringify(text)}`, () =>
      assert.equal((verdicts[HARMLESS.length + at] as { kind: string }).kind, 'block'));
});

function judge(texts: readonly string[]): unknown[] {
  const folder = mkdtempSync(join(tmpdir(), 'bottle-judge-'));
  const list = join(folder, 'texts.json');
  writeFileSync(list, JSON.stringify(texts));
  const program = fileURLToPath(new URL('../support/judge.ts', import.meta.url));
  const { stdout, status } = runAlone(program, [file, version, list], { addresses: [SINK], resolver: SINK });
  rmSync(folder, { recursive: true });
  assert.equal(status, 0, 'the program ended early');
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((line): unknown => JSON.parse(line));
}
