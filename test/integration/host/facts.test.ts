import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { HostFacts } from '../../../src/model/host.ts';
import { addBridge, createNetns, type Netns } from '../../support/netns.ts';

let host: Netns;

beforeAll(async () => {
  host = await createNetns('facts');
});
afterAll(async () => await host.remove());

it('publishes the first facts and every change within a moment, nothing twice, and ends its monitor', async () => {
  const script = fileURLToPath(new URL('../../support/watcherchild-main.ts', import.meta.url));
  const child = host.spawn(process.execPath, [script]);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<HostFacts> => JSON.parse((await lines.next()).value ?? '');

  expect(await next()).toEqual({
    node: 'n1',
    nodeAddress: '127.0.0.1',
    bridges: [],
    addresses: ['127.0.0.1', '::1'],
  });

  // The early second look has settled by now, so what follows is seen by events alone.
  await new Promise((resolve) => setTimeout(resolve, 1500));
  const started = performance.now();
  await host.ip('link add br-x type bridge');
  await host.ip('addr add 172.30.0.1/24 dev br-x');
  expect((await next()).bridges).toEqual([{ name: 'br-x', subnets: ['172.30.0.0/24'], gateways: ['172.30.0.1'] }]);
  expect(performance.now() - started).toBeLessThan(1000);

  // A change that says nothing new is not published: the next facts are those of the second bridge.
  await host.ip('link set br-x mtu 1400');
  await addBridge(host, 'br-y', ['172.31.0.1/24']);
  let facts = await next();
  while (facts.bridges.length < 2) facts = await next();
  expect(facts.nodeAddress).toBe('172.30.0.1');

  await host.ip('link del br-x');
  facts = await next();
  while (facts.bridges.length > 1) facts = await next();
  expect(facts.addresses).not.toContain('172.30.0.1');

  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  expect(await gone).toEqual([0, null]);
  expect((await host.run('ip', 'netns', 'pids', host.name)).trim().split('\n')).toHaveLength(1);
});
