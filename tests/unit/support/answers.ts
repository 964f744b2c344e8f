/** Recorded answers of the real pipelock, where they are: beside the repository, or where BOTTLE_CORPORA points. */
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { z } from 'zod';
import { ROOT } from './imports.ts';

/** With the configuration that they were recorded under, `config.yaml`. */
export const ANSWERS = resolve(process.env['BOTTLE_CORPORA'] ?? resolve(ROOT, '../shared/corpora'), 'pipelock-answers');
const FILE = resolve(ANSWERS, 'answers.json');

const fields = z.array(z.tuple([z.string(), z.string()]));
const answerSchema = z.object({
  status: z.number(),
  headers: fields,
  bodyText: z.string().optional(),
  bodyBase64: z.string().optional(),
});
const recordedSchema = z.object({
  id: z.string(),
  title: z.string(),
  config: z.string(),
  request: z.object({
    port: z.number(),
    method: z.string(),
    target: z.unknown(),
    headers: z.array(z.tuple([z.string(), z.unknown()])).optional(),
    body: z.unknown().optional(),
    /** The protocol's version, unless it was 1.1. */
    http: z.string().optional(),
    note: z.string().optional(),
  }),
  /** Not sent at once, not the first request, or to a sink that misbehaves. */
  delivery: z.string().optional(),
  before: z.array(z.string()).optional(),
  sink: z.unknown().optional(),
  /** null: the connection was closed without one. */
  answer: answerSchema.nullable(),
  closed: z.boolean(),
  sinkSaw: z.boolean().optional(),
  meaning: z.enum([
    'allow',
    'block',
    'unscannable',
    'rate-limit',
    'kill-switch',
    'response-block',
    'error',
    'not-a-verdict',
  ]),
});
export type Recorded = z.infer<typeof recordedSchema>;

/** Answers of the forward proxy (the scan API is not used), or why there are none. */
export function recordedAnswers(): Recorded[] | string {
  if (!existsSync(FILE)) return `no recorded answers at ${FILE}; BOTTLE_CORPORA names the folder that has them`;
  const all = z.array(recordedSchema).parse(JSON.parse(readFileSync(FILE, 'utf8')));
  return all.filter(({ request }) => request.port === 8888);
}

/** True for one that can be asked again by itself. */
export function isAlone({ delivery, before, sink }: Recorded): boolean {
  return delivery === undefined && before === undefined && sink === undefined;
}

export function bodyOf(answer: NonNullable<Recorded['answer']>): Buffer {
  return answer.bodyBase64 === undefined
    ? Buffer.from(answer.bodyText ?? '')
    : Buffer.from(answer.bodyBase64, 'base64');
}
