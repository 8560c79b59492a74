import dns2 from 'dns2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { execOk } from '../../../src/lib/exec.ts';
import { endpoint, question, service, table } from '../../support/dns.ts';
import { askUdp, type RunningDns, startDns } from '../../support/dns-server.ts';

/** Others' decoders must read our answers as we mean them. */
let dns: RunningDns;
const crowd = service('crowd', {
  endpoints: Array.from({ length: 300 }, (_, number) =>
    endpoint(`n1/c${number}`, `172.18.${number >> 8}.${number & 255}`),
  ),
});
const tables = table([
  crowd,
  service('web', { vip: '10.96.0.1', vip6: 'fd00:f1::1', endpoints: [endpoint('n1/w', '172.17.0.2')] }),
]);
beforeAll(async () => {
  dns = await startDns({ table: () => tables });
});
afterAll(() => dns[Symbol.asyncDispose]());

const dig = async (...args: string[]) =>
  (
    await execOk('dig', [
      '@127.0.0.1',
      '-p',
      String(dns.port),
      '+tries=1',
      '+time=5',
      '+nocmd',
      '+noquestion',
      '+nostats',
      ...args,
    ])
  ).stdout;

const lines = (text: string) =>
  text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith(';'))
    .map((line) => line.replace(/\s+/g, ' '));

describe('dig', () => {
  it.each<[args: string[], expected: string[]]>([
    [['web'], ['web. 30 IN A 10.96.0.1']],
    [['web', 'AAAA', '+noedns'], ['web. 30 IN AAAA fd00:f1::1']],
    [['web', '+tcp'], ['web. 30 IN A 10.96.0.1']],
    [['_http._tcp.web.fairlead.internal', 'SRV', '+short'], ['1 1 3000 ac110002.addr.fairlead.internal.']],
    [['-x', '172.17.0.2', '+short'], ['tasks.web.fairlead.internal.']],
    [['-x', 'fd00:f1::1', '+short'], ['web.fairlead.internal.']],
    [
      ['fairlead.internal', 'SOA', '+short'],
      ['ns.fairlead.internal. hostmaster.fairlead.internal. 1 3600 600 86400 1'],
    ],
    [['web', 'ANY', '+notcp'], ['web. 30 IN HINFO "RFC8482" ""']],
  ])('%o', async (args, expected) => {
    expect(lines(await dig(...args))).toEqual(expected);
  });

  it('reads a truncated answer, and goes to TCP for all of it', async () => {
    expect(await dig('crowd', '+ignore')).toMatch(/flags: qr aa tc rd ra;.*ADDITIONAL: 1/);
    expect(lines(await dig('crowd'))).toHaveLength(300);
    expect(await dig('crowd')).not.toContain('Warning');
  });
});

it('dns2 reads answers and authority', async () => {
  const sentinel = question('web', 'A', { id: 0xfefe });
  const decode = async (name: string, type: string) =>
    dns2.Packet.parse((await askUdp(dns.port, question(name, type), sentinel)) ?? Buffer.alloc(0));
  expect(await decode('web', 'A')).toMatchObject({ answers: [{ name: 'web', ttl: 30, address: '10.96.0.1' }] });
  expect(await decode('nope.fairlead.internal', 'A')).toMatchObject({
    header: { rcode: 3, aa: 1 },
    authorities: [{ name: 'fairlead.internal', primary: 'ns.fairlead.internal', minimum: 1 }],
  });
});
