/** The built-in default: Claude Code in the current folder. Its hosts and credentials stand here and nowhere else. */
import type { OwnCredential } from '../contracts/credential.ts';

/** Hosts that Claude Code needs, first interactive start and login included. */
const CLAUDE_CODE_HOSTS = [
  'api.anthropic.com', // the model, settings, policy limits
  'platform.claude.com', // the first start's check, login's token exchange
] as const;

const GITHUB = {
  hosts: ['api.github.com', 'github.com'],
  place: { header: 'authorization', format: ['Bearer {}', 'token {}'], basic: 'password' },
} as const;

/** Variables that hold credentials, with where each of them goes. What is set of them is no longer given to the agent itself. */
export const KNOWN_SECRETS: Readonly<Record<string, { readonly hosts: readonly string[]; readonly place: Place }>> = {
  ANTHROPIC_API_KEY: { hosts: ['api.anthropic.com'], place: { header: 'x-api-key' } },
  CLAUDE_CODE_OAUTH_TOKEN: { hosts: ['api.anthropic.com'], place: { header: 'authorization' } },
  OPENAI_API_KEY: { hosts: ['api.openai.com'], place: { header: 'authorization' } },
  GEMINI_API_KEY: { hosts: ['generativelanguage.googleapis.com'], place: { header: 'x-goog-api-key' } },
  OPENROUTER_API_KEY: { hosts: ['openrouter.ai'], place: { header: 'authorization' } },
  GROQ_API_KEY: { hosts: ['api.groq.com'], place: { header: 'authorization' } },
  XAI_API_KEY: { hosts: ['api.x.ai'], place: { header: 'authorization' } },
  GITHUB_TOKEN: GITHUB,
  GH_TOKEN: GITHUB,
  GITLAB_TOKEN: { hosts: ['gitlab.com'], place: { header: 'private-token', basic: 'password' } },
  HF_TOKEN: { hosts: ['huggingface.co'], place: { header: 'authorization' } },
};

interface Place {
  readonly header?: string;
  readonly format?: readonly string[];
  readonly basic?: 'username' | 'password';
}

/** The ones of them that Claude Code itself uses. */
const CREDENTIAL_VARIABLES = ['ANTHROPIC_API_KEY', 'CLAUDE_CODE_OAUTH_TOKEN'];

/** The manifest's value that stands in where there is no file, for a folder and the caller's environment. */
export function builtInManifest(env: Readonly<Record<string, string | undefined>>): unknown {
  const set = CREDENTIAL_VARIABLES.filter((name) => env[name] !== undefined && env[name] !== '');
  return {
    version: 1,
    agent: {
      command: ['claude'],
      mounts: [{ source: '.', target: '/workspace' }],
    },
    egress: { allow: [...CLAUDE_CODE_HOSTS] },
    secrets: Object.fromEntries(
      set.map((name) => [
        name,
        { from: { env: name }, hosts: KNOWN_SECRETS[name]?.hosts, ...KNOWN_SECRETS[name]?.place },
      ]),
    ),
  };
}

const opaque = '[\\x21-\\x7e]{8,512}';
const bearer = `(?:[Bb]earer|[Tt]oken) ${opaque}`;
const basic = '[Bb]asic [A-Za-z0-9+/=_-]{4,700}';

/** A header that carries an agent's own credential to its own provider. */
function header(issuer: string, hosts: string[], name: string, shape: string): OwnCredential {
  return { issuer, hosts, place: { kind: 'header', name }, shape };
}

/** A member of a token exchange's body. */
function body(issuer: string, hosts: string[], path: string, field: string): OwnCredential {
  return { issuer, hosts, place: { kind: 'body', path, field }, shape: opaque };
}

/** Where an agent's own credential is no finding: field, shape and host. Everywhere else the same value is one. */
export const OWN_CREDENTIALS: readonly OwnCredential[] = [
  header('Anthropic', ['api.anthropic.com'], 'x-api-key', 'sk-ant-[A-Za-z0-9_-]{8,200}'),
  header(
    'Anthropic',
    ['api.anthropic.com', 'platform.claude.com'],
    'authorization',
    'Bearer sk-ant-[A-Za-z0-9_-]{8,200}',
  ),
  ...['code', 'code_verifier', 'refresh_token', 'state'].map((field) =>
    body('Anthropic', ['platform.claude.com', 'console.anthropic.com'], '/v1/oauth/token', field),
  ),
  header('OpenAI', ['api.openai.com'], 'authorization', 'Bearer sk-[A-Za-z0-9_-]{16,300}'),
  header(
    'OpenAI',
    ['chatgpt.com', 'api.openai.com'],
    'authorization',
    'Bearer ey[A-Za-z0-9_-]{8,4000}\\.[A-Za-z0-9_-]{8,8000}\\.[A-Za-z0-9_-]{8,2000}',
  ),
  ...['code', 'code_verifier', 'refresh_token', 'subject_token', 'id_token'].map((field) =>
    body('OpenAI', ['auth.openai.com'], '/oauth/token', field),
  ),
  header('Google', ['generativelanguage.googleapis.com'], 'x-goog-api-key', 'AIza[A-Za-z0-9_-]{35}'),
  header(
    'Google',
    ['generativelanguage.googleapis.com', 'cloudcode-pa.googleapis.com'],
    'authorization',
    'Bearer ya29\\.[A-Za-z0-9._-]{20,4000}',
  ),
  header('GitHub', ['api.github.com', 'uploads.github.com', 'api.githubcopilot.com'], 'authorization', bearer),
  header(
    'GitHub',
    ['github.com', 'raw.githubusercontent.com', 'codeload.github.com'],
    'authorization',
    `(?:${bearer}|${basic})`,
  ),
  header('GitLab', ['gitlab.com'], 'authorization', `(?:${bearer}|${basic})`),
  header('GitLab', ['gitlab.com'], 'private-token', 'glpat-[A-Za-z0-9_.-]{20,300}'),
  header('Hugging Face', ['huggingface.co'], 'authorization', 'Bearer hf_[A-Za-z0-9]{20,100}'),
  header('Groq', ['api.groq.com'], 'authorization', 'Bearer gsk_[A-Za-z0-9]{20,100}'),
  header('xAI', ['api.x.ai'], 'authorization', 'Bearer xai-[A-Za-z0-9_-]{20,200}'),
  header('OpenRouter', ['openrouter.ai'], 'authorization', 'Bearer sk-or-[A-Za-z0-9_-]{16,200}'),
];
