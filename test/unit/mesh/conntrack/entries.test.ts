import { describe, expect, it } from 'vitest';
import { OrphanIndex } from '../../../../src/mesh/conntrack/audit.ts';
import { countEntry } from '../../../../src/mesh/conntrack/connections.ts';
import { concerns, deletionArguments } from '../../../../src/mesh/conntrack/deletions.ts';
import { type ConntrackEntry, parseEntry } from '../../../../src/mesh/conntrack/entries.ts';
import type { StaleFlows } from '../../../../src/mesh/conntrack/stale.ts';
import { endpoint, service } from '../../../support/dns-service.ts';

const tcpLine =
  'tcp      6 431999 ESTABLISHED src=10.9.0.1 dst=10.96.0.1 sport=36620 dport=80 src=172.30.0.2 dst=10.9.0.1 sport=8080 dport=36620 [ASSURED] mark=268435456 use=1';
const udpLine =
  'udp      17 29 src=fd09::1 dst=fd96::1 sport=55381 dport=53 [UNREPLIED] src=fd30::2 dst=fd09::1 sport=5353 dport=55381 mark=0 use=1';

describe('parseEntry', () => {
  it.each<[string, ConntrackEntry | undefined]>([
    [
      tcpLine,
      {
        protocol: 'tcp',
        state: 'ESTABLISHED',
        originalDestination: '10.96.0.1',
        originalDestinationPort: 80,
        replySource: '172.30.0.2',
        replySourcePort: 8080,
        assured: true,
        mark: 0x1000_0000,
      },
    ],
    [
      udpLine,
      {
        protocol: 'udp',
        originalDestination: 'fd96::1',
        originalDestinationPort: 53,
        replySource: 'fd30::2',
        replySourcePort: 5353,
        assured: false,
        mark: 0,
      },
    ],
    ['unknown  2 599 src=172.30.0.1 dst=224.0.0.22 [UNREPLIED] src=224.0.0.22 dst=172.30.0.1 mark=0 use=1', undefined],
    [
      'icmp     1 29 src=10.9.0.1 dst=10.9.0.2 type=8 code=0 id=1 src=10.9.0.2 dst=10.9.0.1 type=0 code=0 id=1 mark=0',
      undefined,
    ],
    ['conntrack v1.4.7 (conntrack-tools): 22 flow entries have been shown.', undefined],
    ['', undefined],
  ])('%s', (line, expected) => {
    expect(parseEntry(line)).toEqual(expected);
  });
});

const entry = (options: Partial<ConntrackEntry>): ConntrackEntry => ({
  protocol: 'udp',
  originalDestination: '10.96.0.1',
  originalDestinationPort: 53,
  replySource: '10.1.1.1',
  replySourcePort: 3000,
  assured: true,
  mark: 0x1000_0000,
  ...options,
});

describe('countEntry', () => {
  it.each<[string, Partial<ConntrackEntry>, number]>([
    ['established TCP', { protocol: 'tcp', state: 'ESTABLISHED' }, 1],
    ['closed TCP', { protocol: 'tcp', state: 'TIME_WAIT' }, 0],
    ['answered UDP', {}, 1],
    ['UDP nobody answered', { assured: false }, 0],
    ['another port', { replySourcePort: 3001 }, 0],
  ])('%s', (_, options, expected) => {
    const counts = new Map([['10.1.1.1 3000', 0]]);
    countEntry(counts, entry(options));
    expect([...counts]).toEqual([['10.1.1.1 3000', expected]]);
  });
});

const vip = { kind: 'vip', address: '10.96.0.1', port: 53 } as const;
const vip6 = { kind: 'vip', address: 'fd96::1', port: 53 } as const;
const port = { kind: 'published', family: 4, port: 5300 } as const;
const target = { address: '10.1.1.1', port: 3000 };

describe('deletionArguments', () => {
  it.each<[StaleFlows, readonly string[]]>([
    [
      { protocol: 'tcp', destination: vip, translatedTo: target },
      ['-D -f ipv4 -p tcp --orig-dst 10.96.0.1 --orig-port-dst 53 --reply-src 10.1.1.1 --reply-port-src 3000'],
    ],
    [
      { protocol: 'udp', destination: vip6, translatedTo: 'nothing' },
      ['-D -f ipv6 -p udp --orig-dst fd96::1 --orig-port-dst 53 --reply-src fd96::1 --reply-port-src 53'],
    ],
    [
      { protocol: 'udp', destination: vip, translatedTo: 'anything' },
      ['-D -f ipv4 -p udp --orig-dst 10.96.0.1 --orig-port-dst 53'],
    ],
    [
      { protocol: 'udp', destination: port, translatedTo: target },
      ['-D -f ipv4 -p udp --orig-port-dst 5300 --reply-src 10.1.1.1 --reply-port-src 3000 --dst-nat'],
    ],
    [
      { protocol: 'udp', destination: port, translatedTo: 'nothing' },
      [
        '-D -f ipv4 -p udp --orig-dst 127.0.0.1 --orig-port-dst 5300 --reply-src 127.0.0.1 --reply-port-src 5300',
        '-D -f ipv4 -p udp --orig-dst 10.9.0.1 --orig-port-dst 5300 --reply-src 10.9.0.1 --reply-port-src 5300',
      ],
    ],
  ])('%j', (flows, expected) => {
    const built = deletionArguments(flows, ['127.0.0.1', '10.9.0.1', '::1']);
    expect(built.map((one) => one.join(' '))).toEqual(expected);
  });
});

describe('concerns', () => {
  it.each<[string, StaleFlows, Partial<ConntrackEntry>, boolean]>([
    ['the endpoint of the VIP', { protocol: 'udp', destination: vip, translatedTo: target }, {}, true],
    ['another protocol', { protocol: 'tcp', destination: vip, translatedTo: target }, {}, false],
    [
      'another VIP',
      { protocol: 'udp', destination: vip, translatedTo: target },
      { originalDestination: '10.96.0.2' },
      false,
    ],
    [
      'another endpoint',
      { protocol: 'udp', destination: vip, translatedTo: target },
      { replySource: '10.1.1.2' },
      false,
    ],
    [
      'any endpoint',
      { protocol: 'udp', destination: vip, translatedTo: 'anything' },
      { replySource: '10.1.1.2' },
      true,
    ],
    ['translated', { protocol: 'udp', destination: vip, translatedTo: 'nothing' }, {}, false],
    [
      'not translated',
      { protocol: 'udp', destination: vip, translatedTo: 'nothing' },
      { replySource: '10.96.0.1', replySourcePort: 53 },
      true,
    ],
    [
      'a published port, any address',
      { protocol: 'udp', destination: port, translatedTo: target },
      { originalDestination: '10.9.0.1', originalDestinationPort: 5300 },
      true,
    ],
    [
      'a published port, the other family',
      { protocol: 'udp', destination: port, translatedTo: target },
      { originalDestination: 'fd09::1', originalDestinationPort: 5300 },
      false,
    ],
  ])('%s', (_, flows, options, expected) => {
    expect(concerns(flows, entry(options))).toBe(expected);
  });
});

describe('OrphanIndex', () => {
  const dns = service([endpoint('a', '10.1.1.1')], {
    ports: [{ name: 'main', port: 53, protocol: 'udp', publish: 5300 }],
  });
  const index = new OrphanIndex(
    [dns, { ...dns, key: 'empty', vip: '10.96.0.5', ports: [], endpoints: [] }],
    ['10.9.0.1'],
  );
  const toPort = { originalDestination: '10.9.0.1', originalDestinationPort: 5300 };

  it.each<[string, Partial<ConntrackEntry>, StaleFlows['translatedTo'] | undefined]>([
    ['a living endpoint', {}, undefined],
    ['a dead endpoint', { replySource: '10.1.1.9' }, { address: '10.1.1.9', port: 3000 }],
    ['older than the service', { replySource: '10.96.0.1', replySourcePort: 53 }, 'nothing'],
    ['TCP to the same address', { protocol: 'tcp', replySource: '10.1.1.9' }, undefined],
    ['a VIP of nobody', { originalDestination: '10.96.0.9', replySource: '10.1.1.9' }, undefined],
    ['a published port, dead endpoint', { ...toPort, replySource: '10.1.1.9' }, { address: '10.1.1.9', port: 3000 }],
    ["a published port, somebody else's translation", { ...toPort, replySource: '10.1.1.9', mark: 7 }, undefined],
    ['the same port elsewhere', { ...toPort, originalDestination: '10.9.0.2', replySource: '10.1.1.9' }, undefined],
  ])('%s', (_, options, expected) => {
    expect(index.find(entry(options))?.translatedTo).toEqual(expected);
  });
});
