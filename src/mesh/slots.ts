/** How a connection's slot is drawn: anew each time, by the client's address, or by the whole flow. */
export type Spread = 'random' | 'client-ip' | 'source-hash';

export interface Weighted {
  /** Cluster-wide name, the same on every node. */
  readonly id: string;
  /** A positive integer. */
  readonly weight: number;
}

/** Up to so many slots a random spread gets one slot per unit of weight, and is exact. */
export const EXACT_LIMIT = 16;

/** Sizes of the tables that are filled by Maglev. */
export const SIZE_CLASSES = [16, 64, 251, 1021] as const;

/** Every unit of weight gets at least so many slots while a size class is large enough: shares are right to 1/8. */
const SLOTS_PER_WEIGHT = 8;

/**
 * Which endpoint holds which slot: an array of the size that fits, of `endpoints`' members; empty without endpoints.
 * Depends on ids and weights alone, never on their order, so that every node computes the same table.
 *
 * A random spread over few endpoints needs no stability: it gets exactly its weights. Every other table is Maglev's
 * (Eisenbud et al., NSDI 2016, §3.4), of which removing one of n endpoints moves about 1/n.
 */
export function assignSlots<E extends Weighted>(endpoints: readonly E[], spread: Spread): readonly E[] {
  const sorted = [...endpoints].sort((a, b) => (a.id < b.id ? -1 : 1));
  const divisor = sorted.reduce((all, { weight }) => gcd(all, weight), 0);
  const total = sorted.reduce((all, { weight }) => all + weight / divisor, 0);
  if (spread === 'random' && total <= EXACT_LIMIT) {
    return sorted.flatMap((endpoint) => Array.from({ length: endpoint.weight / divisor }, () => endpoint));
  }
  return sorted.length === 0 ? [] : maglev(sorted, sizeFor(total));
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));

const LARGEST = 1021;

const sizeFor = (total: number): number => SIZE_CLASSES.find((size) => size >= total * SLOTS_PER_WEIGHT) ?? LARGEST;

/** One endpoint's walk over the slots in its own order, taking turns in proportion to its weight. */
interface Walk<E> {
  readonly endpoint: E;
  readonly skip: number;
  position: number;
  /** The turn from which it may take its next slot, times the largest weight. */
  due: number;
}

function maglev<E extends Weighted>(endpoints: readonly E[], size: number): readonly E[] {
  const heaviest = endpoints.reduce((most, { weight }) => Math.max(most, weight), 0);
  const walks = endpoints.map((endpoint) => walkOf(endpoint, size));
  const slots = new Map<number, E>();
  for (let turn = 1; ; turn++) {
    for (const walk of walks) {
      if (turn * walk.endpoint.weight < walk.due) continue;
      walk.due += heaviest;
      while (slots.has(walk.position)) walk.position = (walk.position + walk.skip) % size;
      slots.set(walk.position, walk.endpoint);
      if (slots.size === size) return inOrder(slots, size);
    }
  }
}

function inOrder<E>(slots: ReadonlyMap<number, E>, size: number): readonly E[] {
  return Array.from({ length: size }, (_, slot) => slots.get(slot)).filter((endpoint) => endpoint !== undefined);
}

/** The skip must have no factor in common with the size, or a walk would miss slots: odd where the size is even. */
function walkOf<E extends Weighted>(endpoint: E, size: number): Walk<E> {
  const position = hash32(endpoint.id, 0x811c9dc5) % size;
  const draw = hash32(endpoint.id, 0x9747b28c);
  const skip = size % 2 === 0 ? (draw % size) | 1 : 1 + (draw % (size - 1));
  return { endpoint, skip, position, due: 0 };
}

/** FNV-1a from `basis`, finished as murmur3 does so that ids differing in the last letter land far apart. */
function hash32(text: string, basis: number): number {
  let hash = basis;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
