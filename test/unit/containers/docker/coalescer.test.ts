import { expect, it } from 'vitest';
import { Coalescer } from '../../../../src/containers/docker/coalescer.ts';
import { ManualClock } from '../../../support/clock.ts';

it('emits the first change at once, gathers those that follow, and never keeps back what is urgent', async () => {
  const clock = new ManualClock();
  const { signal } = new AbortController();
  const emitted: (readonly [at: number, eventAt: number | undefined])[] = [];
  const coalescer = new Coalescer({
    clock,
    intervalMs: 20,
    emit: (eventAt) => emitted.push([clock.monotonic(), eventAt]),
  });
  await coalescer.soon(0, signal);
  clock.advance(5);
  const gathered = [coalescer.soon(5, signal), coalescer.soon(6, signal)];
  clock.jump(0);
  clock.advance(15);
  await Promise.all(gathered);
  expect(emitted).toEqual([
    [0, 0],
    [20, 5],
  ]);

  clock.advance(3);
  const waiting = coalescer.soon(23, signal);
  clock.advance(1);
  coalescer.now(24);
  clock.advance(100);
  await waiting;
  expect(emitted.slice(2)).toEqual([[24, 23]]);
});

it('keeps the distance although a timer comes late', async () => {
  const clock = new ManualClock();
  const { signal } = new AbortController();
  const emittedAt: number[] = [];
  const coalescer = new Coalescer({ clock, intervalMs: 20, emit: () => emittedAt.push(clock.monotonic()) });
  coalescer.now(undefined);
  const waits = [coalescer.soon(undefined, signal)];
  clock.advance(25);
  // The timer has fired, but what waits for it has not run yet.
  waits.push(coalescer.soon(undefined, signal), coalescer.soon(undefined, signal));
  await waits[0];
  clock.advance(20);
  await Promise.all(waits);
  expect(emittedAt).toEqual([0, 25, 45]);
});
