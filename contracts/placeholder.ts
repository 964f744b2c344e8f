/** What stands in for a credential: as random as one, and of the shape that its clients check. The known shapes, as data. */

/** A provider's shape: what is in front, and how many characters of which kind follow. */
interface Shape {
  /** Variables that hold such a credential. */
  readonly variables: readonly string[];
  readonly prefix: string;
  readonly length: number;
  readonly suffix?: string;
  readonly alphabet: string;
}

const ALNUM = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
/** Never at the end of a placeholder, so that no client cuts it off there. */
const WORD = `${ALNUM}_-`;
const HEX = '0123456789abcdef';

/** More particular prefixes first. */
export const SHAPES: readonly Shape[] = [
  // Claude Code asks about a key whose last 20 characters it has not seen, and shows them.
  {
    variables: ['ANTHROPIC_API_KEY'],
    prefix: 'sk-ant-api03-',
    length: 75,
    suffix: 'Bottle0PlaceholderAA',
    alphabet: WORD,
  },
  {
    variables: ['CLAUDE_CODE_OAUTH_TOKEN', 'ANTHROPIC_AUTH_TOKEN'],
    prefix: 'sk-ant-oat01-',
    length: 93,
    suffix: 'AA',
    alphabet: WORD,
  },
  { variables: [], prefix: 'sk-ant-', length: 93, alphabet: WORD },
  { variables: ['OPENROUTER_API_KEY'], prefix: 'sk-or-v1-', length: 64, alphabet: HEX },
  { variables: ['OPENAI_API_KEY'], prefix: 'sk-proj-', length: 156, alphabet: WORD },
  { variables: [], prefix: 'sk-svcacct-', length: 156, alphabet: WORD },
  { variables: ['DEEPSEEK_API_KEY', 'MOONSHOT_API_KEY'], prefix: 'sk-', length: 48, alphabet: ALNUM },
  { variables: ['GEMINI_API_KEY', 'GOOGLE_API_KEY'], prefix: 'AIza', length: 35, alphabet: WORD },
  { variables: [], prefix: 'github_pat_', length: 82, alphabet: ALNUM },
  { variables: ['GITHUB_TOKEN', 'GH_TOKEN'], prefix: 'ghp_', length: 36, alphabet: ALNUM },
  { variables: [], prefix: 'gho_', length: 36, alphabet: ALNUM },
  { variables: [], prefix: 'ghs_', length: 36, alphabet: ALNUM },
  { variables: [], prefix: 'ghu_', length: 36, alphabet: ALNUM },
  { variables: ['GITLAB_TOKEN', 'GL_TOKEN'], prefix: 'glpat-', length: 20, alphabet: WORD },
  { variables: ['HF_TOKEN', 'HUGGING_FACE_HUB_TOKEN'], prefix: 'hf_', length: 34, alphabet: ALNUM },
  { variables: ['NPM_TOKEN', 'NODE_AUTH_TOKEN'], prefix: 'npm_', length: 36, alphabet: ALNUM },
  { variables: [], prefix: 'pypi-', length: 160, alphabet: WORD },
  { variables: ['GROQ_API_KEY'], prefix: 'gsk_', length: 52, alphabet: ALNUM },
  { variables: ['XAI_API_KEY'], prefix: 'xai-', length: 80, alphabet: ALNUM },
  { variables: ['REPLICATE_API_TOKEN'], prefix: 'r8_', length: 37, alphabet: ALNUM },
  { variables: [], prefix: 'xoxb-', length: 50, alphabet: ALNUM },
  { variables: [], prefix: 'xoxp-', length: 60, alphabet: ALNUM },
];

/** Characters of a placeholder without a known shape; fewer could be guessed or stand in a text by chance. */
const LEAST = 24;
const MOST = 256;

/** The shape that the value has, or else the one that its variable's name promises. */
function shapeOf(name: string, value: string): Shape | undefined {
  return (
    SHAPES.find(({ prefix }) => value.startsWith(prefix)) ?? SHAPES.find(({ variables }) => variables.includes(name))
  );
}

/** True if a variable holds a credential, by its name or by what stands in it. */
export function looksLikeCredential(name: string, value: string): boolean {
  return CREDENTIAL_NAME.test(name) || SHAPES.some(({ prefix, length }) => startsLike(value, prefix, length));
}

const CREDENTIAL_NAME =
  /(^|_)(TOKEN|SECRET|PASSWORD|PASSWD|PAT|APIKEY|API_KEY|ACCESS_KEY|SECRET_KEY|PRIVATE_KEY|CREDENTIALS?)$/i;

function startsLike(value: string, prefix: string, length: number): boolean {
  const at = value.indexOf(prefix);
  if (at < 0) return false;
  const run = /^[A-Za-z0-9_-]*/.exec(value.slice(at + prefix.length))?.[0] ?? '';
  return run.length >= Math.min(length, 16);
}

/**
 * A new placeholder: letters, digits, "_" and "-" only, so that no client escapes it. `random` gives so many random bytes. Never the value,
 * nor any part of it but a known prefix.
 */
export function makePlaceholder(name: string, value: string, random: (bytes: number) => Uint8Array): string {
  const shape = shapeOf(name, value) ?? {
    prefix: '',
    length: Math.min(Math.max(value.length, LEAST), MOST),
    alphabet: ALNUM,
  };
  for (;;) {
    const body = draw(shape.length, shape.alphabet, random);
    const made = `${shape.prefix}${body}${'suffix' in shape ? (shape.suffix ?? '') : ''}`;
    if (/[A-Za-z0-9]$/.test(made) && !value.includes(made) && !made.includes(value)) return made;
  }
}

/** Characters of the alphabet, each as likely as any other. */
function draw(length: number, alphabet: string, random: (bytes: number) => Uint8Array): string {
  const bound = 256 - (256 % alphabet.length);
  let text = '';
  while (text.length < length) {
    for (const byte of random(length - text.length)) if (byte < bound) text += alphabet[byte % alphabet.length];
  }
  return text;
}
