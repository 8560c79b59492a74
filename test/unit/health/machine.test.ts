import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { advance, type CheckResult, type CheckState, toHealth, unknown } from '../../../src/health/machine.ts';

const results: Record<string, CheckResult> = {
  p: { kind: 'pass', reason: '' },
  w: { kind: 'warn', reason: 'exit code 1' },
  f: { kind: 'fail', reason: 'http 503 from /' },
};

/** One letter a result in (p, w, f), one letter a state out (P, W, C; U before the first). */
function run(script: string, thresholds = { rise: 2, fall: 3 }): string {
  const letters = { passing: 'P', warning: 'W', critical: 'C', draining: '?' };
  let state: CheckState = unknown;
  let out = '';
  for (const letter of script) {
    state = advance(state, results[letter] ?? { kind: 'fail', reason: '' }, thresholds);
    out += letters[toHealth(state).state];
  }
  return out;
}

describe('rise and fall', () => {
  test.each([
    ['the first success decides at once', 'p', 'P'],
    ['the first warning decides at once', 'w', 'W'],
    ['the first failure decides at once', 'f', 'C'],
    ['fewer failures than fall change nothing', 'pffpff', 'PPPPPP'],
    ['fall failures in a row take down', 'pfffp', 'PPPCC'],
    ['rise successes in a row bring back', 'fpp', 'CCP'],
    ['a failure between begins the rise anew', 'fpfpp', 'CCCCP'],
    ['a warning shows at once and counts as a success', 'fwwp', 'CCWP'],
    ['a warning ends a row of failures', 'pffwff', 'PPPWWW'],
    ['who falls soon after rising must succeed twice as often', 'fppfffpppp', 'CCPPPCCCCP'],
    ['and twice as often again', `fpp${'fffpppp'}fff${'p'.repeat(8)}`, `CCP${'PPCCCCP'}PPC${'C'.repeat(7)}P`],
    ['a first fall is not yet flapping', 'ppfffpp', 'PPPPCCP'],
    ['a steady run is forgiven', `fpp${'p'.repeat(20)}fffpp`, `CCP${'P'.repeat(20)}PPCCP`],
  ])('%s', (_, script, expected) => {
    expect(run(script)).toBe(expected);
  });

  test('is critical with a reason before the first result', () => {
    expect(toHealth(unknown)).toEqual({ state: 'critical', reason: 'not checked yet' });
  });

  test('tells the newest reason while critical', () => {
    const state = ['connect refused 10.1.1.2:80', 'http 503 from /']
      .map((reason): CheckResult => ({ kind: 'fail', reason }))
      .reduce((before, result) => advance(before, result, { rise: 1, fall: 1 }), unknown as CheckState);
    expect(toHealth(state)).toEqual({ state: 'critical', reason: 'http 503 from /' });
  });

  test('never changes without the row of results that the thresholds ask for', () => {
    const script = fc.array(fc.constantFrom('p', 'w', 'f'), { maxLength: 60 }).map((letters) => letters.join(''));
    fc.assert(
      fc.property(script, fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 5 }), (letters, rise, fall) => {
        const states = run(letters, { rise, fall });
        for (let i = 1; i < states.length; i++) {
          const [was, is] = [states[i - 1], states[i]];
          if (was !== 'C' && is === 'C') expect(letters.slice(0, i + 1)).toMatch(new RegExp(`f{${fall}}$`));
          if (was === 'C' && is !== 'C') expect(letters.slice(0, i + 1)).toMatch(new RegExp(`[pw]{${rise}}$`));
        }
        // Whatever happened: eight times the rise in successes always brings back.
        expect(run(letters + 'p'.repeat(8 * rise), { rise, fall }).at(-1)).toBe('P');
      }),
    );
  });
});
