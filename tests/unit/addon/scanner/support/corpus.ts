/** Reading of agent-egress-bench: one JSON file a case. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Field } from '../../../../../addon/receipt.ts';
import type { ScanRequest } from '../../../../../addon/scanner/finding.ts';

export interface CorpusCase {
  readonly id: string;
  readonly input_type: string;
  readonly expected_verdict: 'block' | 'allow';
  readonly payload: {
    readonly method: string;
    readonly url: string;
    readonly content_type?: string;
    readonly body?: string;
    readonly headers?: Readonly<Record<string, string>>;
  };
}

/** Cases of `block` that pass, each with its reason; see docs/detection.md. */
export const DECIDED_OTHERWISE: Readonly<Record<string, string>> = {
  'url-domain-blocklist-001':
    'a made-up host that the case asks each user to put on a list; here the policy denies what it does not name',
};

/** Undefined where there is no such folder. */
export function readCorpus(folder: string): CorpusCase[] | undefined {
  if (!existsSync(folder)) return undefined;
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name): CorpusCase => JSON.parse(readFileSync(join(folder, name), 'utf8')))
    .filter((one) => ['url', 'request_body', 'header'].includes(one.input_type));
}

/** The request as the sidecar would present it. */
export function requestOf({ payload }: CorpusCase): ScanRequest {
  const fields: Field[] = Object.entries(payload.headers ?? {});
  if (payload.content_type !== undefined) fields.push(['Content-Type', payload.content_type]);
  return {
    method: payload.method,
    url: payload.url,
    fields,
    trailers: [],
    body: Buffer.from(payload.body ?? ''),
  };
}
