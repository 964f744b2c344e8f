/**
 * Two packages are entered by a file rather than by their front door: the whole of undici (fetch, WebSocket, caches) and of
 * node-forge (RSA, PKCS, TLS) would cost the sidecar 40 ms of its start and 20 MB.
 */
declare module 'undici/lib/dispatcher/pool.js' {
  import type { Pool } from 'undici';

  const constructor: typeof Pool;
  export default constructor;
}

declare module 'node-forge/lib/asn1.js' {
  import type { asn1 } from 'node-forge';

  const value: typeof asn1;
  export default value;
}
