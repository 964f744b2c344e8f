/** The configurations under which answers of pipelock were recorded, as changes of the first; see the answers' README. */

/** Where every name resolved to. */
export const SINK = '172.31.250.3';

type Config = Record<string, unknown>;

function set(values: Config): (config: Config) => void {
  return (config) => void Object.assign(config, values);
}

function inside(key: string, values: Config): (config: Config) => void {
  return (config) => void Object.assign(config[key] as Config, values);
}

export const VARIATIONS: readonly (readonly [name: string, change: (config: Config) => void])[] = [
  ['recommended', () => undefined],
  ['warn', inside('request_body_scanning', { action: 'warn' })],
  ['noenforce', set({ enforce: false })],
  ['nofwd', set({ forward_proxy: { enabled: false } })],
  ['kill', set({ kill_switch: { enabled: true, health_exempt: true } })],
  ['strict', set({ mode: 'strict', api_allowlist: ['api.example.com'] })],
  ['nossrfallow', (config) => void delete config['ssrf']],
  [
    'internalempty',
    (config) => {
      delete config['ssrf'];
      config['internal'] = [];
    },
  ],
  ['explain', set({ explain_blocks: true })],
  [
    'ceeentropy',
    set({
      cross_request_detection: {
        enabled: true,
        action: 'block',
        entropy_budget: { enabled: true, action: 'block' },
        fragment_reassembly: { enabled: true },
      },
    }),
  ],
  [
    'canaryonly',
    (config) => {
      delete (config['dlp'] as Config)['secrets_file'];
      config['canary_tokens'] = { enabled: true, tokens: [{ name: 'canary', value: 'bottle-canary-7f3a9c2e51' }] };
    },
  ],
  ['a2a', set({ a2a_scanning: { enabled: true, action: 'block' } })],
  ['seed-on', set({ seed_phrase_detection: { enabled: true } })],
  ['shipped-patterns', (config) => void delete (config['dlp'] as Config)['patterns']],
  ['numsecret', () => undefined],
];
