import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Service } from '../../../src/model/table.ts';
import { endpoint, service } from '../../support/services.ts';
import { createWorld, type PeerName, RunningMesh, type World } from './world.ts';

let world: World;
let running: RunningMesh;

const VIP = '10.96.0.1';
const VIP6 = 'fd00:f1::1';

const br1 = { address: '10.1.0.11', address6: 'fd00:1::11' };

const services: readonly Service[] = [
  service('web', {
    vip: VIP,
    vip6: VIP6,
    ports: [
      { port: 80, publish: 8000 },
      { name: 'dns', port: 53, protocol: 'udp', publish: 5300 },
    ],
    endpoints: {
      c1: br1,
    },
  }),
];

beforeAll(async () => {
  world = await createWorld();
  running = new RunningMesh(world.nft);
  await running.apply(...services);
});

afterAll(async () => {
  await running?.stop();
  await world?.[Symbol.asyncDispose]();
});

test('x', async () => {
  const p = world.peers;
  console.log('host vip', await p.host.ask('tcp', VIP, 80));
  console.log('c2 vip', await p.c2.ask('tcp', VIP, 80));
  console.log('c1 vip hairpin', await p.c1.ask('tcp', VIP, 80));
  console.log('c4 vip', await p.c4.ask('tcp', VIP, 80));
  console.log('client vip', await p.client.ask('tcp', VIP, 80));
  for (const a of ['192.168.50.1', '10.1.0.1', '127.0.0.1', '::1', 'fd00:50::1']) {
    console.log('host pub', a, await p.host.ask('tcp', a, 8000));
    if (a !== '127.0.0.1' && a !== '::1') console.log('client pub', a, await p.client.ask('tcp', a, 8000));
  }
  console.log('host vip6', await p.host.ask('tcp', VIP6, 80));
  console.log('c2 vip6', await p.c2.ask('tcp', VIP6, 80));
  console.log('c1 vip6', await p.c1.ask('tcp', VIP6, 80));
  console.log('client vip6', await p.client.ask('tcp', VIP6, 80));
  console.log('unknown port', await p.host.ask('tcp', VIP, 81), await p.c1.ask('tcp', VIP, 81), await p.client.ask('udp', VIP, 81), await p.host.ask('udp', VIP, 81), await p.host.ask('tcp', VIP6, 81), await p.c1.ask('udp', VIP6, 81));
  console.log('unalloc', await p.host.ask('tcp', '10.96.7.7', 81), await p.c1.ask('tcp', '10.96.7.7', 81));
  const f = await running.apply(service('web', { vip: VIP, vip6: VIP6, ports: [{ publish: 8000 }, {name: 'http', port: 53, protocol: 'udp', publish: 5300}], endpoints: { c1: { ...br1, state: 'critical' } } }));
  console.log('refuse', await p.host.ask('tcp', VIP, 80), await p.c1.ask('tcp', VIP, 80), await p.host.ask('tcp', '127.0.0.1', 8000), await p.host.ask('tcp', '::1', 8000), await p.client.ask('tcp', '192.168.50.1', 8000), await p.client.ask('udp', '192.168.50.1', 5300), await p.host.ask('udp', '127.0.0.1', 5300), await p.c1.ask('udp', VIP6, 53));
  await running.apply(service('web', { vip: VIP, vip6: VIP6, ports: [{ publish: 8000 }], endpoints: { l: {address: '127.0.0.1', address6: '::1', port: 9000} } }));
  console.log('loop', await p.host.ask('tcp', VIP, 80), await p.c1.ask('tcp', VIP, 80), await p.host.ask('tcp', '127.0.0.1', 8000), await p.host.ask('tcp', '::1', 8000), await p.client.ask('tcp', '192.168.50.1', 8000),  await p.client.ask('tcp', 'fd00:50::1', 8000), await p.c1.ask('tcp', VIP6, 80), await p.host.ask('tcp', VIP6, 80));
  console.log('martian', await p.c1.ask('tcp', '10.1.0.1', 9000));
  await running.apply(service('web', { vip: VIP, vip6: VIP6, ports: [{ publish: 8000 }], endpoints: { l: {address: '192.168.60.2', address6: 'fd00:60::2', port: 8080} } }));
  console.log('far', await p.client.ask('tcp', VIP, 80), await p.client.ask('tcp', '192.168.50.1', 8000), await p.client.ask('tcp', 'fd00:50::1', 8000), await p.host.ask('tcp', VIP, 80), await p.host.ask('tcp', '127.0.0.1', 8000), await p.host.ask('tcp', '::1', 8000));
}, 60000);
