/** A secret of a session that goes into a header, and what the agent has in its place. */
import type { BoundSecret } from '../../../../contracts/secret.ts';

export const VALUE = `s3cr3t-${'0123456789abcdef'.repeat(2)}`;
export const PLACEHOLDER = `ghp_${'Placeholder0123456789Placeholder0123'}`;
export const SECRET: BoundSecret = {
  name: 'TOKEN',
  placeholder: PLACEHOLDER,
  value: VALUE,
  hosts: [],
  places: [{ kind: 'header', name: 'authorization', prefix: 'Bearer ', suffix: '' }],
  headers: {},
};
