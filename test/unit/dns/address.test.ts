import { describe, expect, it } from 'vitest';
import {
  canonicalAddress,
  compileAllow,
  defaultAllow,
  formatSocketAddress,
  parseSocketAddress,
} from '../../../src/dns/address.ts';

describe('socket addresses', () => {
  it.each([
    ['127.0.0.1', '127.0.0.1:53'],
    ['127.0.0.1:5353', '127.0.0.1:5353'],
    ['::1', '[::1]:53'],
    ['[::1]', '[::1]:53'],
    ['[::1]:5353', '[::1]:5353'],
    ['127.0.0.1:0', '127.0.0.1:0'],
  ])('%s', (text, expected) => {
    expect(formatSocketAddress(parseSocketAddress(text, 53))).toBe(expected);
  });

  it.each(['', 'localhost:53', '0x7f.1', '127.1', '010.0.0.1', '1.2.3.4:99999', '[::1', '[1.2.3.4]:x', '::1:53:x'])(
    'refuses %j',
    (text) => {
      expect(() => parseSocketAddress(text, 53)).toThrow(expect.objectContaining({ code: 'address' }));
    },
  );

  it.each([
    ['10.0.0.1', '10.0.0.1'],
    ['FD00:0:0:0::0001', 'fd00::1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['nonsense:x', 'nonsense:x'],
  ])('%s is %s', (text, expected) => {
    expect(canonicalAddress(text)).toBe(expected);
  });
});

describe('who may ask', () => {
  const allow = compileAllow(['127.0.0.0/8', '::1', '172.17.0.0/16', 'fd00:17::/64', '192.168.50.11']);
  it.each([
    ['127.0.0.1', true],
    ['127.255.0.9', true],
    ['::1', true],
    ['172.17.255.255', true],
    ['172.18.0.1', false],
    ['192.168.50.11', true],
    ['192.168.50.12', false],
    ['fd00:17::5', true],
    ['fd00:18::5', false],
    ['fd00:17::5%docker0', true],
    ['::ffff:172.17.0.1', true],
    ['::ffff:8.8.8.8', false],
    ['nonsense', false],
  ])('%s: %s', (address, expected) => {
    expect([allow(address), allow(address)]).toEqual([expected, expected]);
  });

  it.each(['10.0.0.0/33', '10.0.0.0/x', '10.0.0.0/', 'fd00::/129', '0x7f.1/8', 'everybody', ''])(
    'refuses %j',
    (text) => {
      expect(() => compileAllow([text])).toThrow(expect.objectContaining({ code: 'address' }));
    },
  );

  it('defaults to this host, its containers and the virtual addresses', () => {
    const facts = {
      node: 'n1',
      nodeAddress: '192.168.50.11',
      addresses: ['127.0.0.1', '192.168.50.11', 'fe80::1%eth0'],
      bridges: [{ name: 'docker0', subnets: ['172.17.0.0/16', 'fd00:17::/64'], gateways: ['172.17.0.1'] }],
    };
    const byDefault = compileAllow(defaultAllow(facts, ['10.96.0.0/16']));
    const asking = ['127.0.0.1', '192.168.50.11', '192.168.50.12', '172.17.3.4', '10.96.1.2', 'fe80::1', '8.8.8.8'];
    expect(asking.filter(byDefault)).toEqual(['127.0.0.1', '192.168.50.11', '172.17.3.4', '10.96.1.2', 'fe80::1']);
  });
});
