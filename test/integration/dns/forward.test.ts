import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { describe, expect, it } from 'vitest';
import { showMessage } from '../../../src/dns/wire/decode.ts';
import { question } from '../../support/dns.ts';
import { askTcp, askUdp, framed, startDns, until } from '../../support/dns-server.ts';

const SENTINEL = question('web', 'A', { id: 0xfefe });

/** A response to `query` with one A record, changed at will. */
function answer(query: Buffer, address: string, change: (response: Buffer) => void = () => {}): Buffer {
  const end = 12 + query.subarray(12).indexOf(0) + 5;
  const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...address.split('.').map(Number)]);
  const response = Buffer.concat([query.subarray(0, end), record]);
  response.writeUInt16BE(0x8180, 2);
  response.writeUInt16BE(1, 6);
  response.writeUInt16BE(0, 10);
  change(response);
  return response;
}

type Script = (query: Buffer, send: (response: Buffer) => void, client: RemoteInfo) => void | Promise<void>;

/** An upstream server that does what the script says; `tcp` is what it answers over TCP. */
class FakeUpstream implements AsyncDisposable {
  readonly queries: Buffer[] = [];
  readonly ports = new Set<number>();
  readonly #udp: Socket = createSocket('udp4');
  readonly #tcp: Server = createServer();
  #port = 0;

  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  async start(script: Script, tcp?: (query: Buffer) => Buffer | undefined): Promise<this> {
    this.#udp.on('message', (query, client) => {
      this.queries.push(query);
      this.ports.add(client.port);
      void script(query, (response) => this.#udp.send(response, client.port, client.address), client);
    });
    this.#udp.bind(0, '127.0.0.1');
    await once(this.#udp, 'listening');
    this.#port = this.#udp.address().port;
    if (tcp === undefined) return this;
    this.#tcp.on('connection', (socket) => {
      socket.on('error', () => {});
      socket.once('data', (data) => {
        const response = tcp(data.subarray(2));
        if (response === undefined) socket.destroy();
        else for (const octet of framed(response)) socket.write(Buffer.of(octet));
      });
    });
    this.#tcp.listen(this.#port, '127.0.0.1');
    await once(this.#tcp, 'listening');
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#udp.close();
    if (!this.#tcp.listening) return;
    const closed = once(this.#tcp, 'close');
    this.#tcp.close();
    await closed;
  }
}

const upstream = (script: Script, tcp?: (query: Buffer) => Buffer | undefined) => new FakeUpstream().start(script, tcp);

/** Rcode and addresses a client gets. */
async function ask(port: number, name = 'Example.COM', transport: 'udp' | 'tcp' = 'udp'): Promise<string> {
  const packet = question(name, 'A', { id: 0x4242 });
  const reply = transport === 'udp' ? await askUdp(port, packet, SENTINEL) : await askTcp(port, packet);
  if (reply === undefined) return 'no reply';
  expect(reply.readUInt16BE(0)).toBe(0x4242);
  expect(reply.subarray(12, packet.length)).toEqual(packet.subarray(12));
  const flags = reply.readUInt16BE(2);
  return [
    `rcode ${flags & 15}`,
    ...((flags & 0x200) === 0 ? [] : ['tc']),
    ...showMessage(reply).answers.map(({ data }) => data),
  ].join(' ');
}

const GOOD = '192.0.2.1';
const POISON = '192.0.2.66';

describe('a hostile upstream', () => {
  it.each<[what: string, forge: (query: Buffer) => Buffer]>([
    [
      'another id',
      (query) => answer(query, POISON, (response) => response.writeUInt16BE(query.readUInt16BE(0) ^ 0x0101, 0)),
    ],
    ['another name', (query) => answer(query, POISON, (response) => response.write('x', 13))],
    ['another type', (query) => answer(query, POISON, (response) => response.writeUInt16BE(28, query.length - 4))],
    ['no question', (query) => answer(query, POISON, (response) => response.writeUInt16BE(0, 4))],
    ['a query', (query) => answer(query, POISON, (response) => response.writeUInt16BE(0x0100, 2))],
    ['garbage', () => Buffer.from('not dns at all')],
    ['nothing', () => Buffer.alloc(0)],
  ])('answering with %s first is waited past', async (_, forge) => {
    await using server = await upstream((query, send) => {
      send(forge(query));
      send(answer(query, GOOD));
    });
    await using dns = await startDns({ upstreams: [server.address] });
    expect(await ask(dns.port)).toBe(`rcode 0 ${GOOD}`);
    expect(server.queries).toHaveLength(1);
  });

  it('answering from another port is not heard', async () => {
    const other = createSocket('udp4');
    other.bind(0, '127.0.0.1');
    await once(other, 'listening');
    await using server = await upstream(async (query, send, client) => {
      other.send(answer(query, POISON), client.port, client.address, () => send(answer(query, GOOD)));
    });
    await using dns = await startDns({ upstreams: [server.address] });
    expect(await ask(dns.port)).toBe(`rcode 0 ${GOOD}`);
    other.close();
  });

  it('sees another id and port with every question', async () => {
    await using server = await upstream((query, send) => send(answer(query, GOOD)));
    await using dns = await startDns({ upstreams: [server.address] });
    for (let index = 0; index < 24; index++) await ask(dns.port);
    expect(new Set(server.queries.map((query) => query.readUInt16BE(0))).size).toBeGreaterThan(20);
    expect(server.ports.size).toBeGreaterThan(12);
  });
});

describe('servers in turn', () => {
  const bad: readonly [string, Script][] = [
    ['silent', () => {}],
    ['failing', (query, send) => send(answer(query, POISON, (response) => response.writeUInt16BE(0x8182, 2)))],
    ['refusing', (query, send) => send(answer(query, POISON, (response) => response.writeUInt16BE(0x8185, 2)))],
  ];
  it.each(bad)('a %s one is followed by the next', async (_, script) => {
    await using first = await upstream(script);
    await using second = await upstream((query, send) => send(answer(query, GOOD)));
    await using dns = await startDns({ upstreams: [first.address, second.address] });
    expect(await ask(dns.port)).toBe(`rcode 0 ${GOOD}`);
    expect(first.queries).toHaveLength(1);
  });

  it('one that is not there is followed by the next at once', async () => {
    await using second = await upstream((query, send) => send(answer(query, GOOD)));
    await using dns = await startDns({ upstreams: ['127.0.0.1:9', second.address] });
    const started = performance.now();
    expect(await ask(dns.port)).toBe(`rcode 0 ${GOOD}`);
    expect(performance.now() - started).toBeLessThan(700);
  });

  it('only silence is SERVFAIL within the 5 s a client waits; a lost datagram is sent again', async () => {
    await using silent = await upstream(() => {});
    await using dns = await startDns({ upstreams: [silent.address] });
    const started = performance.now();
    expect(await ask(dns.port)).toBe('rcode 2');
    expect(performance.now() - started).toBeLessThan(5000);
    expect(silent.queries.length).toBeGreaterThan(1);
    expect(await dns.metrics.metrics()).toContain('fairlead_dns_upstream_requests_total{result="timeout"}');
  });

  it('NXDOMAIN is an answer', async () => {
    await using server = await upstream((query, send) =>
      send(answer(query, GOOD, (response) => response.writeUInt16BE(0x8183, 2))),
    );
    await using never = await upstream(() => {});
    await using dns = await startDns({ upstreams: [server.address, never.address] });
    expect(await ask(dns.port)).toBe(`rcode 3 ${GOOD}`);
    expect(never.queries).toEqual([]);
  });
});

describe('truncated answers', () => {
  const truncated: Script = (query, send) =>
    send(answer(query, POISON, (response) => response.writeUInt16BE(0x8380, 2)));

  it('are asked again over TCP, which may come in single octets', async () => {
    await using server = await upstream(truncated, (query) => answer(query, GOOD));
    await using dns = await startDns({ upstreams: [server.address] });
    expect(await ask(dns.port)).toBe(`rcode 0 ${GOOD}`);
    expect(await ask(dns.port, 'example.com', 'tcp')).toBe(`rcode 0 ${GOOD}`);
  });

  it('are passed on as they are where TCP fails', async () => {
    await using server = await upstream(truncated, () => undefined);
    await using dns = await startDns({ upstreams: [server.address] });
    expect(await ask(dns.port)).toBe(`rcode 0 tc ${POISON}`);
  });

  it('too large for a UDP client become TC and nothing; whole over TCP', async () => {
    const large = (query: Buffer) =>
      Buffer.concat([
        answer(query, GOOD, (response) => response.writeUInt16BE(41, 6)),
        Buffer.from('c00c0001000100000001000401020304'.repeat(40), 'hex'),
      ]);
    await using server = await upstream(truncated, large);
    await using dns = await startDns({ upstreams: [server.address] });
    expect(await ask(dns.port)).toBe('rcode 0 tc');
    expect(await ask(dns.port, 'example.com', 'tcp')).toBe(`rcode 0 ${GOOD}${' 1.2.3.4'.repeat(40)}`);
  });
});

it('routes the longest domain, and a route opens a private zone', async () => {
  const saying =
    (address: string): Script =>
    (query, send) =>
      send(answer(query, address));
  await using rest = await upstream(saying('192.0.2.1'));
  await using corp = await upstream(saying('192.0.2.2'));
  await using eu = await upstream(saying('192.0.2.3'));
  const routes = {
    'corp.example': [corp.address],
    'eu.corp.example': [eu.address],
    'ec2.internal': [eu.address],
    '9.10.in-addr.arpa': [eu.address],
  };
  await using dns = await startDns({ upstreams: [rest.address], routes });
  const asked = [
    'example.com',
    'corp.example',
    'x.CORP.example',
    'x.eu.corp.example',
    'ip.ec2.internal',
    '1.2.9.10.in-addr.arpa',
    'x.internal',
    'web',
    'web.nope.fairlead.internal',
  ];
  expect(await Promise.all(asked.map((name) => ask(dns.port, name)))).toEqual([
    'rcode 0 192.0.2.1',
    'rcode 0 192.0.2.2',
    'rcode 0 192.0.2.2',
    'rcode 0 192.0.2.3',
    'rcode 0 192.0.2.3',
    'rcode 0 192.0.2.3',
    'rcode 3',
    'rcode 0 10.96.0.1',
    'rcode 3',
  ]);
  expect(await dns.server.resolve('corp.example', 'A')).toMatchObject({
    handler: 'route',
    answers: [{ data: '192.0.2.2' }],
  });
});

it('answers SERVFAIL at once beyond so many questions under way, and counts it', async () => {
  const held: (() => void)[] = [];
  await using server = await upstream((query, send) => void held.push(() => send(answer(query, GOOD))));
  await using dns = await startDns({ upstreams: [server.address] });
  const asking = Array.from({ length: 512 }, () => dns.server.resolve('example.com', 'A'));
  await until(() => held.length >= 512);
  expect((await dns.server.resolve('example.com', 'A')).rcode).toBe('SERVFAIL');
  for (const release of held) release();
  await Promise.all(asking);
  expect(await dns.metrics.metrics()).toContain('fairlead_dns_upstream_requests_total{result="overload"} 1');
});
