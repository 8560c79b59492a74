import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { Latest } from '../../../src/lib/latest.ts';
import { silentLogger } from '../../../src/lib/logger.ts';
import { claimKeys } from '../../../src/model/claims.ts';
import type { Registration } from '../../../src/model/service.ts';
import type { ServiceTable } from '../../../src/model/table.ts';
import { TablePublisher } from '../../../src/registry/publisher.ts';
import type { Claim, ClaimOutcome, Picture, Registry } from '../../../src/registry/registry.ts';
import { clusterNode } from '../../support/admin.ts';
import { ManualClock } from '../../support/clock.ts';
import { workload } from '../../support/workloads.ts';

/** A registry of nobody else's, in memory, that can be away. */
class MemoryRegistry implements Registry {
  readonly kind = 'embedded';
  isAway = false;
  registered: readonly Registration[] = [];
  readonly #pictures = new Latest<Picture>();

  constructor() {
    this.#pictures.set({ rows: new Map(), nodes: [clusterNode('n1')], claims: new Map(), problems: [] });
  }

  get claims(): ReadonlyMap<string, string> {
    return this.#pictures.value?.claims ?? new Map();
  }

  async run(): Promise<void> {}

  async register(rows: readonly Registration[]): Promise<void> {
    this.registered = rows;
  }

  watch(signal: AbortSignal): AsyncIterable<Picture> {
    return this.#pictures.watch(signal);
  }

  async claim(claims: readonly Claim[]): Promise<readonly ClaimOutcome[]> {
    this.#write(new Map([...this.claims, ...claims.flatMap((claim) => [...claim])]));
    return claims.map(() => ({ won: true }));
  }

  async release(keys: Claim): Promise<void> {
    this.#write(new Map([...this.claims].filter(([key, value]) => keys.get(key) !== value)));
  }

  status() {
    return { connected: !this.isAway };
  }

  #write(claims: ReadonlyMap<string, string>): void {
    if (this.isAway) throw new Error('the registry is away');
    const before = this.#pictures.value;
    if (before !== undefined) this.#pictures.set({ ...before, claims });
  }
}

function start({ isAway = false } = {}) {
  const clock = new ManualClock();
  const registry = new MemoryRegistry();
  registry.isAway = isAway;
  const tables: ServiceTable[] = [];
  const publisher = new TablePublisher({
    node: 'n1',
    registry,
    vipCidr: '10.96.0.0/16',
    vipCidr6: '',
    sources: ['test'],
    clock,
    log: silentLogger,
    publish: (table) => void tables.push(table),
  });
  const stop = new AbortController();
  const running = publisher.run(stop.signal);
  onTestFinished(async () => {
    stop.abort();
    await running;
  });
  /** Until nothing more happens by itself: work here is promises and turns of the event loop only. */
  const settle = async () => {
    for (let i = 0; i < 20; i++) await nextTurn();
  };
  const declare = async (...names: readonly string[]) => {
    publisher.setSource('test', {
      workloads: names.map((name) => workload(`${name}-1`, { service: name })),
      problems: [],
    });
    await settle();
  };
  return { clock, registry, publisher, tables, declare, settle };
}

test('the first table has every address, also where the registry had none: rules in force must not go and come', async () => {
  const { tables, declare } = start();
  await declare('web', 'api');
  expect(tables).toHaveLength(1);
  for (const name of ['web', 'api']) expect(tables[0]?.services.get(name)?.vip).toMatch(/^10\.96\./);
});

test('a registry that takes no claims does not keep the first table back', async () => {
  const { clock, registry, tables, declare, settle } = start({ isAway: true });
  await declare('web');
  expect(tables.at(-1)?.services.get('web')).toMatchObject({ endpoints: [{ state: 'passing' }] });
  expect(tables.at(-1)?.services.get('web')?.vip).toBeUndefined();
  registry.isAway = false;
  clock.advance(60_000);
  await settle();
  expect(tables.at(-1)?.services.get('web')?.vip).toMatch(/^10\.96\./);
});

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

test.each([
  ['two days ahead', 2 * DAY],
  ['twenty years ahead', 20 * 365 * DAY],
  ['an hour back', -HOUR],
  ['back to 1970', -Date.UTC(2026, 0, 1)],
])('the clock jumps %s: no address in use or held is lost', async (_, ms) => {
  const { clock, registry, tables, declare, settle } = start();
  await declare('web', 'api');
  const vip = tables.at(-1)?.services.get('api')?.vip;
  await declare('web');
  expect(registry.claims.has(claimKeys.vipIdle('api'))).toBe(true);
  const before = tables.at(-1)?.services.get('web');

  clock.jump(clock.now() + ms);
  clock.advance(HOUR);
  await settle();
  expect(registry.claims.get(claimKeys.vipOfService('api'))).toBe(vip);
  expect(tables.at(-1)?.services.get('web')).toBe(before);
  await declare('web', 'api');
  expect(tables.at(-1)?.services.get('api')).toMatchObject({ vip, endpoints: [{ state: 'passing' }] });
});

test('an address is held for a day of watching, then given back', async () => {
  const { clock, registry, declare, settle } = start();
  await declare('web', 'api');
  await declare('web');
  for (let hour = 0; hour < 23; hour++) {
    clock.advance(HOUR);
    await settle();
    expect(registry.claims.has(claimKeys.vipOfService('api'))).toBe(true);
  }
  clock.advance(HOUR);
  await settle();
  expect(registry.claims.has(claimKeys.vipOfService('api'))).toBe(false);
  expect(registry.claims.has(claimKeys.vipOfService('web'))).toBe(true);
});

test('who has left is out for good: neither a table nor a row follows', async () => {
  const { publisher, registry, tables, declare, settle } = start();
  await declare('web');
  await publisher.leave();
  await settle();
  expect(tables.at(-1)?.services.get('web')).toMatchObject({ endpoints: [{ state: 'draining' }] });
  const last = tables.length;
  await publisher.deregister();
  await declare('web', 'api');
  expect(tables).toHaveLength(last);
  expect(registry.registered).toEqual([]);
  expect([...registry.claims.keys()].filter((key) => key.startsWith('drain/'))).toEqual([]);
});
