import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { findPortHolder } from '../../../src/dns/port-holder.ts';
import { spawnProgram } from '../../../src/lib/exec.ts';
import { question } from '../../support/dns.ts';
import { askTcp, askUdp, framed, startDns, TcpClient, until } from '../../support/dns-server.ts';

const WEB = question('web', 'A');
const SENTINEL = question('web', 'A', { id: 0xfefe });

/** Another process that has UDP port `port` (0: any) of 127.0.0.1. */
async function holder(): Promise<{ port: number; pid: number; stop: () => Promise<void> }> {
  const script = `const s = require('dgram').createSocket('udp4'); s.bind(0, '127.0.0.1', () => console.log(s.address().port));`;
  const child = spawnProgram(process.execPath, ['-e', script]);
  const [line] = await once(child.stdout, 'data');
  return {
    port: Number(String(line)),
    pid: child.pid ?? 0,
    stop: async () => {
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    },
  };
}

describe('addresses', () => {
  it('come and go, both families, while the rest goes on', async () => {
    await using dns = await startDns();
    const kept = `127.0.0.1:0`;
    dns.server.setListen([kept, '127.0.0.2:0', '[::1]:0']);
    await until(() => dns.server.listening().length === 3);
    expect(dns.server.listening().map((address) => address.replace(/\d+$/, ''))).toEqual(
      expect.arrayContaining(['127.0.0.1:', '127.0.0.2:', '[::1]:']),
    );
    expect(dns.server.listening()).toContain(`127.0.0.1:${dns.port}`);
    dns.server.setListen([kept]);
    await until(() => dns.server.listening().length === 1);
    expect(await askUdp(dns.port, WEB, SENTINEL)).toBeDefined();
    expect(await askTcp(dns.port, WEB)).toBeDefined();
    expect(dns.server.problems()).toEqual([]);
  });

  it('taken by another program are a problem that names it, until it is gone', async () => {
    const other = await holder();
    await using dns = await startDns();
    dns.server.setListen(['127.0.0.1:0', `127.0.0.1:${other.port}`]);
    await until(() => dns.server.problems().length > 0);
    const [problem] = dns.server.problems();
    expect(problem).toMatchObject({ code: 'dns-listen', subject: `dns 127.0.0.1:${other.port}` });
    expect(problem?.message).toContain(`port ${other.port} of 127.0.0.1 is taken by`);
    expect(problem?.message).toContain(`(pid ${other.pid})`);
    expect(await askUdp(dns.port, WEB, SENTINEL)).toBeDefined();
    await other.stop();
    await until(() => dns.server.listening().includes(`127.0.0.1:${other.port}`));
    expect(dns.server.problems()).toEqual([]);
  });

  it('whose TCP port alone is taken are had by neither', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const address = taken.address();
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
    await using dns = await startDns();
    dns.server.setListen([`127.0.0.1:${port}`]);
    await until(() => dns.server.problems().length > 0);
    const udp = createSocket('udp4');
    udp.bind(port, '127.0.0.1');
    await once(udp, 'listening');
    udp.close();
    taken.close();
  });

  it('that this host has not, and no addresses, are problems; no longer wanted they are none', async () => {
    await using dns = await startDns();
    dns.server.setListen(['127.0.0.1:0', '203.0.113.1:0', 'nonsense']);
    await until(() => dns.server.problems().length === 2);
    expect(dns.server.problems().map(({ message }) => message)).toEqual(
      expect.arrayContaining([
        expect.stringContaining('no address 203.0.113.1'),
        expect.stringContaining('"nonsense" is not an address'),
      ]),
    );
    dns.server.setListen(['127.0.0.1:0']);
    await until(() => dns.server.problems().length === 0);
  });

  it('have a holder that /proc tells, for IPv6 and for wildcards too', async () => {
    const script = `require('net').createServer().listen(0, '::', function () { console.log(this.address().port); });`;
    const child = spawnProgram(process.execPath, ['-e', script]);
    const [line] = await once(child.stdout, 'data');
    const port = Number(String(line));
    expect(await findPortHolder({ address: '::1', port })).toMatchObject({ pid: child.pid });
    expect(await findPortHolder({ address: '127.0.0.1', port })).toMatchObject({ pid: child.pid });
    child.kill('SIGKILL');
    await once(child, 'exit');
    await until(async () => (await findPortHolder({ address: '::1', port })) === undefined);
  });
});

describe('TCP', () => {
  it('takes questions in any pieces, and several in one', async () => {
    await using dns = await startDns();
    await using client = new TcpClient(dns.port);
    for (const octet of framed(WEB)) client.socket.write(Buffer.of(octet));
    expect((await client.message())?.readUInt16BE(0)).toBe(0x1234);
    const ids = Array.from({ length: 200 }, (_, id) => id);
    client.socket.write(Buffer.concat(ids.map((id) => framed(question('tasks.web', 'A', { id })))));
    const replies: (number | undefined)[] = [];
    for (const _ of ids) replies.push((await client.message())?.readUInt16BE(0));
    expect(replies).toEqual(ids);
  });

  it('answers what is ready before what waits, and all of it after the client has ended', async () => {
    const silent = createSocket('udp4');
    silent.bind(0, '127.0.0.1');
    await once(silent, 'listening');
    await using dns = await startDns({ upstreams: [`127.0.0.1:${silent.address().port}`] });
    await using client = new TcpClient(dns.port);
    const slow = Array.from({ length: 100 }, (_, id) => framed(question('example.com', 'A', { id })));
    client.socket.end(Buffer.concat([...slow.slice(0, 10), framed(WEB), ...slow.slice(10)]));
    expect((await client.message())?.readUInt16BE(0)).toBe(0x1234);
    silent.close();
    const rcodes: number[] = [];
    for (const _ of slow) rcodes.push(((await client.message())?.[3] ?? 0) & 15);
    expect(new Set(rcodes)).toEqual(new Set([2]));
    expect(await client.message()).toBeUndefined();
  });

  it.each<[what: string, octets: Buffer]>([
    ['a length below a header', Buffer.from('0005aaaaaaaaaa', 'hex')],
    ['a length beyond any question', Buffer.from('ffff', 'hex')],
  ])('closes at %s', async (_, octets) => {
    await using dns = await startDns();
    await using client = new TcpClient(dns.port);
    client.socket.write(octets);
    expect(await client.message()).toBeUndefined();
  });

  it('does not answer a response, and goes on', async () => {
    await using dns = await startDns();
    await using client = new TcpClient(dns.port);
    client.socket.write(Buffer.concat([framed(question('web', 'A', { flags: 0x8100, id: 1 })), framed(WEB)]));
    expect((await client.message())?.readUInt16BE(0)).toBe(0x1234);
  });

  it('closes clients that say nothing, say it too slowly, or stay too long', async () => {
    const tcpLimits = { idleMs: 150, totalMs: 600, perClient: 64, total: 1024 };
    await using dns = await startDns({ tcpLimits });
    await using idle = new TcpClient(dns.port);
    await using slow = new TcpClient(dns.port);
    await using busy = new TcpClient(dns.port);
    const trickle = setInterval(() => slow.socket.write(Buffer.of(0)), 20);
    const asking = setInterval(() => busy.socket.write(framed(WEB)), 20);
    await Promise.all([idle, slow].map(({ socket }) => until(() => socket.readableEnded || socket.closed)));
    clearInterval(trickle);
    expect(busy.socket.closed).toBe(false);
    await until(() => busy.socket.readableEnded || busy.socket.closed);
    clearInterval(asking);
  });

  it('takes so many connections of one client, and lets the oldest of all go', async () => {
    const tcpLimits = { idleMs: 10_000, totalMs: 10_000, perClient: 3, total: 4 };
    await using dns = await startDns({ tcpLimits });
    const open: TcpClient[] = [];
    const connect = async (from: string) => {
      const client = new TcpClient(dns.port, from);
      open.push(client);
      client.socket.write(framed(WEB));
      return (await client.message()) !== undefined;
    };
    expect([await connect('127.0.0.1'), await connect('127.0.0.1'), await connect('127.0.0.1')]).toEqual([
      true,
      true,
      true,
    ]);
    expect(await connect('127.0.0.1')).toBe(false);
    expect(await connect('127.0.0.3')).toBe(true);
    expect(await connect('127.0.0.4')).toBe(true);
    await until(() => open[0]?.socket.closed === true || open[0]?.socket.readableEnded === true);
    expect(await askTcp(dns.port, WEB)).toBeDefined();
    await Promise.all(open.map((client) => client[Symbol.asyncDispose]()));
  });

  it('does not let a client that reads nothing hold memory or others up', async () => {
    await using dns = await startDns();
    await using greedy = new TcpClient(dns.port);
    greedy.socket.pause();
    const questions = Buffer.concat(Array.from({ length: 2000 }, () => framed(question('_http._tcp.web', 'SRV'))));
    for (let round = 0; round < 50; round++) greedy.socket.write(questions);
    for (let round = 0; round < 20; round++) expect(await askUdp(dns.port, WEB, SENTINEL)).toBeDefined();
  });
});
