import { expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { createNetns } from '../../support/netns.ts';
import { table } from '../../support/services.ts';
import { many, numbered } from './many.ts';
import { RunningMesh } from './world.ts';

const SERVICES = 10_000;

test('10,000 services of three endpoints: loaded, one changed, flushed by others, taken over', async () => {
  await using host = await createNetns('host');
  const command = ['ip', 'netns', 'exec', host.name, 'nft'] as const;
  const services = many(SERVICES, 3);
  const measured: Record<string, number> = {};
  const measure = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    const started = performance.now();
    const result = await work();
    measured[what] = Math.round(performance.now() - started);
    return result;
  };
  {
    await using running = new RunningMesh(command);
    await measure('load', () => running.apply(...services));
    const changes: number[] = [];
    let current = services;
    for (let i = 0; i < 20; i++) {
      current = current.with(i * 100, numbered(i * 100 + 1, 2 + (i % 2) * 2));
      const next = table(100 + i, ...current);
      const started = performance.now();
      running.mesh.update(next);
      await eventually('applied', () => running.mesh.status().appliedRevision === next.revision);
      changes.push(performance.now() - started);
    }
    measured.changeMedian = changes.sort((a, b) => a - b)[10] ?? Number.NaN;
    expect(await measure('check', () => running.mesh.check())).toEqual([]);
    await host.run('nft', 'flush', 'ruleset');
    await measure('flushRepaired', () =>
      eventually('repaired', async () => (await running.metric('fairlead_mesh_drift_total')) > 0, 10_000),
    );
    expect(await running.mesh.check()).toEqual([]);
    await running.apply(...services);
  }
  await using running = new RunningMesh(command);
  await measure('takeover', () => running.apply(...services));
  expect(await running.metric('fairlead_mesh_drift_total')).toBe(0);
  // Generous beside what is measured on an idle machine, so that only a change of order fails here; bench/ has numbers.
  expect(measured.load).toBeLessThan(5000);
  expect(measured.changeMedian).toBeLessThan(100);
  expect(measured.flushRepaired).toBeLessThan(5000);
});
