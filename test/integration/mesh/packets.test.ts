import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Protocol } from '../../../src/model/service.ts';
import { type EndpointOptions, service } from '../../support/services.ts';
import { createWorld, type PeerName, RunningMesh, type World } from './world.ts';

const VIP = '10.96.0.1';
const VIP6 = 'fd00:f1::1';

let world: World;
let running: RunningMesh;

beforeAll(async () => {
  world = await createWorld();
  running = new RunningMesh(world.nft);
});

afterAll(async () => {
  await running?.stop();
  await world?.[Symbol.asyncDispose]();
});

const WEB = {
  vip: VIP,
  vip6: VIP6,
  ports: [
    { port: 80, publish: 8000 },
    { port: 53, protocol: 'udp', publish: 5300 },
  ],
} as const;

const C1 = { address: '10.1.0.11', address6: 'fd00:1::11' };
const LOOPBACK = { address: '127.0.0.1', address6: '::1', port: 9000 };
const FAR = { address: '192.168.60.2', address6: 'fd00:60::2' };

/** Who asks where, who answers, and which client address it sees. */
type Row = readonly [who: PeerName, protocol: Protocol, address: string, port: number, answer: string, seen: string];

describe.each<readonly [string, EndpointOptions, readonly Row[]]>([
  [
    'a container',
    C1,
    [
      ['host', 'tcp', VIP, 80, 'c1', '192.168.50.1'],
      ['host', 'udp', VIP, 53, 'c1', '192.168.50.1'],
      ['host', 'tcp', VIP6, 80, 'c1', 'fd00:50::1'],
      // On one bridge the answer must come back through the host.
      ['c2', 'tcp', VIP, 80, 'c1', '10.1.0.1'],
      ['c2', 'udp', VIP, 53, 'c1', '10.1.0.1'],
      ['c2', 'tcp', VIP6, 80, 'c1', 'fd00:1::1'],
      ['c1', 'tcp', VIP, 80, 'c1', '10.1.0.1'],
      ['c1', 'udp', VIP, 53, 'c1', '10.1.0.1'],
      ['c1', 'tcp', VIP6, 80, 'c1', 'fd00:1::1'],
      ['c1', 'tcp', '10.1.0.1', 8000, 'c1', '10.1.0.1'],
      // From elsewhere the client's address is kept.
      ['c4', 'tcp', VIP, 80, 'c1', '10.2.0.14'],
      ['client', 'tcp', VIP, 80, 'c1', '192.168.50.2'],
      ['client', 'tcp', VIP6, 80, 'c1', 'fd00:50::2'],
      ['client', 'tcp', '192.168.50.1', 8000, 'c1', '192.168.50.2'],
      ['client', 'udp', '192.168.50.1', 5300, 'c1', '192.168.50.2'],
      ['client', 'tcp', '192.168.60.1', 8000, 'c1', '192.168.50.2'],
      ['client', 'tcp', '10.1.0.1', 8000, 'c1', '192.168.50.2'],
      ['client', 'tcp', 'fd00:50::1', 8000, 'c1', 'fd00:50::2'],
      ['c4', 'tcp', '10.2.0.1', 8000, 'c1', '10.2.0.14'],
      ['host', 'tcp', '192.168.50.1', 8000, 'c1', '192.168.50.1'],
      ['host', 'tcp', '10.1.0.1', 8000, 'c1', '10.1.0.1'],
      ['host', 'tcp', '127.0.0.1', 8000, 'c1', '10.1.0.1'],
      ['host', 'udp', '127.0.0.1', 5300, 'c1', '10.1.0.1'],
      ['host', 'tcp', 'fd00:50::1', 8000, 'c1', 'fd00:50::1'],
    ],
  ],
  [
    'a process on loopback',
    LOOPBACK,
    [
      ['host', 'tcp', VIP, 80, 'loopback', '192.168.50.1'],
      ['host', 'tcp', VIP6, 80, 'loopback6', 'fd00:50::1'],
      ['host', 'tcp', '127.0.0.1', 8000, 'loopback', '127.0.0.1'],
      ['host', 'tcp', '::1', 8000, 'loopback6', '::1'],
      ['host', 'tcp', '192.168.50.1', 8000, 'loopback', '192.168.50.1'],
      ['c1', 'tcp', VIP, 80, 'loopback', '10.1.0.11'],
      ['c1', 'tcp', '10.1.0.1', 8000, 'loopback', '10.1.0.11'],
      ['client', 'tcp', '192.168.50.1', 8000, 'loopback', '192.168.50.2'],
    ],
  ],
  [
    'an address beyond another uplink',
    FAR,
    [
      ['host', 'tcp', VIP, 80, 'far', '192.168.60.1'],
      ['host', 'tcp', VIP6, 80, 'far', 'fd00:60::1'],
      ['host', 'tcp', '127.0.0.1', 8000, 'far', '192.168.60.1'],
      ['client', 'tcp', VIP, 80, 'far', '192.168.60.1'],
      ['client', 'tcp', VIP6, 80, 'far', 'fd00:60::1'],
      ['client', 'udp', '192.168.50.1', 5300, 'far', '192.168.60.1'],
      ['client', 'tcp', 'fd00:50::1', 8000, 'far', 'fd00:60::1'],
    ],
  ],
])('an endpoint that is %s', (_what, where, rows) => {
  beforeAll(async () => {
    await running.apply(service('web', { ...WEB, endpoints: { one: where } }));
  });

  test.each(rows)('%s asks %s %s %d: %s answers and sees %s', async (who, protocol, address, port, answer, seen) => {
    expect(await world.peers[who].ask(protocol, address, port)).toMatchObject({ name: answer, from: seen });
  });
});

/** Everything that must fail at once, and with what: a packet refused on its way out fails the sending itself. */
type Refusal = readonly [who: PeerName, protocol: Protocol, address: string, port: number, error: string];

describe('refused at once', () => {
  const refused = async ([who, protocol, address, port, error]: Refusal): Promise<void> => {
    const answer = await world.peers[who].ask(protocol, address, port);
    expect(answer).toMatchObject({ error });
    expect(answer.ms).toBeLessThan(100);
  };

  describe('while a service has no endpoint in rotation', () => {
    beforeAll(async () => {
      await running.apply(service('web', { ...WEB, endpoints: { one: { ...C1, state: 'critical' } } }));
    });

    test.each<Refusal>([
      ['host', 'tcp', VIP, 80, 'ECONNREFUSED'],
      ['host', 'tcp', VIP6, 80, 'ECONNREFUSED'],
      ['host', 'udp', VIP, 53, 'EPERM'],
      ['c1', 'tcp', VIP, 80, 'ECONNREFUSED'],
      ['c1', 'udp', VIP, 53, 'ECONNREFUSED'],
      ['c1', 'udp', VIP6, 53, 'ECONNREFUSED'],
      ['client', 'tcp', VIP, 80, 'ECONNREFUSED'],
      ['client', 'tcp', '192.168.50.1', 8000, 'ECONNREFUSED'],
      ['client', 'tcp', 'fd00:50::1', 8000, 'ECONNREFUSED'],
      ['client', 'udp', '192.168.50.1', 5300, 'ECONNREFUSED'],
      ['host', 'tcp', '127.0.0.1', 8000, 'ECONNREFUSED'],
      ['host', 'tcp', '::1', 8000, 'ECONNREFUSED'],
    ])('%s asks %s %s %d: %s', async (...row) => refused(row));
  });

  describe('what nobody serves', () => {
    beforeAll(async () => {
      await running.apply(service('web', { ...WEB, endpoints: { one: C1 } }));
    });

    test.each<Refusal>([
      ['host', 'tcp', VIP, 81, 'ECONNREFUSED'],
      ['host', 'udp', VIP, 81, 'EPERM'],
      ['c1', 'tcp', VIP, 81, 'ECONNREFUSED'],
      ['c1', 'udp', VIP, 81, 'ECONNREFUSED'],
      ['c1', 'udp', VIP, 80, 'ECONNREFUSED'],
      ['client', 'tcp', VIP6, 81, 'ECONNREFUSED'],
      // Untouched: the host's own business.
      ['client', 'tcp', '192.168.50.1', 8001, 'ECONNREFUSED'],
      // The kernel cannot route from ::1 to another link; `localhost` must go on to 127.0.0.1.
      ['host', 'tcp', '::1', 8000, 'ECONNREFUSED'],
    ])('%s asks %s %s %d: %s', async (...row) => refused(row));

    test('a daemon of the host keeps its port', async () => {
      expect(await world.peers.client.ask('tcp', '192.168.50.1', 8080)).toMatchObject({ name: 'host' });
    });
  });
});

test("others' translation of 127.0.0.1 keeps working beside ours, as Docker's without its userland proxy", async () => {
  await running.apply(service('web', { ...WEB, endpoints: { one: C1 } }));
  const foreign = `table ip foreign {
    chain output { type nat hook output priority -100; ip daddr 127.0.0.1 tcp dport 9100 dnat to 10.1.0.12:8080; }
    chain postrouting { type nat hook postrouting priority 100; ip saddr 127.0.0.1 oifname "br1" masquerade; }
  }\n`;
  await world.host.feed(foreign, 'nft', '-f', '-');
  try {
    expect(await world.peers.host.ask('tcp', '127.0.0.1', 9100)).toMatchObject({ name: 'c2' });
  } finally {
    await world.host.run('nft', 'delete', 'table', 'ip', 'foreign');
  }
});

describe('dropped', () => {
  test.each<readonly [PeerName, string]>([
    ['host', '10.96.7.7'],
    ['c1', '10.96.7.7'],
    ['client', '10.96.7.7'],
    ['client', 'fd00:f1::77'],
  ])('%s asks an address of the range that is nobody’s: %s', async (who, address) => {
    await running.apply(service('web', { ...WEB, endpoints: { one: C1 } }));
    // Should it leave, it would go where the default route leads: to the client.
    await world.host.ip('route replace default via 192.168.50.2');
    await world.host.feed(SPY, 'nft', '-f', '-');
    expect(await world.peers[who].ask('tcp', address, 80, { timeoutMs: 150 })).toMatchObject({
      error: expect.stringMatching(/^(ETIMEDOUT|EPERM)$/),
    });
    expect(await world.host.run('nft', 'list', 'table', 'inet', 'spy')).not.toMatch(/packets [1-9]/);
    await world.host.run('nft', 'delete', 'table', 'inet', 'spy');
    await world.host.ip('route del default');
  });

  test('127.0.0.0/8 from outside, though route_localnet is on', async () => {
    // As an attacker on the bridge would: c2 has no loopback network, and routes it to the host.
    const { c2 } = world.namespaces;
    await c2.sysctl({ 'net.ipv4.conf.all.route_localnet': 1 });
    await c2.ip('route del local 127.0.0.0/8 dev lo table local');
    await c2.ip('route add 127.0.0.0/8 via 10.1.0.1');
    expect(await world.peers.c2.ask('tcp', '127.1.1.1', 8080, { from: '10.1.0.12', timeoutMs: 150 })).toMatchObject({
      error: 'ETIMEDOUT',
    });
    await c2.ip('route del 127.0.0.0/8 via 10.1.0.1');
  });

  test('traffic: local without an endpoint on this node', async () => {
    const elsewhere = { ...C1, node: 'n2' };
    await running.apply(service('web', { ...WEB, traffic: 'local', endpoints: { one: elsewhere } }));
    expect(await world.peers.client.ask('tcp', '192.168.50.1', 8000, { timeoutMs: 150 })).toMatchObject({
      error: 'ETIMEDOUT',
    });
  });
});

describe('balance', () => {
  const three = { a: '10.1.0.11', b: '10.1.0.12', c: '10.1.0.13' };
  const counts = async (who: PeerName, count: number): Promise<Readonly<Record<string, number>>> => {
    const answers = await world.peers[who].dial({ protocol: 'tcp', address: VIP, port: 80, count });
    return Object.fromEntries(
      ['c1', 'c2', 'c3'].map((name) => [name, answers.filter((answer) => answer.name === name).length]),
    );
  };

  test('by equal weights', async () => {
    await running.apply(service('web', { ...WEB, endpoints: three }));
    const seen = await counts('host', 600);
    // 200 each, with a standard deviation of 11.5.
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(140);
    expect(Object.values(seen).reduce((a, b) => a + b)).toBe(600);
  });

  test('by weights, none for weight 0', async () => {
    await running.apply(
      service('web', {
        ...WEB,
        endpoints: {
          a: { address: '10.1.0.11', weight: 30 },
          b: { address: '10.1.0.12', weight: 10 },
          c: { address: '10.1.0.13', weight: 0 },
        },
      }),
    );
    const seen = await counts('client', 400);
    expect(seen.c3).toBe(0);
    // 300 and 100, with a standard deviation of 8.7.
    expect(seen.c1).toBeGreaterThan(255);
    expect(seen.c2).toBeGreaterThan(55);
  });

  test('affinity client-ip: one client, one endpoint, on every way in', async () => {
    await running.apply(service('web', { ...WEB, affinity: { kind: 'client-ip' }, endpoints: three }));
    for (const who of ['client', 'c4'] as const) {
      const vip = await world.peers[who].dial({ protocol: 'tcp', address: VIP, port: 80, count: 20 });
      const published = await world.peers[who].dial({ protocol: 'tcp', address: '10.2.0.1', port: 8000, count: 20 });
      expect(new Set([...vip, ...published].map(({ name }) => name)).size).toBe(1);
    }
  });

  test('schedule source-hash: one flow, one endpoint; many flows, all', async () => {
    await running.apply(service('web', { ...WEB, schedule: 'source-hash', endpoints: three }));
    const ask = async (fromPort: number) => {
      const answer = await world.peers.client.ask('udp', VIP, 53, { from: '192.168.50.2', fromPort });
      await world.host.exec('conntrack', ['-D', '-p', 'udp', '--orig-port-src', String(fromPort)]);
      return answer.name;
    };
    const first = [];
    for (let port = 20_000; port < 20_016; port++) first.push(await ask(port));
    expect(new Set(first).size).toBe(3);
    expect(await ask(20_000)).toBe(first[0]);
    expect(await ask(20_007)).toBe(first[7]);
  });

  test('prefer-local: this node’s endpoint alone, while it is healthy', async () => {
    const web = (state: 'passing' | 'critical') =>
      service('web', {
        ...WEB,
        traffic: 'prefer-local',
        endpoints: { a: { address: '10.1.0.11', state }, b: { address: '10.1.0.12', node: 'n2' } },
      });
    await running.apply(web('passing'));
    expect(await counts('host', 20)).toEqual({ c1: 20, c2: 0, c3: 0 });
    await running.apply(web('critical'));
    expect(await counts('host', 20)).toEqual({ c1: 0, c2: 20, c3: 0 });
  });
});

test('the mark on translated connections leaves the other bits alone', async () => {
  await world.host.feed(
    'table ip marks { chain a { type filter hook prerouting priority -140; ct mark set ct mark | 0x00000402; }\n }',
    'nft',
    '-f',
    '-',
  );
  await running.apply(service('web', { ...WEB, endpoints: { one: C1 } }));
  await world.peers.client.ask('tcp', VIP, 80);
  expect(await world.host.run('conntrack', '-L', '-p', 'tcp', '-d', VIP)).toContain(`mark=${0x1000_0402}`);
});

/** Counts what leaves by the first uplink for an address of the VIP ranges. */
const SPY = `table inet spy {
  chain postrouting { type filter hook postrouting priority 300
    oifname "up1" ip daddr 10.96.0.0/16 counter
    oifname "up1" ip6 daddr fd00:f1::/112 counter
  }
}\n`;
