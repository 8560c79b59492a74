import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Schedule } from '../../../src/health/schedule.ts';

test('gives each item once, in order of time, and none too early', () => {
  fc.assert(
    fc.property(fc.array(fc.record({ at: fc.nat(50), lookAt: fc.nat(60) })), (steps) => {
      const schedule = new Schedule<number>();
      let waiting: number[] = [];
      for (const { at, lookAt } of steps) {
        schedule.add(at, at);
        waiting.push(at);
        const taken: number[] = [];
        for (let item = schedule.take(lookAt); item !== undefined; item = schedule.take(lookAt)) taken.push(item);
        expect(taken).toEqual(waiting.filter((each) => each <= lookAt).sort((a, b) => a - b));
        waiting = waiting.filter((each) => each > lookAt);
        expect(schedule.nextAt).toBe(Math.min(...waiting));
      }
    }),
  );
});
