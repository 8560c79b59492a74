import { expect, test } from 'vitest';
import { residentMb, startAgent } from '../../support/agent.ts';
import { startFakeEngine } from '../../support/engine.ts';
import { eventually } from '../../support/eventually.ts';
import { createHost, dig } from '../../support/host.ts';

const CONTAINERS = 500;
const SERVICES = 100;

test('500 containers start within 10 s: all are registered, the table is right, memory stays bounded', async () => {
  await using world = await createHost();
  await using engine = await startFakeEngine();
  await using agent = await startAgent(world.host, { config: { containers: { docker: engine.host } } });
  const rest = await residentMb(agent.pid);

  const started = performance.now();
  const names = Array.from({ length: CONTAINERS }, (_, i) => `c${i}`);
  // Ten at a time, as Compose and orchestrators do.
  for (let i = 0; i < CONTAINERS; i += 10) {
    await Promise.all(
      names
        .slice(i, i + 10)
        .map((name, j) =>
          engine.run({ name, labels: { 'fairlead.name': `s${(i + j) % SERVICES}`, 'fairlead.port': '80' } }),
        ),
    );
  }
  const startedInMs = performance.now() - started;
  expect(startedInMs).toBeLessThan(10_000);
  await eventually('all registered', async () => (await agent.status()).endpoints === CONTAINERS, 10_000);
  await eventually('all in the kernel', async () => {
    const { services, mesh } = await agent.status();
    return services === SERVICES && mesh.inSync && (await agent.services()).every(({ vip }) => vip !== null);
  });
  const settledInMs = performance.now() - started;

  const services = await agent.services();
  const expected = await Promise.all(names.map(async (name) => [`n1/${name}:80`, await engine.addressOf(name)]));
  const served = services.flatMap(({ endpoints }) => endpoints.map(({ id, address }) => [id, address]));
  expect(served.sort()).toEqual(expected.sort());
  for (const { name, endpoints } of services) {
    expect(endpoints.map(({ id }) => Number(/\d+/.exec(id.slice(4))?.[0]) % SERVICES)).toEqual(
      Array(CONTAINERS / SERVICES).fill(Number(name.slice(1))),
    );
  }
  expect((await agent.status()).warnings).toEqual([]);
  expect(await agent.cli('mesh', 'check')).toMatchObject({ exitCode: 0, stdout: 'in sync\n' });
  expect(await dig(world.host, '127.0.0.1', 'tasks.s7')).toHaveLength(CONTAINERS / SERVICES);

  const peak = await residentMb(agent.pid);
  console.log(
    `${CONTAINERS} containers started in ${Math.round(startedInMs)} ms, all served after ${Math.round(settledInMs)} ms;` +
      ` RSS ${Math.round(rest)} MB before, ${Math.round(peak)} MB after`,
  );
  expect(peak).toBeLessThan(200);

  await engine.removeAll();
  await eventually(
    'all gone',
    async () => {
      const { endpoints, mesh } = await agent.status();
      return endpoints === 0 && mesh.inSync;
    },
    20_000,
  );
  expect(await agent.cli('mesh', 'check')).toMatchObject({ exitCode: 0, stdout: 'in sync\n' });
});
