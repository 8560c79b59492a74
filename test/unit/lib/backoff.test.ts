import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Backoff } from '../../../src/lib/backoff.ts';

it('doubles up to its bound, spread over the upper half of each step', () => {
  fc.assert(
    fc.property(fc.nat(60), fc.double({ min: 0, max: 0.999, noNaN: true }), (attempts, random) => {
      const backoff = new Backoff({ minMs: 100, maxMs: 5000, random: () => random });
      for (let i = 0; i < attempts; i++) backoff.next();
      const ceiling = Math.min(5000, 100 * 2 ** Math.min(attempts, 32));
      const delay = backoff.next();
      expect(delay).toBeGreaterThanOrEqual(ceiling / 2);
      expect(delay).toBeLessThanOrEqual(ceiling);
    }),
  );
});

it('starts again after a success', () => {
  const backoff = new Backoff({ minMs: 100, maxMs: 5000, random: () => 1 });
  backoff.next();
  backoff.next();
  backoff.reset();
  expect(backoff.next()).toBe(100);
});
