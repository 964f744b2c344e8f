/** All rules. To add one: its data in the file of its group, with what it must catch and what it must let pass. */
import { AI_RULES } from './ai.ts';
import { ASSIGNMENT_RULES } from './assignments.ts';
import { CLOUD_RULES } from './cloud.ts';
import { CODE_RULES } from './code.ts';
import { COIN_RULES } from './coins.ts';
import { HOSTING_RULES } from './hosting.ts';
import { KEY_RULES } from './keys.ts';
import { MESSAGING_RULES } from './messaging.ts';
import { PEOPLE_RULES } from './people.ts';
import type { Rule } from './rule.ts';
import { SAAS_RULES } from './saas.ts';

export const RULES: readonly Rule[] = [
  ...AI_RULES,
  ...CLOUD_RULES,
  ...HOSTING_RULES,
  ...CODE_RULES,
  ...SAAS_RULES,
  ...MESSAGING_RULES,
  ...KEY_RULES,
  ...COIN_RULES,
  ...PEOPLE_RULES,
  ...ASSIGNMENT_RULES,
];
