/** What a scan can say about a request, and what it is given to say it. Nothing here ever holds a part of the request's text. */
import type { Field } from '../receipt.ts';

export type Severity = 'low' | 'medium' | 'high' | 'critical';

/** Where something was found. A header is named by its field name, in lower case. */
export type Place =
  | { readonly kind: 'url' }
  | { readonly kind: 'body' }
  | { readonly kind: 'header'; readonly name: string };

export type Finding =
  /** A rule of the table matched, in the text as it came or after decoding. */
  | { readonly kind: 'secret'; readonly place: Place; readonly rule: string; readonly severity: Severity }
  /** The URL itself is the finding: an internal address, a blocked host, data in a label or in a path. */
  | { readonly kind: 'url'; readonly scanner: UrlScanner; readonly reason: string }
  /** It could not be looked into. `scanner` is the part of the request that could not. */
  | { readonly kind: 'unscannable'; readonly place: Place; readonly why: 'size' | 'form'; readonly reason: string };

export type UrlScanner =
  | 'parser'
  | 'scheme'
  | 'crlf_injection'
  | 'path_traversal'
  | 'blocklist'
  | 'core_ssrf'
  | 'encoding'
  | 'entropy'
  | 'subdomain_entropy';

export interface ScanRequest {
  readonly method: string;
  /** Absolute URI, as it stands on the request line. */
  readonly url: string;
  readonly fields: readonly Field[];
  readonly trailers: readonly Field[];
  readonly body: Buffer;
}
