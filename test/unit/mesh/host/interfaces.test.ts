import { describe, expect, it } from 'vitest';
import { chooseNodeAddress } from '../../../../src/mesh/host/facts.ts';
import {
  containerBridges,
  decodeInterfaces,
  decodeRoutes,
  hostAddresses,
  type Route,
  subnetOf,
} from '../../../../src/mesh/host/interfaces.ts';

const inet = (local: string, prefixlen: number, more: object = {}) => ({ local, prefixlen, scope: 'global', ...more });
const link = (ifname: string, addresses: readonly object[], kind?: string) => ({
  ifname,
  addr_info: addresses,
  ...(kind === undefined ? {} : { linkinfo: { info_kind: kind } }),
});

const host = decodeInterfaces([
  link('lo', [inet('127.0.0.1', 8), inet('::1', 128)]),
  link('eth0', [inet('192.0.2.2', 24), inet('fd00::2', 64), inet('fe80::1', 64)]),
  link('docker0', [inet('172.17.0.1', 16), inet('fd17::1', 64, { tentative: true }), inet('fe80::2', 64)], 'bridge'),
  link('br-empty', [inet('fe80::3', 64)], 'bridge'),
  link('cni0', [inet('10.88.0.1', 16), inet('10.88.0.9', 16)], 'bridge'),
  link('veth1', [inet('fe80::4', 64)], 'veth'),
]);

describe('decodeInterfaces', () => {
  it.each([
    ['no list', { ifname: 'lo' }],
    ['nothing', undefined],
    ['a list of nonsense', [null, 7, 'lo', {}, { ifname: 3, addr_info: [] }]],
  ])('makes nothing of %s', (_, printed) => {
    expect(decodeInterfaces(printed)).toEqual([]);
  });

  it('leaves out addresses it does not understand', () => {
    expect(decodeInterfaces([link('a', [inet('not one', 8), {}, { local: '10.0.0.1' }])])).toEqual([
      { name: 'a', addresses: [] },
    ]);
  });
});

describe('facts', () => {
  it('bridges are those with an address; a tentative one has a subnet but is no gateway yet', () => {
    expect(containerBridges(host)).toEqual([
      { name: 'docker0', subnets: ['172.17.0.0/16', 'fd17::/64'], gateways: ['172.17.0.1'] },
      { name: 'cni0', subnets: ['10.88.0.0/16'], gateways: ['10.88.0.1', '10.88.0.9'] },
    ]);
  });

  it('addresses are all usable ones that mean the same on every interface', () => {
    expect(hostAddresses(host)).toEqual([
      '127.0.0.1',
      '::1',
      '192.0.2.2',
      'fd00::2',
      '172.17.0.1',
      '10.88.0.1',
      '10.88.0.9',
    ]);
  });

  it.each([
    ['172.17.0.1', 16, '172.17.0.0/16'],
    ['10.0.0.5', 32, '10.0.0.5/32'],
    ['fd00:1:2::9', 64, 'fd00:1:2::/64'],
  ])('%s/%d is of %s', (address, prefixLength, expected) => {
    expect(subnetOf({ address, prefixLength })).toBe(expected);
  });
});

describe('decodeRoutes', () => {
  it.each<[object, Route]>([
    [
      { dst: 'default', gateway: '10.0.0.1', dev: 'eth0', protocol: 'dhcp', prefsrc: '10.0.0.9', metric: 100 },
      {
        destination: 'default',
        device: 'eth0',
        table: 'main',
        type: 'unicast',
        protocol: 'dhcp',
        metric: 100,
        source: '10.0.0.9',
      },
    ],
    [
      { type: 'local', dst: '::1', dev: 'br0', table: 'local', protocol: '102', metric: 4242 },
      { destination: '::1/128', device: 'br0', table: 'local', type: 'local', protocol: '102', metric: 4242 },
    ],
    [
      { dst: '10.8.0.0/16', nexthops: [{ dev: 'eth1' }, { dev: 'eth2' }] },
      { destination: '10.8.0.0/16', device: 'eth1', table: 'main', type: 'unicast', protocol: '', metric: 0 },
    ],
  ])('%j', (printed, expected) => {
    expect(decodeRoutes([printed])).toEqual([expected]);
  });
});

describe('chooseNodeAddress', () => {
  const route = (more: Partial<Route>): Route => ({
    destination: 'default',
    device: 'eth0',
    table: 'main',
    type: 'unicast',
    protocol: 'static',
    metric: 0,
    ...more,
  });

  it.each<[string, Parameters<typeof chooseNodeAddress>[0], readonly Route[], string]>([
    ['the default route says its source', host, [route({ source: '192.0.2.77' })], '192.0.2.77'],
    ['else the address of its interface', host, [route({})], '192.0.2.2'],
    ['the lower metric wins', host, [route({ metric: 9 }), route({ metric: 5, device: 'cni0' })], '10.88.0.1'],
    ['IPv4 before IPv6', host, [route({ source: 'fd00::2' }), route({ metric: 5 })], '192.0.2.2'],
    [
      'unreachable defaults do not count',
      host,
      [route({ type: 'unreachable', device: 'cni0' }), route({})],
      '192.0.2.2',
    ],
    ['another table does not count', host, [route({ table: '7', device: 'cni0' }), route({})], '192.0.2.2'],
    ['without a default route the first address', host, [], '192.0.2.2'],
    ['an IPv6-only host', decodeInterfaces([link('eth0', [inet('fd00::2', 64)])]), [], 'fd00::2'],
    ['a host alone', decodeInterfaces([link('lo', [inet('127.0.0.1', 8)])]), [], '127.0.0.1'],
  ])('%s', (_, interfaces, routes, expected) => {
    expect(chooseNodeAddress(interfaces, routes)).toBe(expected);
  });
});

it('a bridge over an uplink is no container bridge', () => {
  const port = (ifname: string, kind?: string) => ({
    ifname,
    master: 'br0',
    addr_info: [],
    linkinfo: { ...(kind === undefined ? {} : { info_kind: kind }), info_slave_kind: 'bridge', info_slave_data: {} },
  });
  const bridges = (...ports: readonly object[]) =>
    containerBridges(decodeInterfaces([link('br0', [inet('10.0.0.1', 24)], 'bridge'), ...ports])).map(
      ({ name }) => name,
    );
  expect(bridges()).toEqual(['br0']);
  expect(bridges(port('veth1', 'veth'), port('tap0', 'tun'), port('vx0', 'vxlan'))).toEqual(['br0']);
  expect(bridges(port('veth1', 'veth'), port('eth1'))).toEqual([]);
  expect(bridges(port('bond0', 'bond'))).toEqual([]);
});
