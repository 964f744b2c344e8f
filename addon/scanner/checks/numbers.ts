/** Checksums of numbers that people and banks have. */

/** Issuer prefixes and lengths of payment cards; a number that only satisfies Luhn is one in ten. */
const CARDS: readonly { prefix: RegExp; lengths: readonly number[] }[] = [
  { prefix: /^4/, lengths: [13, 16, 19] }, // Visa
  { prefix: /^(?:5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720)/, lengths: [16] }, // Mastercard
  { prefix: /^3[47]/, lengths: [15] }, // American Express
  { prefix: /^(?:6011|64[4-9]|65)/, lengths: [16, 19] }, // Discover
  { prefix: /^3(?:0[0-5]|[689])/, lengths: [14, 16] }, // Diners Club
  { prefix: /^35(?:2[89]|[3-8])/, lengths: [16] }, // JCB
  { prefix: /^62/, lengths: [16, 17, 18, 19] }, // UnionPay
  { prefix: /^(?:5018|5020|5038|6304|6759|676[1-3])/, lengths: [16, 18, 19] }, // Maestro
];

/** A payment card number: digits with single spaces or dashes. */
export function isCardNumber(text: string): boolean {
  const digits = text.replace(/[ -]/g, '');
  if (!/^\d{13,19}$/.test(digits) || new Set(digits).size < 2) return false;
  return (
    hasCardGrouping(text, digits) &&
    CARDS.some((card) => card.prefix.test(digits) && card.lengths.includes(digits.length)) &&
    luhn(digits)
  );
}

/** Separators, where there are any, stand as on a card: 4-4-4-4(-3) or 4-6-5. Columns of numbers do not look like that. */
function hasCardGrouping(text: string, digits: string): boolean {
  const groups = text.split(/[ -]/).map((group) => group.length);
  if (groups.length === 1) return true;
  if (digits.length === 15 || digits.length === 14) return groups.join() === (digits.length === 15 ? '4,6,5' : '4,6,4');
  return groups.slice(0, -1).every((length) => length === 4) && (groups.at(-1) ?? 9) <= 4;
}

function luhn(digits: string): boolean {
  let sum = 0;
  for (let i = 0; i < digits.length; i += 1) {
    const digit = digits.charCodeAt(digits.length - 1 - i) - 48;
    const doubled = digit * 2;
    sum += i % 2 === 0 ? digit : doubled > 9 ? doubled - 9 : doubled;
  }
  return sum % 10 === 0;
}

/** Length of an IBAN by its country (ISO 13616 registry). */
const IBAN_LENGTH: Readonly<Record<string, number>> = {
  AD: 24, AE: 23, AL: 28, AT: 20, AZ: 28, BA: 20, BE: 16, BG: 22, BH: 22, BR: 29, BY: 28, CH: 21, CR: 22, CY: 28, CZ: 24,
  DE: 22, DK: 18, DO: 28, EE: 20, EG: 29, ES: 24, FI: 18, FO: 18, FR: 27, GB: 22, GE: 22, GI: 23, GL: 18, GR: 27, GT: 28,
  HR: 21, HU: 28, IE: 22, IL: 23, IQ: 23, IS: 26, IT: 27, JO: 30, KW: 30, KZ: 20, LB: 28, LC: 32, LI: 21, LT: 20, LU: 20,
  LV: 21, LY: 25, MC: 27, MD: 24, ME: 22, MK: 19, MR: 27, MT: 31, MU: 30, NL: 18, NO: 15, PK: 24, PL: 28, PS: 29, PT: 25,
  QA: 29, RO: 24, RS: 22, SA: 24, SC: 31, SE: 24, SI: 19, SK: 24, SM: 27, ST: 25, SV: 28, TL: 23, TN: 24, TR: 26, UA: 29,
  VA: 22, VG: 24, XK: 20,
}; // biome-ignore format: one line per country would hide the table

/** An IBAN stands at the beginning of the text, with or without spaces: country, its length, remainder 1 modulo 97. */
export function beginsWithIban(text: string): boolean {
  const length = IBAN_LENGTH[text.slice(0, 2)];
  if (length === undefined) return false;
  const compact = text.replace(/ /g, '').slice(0, length);
  if (compact.length < length) return false;
  let remainder = 0;
  for (const character of compact.slice(4) + compact.slice(0, 4)) {
    const value = Number.parseInt(character, 36);
    remainder = (remainder * (value > 9 ? 100 : 10) + value) % 97;
  }
  return remainder === 1;
}

/** Numbers of US social security that were never given out: area 000, 666, 9xx; group 00; serial 0000; known specimens. */
export function isSocialSecurityNumber(text: string): boolean {
  const [area = '', group = '', serial = ''] = text.split(/[- ]/);
  if (area === '000' || area === '666' || area.startsWith('9') || group === '00' || serial === '0000') return false;
  return !['219-09-9999', '078-05-1120'].includes(`${area}-${group}-${serial}`);
}

/** Check digits of the Spanish DNI and NIE. */
export function isSpanishId(text: string): boolean {
  const digits = text.slice(0, -1).replace('X', '0').replace('Y', '1').replace('Z', '2');
  return 'TRWAGMYFPDXBNJZSQVHLCKE'[Number(digits) % 23] === text.at(-1);
}

/** Two check digits of the Brazilian CPF. */
export function isCpf(text: string): boolean {
  const digits = Array.from(text.replace(/\D/g, '')).map(Number);
  if (digits.length !== 11 || new Set(digits).size === 1) return false;
  const check = (count: number) => {
    const sum = digits.slice(0, count).reduce((total, digit, i) => total + digit * (count + 1 - i), 0);
    return ((sum * 10) % 11) % 10;
  };
  return check(9) === digits[9] && check(10) === digits[10];
}

/** British National Health Service number: modulus 11, written in threes. */
export function isNhsNumber(text: string): boolean {
  const digits = Array.from(text.replace(/ /g, '')).map(Number);
  const sum = digits.slice(0, 9).reduce((total, digit, i) => total + digit * (10 - i), 0);
  const check = (11 - (sum % 11)) % 11;
  return check !== 10 && check === digits[9] && new Set(digits).size > 2;
}
