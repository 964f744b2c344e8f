/** Data in host names: what DNS would carry out even if nothing ever answered. */
import { entropy, mixing } from '../checks/values.ts';

/** Hosts that name machines and functions with long random labels. */
const RANDOM_LABELS_ARE_USUAL =
  /\.(?:amazonaws\.com(?:\.cn)?|on\.aws|cloudfront\.net|azure\.com|azurewebsites\.net|windows\.net|googleusercontent\.com|run\.app|web\.app|supabase\.co|r2\.dev|cloudflarestorage\.com|github\.dev|githubpreview\.dev|gitpod\.io|replit\.dev|vercel\.app|netlify\.app|fly\.dev|runpod\.net|convex\.cloud|algolia\.net|akamaihd\.net|cloudapp\.net)$/;

/** Beginnings of credentials, as a host can hold them. */
const CREDENTIAL =
  /^(?:gh[pousr]-|github-pat-|glpat-|sk-(?:ant|proj|live|test)-|sk-live|xox[abprs]-|xapp-|aiza|akia|npm-[a-z0-9]{8}|shpat-|dop-v1-|hvs-|eyj[a-z0-9])/;
const AWS_KEY = /(?:akia|asia)(?=[a-z]{0,15}[0-9])[a-z0-9]{16}/;

/** Why the host is data, in the words of the answer; undefined if it is not. `host` as it stands, case included. */
export function dataInHost(host: string): string | undefined {
  const labels = host.replace(/\.$/, '').split('.');
  const own = labels.slice(0, Math.max(0, labels.length - 2));
  if (own.length === 0) return undefined;
  if (own.some(decodesToText)) return 'encoded data in subdomain label';
  if (isChunked(own.map((label) => label.toLowerCase()))) return 'credential in subdomain labels';
  const lower = host.toLowerCase();
  const random = own.find((label) => isRandom(label));
  if (random !== undefined && !RANDOM_LABELS_ARE_USUAL.test(lower))
    return `high entropy subdomain label (${entropy(random).toFixed(2)} > ${RANDOM_ENTROPY.toFixed(2)} threshold)`;
  if (own.join('').length > MAX_NAMES_LENGTH) return 'subdomain labels too long';
  return undefined;
}

/** Names of machines that people or platforms give stay below this. */
const MAX_NAMES_LENGTH = 150;
const RANDOM_ENTROPY = 3.6;

/** Hex, base64 or base32 of text. */
function decodesToText(label: string): boolean {
  if (/^(?:[0-9a-f]{2}){8,}$/i.test(label)) return isText(Buffer.from(label, 'hex'));
  if (
    /^[A-Za-z0-9_-]{14,}$/.test(label) &&
    /[A-Z]/.test(label) &&
    /[a-z]/.test(label) &&
    isText(Buffer.from(label, 'base64url'))
  )
    return true;
  if (!/^[a-z2-7]{16,}$/i.test(label) || !/[2-7]/.test(label)) return false;
  const decoded = base32(label.toLowerCase());
  // Ten random bytes hold six printable ones in a row about once in a hundred.
  return isText(decoded) || (label.length % 8 === 0 && /[\x20-\x7e]{6}/.test(decoded.toString('latin1')));
}

function isText(bytes: Buffer): boolean {
  return bytes.length >= 8 && /^[\x20-\x7e\r\n\t]+$/.test(bytes.toString('latin1'));
}

function base32(label: string): Buffer {
  const bytes: number[] = [];
  let [held, count] = [0, 0];
  for (const character of label) {
    held = ((held << 5) | 'abcdefghijklmnopqrstuvwxyz234567'.indexOf(character)) & 0xfff;
    count += 5;
    if (count < 8) continue;
    count -= 8;
    bytes.push((held >> count) & 0xff);
  }
  return Buffer.from(bytes);
}

/** A credential cut into labels: its beginning and three more pieces, or four pieces of one length, or whole across dots. */
function isChunked(labels: readonly string[]): boolean {
  if (AWS_KEY.test(labels.join(''))) return true;
  const at = labels.findIndex((label) => CREDENTIAL.test(label));
  if (at >= 0 && labels.slice(at).join('').length >= 20 && (labels.length - at >= 3 || (labels[at]?.length ?? 0) >= 24))
    return true;
  let same = 1;
  for (let i = 1; i < labels.length; i += 1) {
    const length = labels[i]?.length ?? 0;
    same = length >= 6 && length === labels[i - 1]?.length && labels[i] !== labels[i - 1] ? same + 1 : 1;
    if (same >= 4) return true;
  }
  return false;
}

/** Letters and digits without order. Hex alone is a digest or an id, which platforms do put into names. */
function isRandom(label: string): boolean {
  if (label.length < 24 || !/^[A-Za-z0-9]+$/.test(label) || /^[0-9a-f]+$/i.test(label)) return false;
  return label.replace(/\D/g, '').length >= 4 && mixing(label) >= 0.3 && entropy(label) > RANDOM_ENTROPY;
}
