/** The matrix of clients. */
import { HEAVY } from './heavy.ts';
import { HERE } from './here.ts';
import { LANGUAGES } from './languages.ts';
import { NODE } from './node.ts';
import { PYTHON } from './python.ts';
import type { Row } from './row.ts';
import { TOOLS } from './tools.ts';

export const ROWS: readonly Row[] = [...TOOLS, ...PYTHON, ...NODE, ...LANGUAGES, ...HEAVY, ...HERE];

/**
 * Those that run: of the core image if nothing is wished, every one for `all`, and otherwise those whose name holds one of the
 * words, which commas separate.
 */
export function chosen(wish = ''): readonly Row[] {
  if (wish === 'all') return ROWS;
  if (wish === '') return ROWS.filter(({ image }) => image === 'core');
  const words = wish.toLowerCase().split(',');
  const rows = ROWS.filter(({ client }) => words.some((word) => client.toLowerCase().includes(word.trim())));
  if (rows.length === 0) throw new Error(`BOTTLE_CLIENTS=${wish} names no client`);
  return rows;
}
