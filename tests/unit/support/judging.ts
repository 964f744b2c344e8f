/** The real pipelock under our configuration, with our sink behind it, asked as the sidecar asks it; only where nobody else is (`runAlone`). */
import { unitInMemory } from '../../../addon/body.ts';
import { secretsIn } from '../../../addon/scanner/detect.ts';
import { makeMasks } from '../../../addon/masks.ts';
import { masksOf } from '../../../contracts/mask.ts';
import { parseHost } from '../../../contracts/host.ts';
import { PIPELOCK_BODY_BYTES, type PipelockVersion } from '../../../contracts/pipelock.ts';
import { makeBudget } from '../../../addon/budget.ts';
import { BUDGET_BYTES, NETWORK_WINDOW_BYTES } from '../../../addon/limits.ts';
import type { Field } from '../../../addon/message.ts';
import { connectScanner } from '../../../addon/scan.ts';
import { openSink } from '../../../addon/sink.ts';
import type { ScanResult } from '../../../addon/verdict.ts';
import { PIPELOCK_PORT } from '../../../src/pipelock.ts';
import { configFor, startPipelock } from './program.ts';
import { SINK } from './variations.ts';

export interface Judged {
  readonly method: string;
  readonly secure: boolean;
  readonly host: string;
  readonly path: string;
  readonly fields: readonly Field[];
  readonly body: Buffer;
}

export interface Judge extends AsyncDisposable {
  /** What is wrong with it, if anything is. */
  readonly failure: string | undefined;
  judge(one: Judged): Promise<ScanResult>;
}

export async function openJudge(file: string, version: PipelockVersion): Promise<Judge> {
  const key = Buffer.alloc(32, 1);
  const program = await startPipelock(file, configFor(version, SINK));
  const sink = await openSink({ address: SINK, port: 80, dnsPort: 53, scanner: SINK, key });
  const scanner = connectScanner({
    reach: { kind: 'tcp', address: SINK, port: PIPELOCK_PORT },
    limits: {
      reads: 'plain',
      bodyBytes: PIPELOCK_BODY_BYTES,
      masking: { masks: makeMasks(masksOf({ built_in: true, own: [] }, [])), secretsIn },
    },
    key,
    budget: makeBudget(BUDGET_BYTES),
    windowBytes: NETWORK_WINDOW_BYTES,
  });
  return {
    failure: await scanner.ready(),
    async judge({ method, secure, host, path, fields, body }) {
      const parsed = parseHost(host);
      if ('why' in parsed) throw new Error(`${host} ${parsed.why}`);
      const target = { scheme: secure ? 'https' : 'http', host: parsed, port: secure ? 443 : 80 } as const;
      const unit = unitInMemory(body);
      return scanner.scan('judge', { method, target, path, fields }, unit, new AbortController().signal);
    },
    async [Symbol.asyncDispose]() {
      await scanner.close();
      await sink.close();
      await program[Symbol.asyncDispose]();
    },
  };
}
