import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rcodeName } from '../../../src/dns/wire/codes.ts';
import { showMessage } from '../../../src/dns/wire/decode.ts';
import { type QuestionOptions, question } from '../../support/dns.ts';
import { askTcp, askUdp, type RunningDns, startDns } from '../../support/dns-server.ts';

let dns: RunningDns;
beforeAll(async () => {
  dns = await startDns();
});
afterAll(() => dns[Symbol.asyncDispose]());

const OPT_REPLY = '00002904d0000000000000';
const SENTINEL = question('web', 'A', { id: 0xfefe });

/** `NOERROR aa rd ra 1/1/0/0`: rcode, flags, counts. */
function summary(reply: Buffer | undefined): string {
  if (reply === undefined) return 'no reply';
  const flags = reply.readUInt16BE(2);
  const names = { aa: 0x400, tc: 0x200, rd: 0x100, ra: 0x80, z: 0x40, ad: 0x20, cd: 0x10 };
  const set = Object.entries(names).flatMap(([name, bit]) => ((flags & bit) === 0 ? [] : [name]));
  const counts = [4, 6, 8, 10].map((at) => reply.readUInt16BE(at)).join('/');
  return [rcodeName(flags & 15), ...set, counts].join(' ');
}

type Case = readonly [name: string, type: string | number, options: QuestionOptions, expected: string, hex?: string];

const CASES: readonly Case[] = [
  // Flags: RD and CD are copied; Z and AD are not; AA and RA for names of ours.
  ['web', 'A', {}, 'NOERROR aa rd ra 1/1/0/0', '0a600001'],
  ['web', 'A', { flags: 0 }, 'NOERROR aa ra 1/1/0/0'],
  ['web', 'A', { flags: 0x0170 }, 'NOERROR aa rd ra cd 1/1/0/0'],
  ['web', 'A', { flags: 0x0720 }, 'NOERROR aa rd ra 1/1/0/0'],
  // Case of the question.
  ['wEB.fAiRleAd.INTERNAL', 'A', {}, 'NOERROR aa rd ra 1/1/0/0', '03774542086641695264'.slice(0, 8)],
  // Positive, NODATA, NXDOMAIN.
  ['web', 'AAAA', {}, 'NOERROR aa rd ra 1/1/0/0'],
  ['web.shop', 'AAAA', {}, 'NOERROR aa rd ra 1/0/1/0'],
  ['web.shop', 'TXT', {}, 'NOERROR aa rd ra 1/0/1/0'],
  ['web.shop', 65_280, {}, 'NOERROR aa rd ra 1/0/1/0'],
  ['nope', 'A', {}, 'NXDOMAIN aa rd ra 1/0/1/0'],
  ['nope.fairlead.internal', 'AAAA', {}, 'NXDOMAIN aa rd ra 1/0/1/0'],
  ['tasks.web', 'A', {}, 'NOERROR aa rd ra 1/2/0/0'],
  ['tasks.cache.blog', 'A', {}, 'NOERROR aa rd ra 1/0/1/0'],
  ['cache.blog', 'A', {}, 'NOERROR aa rd ra 1/1/0/0', '0a600005'],
  ['_http._tcp.web', 'SRV', {}, 'NOERROR aa rd ra 1/2/0/2'],
  ['web.service.consul', 'SRV', {}, 'NOERROR aa rd ra 1/2/0/2'],
  ['1.0.96.10.in-addr.arpa', 'PTR', {}, 'NOERROR aa rd ra 1/1/0/0'],
  ['fairlead.internal', 'SOA', {}, 'NOERROR aa rd ra 1/1/0/0'],
  ['web', 'ANY', {}, 'NOERROR aa rd ra 1/1/0/0', '0752464338343832'],
  // EDNS: none in, none out; one in, one out, without flags, options or our copying its size.
  ['web', 'A', { opt: {} }, 'NOERROR aa rd ra 1/1/0/1', OPT_REPLY],
  ['web', 'A', { opt: { size: 100 } }, 'NOERROR aa rd ra 1/1/0/1', OPT_REPLY],
  ['web', 'A', { opt: { size: 65_535 } }, 'NOERROR aa rd ra 1/1/0/1', OPT_REPLY],
  ['web', 'A', { opt: { flags: 0x7fff } }, 'NOERROR aa rd ra 1/1/0/1', OPT_REPLY],
  ['web', 'A', { opt: { flags: 0x8000 } }, 'NOERROR aa rd ra 1/1/0/1', '00002904d0000080000000'],
  ['web', 'A', { opt: { options: Buffer.from('fde90003010203', 'hex') } }, 'NOERROR aa rd ra 1/1/0/1', OPT_REPLY],
  ['nope', 'A', { opt: {} }, 'NXDOMAIN aa rd ra 1/0/1/1', OPT_REPLY],
  ['web', 'A', { opt: { version: 1 } }, 'NOERROR rd ra 1/0/0/1', '00002904d0010000000000'],
  ['example.com', 'A', { opt: { version: 255 } }, 'NOERROR rd ra 1/0/0/1', '00002904d0010000000000'],
  // Nothing this server does.
  ['web', 'AXFR', {}, 'REFUSED rd ra 1/0/0/0'],
  ['fairlead.internal', 'IXFR', {}, 'REFUSED rd ra 1/0/0/0'],
  ['web', 'OPT', {}, 'REFUSED rd ra 1/0/0/0'],
  ['version.bind', 'TXT', { class: 3 }, 'REFUSED rd ra 1/0/0/0'],
  ['web', 'A', { class: 255 }, 'REFUSED rd ra 1/0/0/0'],
  ['web', 'A', { class: 254 }, 'REFUSED rd ra 1/0/0/0'],
  ['web', 'A', { flags: 0x2900 }, 'NOTIMP rd 0/0/0/0'],
  ['web', 'A', { flags: 0x1000 }, 'NOTIMP 0/0/0/0'],
  ['web', 'A', { flags: 0x8100 }, 'no reply'],
  // Others' names only for those who ask for recursion.
  ['example.com', 'A', { flags: 0 }, 'REFUSED ra 1/0/0/0'],
  // Names that mean the same everywhere, or must not leave this host.
  ['localhost', 'A', {}, 'NOERROR aa rd ra 1/1/0/0', '7f000001'],
  ['a.b.localhost', 'A', {}, 'NOERROR aa rd ra 1/1/0/0', '7f000001'],
  ['localhost', 'AAAA', {}, 'NOERROR aa rd ra 1/1/0/0', `${'0'.repeat(31)}1`],
  ['localhost', 'MX', {}, 'NOERROR aa rd ra 1/0/1/0'],
  ['1.0.0.127.in-addr.arpa', 'PTR', {}, 'NOERROR aa rd ra 1/1/0/0'],
  [`1.${'0.'.repeat(31)}ip6.arpa`, 'PTR', {}, 'NOERROR aa rd ra 1/1/0/0'],
  ['2.0.0.127.in-addr.arpa', 'PTR', {}, 'NXDOMAIN aa rd ra 1/0/1/0'],
  ['9.9.9.10.in-addr.arpa', 'PTR', {}, 'NXDOMAIN aa rd ra 1/0/1/0'],
  ['9.9.16.172.in-addr.arpa', 'PTR', {}, 'NXDOMAIN aa rd ra 1/0/1/0'],
  ['9.9.64.100.in-addr.arpa', 'PTR', {}, 'NXDOMAIN aa rd ra 1/0/1/0'],
  ['168.192.in-addr.arpa', 'SOA', {}, 'NOERROR aa rd ra 1/0/1/0'],
  ['17.172.in-addr.arpa', 'PTR', {}, 'NOERROR aa rd ra 1/0/1/0'],
  ['0.17.172.in-addr.arpa', 'PTR', {}, 'NOERROR aa rd ra 1/0/1/0'],
  ['d.f.ip6.arpa', 'NS', {}, 'NOERROR aa rd ra 1/0/1/0'],
  ['a.invalid', 'A', {}, 'NXDOMAIN aa rd ra 1/0/1/0'],
  ['abc.onion', 'A', {}, 'NXDOMAIN aa rd ra 1/0/1/0'],
  ['other.internal', 'A', {}, 'NXDOMAIN aa rd ra 1/0/1/0'],
  ['internal', 'A', {}, 'NOERROR aa rd ra 1/0/1/0'],
  // The upstream is dead.
  ['example.com', 'A', {}, 'SERVFAIL rd ra 1/0/0/0'],
  ['17.0.0.8.in-addr.arpa', 'PTR', {}, 'SERVFAIL rd ra 1/0/0/0'],
];

describe.each(['udp', 'tcp'] as const)('over %s', (transport) => {
  it.for(CASES)('%s %s %o: %s', async ([name, type, options, expected, hex]) => {
    const packet = question(name, type, options);
    if (transport === 'tcp' && expected === 'no reply') return;
    const reply = transport === 'udp' ? await askUdp(dns.port, packet, SENTINEL) : await askTcp(dns.port, packet);
    expect(summary(reply)).toBe(expected);
    if (reply === undefined) return;
    expect(reply.readUInt16BE(0)).toBe(packet.readUInt16BE(0));
    const end = 12 + packet.subarray(12).indexOf(0) + 5;
    if (reply.readUInt16BE(4) === 1) expect(reply.subarray(12, end)).toEqual(packet.subarray(12, end));
    expect(reply.toString('hex')).toContain(hex ?? '');
    expect(() => showMessage(reply)).not.toThrow();
  });
});

it('answers malformed questions with a header, and too short ones not at all', async () => {
  const cut = question('web', 'A').subarray(0, 15);
  expect((await askUdp(dns.port, cut, SENTINEL))?.toString('hex')).toBe('123481010000000000000000');
  expect(await askUdp(dns.port, Buffer.alloc(11), SENTINEL)).toBeUndefined();
  expect(await askUdp(dns.port, Buffer.alloc(0), SENTINEL)).toBeUndefined();
});

it('refuses strangers, for names of ours and for others', async () => {
  await using closed = await startDns({ allow: (address) => address !== '127.0.0.1' });
  const replies = await Promise.all(
    ['web', 'example.com'].map((name) => askUdp(closed.port, question(name, 'A'), SENTINEL)),
  );
  expect(replies.map(summary)).toEqual(['REFUSED rd ra 1/0/0/0', 'REFUSED rd ra 1/0/0/0']);
});

it('is SERVFAIL before the first table', async () => {
  await using early = await startDns({ table: () => undefined });
  expect(summary(await askUdp(early.port, question('web', 'A'), SENTINEL))).toBe('SERVFAIL rd ra 1/0/0/0');
});

it('counts what it answered, by labels of which there is an end', async () => {
  await using counted = await startDns();
  for (const [name, type] of [
    ['web', 'A'],
    ['web', 'A'],
    ['nope', 'AAAA'],
    ['web', 65_280],
  ] as const) {
    await askUdp(counted.port, question(name, type), SENTINEL);
  }
  await askTcp(counted.port, question('localhost', 'A'));
  const text = await counted.metrics.metrics();
  const lines = text.split('\n').filter((line) => line.startsWith('fairlead_dns_requests_total{'));
  expect(lines.sort()).toEqual([
    'fairlead_dns_requests_total{proto="tcp",type="A",rcode="NOERROR",handler="special"} 1',
    'fairlead_dns_requests_total{proto="udp",type="A",rcode="NOERROR",handler="local"} 2',
    'fairlead_dns_requests_total{proto="udp",type="AAAA",rcode="NXDOMAIN",handler="local"} 1',
    'fairlead_dns_requests_total{proto="udp",type="other",rcode="NOERROR",handler="local"} 1',
  ]);
  expect(text).toContain('fairlead_dns_request_duration_seconds_count{handler="local"} 4');
});

it('explains what it answers', async () => {
  expect(await dns.server.resolve('tasks.web', 'a')).toEqual({
    name: 'tasks.web',
    type: 'A',
    from: '127.0.0.1',
    handler: 'local',
    rcode: 'NOERROR',
    reason: 'endpoints in rotation of service web',
    answers: expect.arrayContaining([{ name: 'tasks.web.', ttl: 1, type: 'A', data: '172.17.0.2' }]),
    authority: [],
    additional: [],
    filtered: [
      { endpoint: 'n2/web-3', service: 'web', reason: 'critical: http 503 from /healthz' },
      { endpoint: 'n2/web-4', service: 'web', reason: 'weight 0' },
    ],
  });
  expect(await dns.server.resolve('db', 'A', '172.17.1.2')).toMatchObject({
    stack: 'shop',
    reason: 'virtual address of service db.shop',
  });
  expect(await dns.server.resolve('nope', 'A')).toMatchObject({ rcode: 'NXDOMAIN', handler: 'local' });
  expect(await dns.server.resolve('x.onion', 'A')).toMatchObject({ rcode: 'NXDOMAIN', handler: 'special' });
  expect(await dns.server.resolve('example.com', 'A')).toMatchObject({ rcode: 'SERVFAIL', handler: 'forward' });
  await expect(dns.server.resolve('web', 'NONSENSE')).rejects.toMatchObject({ code: 'dns-type' });
  await expect(dns.server.resolve('a..b', 'A')).rejects.toMatchObject({ code: 'dns-name' });
});
