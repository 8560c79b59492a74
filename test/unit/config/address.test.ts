import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  parseAddress,
  parseCidr,
  parseDomain,
  parseHostPort,
  parseListen,
  parsePortRange,
  parseUnixUrl,
  parseVipCidr,
  parseVipCidr6,
} from '../../../src/config/address.ts';

describe('addresses', () => {
  test.each([
    ['10.0.0.1', '10.0.0.1'],
    ['255.255.255.255', '255.255.255.255'],
    ['FD00:0:0::1', 'fd00::1'],
    ['::', '::'],
    ['0x7f.1', undefined],
    ['127.1', undefined],
    ['010.0.0.1', undefined],
    ['10.0.0.256', undefined],
    ['10.0.0.1 ', undefined],
    ['fe80::1%eth0', undefined],
    ['::ffff:10.0.0.1', undefined],
    ['localhost', undefined],
    ['', undefined],
  ])('%j', (text, expected) => {
    expect(parseAddress(text)).toBe(expected);
  });

  test('every IPv6 address has one spelling, which reads as itself', () => {
    fc.assert(
      fc.property(fc.ipV6(), (text) => {
        const once = parseAddress(text);
        fc.pre(once !== undefined);
        expect(parseAddress(once)).toBe(once);
        expect(parseAddress(text.toUpperCase())).toBe(once);
      }),
    );
  });
});

test.each([
  ['10.1.0.0/16', '10.1.0.0/16'],
  ['10.1.2.3', '10.1.2.3/32'],
  ['FD00::/64', 'fd00::/64'],
  ['::1', '::1/128'],
  ['0.0.0.0/0', '0.0.0.0/0'],
  ['10.1.0.1/16', undefined],
  ['10.1.0.0/33', undefined],
  ['10.1.0.0/016', undefined],
  ['10.1.0.0/', undefined],
  ['10.1.0.0/16/16', undefined],
  ['fd00::1/64', undefined],
])('network %j', (text, expected) => {
  expect(parseCidr(text)).toBe(expected);
});

test.each([
  ['10.96.0.0/16', '10.96.0.0/16'],
  ['10.96.0.0/30', '10.96.0.0/30'],
  ['10.96.0.0/31', undefined],
  ['0.0.0.0/0', undefined],
  ['10.96.0.0', undefined],
  ['127.0.0.0/8', undefined],
  ['224.0.0.0/8', undefined],
  ['169.254.0.0/16', undefined],
  ['fd00::/112', undefined],
])('VIP range %j', (text, expected) => {
  expect(parseVipCidr(text)).toBe(expected);
});

test.each([
  ['', ''],
  ['fd00:f1::/112', 'fd00:f1::/112'],
  ['fd00::/48', undefined],
  ['fd00::/127', undefined],
  ['fe80::/64', undefined],
  ['10.96.0.0/16', undefined],
])('IPv6 VIP range %j', (text, expected) => {
  expect(parseVipCidr6(text)).toBe(expected);
});

test.each([
  ['10.0.0.1:53', { address: '10.0.0.1', port: 53 }],
  ['[::1]:53', { address: '::1', port: 53 }],
  ['10.0.0.1', undefined],
  ['::1', undefined],
  ['::1:53', undefined],
  ['[::1]', undefined],
  ['10.0.0.1:0', undefined],
  ['10.0.0.1:65536', undefined],
  ['10.0.0.1:053', undefined],
  ['localhost:53', undefined],
  [':53', undefined],
])('address and port %j', (text, expected) => {
  expect(parseHostPort(text)).toEqual(expected);
});

test.each([
  ['10.0.0.1', { address: '10.0.0.1', port: 53 }],
  ['fd00::1', { address: 'fd00::1', port: 53 }],
  ['[fd00::1]', { address: 'fd00::1', port: 53 }],
  ['[fd00::1]:54', { address: 'fd00::1', port: 54 }],
])('server %j, port 53 unless it says otherwise', (text, expected) => {
  expect(parseHostPort(text, 53)).toEqual(expected);
});

test.each([
  ['127.0.0.1:7470', { kind: 'tcp', address: '127.0.0.1', port: 7470 }],
  ['unix:///run/f.sock', { kind: 'unix', path: '/run/f.sock' }],
  ['unix://run/f.sock', undefined],
  ['http://127.0.0.1:7470', undefined],
])('listen address %j', (text, expected) => {
  expect(parseListen(text)).toEqual(expected);
});

test('a socket path the kernel would cut off is refused', () => {
  expect(parseUnixUrl(`unix:///${'x'.repeat(106)}`)).toHaveLength(107);
  expect(parseUnixUrl(`unix:///${'x'.repeat(107)}`)).toBeUndefined();
  expect(parseUnixUrl('unix:///a\n')).toBeUndefined();
  expect(parseUnixUrl('unix:///')).toBeUndefined();
});

test.each([
  ['30000-32767', { first: 30_000, last: 32_767 }],
  ['80-80', { first: 80, last: 80 }],
  ['90-80', undefined],
  ['0-80', undefined],
  ['80', undefined],
  ['1-2-3', undefined],
  ['-', undefined],
])('port range %j', (text, expected) => {
  expect(parsePortRange(text)).toEqual(expected);
});

test.each([
  ['Fairlead.Internal.', 'fairlead.internal'],
  ['service.consul', 'service.consul'],
  ['_tcp.x', '_tcp.x'],
  ['a..b', undefined],
  ['.', undefined],
  ['', undefined],
  ['-a.b', undefined],
  ['a b', undefined],
  [`${'a'.repeat(64)}.b`, undefined],
  [Array.from({ length: 64 }, () => 'abc').join('.'), undefined],
])('domain %j', (text, expected) => {
  expect(parseDomain(text)).toBe(expected);
});
