/** Numbers of people and accounts, each with the check that its issuer gives it. */
import {
  beginsWithIban,
  isCardNumber,
  isCpf,
  isNhsNumber,
  isSocialSecurityNumber,
  isSpanishId,
} from '../checks/numbers.ts';
import { anyCase, made, type Rule } from './rule.ts';

const digits = { kind: 'digits' } as const;

export const PEOPLE_RULES: readonly Rule[] = [
  {
    name: 'Credit Card Number',
    issuer: 'ISO/IEC 7812',
    severity: 'medium',
    trigger: digits,
    // Not a row of a table of four-digit numbers.
    pattern: /(?<![\w.+-]|[0-9A-Fa-f]{4} )\d{4}(?:[ -]?\d){9,15}(?![\w+-]|\.\d| [0-9A-Fa-f]{4}(?![0-9A-Za-z]))/,
    check: (match) => isCardNumber(match[0]),
    examples: ['4242 4242 4242 4242', '5555-5555-5555-4444', '378282246310005', '4111111111111111'],
    lookalikes: [
      '4242 4242 4242 4241',
      '1700000000000000',
      '1234567890123456',
      '0000000000000000',
      '424242424242.4242',
    ],
  },
  {
    name: 'IBAN',
    issuer: 'ISO 13616',
    severity: 'medium',
    trigger: digits,
    back: 20,
    pattern: /(?<![\w+-])[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}/,
    check: (match) => beginsWithIban(match[0]),
    examples: ['DE89 3704 0044 0532 0130 00', 'GB29NWBK60161331926819', 'FR1420041010050500013M02606'],
    lookalikes: ['DE88 3704 0044 0532 0130 00', 'XX89370400440532013000'],
  },
  {
    name: 'Social Security Number',
    issuer: 'US Social Security Administration',
    severity: 'low',
    trigger: digits,
    pattern: /(?<![\w.+-])\d{3}-\d{2}-\d{4}(?![\w+-]|\.\d)/,
    check: (match) => isSocialSecurityNumber(match[0]),
    examples: ['512-47-8391', '123-45-6789'],
    lookalikes: [
      '000-12-3456',
      '666-12-3456',
      '912-34-5678',
      '123-00-4567',
      '2026-11-22',
      '1-123-45-67890',
      '078-05-1120',
    ],
  },
  {
    name: 'National Insurance or Identity Number',
    issuer: 'Spain (DNI, NIE)',
    severity: 'low',
    trigger: anyCase('dni', 'nie', 'nif'),
    pattern:
      /(?:dni|nie|nif)(?: (?:number|no|num))?["']?\s{0,2}[:=#]\s{0,2}["']?([XYZxyz]\d{7}[A-Za-z]|\d{8}[A-Za-z])(?![A-Za-z0-9])/i,
    check: (match) => isSpanishId((match[1] ?? '').toUpperCase()),
    examples: ['DNI: 12345678Z', '"nie": "X1234567L"'],
    lookalikes: ['DNI: 12345678A', 'nie: 1234'],
  },
  {
    name: 'CPF',
    issuer: 'Brazil, Receita Federal',
    severity: 'low',
    trigger: digits,
    pattern: /(?<![\w.-])\d{3}\.\d{3}\.\d{3}-\d{2}(?![\w.-])/,
    check: (match) => isCpf(match[0]),
    examples: ['529.982.247-25'],
    lookalikes: ['529.982.247-24', '111.111.111-11'],
  },
  {
    name: 'NHS Number',
    issuer: 'National Health Service',
    severity: 'low',
    trigger: anyCase('nhs'),
    pattern: /nhs(?:[ _]?(?:number|no))?\.?["']?\s{0,2}[:=#]?\s{0,2}["']?(\d{3} ?\d{3} ?\d{4})(?!\d)/i,
    check: (match) => isNhsNumber(match[1] ?? ''),
    examples: ['NHS number: 943 476 5919'],
    lookalikes: ['NHS number: 943 476 5918', `nhs ${made(9, '0')}`],
  },
  {
    name: 'Card Verification Number',
    issuer: 'payment cards',
    severity: 'medium',
    trigger: anyCase('cvv', 'cvc', 'card_number', 'cardnumber'),
    pattern:
      /(?:cvv|cvc)2?["']?\s{0,2}[:=]\s{0,2}["']?\d{3,4}(?!\d)[^]{0,200}?(?:exp(?:iry|iration|_month|_year)?["']?\s{0,2}[:=])/i,
    reach: 300,
    examples: ['"cvv": "123", "expiry": "12/29"'],
    lookalikes: ['cvv: string; expiry: string', 'cvc: 12'],
  },
];
