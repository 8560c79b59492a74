import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatSocketAddress } from '../../../../src/dns/address.ts';
import { parseResolvConf } from '../../../../src/dns/forward/resolv-conf.ts';
import { Upstreams, type UpstreamsOptions } from '../../../../src/dns/forward/upstreams.ts';
import { systemClock } from '../../../../src/lib/clock.ts';
import { silentLogger } from '../../../../src/lib/logger.ts';

let directory = '';
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'fairlead-dns-'));
});
afterAll(() => rm(directory, { recursive: true }));

const upstreams = (more: Partial<UpstreamsOptions>) =>
  new Upstreams({
    configured: [],
    routes: {},
    resolvConf: join(directory, 'resolv.conf'),
    own: () => [],
    hostAddresses: () => ['127.0.0.1', '::1', '192.168.50.11'],
    clock: systemClock,
    log: silentLogger,
    ...more,
  });

const shown = (from: Upstreams, name: string) => from.serversFor(name.split('.')).servers.map(formatSocketAddress);

describe('routes', () => {
  const routed = upstreams({
    configured: ['192.0.2.1'],
    routes: { 'Corp.Example.': ['192.0.2.2:5353'], 'eu.corp.example': ['[2001:db8::1]:54', '2001:db8::2'] },
  });
  it.each([
    ['example', ['192.0.2.1:53']],
    ['corp.example', ['192.0.2.2:5353']],
    ['a.corp.example', ['192.0.2.2:5353']],
    ['eu.corp.example', ['[2001:db8::1]:54', '[2001:db8::2]:53']],
    ['a.eu.corp.example', ['[2001:db8::1]:54', '[2001:db8::2]:53']],
    ['notcorp.example', ['192.0.2.1:53']],
  ])('%s → %o', (name, expected) => {
    expect(shown(routed, name)).toEqual(expected);
  });

  it('refuses what is no address', () => {
    expect(() => upstreams({ configured: ['dns.example.com'] })).toThrow(expect.objectContaining({ code: 'address' }));
    expect(() => upstreams({ configured: ['0x7f.1'] })).toThrow(expect.objectContaining({ code: 'address' }));
  });
});

describe('itself', () => {
  it("is never asked by another of this host's addresses where it listens everywhere", () => {
    const configured = ['192.168.50.11', '0.0.0.0', '192.0.2.1'];
    expect(shown(upstreams({ configured, own: () => ['0.0.0.0:53'] }), 'x')).toEqual(['192.0.2.1:53']);
    expect(shown(upstreams({ configured, own: () => ['127.0.0.1:53'] }), 'x')).toEqual([
      '192.168.50.11:53',
      '192.0.2.1:53',
    ]);
  });

  it.each<[own: string[], expected: string[]]>([
    [[], ['127.0.0.1:53', '127.0.0.53:53', '192.0.2.1:53']],
    [['127.0.0.1:53'], ['127.0.0.53:53', '192.0.2.1:53']],
    [['127.0.0.1:5353'], ['127.0.0.1:53', '127.0.0.53:53', '192.0.2.1:53']],
    [['0.0.0.0:53'], ['192.0.2.1:53']],
  ])('listening on %o it asks %o', (own, expected) => {
    expect(shown(upstreams({ configured: ['127.0.0.1', '127.0.0.53', '192.0.2.1'], own: () => own }), 'x')).toEqual(
      expected,
    );
  });

  it('is a problem as the only server', () => {
    const alone = upstreams({ configured: ['127.0.0.1'], own: () => ['127.0.0.1:53'] });
    expect(alone.problems()).toMatchObject([{ code: 'dns-upstreams' }]);
  });
});

describe('resolv.conf', () => {
  it('is read as resolv.conf(5) says', () => {
    const text =
      '# nameserver 192.0.2.9\n; x\nsearch a b\n nameserver\t192.0.2.1  \nnameserver fe80::1%eth0\nnameserver 192.0.2.1\nnameserver x\nnameserver\n';
    expect(parseResolvConf(text)).toEqual(['192.0.2.1', 'fe80::1%eth0']);
  });

  it('is followed; one that is gone or empty keeps the servers known', async () => {
    const file = join(directory, 'followed');
    const following = upstreams({ resolvConf: file });
    await following.load();
    expect(following.problems()).toHaveLength(1);
    const seen: string[][] = [];
    for (const text of [
      'nameserver 192.0.2.1\n',
      'nameserver 192.0.2.22\n',
      '',
      undefined,
      'nameserver 192.0.2.3 \n',
    ]) {
      if (text === undefined) await rm(file);
      else await writeFile(file, text);
      await following.load();
      seen.push(shown(following, 'example.com'));
    }
    expect(seen.flat()).toEqual(['192.0.2.1:53', '192.0.2.22:53', '192.0.2.22:53', '192.0.2.22:53', '192.0.2.3:53']);
  });
});
