/**
 * Credentials that stand in a request by design and are no secret there: the id of the key that signed it, and the signed ticket of
 * a download that a server has just handed out. As data: host, and the part of the text that is not looked at.
 */

interface Carrier {
  readonly hosts: RegExp;
  /** Every match is left out. */
  readonly part: RegExp;
}

const URL_CARRIERS: readonly Carrier[] = [
  // The id of the signing key, beside its signature (AWS signature version 4, also of compatible stores).
  {
    hosts:
      /(?:^|\.)(?:amazonaws\.com(?:\.cn)?|r2\.cloudflarestorage\.com|githubusercontent\.com|digitaloceanspaces\.com|backblazeb2\.com|hf\.co|docker\.com|gitlab-static\.net)$/,
    part: /(?<=[?&]X-Amz-Credential=)(?:AKIA|ASIA)[A-Z0-9]{16}(?=(?:\/|%2F)\d{8}(?:\/|%2F))/g,
  },
  { hosts: /(?:^|\.)amazonaws\.com$/, part: /(?<=[?&]X-Amz-Security-Token=)[A-Za-z0-9%+/=_-]{40,4000}/g },
  // GitHub's redirects to release assets and artifacts.
  {
    hosts: /^(?:release-assets|objects|github-releases|pipelines)\.githubusercontent\.com$/,
    part: /(?<=[?&]jwt=)eyJ[A-Za-z0-9_-]{10,2000}\.[A-Za-z0-9_-]{10,4000}\.[A-Za-z0-9_-]{10,1000}/g,
  },
  // Docker Hub's and Hugging Face's storage.
  {
    hosts: /(?:^|\.)(?:docker\.com|r2\.cloudflarestorage\.com|hf\.co)$/,
    part: /(?<=[?&](?:Policy|Signature|verify)=)[A-Za-z0-9%+/=_~-]{20,4000}/g,
  },
];

const HEADER_CARRIERS: readonly (Carrier & { readonly name: string })[] = [
  {
    name: 'authorization',
    hosts: /(?:^|\.)amazonaws\.com(?:\.cn)?$/,
    part: /(?<=^AWS4-HMAC-SHA256 Credential=)(?:AKIA|ASIA)[A-Z0-9]{16}(?=\/\d{8}\/)/g,
  },
  { name: 'x-amz-security-token', hosts: /(?:^|\.)amazonaws\.com(?:\.cn)?$/, part: /^[A-Za-z0-9+/=]{40,4000}$/g },
];

/** The URL without what it may carry. */
export function withoutCarriers(url: string, host: string): string {
  return URL_CARRIERS.filter((carrier) => carrier.hosts.test(host)).reduce(
    (text, carrier) => text.replace(carrier.part, ''),
    url,
  );
}

/** A field's value without what it may carry. */
export function valueWithoutCarriers(name: string, value: string, host: string): string {
  return HEADER_CARRIERS.filter((carrier) => carrier.name === name && carrier.hosts.test(host)).reduce(
    (text, carrier) => text.replace(carrier.part, ''),
    value,
  );
}
