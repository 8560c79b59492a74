import { describe, expect, it } from 'vitest';
import { type AgentFacts, createMetrics } from '../../../src/metrics/agent.ts';
import { FakeAgent } from '../../support/admin.ts';
import { ManualClock } from '../../support/clock.ts';
import { row } from '../../support/rows.ts';

async function scrape(facts: Partial<AgentFacts>, clock = new ManualClock()): Promise<ReadonlyMap<string, string>> {
  const registry = createMetrics({
    build: { version: '0.1.0', kernel: '6.1.0' },
    clock,
    facts: {
      table: () => undefined,
      registry: () => ({ connected: false }),
      registrationErrors: () => 0,
      ...facts,
    },
  });
  const lines = (await registry.metrics()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), line.slice(line.lastIndexOf(' ') + 1)]));
}

describe('createMetrics', () => {
  it('counts what the table holds, also the states nothing is in', async () => {
    const agent = new FakeAgent();
    agent.setRows(row('a', 'a1'), row('a', 'a2', { state: 'critical' }), row('b', 'b1'));
    const samples = await scrape({ table: () => agent.table(), registrationErrors: () => 2 });
    expect(Object.fromEntries([...samples].filter(([name]) => name.startsWith('fairlead_')))).toEqual({
      [`fairlead_build_info{version="0.1.0",node="${process.version}",kernel="6.1.0"}`]: '1',
      fairlead_services: '2',
      fairlead_table_revision: '1',
      fairlead_registry_connected: '0',
      fairlead_registry_staleness_seconds: '+Inf',
      fairlead_registration_errors: '2',
      'fairlead_endpoints{state="passing"}': '2',
      'fairlead_endpoints{state="warning"}': '0',
      'fairlead_endpoints{state="critical"}': '1',
      'fairlead_endpoints{state="draining"}': '0',
    });
  });

  it.each([
    ['0 while connected, however long nothing changed', true, 60_000, '0'],
    ['the age of the last picture', false, 60_000, '60'],
    ['0 when the clock was set back', false, -60_000, '0'],
  ])('says how stale the picture is: %s', async (_what, connected, passedMs, expected) => {
    const clock = new ManualClock();
    const lastSync = clock.now();
    clock.jump(lastSync + passedMs);
    const samples = await scrape({ registry: () => ({ connected, lastSync }) }, clock);
    expect(samples.get('fairlead_registry_staleness_seconds')).toBe(expected);
    expect(samples.get('fairlead_registry_connected')).toBe(connected ? '1' : '0');
  });

  it("has Node's own process metrics", async () => {
    const samples = await scrape({});
    for (const name of ['process_resident_memory_bytes', 'nodejs_eventloop_lag_p99_seconds']) {
      expect(samples.has(name)).toBe(true);
    }
  });
});
