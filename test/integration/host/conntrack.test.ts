import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { drainedFlows, staleFlows } from '../../../src/mesh/conntrack/stale.ts';
import { CT_MARK_BIT } from '../../../src/mesh/mark.ts';
import { startConntrackChild } from '../../support/conntrackchild.ts';
import { endpoint, inState, service } from '../../support/dns-service.ts';
import { addBridge, connect, createNetns, type Netns } from '../../support/netns.ts';

// host 172.30.0.1 (bridge), endpoints .2 and .3 in one container namespace; VIP 10.96.0.1:53 and published 5300.
const ADDRESSES = ['127.0.0.1', '172.30.0.1', 'fd30::1', '::1'];
const ports = new Map([
  ['main', 3000],
  ['tcp', 3000],
]);
const first = endpoint('a', '172.30.0.2', { address6: 'fd30::2', ports });
const second = endpoint('b', '172.30.0.3', { address6: 'fd30::3', ports });
const dns = service([first, second], {
  vip6: 'fd96::1',
  ports: [
    { name: 'main', port: 53, protocol: 'udp', publish: 5300 },
    { name: 'tcp', port: 53, protocol: 'tcp', publish: 5300 },
  ],
});
let host: Netns;
let container: Netns;
let ask: ReturnType<typeof startConntrackChild>;

/** Sends all new flows to one endpoint, or to none. */
async function rules(target?: '2' | '3'): Promise<void> {
  // Without any rule that looks at connections the kernel would not track them.
  const to = (ip: string, vip: string, net: string) =>
    target === undefined
      ? 'ct state invalid counter'
      : `${ip} daddr ${vip} th dport 53 meta l4proto { tcp, udp } ct mark set ct mark or ${CT_MARK_BIT} dnat to ${net}${target}${net.startsWith('[') ? ']' : ''}:3000
         fib daddr type local th dport 5300 meta l4proto { tcp, udp } ct mark set ct mark or ${CT_MARK_BIT} dnat to ${net}${target}${net.startsWith('[') ? ']' : ''}:3000`;
  const table = (ip: string, vip: string, net: string) => `table ${ip} t
    delete table ${ip} t
    table ${ip} t {
      chain out { type nat hook output priority -105;
        ${to(ip, vip, net)}
      }
    }\n`;
  await host.feed(table('ip', '10.96.0.1', '172.30.0.') + table('ip6', 'fd96::1', '[fd30::'), 'nft', '-f', '-');
}

/** One datagram from its own port to each destination: `10.96.0.1 53`. */
async function datagrams(...destinations: string[]): Promise<void> {
  const code = `
    const dgram = require('node:dgram');
    let left = process.argv.length - 1;
    for (const to of process.argv.slice(1)) {
      const [address, port] = to.split(' ');
      const socket = dgram.createSocket(address.includes(':') ? 'udp6' : 'udp4');
      socket.on('error', () => {});
      socket.send('x', Number(port), address, () => socket.close());
    }`;
  await host.run(process.execPath, '-e', code, ...destinations);
}

/** `udp 10.96.0.1:53 172.30.0.2:3000` of every tracked UDP flow, sorted. */
async function flows(protocol = 'udp'): Promise<readonly string[]> {
  const listed = await host.run('conntrack', '-L', '-p', protocol);
  return [...listed.matchAll(/dst=(\S+) sport=\d+ dport=(\d+) .*src=(\S+) dst=\S+ sport=(\d+)/g)]
    .map(([, to, port, from, fromPort]) => `${to} ${port} > ${from} ${fromPort}`)
    .sort();
}

beforeAll(async () => {
  host = await createNetns('host');
  container = await createNetns('cont');
  await addBridge(host, 'br-a', ['172.30.0.1/24', 'fd30::1/64']);
  await connect(
    { ns: host, device: 'veth-a', bridge: 'br-a' },
    {
      ns: container,
      device: 'eth0',
      addresses: ['172.30.0.2/24', '172.30.0.3/24', 'fd30::2/64', 'fd30::3/64'],
      gateways: ['172.30.0.1', 'fd30::1'],
    },
  );
  await host.ip('route add 10.96.0.0/16 dev lo src 172.30.0.1');
  await host.ip('-6 route add fd96::/112 dev lo');
  await host.sysctl({ 'net.ipv4.conf.br-a.route_localnet': 1 });
  // Tracking starts with the first rule that needs it.
  await rules('2');
  ask = startConntrackChild(host);
});

afterAll(async () => {
  await container.remove();
  await host.remove();
});
beforeEach(async () => {
  await host.exec('conntrack', ['-F']);
});

const clean = async (flows: ReturnType<typeof staleFlows>) => await ask({ kind: 'clean', addresses: ADDRESSES, flows });

describe('stale UDP flows', () => {
  it('to a dead endpoint go, by VIP and published port, both families; all others stay', async () => {
    await rules('2');
    await datagrams('10.96.0.1 53', '10.96.0.1 53', 'fd96::1 53', '172.30.0.1 5300');
    await rules('3');
    await datagrams('10.96.0.1 53', 'fd96::1 53');
    await datagrams('172.30.0.2 3000', '172.30.0.2 5300', '172.30.0.2 53', '10.96.0.9 53');
    const kept = [
      '10.96.0.1 53 > 172.30.0.3 3000',
      '10.96.0.9 53 > 10.96.0.9 53',
      '172.30.0.2 3000 > 172.30.0.2 3000',
      '172.30.0.2 53 > 172.30.0.2 53',
      '172.30.0.2 5300 > 172.30.0.2 5300',
      'fd96::1 53 > fd30::3 3000',
    ];
    expect(await flows()).toHaveLength(kept.length + 4);
    expect(await clean(staleFlows(dns, { ...dns, endpoints: [inState(first, 'critical'), second] }))).toBe(4);
    expect(await flows()).toEqual(kept);
  });

  it('older than their service go, and only those', async () => {
    await rules();
    await datagrams('10.96.0.1 53', '172.30.0.1 5300', 'fd30::1 5300', '172.30.0.2 5300', '10.96.0.1 54');
    await rules('2');
    expect(await clean(staleFlows(undefined, dns))).toBe(3);
    expect(await flows()).toEqual(['10.96.0.1 54 > 10.96.0.1 54', '172.30.0.2 5300 > 172.30.0.2 5300']);
  });

  it('all go when the last endpoint goes', async () => {
    await rules('2');
    await datagrams('10.96.0.1 53');
    await rules('3');
    await datagrams('10.96.0.1 53', '10.96.0.2 53');
    expect(await clean(staleFlows({ ...dns, endpoints: [first] }, { ...dns, endpoints: [] }))).toBe(2);
    expect(await flows()).toEqual(['10.96.0.2 53 > 10.96.0.2 53']);
  });

  it('of a draining endpoint go at its deadline', async () => {
    await rules('2');
    await datagrams('10.96.0.1 53', '172.30.0.1 5300');
    const draining = { ...dns, endpoints: [inState(first, 'draining'), second] };
    expect(staleFlows(dns, draining)).toEqual([]);
    expect(await clean(drainedFlows(draining, inState(first, 'draining')))).toBe(2);
  });

  it('nothing to remove is no error', async () => {
    expect(await clean(staleFlows(dns, undefined))).toBe(0);
    expect(await clean(staleFlows({ ...dns, ports: [{ name: 'main', port: 53, protocol: 'udp' }] }, undefined))).toBe(
      0,
    );
  });

  it('among thousands of candidates are found at once', async () => {
    await rules('2');
    await datagrams('10.96.0.1 53');
    const many = Array.from({ length: 5000 }, (_, index) =>
      staleFlows({ ...dns, vip: `10.97.${index >> 8}.${index & 255}` }, undefined),
    );
    const started = performance.now();
    expect(await clean([...many.flat(), ...staleFlows(dns, undefined)])).toBe(1);
    expect(performance.now() - started).toBeLessThan(3000);
  });

  it('that nobody saw becoming stale are found by the first audit', async () => {
    await rules('2');
    await datagrams('10.96.0.1 53', '172.30.0.1 5300', '10.96.0.7 53', '172.30.0.2 5300');
    await rules('3');
    await datagrams('10.96.0.1 53');
    const services = [{ ...dns, endpoints: [second] }];
    expect(await ask({ kind: 'audit', addresses: ADDRESSES, services })).toBe(2);
    expect(await flows()).toEqual([
      '10.96.0.1 53 > 172.30.0.3 3000',
      '10.96.0.7 53 > 10.96.0.7 53',
      '172.30.0.2 5300 > 172.30.0.2 5300',
    ]);
    expect(await ask({ kind: 'audit', addresses: ADDRESSES, services })).toBe(0);
  });
});

describe('TCP connections', () => {
  it('are counted by endpoint, and go when it dies', async () => {
    await rules('2');
    await listen(container);
    const target = { address: '172.30.0.2', port: 3000 };
    const count = async () => await ask({ kind: 'count', targets: [target] });
    expect(await count()).toEqual([['172.30.0.2 3000', 0]]);
    await connections(3);
    expect(await count()).toEqual([['172.30.0.2 3000', 3]]);
    expect(await clean(staleFlows(dns, { ...dns, endpoints: [second] }))).toBe(3);
    expect(await count()).toEqual([['172.30.0.2 3000', 0]]);
  });
});

/** A TCP server on 3000 that never answers; ends with its namespace. */
async function listen(ns: Netns): Promise<void> {
  const code = `require('node:net').createServer((s) => s.on('error', () => {})).listen(3000, () => console.log('up'))`;
  const server = ns.spawn(process.execPath, ['-e', code]);
  await new Promise((resolve) => server.stdout.once('data', resolve));
}

/** Opens connections to the VIP that stay. */
async function connections(count: number): Promise<void> {
  const code = `let open = 0;
    for (let i = 0; i < ${count}; i++) require('node:net').connect(53, '10.96.0.1', () => { if (++open === ${count}) console.log('up'); })`;
  const client = host.spawn(process.execPath, ['-e', code]);
  await new Promise((resolve) => client.stdout.once('data', resolve));
}
