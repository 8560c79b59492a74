import { expect, test } from 'vitest';
import { combineHealth } from '../../../src/model/health.ts';
import { keepProblems } from '../../../src/model/problems.ts';
import type { EndpointState, Health } from '../../../src/model/service.ts';

const health = (state: EndpointState, by: string): Health => ({ state, reason: by });

test.each<[EndpointState, EndpointState, string]>([
  ['passing', 'passing', 'source'],
  ['passing', 'warning', 'check'],
  ['passing', 'critical', 'check'],
  ['warning', 'passing', 'source'],
  ['warning', 'critical', 'check'],
  ['critical', 'passing', 'source'],
  ['critical', 'warning', 'source'],
  ['critical', 'critical', 'source'],
  ['draining', 'critical', 'source'],
  ['draining', 'passing', 'source'],
])('a source that says %s and a check that finds %s: the %s holds', (source, check, winner) => {
  const [a, b] = [health(source, 'source'), health(check, 'check')];
  expect(combineHealth(a, b)).toBe(winner === 'source' ? a : b);
});

test('equal problems are the earlier ones', () => {
  const problem = { code: 'label', subject: 'container web-1', message: 'no' };
  const before = [problem];
  expect(keepProblems(before, [{ ...problem }])).toBe(before);
  for (const next of [[], [problem, problem], [{ ...problem, message: 'yes' }], [{ ...problem, subject: 'x' }]]) {
    expect(keepProblems(before, next)).toBe(next);
  }
});
