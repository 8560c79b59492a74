import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { type ChainOptions, handle } from '../../../src/dns/chain.ts';
import { Forwarder } from '../../../src/dns/forward/forwarder.ts';
import { Upstreams } from '../../../src/dns/forward/upstreams.ts';
import { LocalNames } from '../../../src/dns/local.ts';
import { DnsMetrics } from '../../../src/dns/metrics.ts';
import { SpecialNames } from '../../../src/dns/special.ts';
import { showMessage } from '../../../src/dns/wire/decode.ts';
import { parseQuery } from '../../../src/dns/wire/query.ts';
import { responseLimit, type Transport } from '../../../src/dns/wire/response.ts';
import { compileZones } from '../../../src/dns/zone/locate.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { silentLogger } from '../../../src/lib/logger.ts';
import type { ServiceTable } from '../../../src/model/table.ts';
import { endpoint, exampleTable, node, question, service, table } from '../../support/dns.ts';

/** The chain without any upstream server: what would be forwarded is SERVFAIL. */
function chainOf(current: ServiceTable): ChainOptions {
  const zones = compileZones('fairlead.internal', ['service.consul']);
  const common = { clock: systemClock, log: silentLogger };
  const upstreams = new Upstreams({
    ...common,
    configured: [],
    routes: {},
    resolvConf: '/nonexistent',
    own: () => [],
    hostAddresses: () => [],
  });
  const local = new LocalNames({
    node: 'n1',
    zones,
    ttl: { vip: 30, endpoints: 1, negative: 1 },
    table: () => current,
  });
  return {
    allow: () => true,
    local,
    special: new SpecialNames({ zones, context: () => local.context(), routeDepth: () => undefined }),
    forwarder: new Forwarder({ ...common, upstreams, metrics: new DnsMetrics(new Registry()) }),
  };
}

const crowd = service('crowd', {
  endpoints: Array.from({ length: 200 }, (_, number) => endpoint(`n1/c${number}`, `172.18.0.${number}`)),
});

async function checked(chain: ChainOptions, packet: Buffer, transport: Transport): Promise<void> {
  const reply = await handle(chain, { packet, client: '172.17.1.2', transport });
  if (reply === undefined) return;
  const query = parseQuery(packet);
  expect(reply.bytes.length).toBeLessThanOrEqual(query?.kind === 'query' ? responseLimit(query, transport) : 12);
  expect(reply.bytes.readUInt16BE(0)).toBe(packet.readUInt16BE(0));
  showMessage(reply.bytes);
}

describe('whatever arrives', () => {
  const example = exampleTable();
  const chain = chainOf(table([...example.services.values(), crowd], [...example.nodes.values()]));
  const names = [
    'web',
    'tasks.crowd',
    'crowd',
    '_http._tcp.crowd',
    'web.service.consul',
    'x.fairlead.internal',
    'ac110002.addr.consul',
    '1.0.96.10.in-addr.arpa',
    'a.localhost',
    'example.com',
    '.',
  ];
  const valid = fc
    .tuple(
      fc.constantFrom(...names),
      fc.constantFrom('A', 'AAAA', 'SRV', 'PTR', 'ANY', 'TYPE999'),
      fc.option(fc.nat(0xffff)),
    )
    .map(([name, type, size]) => question(name, type, size === null ? {} : { opt: { size } }));
  const mutations = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 });

  it('no reply is larger than its client takes, and each can be read', async () => {
    await fc.assert(
      fc.asyncProperty(
        valid,
        mutations,
        fc.nat(40),
        fc.constantFrom('udp' as const, 'tcp' as const),
        async (packet, changes, cut, transport) => {
          for (const [at, octet] of changes) packet.writeUInt8(octet, at % packet.length);
          await checked(chain, cut > 20 ? packet : packet.subarray(0, packet.length - cut), transport);
        },
      ),
      { numRuns: 5000 },
    );
  });

  it('random octets do no harm', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (octets) => checked(chain, Buffer.from(octets), 'udp')),
      { numRuns: 2000 },
    );
  });
});

it('names too long to be told are left out, not an error', async () => {
  const long = 'x'.repeat(63);
  const services = [service(long, { stack: long, endpoints: [endpoint('n1/a', '172.17.0.2')] })];
  const zones = compileZones(`${'d'.repeat(63)}.${'e'.repeat(63)}`, []);
  const local = new LocalNames({
    node: 'n1',
    zones,
    ttl: { vip: 30, endpoints: 1, negative: 1 },
    table: () => table(services, [node('y'.repeat(64), '192.168.50.1')]),
  });
  const chain = { ...chainOf(table([])), local };
  for (const name of ['2.0.17.172.in-addr.arpa', '1.50.168.192.in-addr.arpa']) {
    const reply = await handle(chain, { packet: question(name, 'PTR'), client: '127.0.0.1', transport: 'udp' });
    expect(reply).toMatchObject({ handler: 'local', rcode: 0 });
    expect(showMessage(reply?.bytes ?? Buffer.alloc(0)).answers).toEqual([]);
  }
});

it.each(['', 'a..b', 'x'.repeat(64), `${'x.'.repeat(110)}y`])('%j cannot be a domain', (domain) => {
  expect(() => compileZones(domain === '' ? '..' : domain, [])).toThrow(expect.objectContaining({ code: 'dns-name' }));
});

it('a flood of new names of ours holds no more memory than compiled answers may', async () => {
  const chain = chainOf(table([]));
  const ask = (number: number) =>
    handle(chain, {
      packet: question(`${number.toString(16).padStart(8, '0')}.addr.fairlead.internal`, 'A'),
      client: '127.0.0.1',
      transport: 'udp',
    });
  setFlagsFromString('--expose-gc');
  const collectGarbage: () => void = runInNewContext('gc');
  const used = () => {
    collectGarbage();
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
  const before = used();
  for (let number = 0; number < 150_000; number++) void ask(number);
  expect(used() - before).toBeLessThan(40 * 1024 * 1024);
});
