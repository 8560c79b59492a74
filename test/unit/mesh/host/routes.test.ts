import { describe, expect, it } from 'vitest';
import { neededRoutes, type OwnRoute, routeArguments } from '../../../../src/mesh/host/routes.ts';
import type { HostFacts } from '../../../../src/model/host.ts';

const facts: HostFacts = {
  node: 'n1',
  nodeAddress: '192.0.2.2',
  bridges: [
    { name: 'docker0', subnets: ['172.17.0.0/16'], gateways: ['172.17.0.1'] },
    { name: 'br-6', subnets: ['fd30::/64'], gateways: ['fd30::1'] },
  ],
  addresses: ['127.0.0.1', '192.0.2.2', '172.17.0.1', 'fd30::1'],
};
const vip: OwnRoute = { family: 4, destination: '10.96.0.0/16', device: 'lo' };

describe('neededRoutes', () => {
  it.each<[string, Parameters<typeof neededRoutes>[0], readonly OwnRoute[]]>([
    ['as usual', { facts, vipCidr: '10.96.0.0/16' }, [{ ...vip, source: '192.0.2.2' }]],
    [
      'with an IPv6 range',
      { facts: { ...facts, bridges: [] }, vipCidr: '10.96.0.0/16', vipCidr6: 'fd96::/112' },
      [
        { ...vip, source: '192.0.2.2' },
        { family: 6, destination: 'fd96::/112', device: 'lo' },
      ],
    ],
    [
      'a node address that is not on this host',
      { facts: { ...facts, nodeAddress: '203.0.113.9', bridges: [] }, vipCidr: '10.96.0.0/16' },
      [vip],
    ],
    [
      'an IPv6 node address',
      { facts: { ...facts, nodeAddress: 'fd30::1', bridges: [] }, vipCidr: '10.96.0.0/16' },
      [vip],
    ],
  ])('%s', (_, needs, expected) => {
    expect(neededRoutes(needs)).toEqual(expected);
  });
});

describe('routeArguments', () => {
  it.each<[OwnRoute, string]>([
    [{ ...vip, source: '192.0.2.2' }, '-4 route add 10.96.0.0/16 dev lo src 192.0.2.2 proto 102'],
    [{ family: 6, destination: 'fd96::/112', device: 'lo' }, '-6 route add fd96::/112 dev lo proto 102'],
  ])('%j', (route, expected) => {
    expect(routeArguments('add', route).join(' ')).toBe(expected);
  });
});
