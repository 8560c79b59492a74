import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeInterfaces, decodeRoutes } from '../../../../src/mesh/host/interfaces.ts';
import { localNetworks, vipOverlap } from '../../../../src/mesh/host/overlap.ts';

const networks = localNetworks(
  decodeInterfaces([
    { ifname: 'lo', addr_info: [{ local: '127.0.0.1', prefixlen: 8 }] },
    {
      ifname: 'eth0',
      addr_info: [
        { local: '192.0.2.2', prefixlen: 24 },
        { local: 'fd00::2', prefixlen: 64 },
      ],
    },
  ]),
  decodeRoutes([
    { dst: 'default', dev: 'eth0' },
    { dst: '10.8.0.0/16', dev: 'tun0', protocol: 'static' },
    { dst: '10.96.0.0/16', dev: 'lo', protocol: '102' },
    { dst: '0.0.0.0/1', dev: 'lo', protocol: '102' },
    { type: 'broadcast', dst: '10.97.255.255', dev: 'eth0' },
  ]),
);

describe('vipOverlap', () => {
  it.each([
    ['10.96.0.0/16', undefined],
    ['10.97.0.0/16', undefined],
    ['192.0.2.0/28', 'the VIP range 192.0.2.0/28 overlaps 192.0.2.0/24 (interface eth0)'],
    ['192.0.0.0/16', 'the VIP range 192.0.0.0/16 overlaps 192.0.2.0/24 (interface eth0)'],
    ['10.8.3.0/24', 'the VIP range 10.8.3.0/24 overlaps 10.8.0.0/16 (the route through tun0)'],
    ['fd00::1:0/112', 'the VIP range fd00::1:0/112 overlaps fd00::/64 (interface eth0)'],
    ['fd00:1::/112', undefined],
  ])('%s: %s', (range, message) => {
    expect(vipOverlap(range, networks)?.message).toBe(message);
  });

  it('says what to set', () => {
    expect(vipOverlap('192.0.2.0/28', networks)).toMatchObject({
      code: 'vip-overlap',
      remedy: 'set mesh.vipCidr to a range that is used nowhere on this host',
    });
    expect(vipOverlap('fd00::/112', networks)?.remedy).toContain('mesh.vipCidr6');
  });

  it('agrees with comparing first and last addresses', () => {
    const cidr = fc.tuple(fc.nat(2 ** 32 - 1), fc.integer({ min: 1, max: 32 })).map(([bits, length]) => {
      const size = 2 ** (32 - length);
      const first = Math.floor(bits / size) * size;
      const text = [24, 16, 8, 0].map((shift) => Math.floor(first / 2 ** shift) % 256).join('.');
      return { first, last: first + size - 1, text: `${text}/${length}` };
    });
    fc.assert(
      fc.property(cidr, cidr, (a, b) => {
        const expected = a.first <= b.last && b.first <= a.last;
        expect(vipOverlap(a.text, [{ network: b.text, through: 'x' }]) !== undefined).toBe(expected);
      }),
    );
  });
});
