import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  addressAt,
  canonicalAddress,
  formatAddress,
  freeOffset,
  offsetOf,
  parseAddress,
  parseVipRange,
  rangeSize,
  type VipRange,
} from '../../../src/model/vip.ts';

const range = (cidr: string): VipRange => {
  const parsed = parseVipRange(cidr);
  if (parsed === undefined) throw new Error(cidr);
  return parsed;
};

describe('addresses', () => {
  test.each([
    ['0.0.0.0', '0.0.0.0'],
    ['10.96.0.1', '10.96.0.1'],
    ['255.255.255.255', '255.255.255.255'],
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['FD00:F1:0:0:0:0:0:00A', 'fd00:f1::a'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['::ffff:192.0.2.1', '::ffff:c000:201'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
  ])('%s is %s', (text, expected) => {
    expect(canonicalAddress(text)).toBe(expected);
  });

  test.each([
    [
      '',
      '1',
      '10.1',
      '0x7f.1',
      '127.1',
      '1.2.3.4.5',
      '1.2.3.256',
      '01.2.3.4',
      '1.2.3.4 ',
      '1.2.3.-4',
      '1.2.3.٤',
      'web',
    ],
    [':', ':::', '1::2::3', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '1:2:3:4:5:6:7:8::', '::12345', '::g', '::1%eth0'],
    ['::1.2.3', '1.2.3.4::', '::1.2.3.4:5', '[::1]', '::1/64', ':1::', '1:2:3:4:5:6:7:', '::-1', '::0x1', '1::2:'],
  ])('refuses %j and its like', (...texts) => {
    expect(texts.filter((text) => parseAddress(text) !== undefined)).toEqual([]);
  });

  test('reads what it writes, and writes IPv6 as URLs do', () => {
    fc.assert(
      fc.property(fc.bigInt(0n, 2n ** 128n - 1n), fc.bigInt(0n, 2n ** 128n - 1n), (value, mask) => {
        for (const each of [value, value & mask]) {
          const text = formatAddress({ family: 6, value: each });
          expect(parseAddress(text)).toEqual({ family: 6, value: each });
          expect(`[${text}]`).toBe(new URL(`http://[${text}]`).hostname);
        }
      }),
    );
    fc.assert(
      fc.property(fc.ipV6(), (text) => {
        expect(`[${canonicalAddress(text)}]`).toBe(new URL(`http://[${text}]`).hostname);
      }),
    );
    fc.assert(
      fc.property(fc.ipV4(), (text) => {
        expect(canonicalAddress(text)).toBe(text);
      }),
    );
  });
});

describe('ranges', () => {
  test.each([
    ['10.96.0.0/16', 65_534, '10.96.0.1', '10.96.255.254'],
    ['10.96.0.0/24', 254, '10.96.0.1', '10.96.0.254'],
    ['10.96.0.8/30', 2, '10.96.0.9', '10.96.0.10'],
    ['10.96.0.8/31', 2, '10.96.0.8', '10.96.0.9'],
    ['10.96.0.8/32', 1, '10.96.0.8', '10.96.0.8'],
    ['fd00:f1::/112', 65_535, 'fd00:f1::1', 'fd00:f1::ffff'],
    ['fd00:f1::/64', 2 ** 32 - 1, 'fd00:f1::1', 'fd00:f1::ffff:ffff'],
    ['fd00:f1::8/127', 2, 'fd00:f1::8', 'fd00:f1::9'],
  ])('%s has %i addresses, %s to %s', (cidr, size, first, last) => {
    const parsed = range(cidr);
    expect(parsed.cidr).toBe(cidr);
    expect(rangeSize(parsed)).toBe(size);
    expect([addressAt(parsed, parsed.first), addressAt(parsed, parsed.last)]).toEqual([first, last]);
  });

  test.each([
    '10.96.0.0',
    '10.96.0.1/16',
    '10.96.0.0/33',
    '10.96.0.0/016',
    '10.96.0.0/',
    '/16',
    'fd00::/129',
    '',
    'a/8',
  ])('refuses %j', (cidr) => {
    expect(parseVipRange(cidr)).toBeUndefined();
  });

  test.each([
    ['10.96.0.0', undefined],
    ['10.96.0.1', 1],
    ['10.96.255.254', 65_534],
    ['10.96.255.255', undefined],
    ['10.95.255.255', undefined],
    ['10.97.0.1', undefined],
    ['fd00::1', undefined],
    ['web', undefined],
  ])('%s has offset %s in 10.96.0.0/16', (address, offset) => {
    expect(offsetOf(range('10.96.0.0/16'), address)).toBe(offset);
  });

  test('every offset has an address of its own', () => {
    const cidrs = fc.constantFrom('10.96.0.0/16', '0.0.0.0/0', 'fd00:f1::/112', '2001:db8::/32', '192.0.2.4/30');
    fc.assert(
      fc.property(cidrs, fc.double({ min: 0, max: 1, noNaN: true }), (cidr, part) => {
        const parsed = range(cidr);
        const offset = Math.floor(parsed.first + part * (parsed.last - parsed.first));
        expect(offsetOf(parsed, addressAt(parsed, offset))).toBe(offset);
      }),
    );
  });
});

describe('choosing', () => {
  test('finds every free address, whatever is taken, and then none', () => {
    fc.assert(
      fc.property(fc.constantFrom('10.0.0.0/28', '10.0.0.0/31', 'fd00::/124'), fc.array(fc.string()), (cidr, seeds) => {
        const parsed = range(cidr);
        const taken = new Set<number>();
        for (let i = 0; i < rangeSize(parsed); i++) {
          const offset = freeOffset(parsed, seeds[i % seeds.length] ?? '', taken);
          expect(offset).toBeDefined();
          taken.add(offset ?? -1);
        }
        expect(taken.size).toBe(rangeSize(parsed));
        expect([...taken].every((offset) => offset >= parsed.first && offset <= parsed.last)).toBe(true);
        expect(freeOffset(parsed, 'one more', taken)).toBeUndefined();
      }),
    );
  });

  test('begins at a place that only the name decides, well spread', () => {
    const parsed = range('10.96.0.0/16');
    expect(addressAt(parsed, freeOffset(parsed, 'web.shop', new Set()) ?? 0)).toBe('10.96.68.123');
    const places = Array.from({ length: 1000 }, (_, i) => freeOffset(parsed, `web-${i}`, new Set()));
    expect(new Set(places).size).toBeGreaterThan(980);
  });
});
