/** The bytes of a unit that lies in memory. */
import assert from 'node:assert/strict';
import { bytesInMemory } from '../../../../addon/body.ts';
import type { Unit } from '../../../../addon/message.ts';

export function bytesOf(unit: Unit): Buffer {
  const bytes = bytesInMemory(unit);
  assert.ok(bytes, 'it lies on the disk');
  return bytes;
}
