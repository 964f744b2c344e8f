/** The matrix of clients. */
import { HEAVY } from './heavy.ts';
import { LANGUAGES } from './languages.ts';
import { NODE } from './node.ts';
import { PYTHON } from './python.ts';
import type { Row } from './row.ts';
import { TOOLS } from './tools.ts';

export const ROWS: readonly Row[] = [...TOOLS, ...PYTHON, ...NODE, ...LANGUAGES, ...HEAVY];
