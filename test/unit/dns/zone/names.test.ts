import { describe, expect, it } from 'vitest';
import { LocalNames } from '../../../../src/dns/local.ts';
import { rcodeName } from '../../../../src/dns/wire/codes.ts';
import { showMessage } from '../../../../src/dns/wire/decode.ts';
import { parseQuery } from '../../../../src/dns/wire/query.ts';
import { compileZones } from '../../../../src/dns/zone/locate.ts';
import type { ServiceTable } from '../../../../src/model/table.ts';
import { exampleTable, question } from '../../../support/dns.ts';

const HOST = '127.0.0.1';
const SHOP = '172.17.1.2';
const BLOG = '172.17.2.4';

const exampleOnce = () => {
  const table = exampleTable();
  return () => table;
};

function localNames(
  table: () => ServiceTable | undefined = exampleOnce(),
  stackOf: (address: string) => string | undefined = () => undefined,
): LocalNames {
  return new LocalNames({
    node: 'n1',
    ttl: { vip: 30, endpoints: 1, negative: 5 },
    zones: compileZones('Fairlead.internal.', ['service.consul', 'rancher.internal']),
    table,
    stackOf,
  });
}

/** `not ours`, `NXDOMAIN <soa owner>`, `NODATA <soa owner>`, or the answers sorted as `<ttl> <data>`. */
function lookup(name: string, type: string, client = HOST, local = localNames()): string | string[] {
  const packet = question(name, type);
  const query = parseQuery(packet);
  if (query?.kind !== 'query') throw new Error('the test asks nonsense');
  const reply = local.answer({ packet, query, client, transport: 'tcp' });
  if (reply === undefined) return 'not ours';
  const { answers, authority } = showMessage(reply.bytes);
  if (answers.length > 0) return answers.map(({ ttl, data }) => `${ttl} ${data}`).sort();
  const [soa] = authority;
  if (soa === undefined) return rcodeName(reply.rcode);
  expect(soa.type).toBe('SOA');
  expect(soa.ttl).toBe(5);
  return `${reply.rcode === 3 ? 'NXDOMAIN' : 'NODATA'} ${soa.name}`;
}

const DOMAIN = 'fairlead.internal.';
const web12 = ['1 172.17.0.2', '1 172.17.0.3'];

describe('names of the contract', () => {
  it.each<[name: string, type: string, expected: string | string[]]>([
    // Virtual addresses, short and full.
    ['web', 'A', ['30 10.96.0.1']],
    ['WEB.Fairlead.INTERNAL', 'A', ['30 10.96.0.1']],
    ['web.fairlead.internal', 'AAAA', ['30 fd00:f1::1']],
    ['web.shop', 'A', ['30 10.96.0.2']],
    ['web.shop.fairlead.internal', 'A', ['30 10.96.0.2']],
    ['web.shop.rancher.internal', 'A', ['30 10.96.0.2']],
    // Known name, other type: NODATA, which musl needs of AAAA.
    ['web.shop', 'AAAA', 'NODATA .'],
    ['web.shop.fairlead.internal', 'AAAA', `NODATA ${DOMAIN}`],
    ['web', 'MX', 'NODATA .'],
    ['web', 'TYPE65280', 'NODATA .'],
    ['web', 'HTTPS', 'NODATA .'],
    ['web', 'ANY', ['30 "RFC8482" ""']],
    // A virtual address stays while no endpoint is healthy.
    ['cache.blog', 'A', ['30 10.96.0.5']],
    ['tasks.cache.blog', 'A', 'NODATA .'],
    ['tasks.cache.blog.fairlead.internal', 'A', `NODATA ${DOMAIN}`],
    // Endpoints in rotation.
    ['tasks.web', 'A', web12],
    ['tasks.web.fairlead.internal', 'A', web12],
    ['tasks.web.shop', 'A', ['1 172.17.1.2']],
    ['tasks.db.shop', 'A', ['1 172.17.1.3']],
    ['tasks.web', 'AAAA', 'NODATA .'],
    ['tasks.nope', 'A', 'not ours'],
    ['tasks.nope.fairlead.internal', 'A', `NXDOMAIN ${DOMAIN}`],
    // Without a virtual address a service is its endpoints.
    ['peers', 'A', ['1 172.17.3.1']],
    ['peers', 'AAAA', ['1 fd00:17::1', '1 fd00:17::2']],
    // RFC 2782.
    [
      '_http._tcp.web',
      'SRV',
      ['1 1 1 3000 ac110002.addr.fairlead.internal.', '1 1 3 3001 ac110003.addr.fairlead.internal.'],
    ],
    [
      '_web._tcp.fairlead.internal',
      'SRV',
      ['1 1 1 3000 ac110002.addr.fairlead.internal.', '1 1 3 3001 ac110003.addr.fairlead.internal.'],
    ],
    ['_http._tcp.web.shop.fairlead.internal', 'SRV', ['1 1 1 3000 ac110102.addr.fairlead.internal.']],
    ['_http._tcp.tasks.web.shop', 'SRV', ['1 1 1 3000 ac110102.addr.fairlead.internal.']],
    ['_gossip._udp.peers', 'SRV', ['1 1 1 7946 ac110301.addr.fairlead.internal.']],
    ['_http._udp.peers.fairlead.internal', 'SRV', `NXDOMAIN ${DOMAIN}`],
    ['_none._tcp.web.fairlead.internal', 'SRV', `NXDOMAIN ${DOMAIN}`],
    ['_http._tcp.web', 'A', 'NODATA .'],
    ['_http._tcp.cache.blog', 'SRV', 'NODATA .'],
    ['_tcp.web.fairlead.internal', 'A', `NODATA ${DOMAIN}`],
    ['_udp.web.fairlead.internal', 'A', `NXDOMAIN ${DOMAIN}`],
    ['_tcp.fairlead.internal', 'A', `NODATA ${DOMAIN}`],
    ['_sip._tcp.example.com', 'SRV', 'not ours'],
    // Addresses in names, as SRV targets are.
    ['ac110002.addr.fairlead.internal', 'A', ['30 172.17.0.2']],
    ['AC110002.addr.consul', 'A', ['30 172.17.0.2']],
    ['fd000017000000000000000000000002.addr.consul', 'AAAA', ['30 fd00:17::2']],
    ['ac110002.addr.consul', 'AAAA', 'NODATA addr.consul.'],
    ['ac11000.addr.consul', 'A', 'NXDOMAIN addr.consul.'],
    // Consul: endpoints, never the virtual address.
    ['web.service.consul', 'A', web12],
    [
      'web.service.consul',
      'SRV',
      ['1 1 1 3000 ac110002.addr.fairlead.internal.', '1 1 3 3001 ac110003.addr.fairlead.internal.'],
    ],
    ['v2.web.service.consul', 'A', ['1 172.17.0.3']],
    ['a.b.web.service.consul', 'A', ['1 172.17.0.3']],
    ['shop.web.service.consul', 'A', ['1 172.17.1.2']],
    ['v9.web.service.consul', 'A', 'NXDOMAIN service.consul.'],
    [
      '_web._tcp.service.consul',
      'SRV',
      ['1 1 1 3000 ac110002.addr.fairlead.internal.', '1 1 3 3001 ac110003.addr.fairlead.internal.'],
    ],
    ['_web._v2.service.consul', 'SRV', ['1 1 3 3001 ac110003.addr.fairlead.internal.']],
    ['db.service.consul', 'A', ['1 172.17.1.3', '1 172.17.2.3']],
    ['nope.service.consul', 'A', 'NXDOMAIN service.consul.'],
    ['n1.node.consul', 'A', ['30 192.168.50.11']],
    ['x.query.consul', 'A', 'not ours'],
    // Nodes; a name may have dots and capitals.
    ['n1.node.fairlead.internal', 'A', ['30 192.168.50.11']],
    ['n2.example.com.node.fairlead.internal', 'A', ['30 192.168.50.12']],
    ['n6.node.fairlead.internal', 'AAAA', ['30 fd00:50::6']],
    ['n6.node.fairlead.internal', 'A', `NODATA ${DOMAIN}`],
    ['n9.node.fairlead.internal', 'A', `NXDOMAIN ${DOMAIN}`],
    // Reverse.
    ['1.0.96.10.in-addr.arpa', 'PTR', ['30 web.fairlead.internal.']],
    ['2.0.96.10.in-addr.arpa', 'PTR', ['30 web.shop.fairlead.internal.']],
    ['2.0.17.172.in-addr.arpa', 'PTR', ['1 tasks.web.fairlead.internal.']],
    ['12.50.168.192.in-addr.arpa', 'PTR', ['30 n2.example.com.node.fairlead.internal.']],
    ['11.50.168.192.in-addr.arpa', 'PTR', ['30 n1.node.fairlead.internal.']],
    [
      '2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.7.1.0.0.0.0.d.f.ip6.arpa',
      'PTR',
      ['1 tasks.peers.fairlead.internal.'],
    ],
    ['1.0.96.10.in-addr.arpa', 'A', 'NODATA 10.in-addr.arpa.'],
    ['9.9.96.10.in-addr.arpa', 'PTR', 'not ours'],
    ['01.0.96.10.in-addr.arpa', 'PTR', 'not ours'],
    ['8.8.8.8.in-addr.arpa', 'PTR', 'not ours'],
    // Apexes, and what only has names below it.
    ['fairlead.internal', 'SOA', ['5 ns.fairlead.internal. hostmaster.fairlead.internal. 7 3600 600 86400 5']],
    ['fairlead.internal', 'NS', ['30 ns.fairlead.internal.']],
    ['fairlead.internal', 'A', `NODATA ${DOMAIN}`],
    ['service.consul', 'NS', ['30 ns.fairlead.internal.']],
    ['ns.fairlead.internal', 'A', ['30 192.168.50.11', '30 192.168.50.12']],
    ['ns.fairlead.internal', 'AAAA', ['30 fd00:50::6']],
    ['shop.fairlead.internal', 'A', `NODATA ${DOMAIN}`],
    ['shop', 'A', 'NODATA .'],
    ['internal', 'A', 'NODATA .'],
    ['consul', 'A', 'NODATA .'],
    ['node.fairlead.internal', 'A', `NODATA ${DOMAIN}`],
    // Unknown: single labels and everything under our domains never leave; the rest is others'.
    ['nope', 'A', 'NXDOMAIN .'],
    ['nope.fairlead.internal', 'A', `NXDOMAIN ${DOMAIN}`],
    ['a.b.c.d.fairlead.internal', 'A', `NXDOMAIN ${DOMAIN}`],
    ['nope.rancher.internal', 'A', 'NXDOMAIN rancher.internal.'],
    ['web.nope', 'A', 'not ours'],
    ['example.com', 'A', 'not ours'],
    ['notfairlead.internal', 'A', 'not ours'],
    ['localhost', 'A', 'not ours'],
    ['.', 'NS', 'not ours'],
  ])('%s %s', (name, type, expected) => {
    expect(lookup(name, type)).toEqual(expected);
  });
});

describe('stack views', () => {
  it.each<[client: string, name: string, expected: string | string[]]>([
    [SHOP, 'web', ['30 10.96.0.2']],
    [SHOP, 'web.fairlead.internal', ['30 10.96.0.2']],
    [SHOP, 'tasks.web', ['1 172.17.1.2']],
    [SHOP, 'web.service.consul', ['1 172.17.1.2']],
    [SHOP, 'db', ['30 10.96.0.3']],
    [SHOP, 'db.blog', ['30 10.96.0.4']],
    // Not in its own stack: the only one there is.
    [SHOP, 'cache', ['30 10.96.0.5']],
    [BLOG, 'db', ['30 10.96.0.4']],
    [BLOG, 'web', ['30 10.96.0.1']],
    // Of no stack, and two to choose from.
    [HOST, 'db', 'NXDOMAIN .'],
    ['172.17.0.2', 'db.fairlead.internal', `NXDOMAIN ${DOMAIN}`],
    // A container on the host's network cannot be told from the host.
    ['192.168.50.11', 'db', 'NXDOMAIN .'],
  ])('%s asks %s', (client, name, expected) => {
    expect(lookup(name, 'A', client)).toEqual(expected);
  });

  it('of clients that are no endpoints come from beside the table, which is asked second', () => {
    const containers = new Map([
      ['172.17.1.99', 'shop'],
      ['172.17.1.98', 'void'],
      [SHOP, 'blog'],
    ]);
    const local = localNames(exampleOnce(), (address) => containers.get(address));
    const clients = ['172.17.1.99', SHOP, BLOG, '172.17.1.98', HOST];
    expect(clients.map((client) => lookup('db', 'A', client, local))).toEqual([
      ['30 10.96.0.3'],
      ['30 10.96.0.4'],
      ['30 10.96.0.4'],
      'NXDOMAIN .',
      'NXDOMAIN .',
    ]);
    expect(local.locate(['db'], '172.17.1.99')?.stack).toBe('shop');
    // What becomes known between two tables counts at once.
    containers.set('172.17.1.97', 'shop');
    expect(lookup('db', 'A', '172.17.1.97', local)).toEqual(['30 10.96.0.3']);
  });

  it('keeps what one stack is told from another', () => {
    const local = localNames();
    const answers = [SHOP, BLOG, SHOP, HOST, BLOG].map((client) => lookup('db', 'A', client, local));
    expect(answers).toEqual([['30 10.96.0.3'], ['30 10.96.0.4'], ['30 10.96.0.3'], 'NXDOMAIN .', ['30 10.96.0.4']]);
  });
});

it('is SERVFAIL before the first table, whatever the name', () => {
  const local = localNames(() => undefined);
  expect(lookup('web', 'A', HOST, local)).toBe('SERVFAIL');
  expect(lookup('example.com', 'A', HOST, local)).toBe('SERVFAIL');
});

it('never takes a dot within a label for a boundary', () => {
  const packet = question('xxxxxxxx.fairlead.internal', 'A');
  packet.write('web.shop', 13, 'latin1');
  const query = parseQuery(packet);
  if (query?.kind !== 'query') throw new Error('the test asks nonsense');
  const reply = localNames().answer({ packet, query, client: HOST, transport: 'udp' });
  expect(reply?.rcode).toBe(3);
});

it('rotates, so that each endpoint comes first in turn', () => {
  const local = localNames();
  const firsts = [1, 2, 3, 4].map(() => {
    const packet = question('tasks.web', 'A');
    const query = parseQuery(packet);
    if (query?.kind !== 'query') throw new Error('the test asks nonsense');
    const reply = local.answer({ packet, query, client: HOST, transport: 'udp' });
    return showMessage(reply?.bytes ?? Buffer.alloc(0)).answers[0]?.data;
  });
  expect(firsts).toEqual(['172.17.0.2', '172.17.0.3', '172.17.0.2', '172.17.0.3']);
});

it('answers from the next table at once', () => {
  let table = exampleTable();
  const local = localNames(() => table);
  expect(lookup('tasks.db.blog', 'A', HOST, local)).toEqual(['1 172.17.2.3']);
  const services = new Map([...table.services].filter(([key]) => key !== 'db.blog'));
  table = { ...table, revision: 8, services };
  expect(lookup('tasks.db.blog.fairlead.internal', 'A', HOST, local)).toBe(`NXDOMAIN ${DOMAIN}`);
});
