import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { assignSlots, EXACT_LIMIT, SIZE_CLASSES, type Weighted } from '../../../src/mesh/slots.ts';

const names = (count: number, weight = 1): readonly Weighted[] =>
  Array.from({ length: count }, (_, i) => ({ id: `n${i % 5}/web-${i}:80`, weight }));

const share = (slots: readonly Weighted[], id: string): number => slots.filter((slot) => slot.id === id).length;

const endpoints = fc.uniqueArray(
  fc.record({ id: fc.string({ minLength: 1 }), weight: fc.integer({ min: 1, max: 256 }) }),
  {
    selector: ({ id }) => id,
    minLength: 1,
    maxLength: 100,
  },
);
const spread = fc.constantFrom('random', 'client-ip', 'source-hash');

describe('the number of slots', () => {
  test.each([
    // endpoints, weight of each, spread → slots
    [1, 1, 'random', 1],
    [3, 1, 'random', 3],
    [3, 100, 'random', 3],
    [16, 1, 'random', 16],
    [17, 1, 'random', 251],
    [40, 1, 'random', 1021],
    [1, 1, 'client-ip', 16],
    [2, 1, 'client-ip', 16],
    [3, 1, 'client-ip', 64],
    [9, 1, 'source-hash', 251],
    [32, 1, 'source-hash', 1021],
    [1000, 1, 'random', 1021],
    [0, 1, 'random', 0],
    [0, 1, 'client-ip', 0],
  ] as const)('%d endpoints of weight %d, %s: %d', (count, weight, how, size) => {
    expect(assignSlots(names(count, weight), how)).toHaveLength(size);
  });

  test('is one of those there is a chain for', () => {
    const sizes: readonly number[] = [...Array.from({ length: EXACT_LIMIT }, (_, i) => i + 1), ...SIZE_CLASSES];
    fc.assert(fc.property(endpoints, spread, (all, how) => sizes.includes(assignSlots(all, how).length)));
  });
});

test('few endpoints drawn at random get exactly their weights', () => {
  const slots = assignSlots(
    [
      { id: 'a', weight: 200 },
      { id: 'b', weight: 100 },
      { id: 'c', weight: 300 },
    ],
    'random',
  );
  expect(slots.map(({ id }) => id)).toEqual(['a', 'a', 'b', 'c', 'c', 'c']);
});

test('every node computes the same, whatever the order', () => {
  fc.assert(
    fc.property(endpoints, spread, fc.infiniteStream(fc.nat()), (all, how, noise) => {
      const shuffled = [...all].map((each) => [noise.next().value, each] as const).sort(([a], [b]) => a - b);
      expect(
        assignSlots(
          shuffled.map(([, each]) => each),
          how,
        ),
      ).toEqual(assignSlots(all, how));
    }),
  );
});

test('everybody gets a share, right to an eighth where the size allows, and never more than two slots off', () => {
  fc.assert(
    fc.property(endpoints, spread, (all, how) => {
      const slots = assignSlots(all, how);
      const total = all.reduce((sum, { weight }) => sum + weight, 0);
      for (const { id, weight } of all) {
        const count = share(slots, id);
        const fair = (slots.length * weight) / total;
        expect(count).toBeGreaterThan(0);
        expect(Math.abs(count - fair)).toBeLessThanOrEqual(Math.max(2, all.length * 0.6));
      }
    }),
  );
});

test.each([
  [2, 16],
  [3, 64],
  [10, 251],
  [40, 1021],
  [100, 1021],
])('removing one of %d equal endpoints moves about its share of the others’ slots', (count) => {
  const all = names(count);
  const before = assignSlots(all, 'source-hash');
  for (const removed of all.slice(0, 5)) {
    const after = assignSlots(
      all.filter((each) => each !== removed),
      'source-hash',
    );
    if (after.length !== before.length) continue;
    const moved = before.filter((slot, i) => slot !== removed && slot !== after[i]).length;
    expect(moved / before.length).toBeLessThan(1 / count + 0.12);
  }
});

test('more endpoints than slots: the first in order hold them, one each', () => {
  const slots = assignSlots(names(1500), 'random');
  expect(new Set(slots.map(({ id }) => id)).size).toBe(1021);
});
