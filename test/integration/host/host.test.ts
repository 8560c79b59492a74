import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CT_MARK_BIT } from '../../../src/mesh/mark.ts';
import { type HostChild, startHostChild } from '../../support/hostchild.ts';
import { hostState } from '../../support/hoststate.ts';
import { addBridge, connect, createNetns, type Netns } from '../../support/netns.ts';

// host: bridge br-a 172.30.0.0/24 and fd30::/64 with a container (.2), uplink up0 10.9.0.1 to another host (10.9.0.2).
const VIP_RANGE = '10.96.0.0/16';
const VIP_RANGE6 = 'fd96::/112';
const VARIANTS = ['iptables-nft', 'ip6tables-nft', 'iptables-legacy', 'ip6tables-legacy'];

let host: Netns;
let container: Netns;
let other: Netns;
let dataDir: string;
let child: HostChild;

const start = (vipCidr = VIP_RANGE) => startHostChild(host, { dataDir, vipCidr, vipCidr6: VIP_RANGE6 });
const sysctl = async (name: string) => (await host.run('sysctl', '-n', name)).trim();

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'fairlead-host-'));
  host = await createNetns('host');
  container = await createNetns('cont');
  other = await createNetns('other');
  await addBridge(host, 'br-a', ['172.30.0.1/24', 'fd30::1/64']);
  await connect(
    { ns: host, device: 'veth-a', bridge: 'br-a' },
    { ns: container, device: 'eth0', addresses: ['172.30.0.2/24', 'fd30::2/64'], gateways: ['172.30.0.1', 'fd30::1'] },
  );
  await connect(
    { ns: host, device: 'up0', addresses: ['10.9.0.1/24', 'fd09::1/64'], gateways: ['10.9.0.2'] },
    { ns: other, device: 'eth0', addresses: ['10.9.0.2/24', 'fd09::2/64'], gateways: ['10.9.0.1'] },
  );
  child = start();
});

afterEach(async () => {
  for (const ns of [host, container, other]) await ns.remove();
  await rm(dataDir, { recursive: true });
});

/** Docker's shape: FORWARD drops all but what DOCKER-USER accepts. */
async function dockerChains(): Promise<void> {
  for (const program of VARIANTS) {
    for (const rule of ['-N DOCKER-USER', '-A DOCKER-USER -j RETURN', '-A FORWARD -j DOCKER-USER', '-P FORWARD DROP']) {
      await host.run(program, '-w', ...rule.split(' '));
    }
  }
}

describe('preparing the host', () => {
  it('sets what the mesh needs, and a second time nothing', async () => {
    expect(await child.order('apply')).toMatchObject({ repairs: 0 });
    const names = [
      'ipv4.ip_forward',
      'ipv4.conf.br-a.route_localnet',
      'ipv4.conf.up0.route_localnet',
      'ipv6.conf.all.forwarding',
    ];
    for (const name of names) expect(await sysctl(`net.${name}`)).toBe('1');
    expect(await sysctl('net.ipv4.conf.lo.route_localnet')).toBe('0');
    expect(await host.ip('route show 10.96.0.0/16')).toContain('dev lo proto 102 scope link src 10.9.0.1');
    expect(await host.ip('-6 route show fd96::/112')).toContain('dev lo proto 102');

    const before = await hostState(host);
    const journal = await stat(join(dataDir, 'host-journal.json'));
    expect(await child.order('apply')).toMatchObject({ repairs: 0 });
    expect(await hostState(host)).toBe(before);
    expect((await stat(join(dataDir, 'host-journal.json'))).ino).toBe(journal.ino);
  });

  it.each([
    ['plain', async () => {}],
    ['with Docker', dockerChains],
    [
      'with forwarding switched interface by interface, and odd redirects',
      () =>
        host.sysctl({
          'net.ipv4.conf.up0.forwarding': 1,
          'net.ipv4.conf.all.accept_redirects': 0,
          'net.ipv6.conf.br-a.forwarding': 1,
        }),
    ],
    ['with forwarding on already', () => host.sysctl({ 'net.ipv4.ip_forward': 1, 'net.ipv6.conf.all.forwarding': 1 })],
    [
      'with a default route learned from a router',
      async () => void (await host.ip('-6 route add default via fd09::2 dev up0 proto ra')),
    ],
  ])('cleanup leaves a host as it was: %s', async (_, arrange) => {
    await arrange();
    const before = await hostState(host);
    expect((await child.order('apply')).error).toBeUndefined();
    expect(await hostState(host)).not.toBe(before);
    await child.order('cleanup');
    expect(await hostState(host)).toBe(before);

    await child.order('apply');
    await child.kill();
    expect((await start().order('cleanupHost')).error).toBeUndefined();
    expect(await hostState(host)).toBe(before);
  });

  it('keeps a router-learned default route: its interface goes on listening to the router', async () => {
    await host.ip('-6 route add default via fd09::2 dev up0 proto ra');
    await child.order('apply');
    expect(await sysctl('net.ipv6.conf.up0.accept_ra')).toBe('2');
    await child.order('apply');
    expect(await sysctl('net.ipv6.conf.up0.accept_ra')).toBe('2');
    await child.order('cleanup');
    expect(await sysctl('net.ipv6.conf.up0.accept_ra')).toBe('1');
  });

  it('can be undone whenever it was killed', async () => {
    await dockerChains();
    const before = await hostState(host);
    await child.order('apply');
    await child.order('cleanup');
    for (let round = 0; round < 12; round += 1) {
      const victim = start();
      victim.send('apply');
      await new Promise((resolve) => setTimeout(resolve, 60 + round * 25));
      await victim.kill();
      if (round % 2 === 0) continue;
      expect((await child.order('cleanupHost')).error).toBeUndefined();
      expect(await hostState(host)).toBe(before);
    }
  });

  it('leaves a parameter alone that somebody changed after it', async () => {
    await child.order('apply');
    await host.sysctl({ 'net.ipv4.conf.br-a.route_localnet': 0 });
    await child.order('cleanup');
    expect(await sysctl('net.ipv4.conf.br-a.route_localnet')).toBe('0');
    expect(await sysctl('net.ipv4.ip_forward')).toBe('0');
  });

  it('puts right what others change back, and counts it', async () => {
    await dockerChains();
    await child.order('apply');
    await host.sysctl({ 'net.ipv4.ip_forward': 0 });
    await host.run('iptables-nft', '-F', 'DOCKER-USER');
    expect(await child.order('apply')).toMatchObject({ repairs: 2 });
    expect(await sysctl('net.ipv4.ip_forward')).toBe('1');
    expect(await host.run('iptables-nft', '-S', 'DOCKER-USER')).toContain('--comment fairlead');
    await host.ip('route del 10.96.0.0/16');
    await child.order('apply');
    expect(await host.ip('route show 10.96.0.0/16')).toContain('proto 102');
  });

  it('follows bridges as they come and go', async () => {
    await child.order('apply');
    await addBridge(host, 'br-b', ['172.31.0.1/24']);
    await child.order('apply');
    expect(await sysctl('net.ipv4.conf.br-b.route_localnet')).toBe('1');
    await host.ip('link del br-b');
    await child.order('apply');
    expect(await readFile(join(dataDir, 'host-journal.json'), 'utf8')).not.toContain('br-b');
    await host.ip('addr flush dev br-a');
    await child.order('apply');
    expect(await sysctl('net.ipv4.conf.br-a.route_localnet')).toBe('0');
  });

  it('lets a container reach itself over the bridge it is on, and takes that back', async () => {
    await host.sysctl({ 'net.bridge.bridge-nf-call-iptables': 1 });
    const hairpin = async () => (await host.run('ip', '-d', 'link', 'show', 'veth-a')).includes(' hairpin on ');
    await child.order('apply');
    expect(await hairpin()).toBe(true);
    expect((await child.order('cleanupHost')).error).toBeUndefined();
    expect(await hairpin()).toBe(false);
  });

  it('leaves hairpin mode alone where frames are not translated on the bridge, or somebody set it', async () => {
    await host.sysctl({ 'net.bridge.bridge-nf-call-iptables': 0 });
    await child.order('apply');
    expect(await host.run('ip', '-d', 'link', 'show', 'veth-a')).toContain(' hairpin off ');
    await host.ip('link set dev veth-a type bridge_slave hairpin on');
    await host.sysctl({ 'net.bridge.bridge-nf-call-iptables': 1 });
    await child.order('apply');
    await child.order('cleanup');
    expect(await host.run('ip', '-d', 'link', 'show', 'veth-a')).toContain(' hairpin on ');
  });

  it('refuses a VIP range in use before it changes anything', async () => {
    const before = await hostState(host);
    await child.kill();
    expect((await start('172.30.0.0/16').order('apply')).error).toBe(
      'vip-overlap: the VIP range 172.30.0.0/16 overlaps 172.30.0.0/24 (interface br-a)',
    );
    expect(await hostState(host)).toBe(before);
  });

  it('changes no parameter without a journal, but does the rest', async () => {
    await dockerChains();
    await child.kill();
    await writeFile(join(dataDir, 'file'), '');
    const stuck = startHostChild(host, { dataDir: join(dataDir, 'file'), vipCidr: VIP_RANGE });
    expect((await stuck.order('apply')).error).toMatch(/^host-journal: cannot/);
    expect(await sysctl('net.ipv4.ip_forward')).toBe('0');
    expect(await host.run('iptables-nft', '-S', 'DOCKER-USER')).toContain('--comment fairlead');
  });
});

describe("Docker's firewall", () => {
  it('gets one rule in each variant that has DOCKER-USER, and the others are not even created', async () => {
    await child.order('apply');
    expect(await host.run('nft', 'list', 'ruleset')).toBe('');
    expect(await host.run('iptables-legacy-save')).toBe('');
    await dockerChains();
    await child.order('apply');
    await child.order('apply');
    for (const program of VARIANTS) {
      const rules = (await host.run(program, '-S', 'DOCKER-USER')).trim().split('\n');
      expect(rules[1]).toBe(
        '-A DOCKER-USER -m connmark --mark 0x10000000/0x10000000 -m comment --comment fairlead -j ACCEPT',
      );
      expect(rules).toHaveLength(3);
    }
  });

  it("stands behind the operator's own rules, whose drops stay in force", async () => {
    await dockerChains();
    await host.run('iptables-nft', '-I', 'DOCKER-USER', '-s', '10.66.0.9', '-j', 'DROP');
    await child.order('apply');
    const rules = (await host.run('iptables-nft', '-S', 'DOCKER-USER')).trim().split('\n');
    expect(rules.map((rule) => rule.split(' ').at(-1))).toEqual(['DOCKER-USER', 'DROP', 'ACCEPT', 'RETURN']);
  });

  it('lets marked connections pass where Docker drops the rest', async () => {
    await dockerChains();
    await child.order('apply');
    await host.feed(
      `table ip t { chain pre { type nat hook prerouting priority -105;
        ip daddr 10.96.0.1 tcp dport 80 ct mark set ct mark or ${CT_MARK_BIT} dnat to 172.30.0.2:80;
        ip daddr 10.96.0.2 tcp dport 80 dnat to 172.30.0.2:80; }
}`,
      'nft',
      '-f',
      '-',
    );
    await serve(container, 80);
    expect(await fetches(other, 'http://10.96.0.1/')).toBe(true);
    expect(await fetches(other, 'http://10.96.0.2/')).toBe(false);
    await child.order('cleanup');
    expect(await fetches(other, 'http://10.96.0.1/')).toBe(false);
  });
});

describe('loopback', () => {
  beforeEach(async () => {
    const family = (ip: string, vip: string, near: string, far: string, loopback: string) => `table ${ip} t {
      chain c { ${ip} daddr ${vip} tcp dport 80 dnat to ${near}:80
        fib daddr type local tcp dport 8080 dnat to ${near}:80
        fib daddr type local tcp dport 8081 dnat to ${far}:80; }
      chain pre { type nat hook prerouting priority -105; jump c; }
      chain out { type nat hook output priority -105; jump c; }
      chain post { type nat hook postrouting priority 105; ${ip} saddr ${loopback} ct status dnat masquerade; }
}\n`;
    await host.feed(
      family('ip', '10.96.0.1', '172.30.0.2', '10.9.0.2', '127.0.0.0/8') +
        family('ip6', 'fd96::1', '[fd30::2]', '[fd09::2]', '::1'),
      'nft',
      '-f',
      '-',
    );
    await serve(container, 80);
    await serve(other, 80);
  });

  it.each([
    ['a published port on 127.0.0.1, endpoint on a bridge', 'http://127.0.0.1:8080/'],
    ['a published port on 127.0.0.1, endpoint beyond the uplink', 'http://127.0.0.1:8081/'],
    ['an IPv6 VIP', 'http://[fd96::1]/'],
  ])('this host reaches %s, only when prepared', async (_, url) => {
    expect(await fetches(host, url)).toBe(false);
    await child.order('apply');
    expect(await fetches(host, url)).toBe(true);
    await child.order('cleanup');
    expect(await fetches(host, url)).toBe(false);
  });

  it('this host reaches a VIP without a default route, only when prepared', async () => {
    await host.ip('route del default');
    expect(await fetches(host, 'http://10.96.0.1/')).toBe(false);
    await child.order('apply');
    expect(await fetches(host, 'http://10.96.0.1/')).toBe(true);
  });
});

/** An HTTP server on a port of every address, ready when this resolves; it ends with the namespace. */
async function serve(ns: Netns, port: number): Promise<void> {
  const code = `require('node:http').createServer((q, r) => r.end('ok')).listen(${port}, '::', () => console.log('up'))`;
  const server = ns.spawn(process.execPath, ['-e', code]);
  await new Promise((resolve) => server.stdout.once('data', resolve));
}

const fetches = async (ns: Netns, url: string): Promise<boolean> =>
  (await ns.exec('curl', ['-g', '-s', '-o', '/dev/null', '-m', '1', url])).exitCode === 0;
