import { expect, it } from 'vitest';
import { isRecent } from '../../../scripts/lib/runtime.mjs';

it.each([
  ['18.20.4', false],
  ['20.20.2', false],
  ['22.9.0', false],
  ['22.17.1', false],
  ['22.18.0', true],
  ['24.21.0', true],
  ['26.0.0', true],
])('Node %s is recent: %s', (version, expected) => {
  expect(isRecent(version)).toBe(expected);
});
