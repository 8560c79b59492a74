import { describe, expect, it } from 'vitest';
import { isGood, summaryLine } from '../../../scripts/lib/summary.mjs';

describe('the result of npm test', () => {
  it.each([
    { summary: { passed: 3, failed: 0, skipped: [] }, line: '3 passed, 0 failed', good: true, goodInCi: true },
    { summary: { passed: 3, failed: 1, skipped: [] }, line: '3 passed, 1 failed', good: false, goodInCi: false },
    {
      summary: { passed: 3, failed: 0, skipped: ['a'] },
      line: '3 passed, 0 failed, 1 skipped',
      good: true,
      goodInCi: false,
    },
    { summary: { passed: 0, failed: 0, skipped: [] }, line: '0 passed, 0 failed', good: false, goodInCi: false },
    {
      summary: { passed: 0, failed: 0, skipped: ['a'] },
      line: '0 passed, 0 failed, 1 skipped',
      good: false,
      goodInCi: false,
    },
  ])('$line', ({ summary, line, good, goodInCi }) => {
    expect(summaryLine(summary)).toBe(line);
    expect(isGood(summary, false)).toBe(good);
    expect(isGood(summary, true)).toBe(goodInCi);
  });
});
