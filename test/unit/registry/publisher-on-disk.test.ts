import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Latest } from '../../../src/lib/latest.ts';
import { silentLogger } from '../../../src/lib/logger.ts';
import { defaultPolicy } from '../../../src/model/policy.ts';
import type { ServicePolicy, Workload } from '../../../src/model/service.ts';
import type { ServiceTable } from '../../../src/model/table.ts';
import { EmbeddedRegistry } from '../../../src/registry/embedded/embedded.ts';
import { TablePublisher } from '../../../src/registry/publisher.ts';
import { ManualClock } from '../../support/clock.ts';
import { workload as declared } from '../../support/workloads.ts';

const DAY_MS = 24 * 3_600_000;

let dataDir: string;
let clock: ManualClock;
let agent: ReturnType<typeof start>;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'fairlead-publisher-'));
  clock = new ManualClock();
  agent = start();
});

afterEach(async () => {
  await agent.stop();
  await rm(dataDir, { recursive: true });
});

/** A publisher on a real registry, as one process of node n1 has them. */
function start(vipCidr = '10.96.0.0/16') {
  const stop = new AbortController();
  const tables = new Latest<ServiceTable>();
  const node = { name: 'n1', address: '192.168.50.11' };
  const registry = new EmbeddedRegistry({ dataDir, node, version: '0.1.0', clock, log: silentLogger });
  const publisher = new TablePublisher({
    node: 'n1',
    registry,
    vipCidr,
    vipCidr6: '',
    sources: ['docker', 'file'],
    clock,
    log: silentLogger,
    publish: (table) => tables.set(table),
  });
  const ended = Promise.all([registry.run(stop.signal), publisher.run(stop.signal)]);
  return {
    publisher,
    declare: (...workloads: readonly Workload[]) => publisher.setSource('docker', { workloads, problems: [] }),
    /** The first table, from now on, that the condition holds for. */
    until: async (holds: (table: ServiceTable) => boolean): Promise<ServiceTable> => {
      for await (const table of tables.watch(AbortSignal.any([stop.signal, AbortSignal.timeout(5000)]))) {
        if (holds(table)) return table;
      }
      throw new Error(
        `no such table; the last: ${JSON.stringify(tables.value && [...tables.value.services.values()])}`,
      );
    },
    tables,
    stop: async () => {
      stop.abort();
      await ended;
    },
  };
}

function workload(service: string, localId: string, policy: Partial<ServicePolicy> = {}): Workload {
  const ports = [{ name: 'http', port: 80, protocol: 'tcp' }] as const;
  return declared(localId, { service, policy: { ...defaultPolicy, ports, ...policy } });
}

const withFile = () => agent.publisher.setSource('file', { workloads: [], problems: [] });
const vipOf = (table: ServiceTable, service: string) => table.services.get(service)?.vip;
const stateOf = (table: ServiceTable, service: string) => table.services.get(service)?.endpoints[0]?.state;
const checked = (service: string, localId: string): Workload => ({
  ...workload(service, localId),
  check: { probe: { kind: 'tcp' }, intervalMs: 1000, timeoutMs: 500, rise: 1, fall: 1 },
});

describe('the first table', () => {
  it('waits for every source and for the registry', async () => {
    agent.declare(workload('web', 'web-1'));
    await agent.publisher.firstPicture;
    expect(agent.publisher.waitingFor).toEqual(['file']);
    expect(agent.tables.value).toBeUndefined();
    withFile();
    expect((await agent.until((table) => vipOf(table, 'web') !== undefined)).services.size).toBe(1);
    expect(agent.publisher.waitingFor).toEqual([]);
  });

  it('of the next process has the same addresses, and what was healthy is still in rotation before its check', async () => {
    agent.declare(checked('web', 'web-1'));
    withFile();
    await agent.until((table) => stateOf(table, 'web') === 'critical');
    agent.publisher.setHealth('web-1', { state: 'passing', reason: '' });
    const before = await agent.until(
      (table) => stateOf(table, 'web') === 'passing' && vipOf(table, 'web') !== undefined,
    );
    await agent.stop();
    agent = start();
    agent.declare(checked('web', 'web-1'));
    withFile();
    const after = await agent.until(() => true);
    expect(stateOf(after, 'web')).toBe('passing');
    expect(vipOf(after, 'web')).toBe(vipOf(before, 'web'));
  });

  it('does not lend the health of a container that is gone to a new one of its name', async () => {
    agent.declare(checked('web', 'web-1'));
    withFile();
    agent.publisher.setHealth('web-1', { state: 'passing', reason: '' });
    await agent.until((table) => stateOf(table, 'web') === 'passing');
    agent.declare();
    await agent.until((table) => table.services.get('web')?.endpoints.length === 0);
    agent.declare(checked('web', 'web-1'));
    await agent.until((table) => stateOf(table, 'web') === 'critical');
  });
});

describe('drains', () => {
  it('come and go', async () => {
    agent.declare(workload('web', 'web-1'));
    withFile();
    await agent.until((table) => stateOf(table, 'web') === 'passing');
    await agent.publisher.drain('n1/web-1');
    await agent.until((table) => stateOf(table, 'web') === 'draining');
    await agent.publisher.undrain('n1/web-1');
    await agent.until((table) => stateOf(table, 'web') === 'passing');
  });

  it('survive a restart of the agent', async () => {
    agent.declare(workload('web', 'web-1'));
    withFile();
    await agent.until((table) => stateOf(table, 'web') === 'passing');
    await agent.publisher.drain('n1/web-1');
    await agent.stop();
    agent = start();
    agent.declare(workload('web', 'web-1'));
    withFile();
    expect(stateOf(await agent.until(() => true), 'web')).toBe('draining');
  });

  it('end with their endpoint: the next container of that name takes traffic', async () => {
    agent.declare(workload('web', 'web-1'));
    withFile();
    await agent.until((table) => stateOf(table, 'web') === 'passing');
    await agent.publisher.drain('n1/web-1');
    await agent.until((table) => stateOf(table, 'web') === 'draining');
    agent.declare();
    await agent.until((table) => table.services.get('web')?.endpoints.length === 0);
    agent.declare(workload('web', 'web-1'));
    await agent.until((table) => stateOf(table, 'web') === 'passing');
  });
});

describe('claims', () => {
  it('give a published port to one service, the same after a restart, and say so', async () => {
    const publishing = { ports: [{ name: 'http', port: 80, protocol: 'tcp', publish: 8080 }] } as const;
    agent.declare(workload('b', 'b-1', publishing));
    withFile();
    await agent.until((table) => table.services.get('b')?.ports[0]?.publish === 8080);
    agent.declare(workload('b', 'b-1', publishing), workload('a', 'a-1', publishing));
    const table = await agent.until((each) => each.problems.some(({ code }) => code === 'port-conflict'));
    expect(table.services.get('b')?.ports[0]?.publish).toBe(8080);
    expect(table.services.get('a')?.ports[0]?.publish).toBeUndefined();
    agent.declare(workload('a', 'a-1', publishing));
    await agent.until((each) => each.services.get('a')?.ports[0]?.publish === 8080 && each.problems.length === 0);
  });

  it('say when the range is exhausted, and serve who has an address', async () => {
    await agent.stop();
    agent = start('10.96.0.0/30');
    agent.declare(workload('a', 'a-1'), workload('b', 'b-1'), workload('c', 'c-1'));
    withFile();
    const table = await agent.until((each) => each.problems.some(({ code }) => code === 'vip-exhausted'));
    expect(table.problems).toMatchObject([{ subject: expect.stringContaining('10.96.0.0/30') }]);
    const served = await agent.until((each) => [...each.services.values()].filter(({ vip }) => vip).length === 2);
    expect(served.services.size).toBe(3);
  });

  it('keep an address for a day after the last endpoint, then free it', async () => {
    agent.declare(workload('web', 'web-1'), workload('api', 'api-1'));
    withFile();
    await agent.until((table) => vipOf(table, 'web') !== undefined && vipOf(table, 'api') !== undefined);
    agent.declare(workload('api', 'api-1'));
    const idle = await agent.until((table) => table.services.get('web')?.endpoints.length === 0);
    expect(vipOf(idle, 'web')).toBeDefined();
    for (let hours = 0; hours < 25; hours++) {
      await clock.sleeping(1);
      clock.advance(DAY_MS / 24);
    }
    await agent.until((table) => !table.services.has('web'));
  });

  it('are not freed early by a clock that jumps', async () => {
    agent.declare(workload('web', 'web-1'), workload('api', 'api-1'));
    withFile();
    await agent.until((table) => vipOf(table, 'web') !== undefined);
    agent.declare(workload('api', 'api-1'));
    await agent.until((table) => table.services.get('web')?.endpoints.length === 0);
    await clock.sleeping(1);
    clock.jump(clock.now() + 30 * DAY_MS);
    agent.declare(workload('api', 'api-1'), workload('new', 'new-1'));
    const table = await agent.until((each) => vipOf(each, 'new') !== undefined);
    expect(vipOf(table, 'web')).toBeDefined();
  });
});

it('a leave that is cut short drains nothing for good', async () => {
  agent.declare(workload('web', 'web-1'));
  withFile();
  await agent.until((table) => stateOf(table, 'web') === 'passing');
  agent.publisher.leave();
  await agent.until((table) => stateOf(table, 'web') === 'draining');
  await agent.stop();
  agent = start();
  agent.declare(workload('web', 'web-1'));
  withFile();
  expect(stateOf(await agent.until(() => true), 'web')).toBe('passing');
});

it('leaving drains everything, then takes it out of the registry', async () => {
  agent.declare(workload('web', 'web-1', { drainMs: 3000 }));
  withFile();
  await agent.until((table) => stateOf(table, 'web') === 'passing');
  expect(agent.publisher.leave()).toBe(3000);
  await agent.until((table) => stateOf(table, 'web') === 'draining');
  await agent.publisher.deregister();
  await agent.stop();
  agent = start();
  const picture = await agent.publisher.firstPicture;
  expect(picture.rows.size).toBe(0);
  expect([...picture.claims.keys()].filter((claim) => claim.startsWith('drain/'))).toEqual([]);
});
