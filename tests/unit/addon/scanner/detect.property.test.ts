import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Field } from '../../../../addon/receipt.ts';
import { detect } from '../../../../addon/scanner/detect.ts';
import type { ScanRequest } from '../../../../addon/scanner/finding.ts';
import { RULES } from '../../../../addon/scanner/rules/table.ts';
import { CODINGS, ENCODERS } from './support/encoders.ts';
import { request } from './support/requests.ts';

/** The same cases on every run; for others: `BOTTLE_SEED=$RANDOM BOTTLE_RUNS=30000 node --test …`. */
const SEED = Number(process.env['BOTTLE_SEED'] ?? 20_261_122);
const RUNS = Number(process.env['BOTTLE_RUNS'] ?? 3000);

/** Places that any text can be put into, as a client would. */
const PLACES: Readonly<Record<string, (text: string) => Partial<ScanRequest>>> = {
  'path of the URL': (text) => ({ url: `https://api.example.com/a/${encodeURIComponent(text)}/b` }),
  'query of the URL': (text) => ({ url: `https://api.example.com/a?b=c&d=${encodeURIComponent(text)}` }),
  header: (text) => ({ fields: [['X-Note', text.replace(/[\r\n]+/g, ' ')]] }),
  trailer: (text) => ({ trailers: [['X-Note', text.replace(/[\r\n]+/g, ' ')]] }),
  'Basic authorization': (text) => ({
    fields: [['Authorization', `Basic ${Buffer.from(`user:${text}`).toString('base64')}`]],
  }),
  'JSON body': (text) => body('application/json', JSON.stringify({ a: [{ b: text }], c: 1 })),
  'object key': (text) => body('application/json', JSON.stringify({ [text]: 1 })),
  'duplicate key': (text) => body('application/json', `{"a":${JSON.stringify(text)},"a":"x"}`),
  'JSON deep down': (text) =>
    body('application/json', `${'[{"a":'.repeat(200)}${JSON.stringify(text)}${'}]'.repeat(200)}`),
  'NDJSON called JSON': (text) => body('application/json', `{"a":1}\n${JSON.stringify({ b: text })}\n`),
  'form body': (text) => body('application/x-www-form-urlencoded', new URLSearchParams({ a: 'b', c: text }).toString()),
  'part of a multipart body': (text) => multipart('', `Content-Disposition: form-data; name="a"\r\n\r\n${text}`),
  'preamble of a multipart body': (text) => multipart(text, 'Content-Disposition: form-data; name="a"\r\n\r\nb'),
  'file name of a part': (text) =>
    multipart(
      '',
      `Content-Disposition: form-data; name="a"; filename="${text.replaceAll('"', '%22').replaceAll('\r', '%0D').replaceAll('\n', '%0A')}"\r\n\r\nb`,
    ),
  'plain text': (text) => body('text/plain', `first line\n${text}\nlast line`),
  'body of a GET': (text) => ({ method: 'GET', ...body('text/plain', text) }),
  'binary body': (text) => ({
    body: Buffer.concat([Buffer.of(0, 1, 255, 254, 10), Buffer.from(text), Buffer.of(10, 0, 200)]),
  }),
  'UTF-16 body': (text) => ({ body: Buffer.from(`\ufeff${text}`, 'utf16le') }),
  ...Object.fromEntries(
    Object.entries(CODINGS).map(([coding, encode]) => [
      `body in ${coding}`,
      (text: string): Partial<ScanRequest> => ({
        fields: [['Content-Encoding', coding]],
        body: encode(Buffer.from(JSON.stringify({ a: text }))),
      }),
    ]),
  ),
  'gzip that no header declares': (text) => ({ body: CODINGS['gzip']?.(Buffer.from(text)) ?? Buffer.alloc(0) }),
};

/** Examples that hold wherever they stand: no rule of a single place, and one line. */
const EXAMPLES = RULES.filter((rule) => rule.places === undefined).flatMap((rule) => rule.examples);

describe('detect', () => {
  it('finds every example of every rule in any place, in up to three encodings', () => {
    const nesting = fc.array(fc.constantFrom(...Object.keys(ENCODERS)), { maxLength: 3 });
    fc.assert(
      fc.property(
        fc.constantFrom(...EXAMPLES),
        nesting,
        fc.constantFrom(...Object.keys(PLACES)),
        (example, encoders, place) => {
          const text = encoders.reduce((inner, name) => ENCODERS[name]?.(inner) ?? inner, example);
          const findings = detect(request(PLACES[place]?.(text)), []);
          assert.notDeepEqual(findings, []);
        },
      ),
      { numRuns: RUNS, seed: SEED },
    );
  });

  it('answers for any bytes in any place, and never throws', () => {
    const bytes = fc.uint8Array({ maxLength: 2000 }).map((array) => Buffer.from(array));
    const fields = fc.array(fc.tuple(fc.string(), fc.string({ unit: 'binary' })), { maxLength: 5 });
    fc.assert(
      fc.property(fc.string(), fc.string({ unit: 'binary' }), fields, bytes, (method, path, given, content) => {
        const encodings: Field[] = given.map(
          ([name], i): Field => (i === 0 ? ['content-encoding', name] : ['x', name]),
        );
        for (const list of [given, encodings])
          assert.ok(
            Array.isArray(
              detect(
                request({ method, url: `https://a.example.com/${path}`, fields: list, trailers: list, body: content }),
                [],
              ),
            ),
          );
        assert.ok(Array.isArray(detect(request({ url: path }), [])));
      }),
      { numRuns: 500 },
    );
  });

  it('answers the same twice', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), (array) => {
        const given = request({ body: Buffer.from(array) });
        assert.deepEqual(detect(given, []), detect(given, []));
      }),
    );
  });
});

function body(type: string, text: string): Partial<ScanRequest> {
  return { fields: [['Content-Type', type]], body: Buffer.from(text) };
}

function multipart(preamble: string, part: string): Partial<ScanRequest> {
  return body('multipart/form-data; boundary=xyz', `${preamble}\r\n--xyz\r\n${part}\r\n--xyz--\r\n`);
}
