/** A request to scan, all of it harmless but for what a test gives. */
import type { ScanRequest } from '../../../../../addon/scanner/finding.ts';

export function request(given: Partial<ScanRequest> = {}): ScanRequest {
  return {
    method: 'POST',
    url: 'https://api.example.com/v1/items',
    fields: [],
    trailers: [],
    body: Buffer.alloc(0),
    ...given,
  };
}
