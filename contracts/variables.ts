/** The environment variables that make clients use our proxy and trust our CA: the one list, as data. */

/** Where the session's CA certificate lies in the agent. */
export const CERTIFICATE_FILE = '/usr/local/share/ca-certificates/bottle-mitm.crt';
/** The agent's bundle of trusted roots, ours included. */
export const BUNDLE_FILE = '/etc/ssl/certs/ca-certificates.crt';

/** Trust of Java, in an image that has one: PKCS12, made for the session. */
export const TRUST_STORE_FILE = '/etc/bottle/trust.p12';

/** All variables that bottle sets in the agent, for a proxy at `http://host:port`. */
export function clientVariables(proxy: { host: string; port: number }): Record<string, string> {
  const url = `http://${proxy.host}:${proxy.port}`;
  const direct = 'localhost,127.0.0.1,::1'; // an agent's own servers
  return {
    // Both cases: wget, apt, gRPC and aria2 read lower case only; yarn 4 reads its own names only.
    ...bothCases('HTTP_PROXY', url),
    ...bothCases('HTTPS_PROXY', url),
    // Deno takes it before the others, so that an image's own would lead it elsewhere.
    ...bothCases('ALL_PROXY', url),
    // Both, too: which of the two wins differs from client to client.
    ...bothCases('NO_PROXY', direct),
    YARN_HTTP_PROXY: url,
    YARN_HTTPS_PROXY: url,
    NODE_USE_ENV_PROXY: '1',
    NODE_EXTRA_CA_CERTS: CERTIFICATE_FILE,
    SSL_CERT_FILE: BUNDLE_FILE,
    REQUESTS_CA_BUNDLE: BUNDLE_FILE,
    GRPC_DEFAULT_SSL_ROOTS_FILE_PATH: BUNDLE_FILE,
    HTTPLIB2_CA_CERTS: BUNDLE_FILE,
    // These are set only so that a value of the image cannot point a client elsewhere.
    CURL_CA_BUNDLE: BUNDLE_FILE,
    GIT_SSL_CAINFO: BUNDLE_FILE,
    PIP_CERT: BUNDLE_FILE,
    AWS_CA_BUNDLE: BUNDLE_FILE,
    CARGO_HTTP_CAINFO: BUNDLE_FILE,
    CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE: BUNDLE_FILE,
    npm_config_cafile: BUNDLE_FILE,
    YARN_HTTPS_CA_FILE_PATH: BUNDLE_FILE,
    DENO_CERT: CERTIFICATE_FILE,
    CODEX_CA_CERTIFICATE: BUNDLE_FILE,
    COMPOSER_CAFILE: BUNDLE_FILE,
    PERL_LWP_SSL_CA_FILE: BUNDLE_FILE,
    PERL_LWP_ENV_PROXY: '1',
    UV_SYSTEM_CERTS: '1',
    JAVA_TOOL_OPTIONS: [
      `-Dhttp.proxyHost=${proxy.host} -Dhttp.proxyPort=${proxy.port}`,
      `-Dhttps.proxyHost=${proxy.host} -Dhttps.proxyPort=${proxy.port}`,
      '-Dhttp.nonProxyHosts=localhost|127.*|[::1]',
      `-Djavax.net.ssl.trustStore=${TRUST_STORE_FILE} -Djavax.net.ssl.trustStoreType=PKCS12`,
    ].join(' '),
  };
}

/** Names that a manifest may not set: those above, in any case, and the ones that would undo them. */
export function isReservedVariable(name: string): boolean {
  return RESERVED.has(name.toUpperCase());
}

const RESERVED = new Set(
  [
    ...Object.keys(clientVariables({ host: '', port: 0 })),
    'FTP_PROXY',
    'SSL_CERT_DIR',
    'NODE_TLS_REJECT_UNAUTHORIZED',
    'GIT_SSL_NO_VERIFY',
    'HOME',
  ].map((name) => name.toUpperCase()),
);

function bothCases(name: string, value: string): Record<string, string> {
  return { [name]: value, [name.toLowerCase()]: value };
}
