import { expect, test } from 'vitest';
import { Latest } from '../../../src/lib/latest.ts';

const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

test('a reader gets the value there is, then newer ones, skipping what it was too slow for', async () => {
  const latest = new Latest<number>();
  latest.set(1);
  const reader = latest.watch(new AbortController().signal);
  expect((await reader.next()).value).toBe(1);
  latest.set(2);
  latest.set(3);
  expect((await reader.next()).value).toBe(3);
  const next = reader.next();
  await settle();
  latest.set(3);
  expect((await next).value).toBe(3);
  expect(latest.value).toBe(3);
});

test('a reader waits for the first value, and every reader sees it', async () => {
  const latest = new Latest<number>();
  const { signal } = new AbortController();
  const readers = [latest.watch(signal).next(), latest.watch(signal).next()];
  await settle();
  latest.set(7);
  expect((await Promise.all(readers)).map((each) => each.value)).toEqual([7, 7]);
});

test('ends on abort, before and while waiting', async () => {
  const latest = new Latest<number>();
  const stop = new AbortController();
  const waiting = latest.watch(stop.signal).next();
  await settle();
  stop.abort();
  expect((await waiting).done).toBe(true);
  latest.set(1);
  expect((await latest.watch(stop.signal).next()).done).toBe(true);
});
